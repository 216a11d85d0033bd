"""Models in ONNX Runtime and OpenVINO: int8 where the recipe has int8, the logits those of the float model or near."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from helpers.architectures import CONFIGS, small
from helpers.float_and_int8 import FALLBACK, float_and_int8
from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer.cli import main
from nc_trainer.config.recipe import Precision
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import OptimizedModel, attach, recipe_of
from nc_trainer.hub.export import ExportSource, export_model
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
PADDING, END = 1, 2
TOLERANCE = 0.15
"""Of the largest logit. Random weights have no answer that is sure; a wrong graph is off by more than 1."""
REFUSED = {
    ("funnel", "onnx"): "FunnelForSequenceClassification on inputs of other shapes",
    ("funnel", "openvino"): "FunnelForSequenceClassification on inputs of other shapes",
    ("mbart", "openvino"): "MBartForSequenceClassification cannot be exported to openvino",
}
"""Funnel's positions are tables as long as the traced row; the rank of MBart's chosen rows is unknown to OpenVINO."""


@pytest.fixture(params=["onnx", "openvino"])
def runtime(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    if request.param == "openvino":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
        pytest.importorskip("nncf", reason="the extra openvino is not installed")
    return str(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return float_and_int8(tmp_path_factory.mktemp("runtimes"))


def command(place: Path, runtime: str, int8: str, output: Path) -> int:
    data = ["--data", str(place / "dev.csv"), "--text_column_names", "sentence", "--absolute", "0.2"]
    return main(["export", str(place / "float"), str(place / int8), str(output), "--format", runtime, *data])


def test_what_the_recipe_has_in_float_stays_float(place: Path, runtime: str, tmp_path: Path) -> None:
    assert command(place, runtime, "good", tmp_path / "out") == 0
    recipe = recipe_of(OptimizedModel.from_pretrained(place / "good"))
    assert recipe is not None
    int8 = {name for name, precision in recipe.modules.items() if precision is Precision.INT8_DYNAMIC}
    assert len(int8) == 13
    assert FALLBACK not in int8
    assert _int8_modules(runtime, tmp_path / "out") == int8


def test_a_recipe_that_the_model_does_not_stand_is_refused(place: Path, tmp_path: Path) -> None:
    """By ONNX Runtime; the smoothing of OpenVINO's quantizer may save this model."""
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    assert command(place, "onnx", "int8", tmp_path / "out") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_of_any_shape(name: str, runtime: str, tmp_path: Path) -> None:
    model = small(name)
    with _refused_if((name, runtime)):
        run = export_model(_source(model, name), runtime, tmp_path)
        for rows, tokens in [(1, 5), (4, 12), (3, 20), (1, 1)]:
            batch = _batch(rows, tokens, rows)
            with torch.no_grad():
                expected = model(**batch).logits
            assert (run(batch) - expected).abs().max() < TOLERANCE * expected.abs().max()


def _refused_if(case: tuple[str, str]) -> AbstractContextManager[object]:
    return pytest.raises(NCTrainerError, match=REFUSED[case]) if case in REFUSED else nullcontext()


def _source(model: PreTrainedModel, name: str) -> ExportSource:
    int8 = small(name)
    recipe = full_recipe(int8)
    ModuleSwapper(int8).apply(recipe)
    attach(int8, recipe)
    return ExportSource(model, int8, recipe, [_batch(4, 12, seed) for seed in range(8)], max_length=32)


def _batch(rows: int, tokens: int, seed: int) -> dict[str, Tensor]:
    """Rows of several lengths that end with the token that BART looks for."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 60, (rows, tokens), generator=generator)
    lengths = torch.randint(1, tokens + 1, (rows,), generator=generator) if rows > 1 else torch.tensor([tokens])
    positions = torch.arange(tokens)
    ids[positions == lengths[:, None] - 1] = END
    ids[positions >= lengths[:, None]] = PADDING
    return {"input_ids": ids, "attention_mask": (positions < lengths[:, None]).long()}


def _int8_modules(runtime: str, directory: Path) -> set[str]:
    """Modules whose weight the exported model multiplies in int8."""
    if runtime == "onnx":
        import onnx

        nodes = onnx.load(directory / "model.onnx").graph.node
        names = [node.name for node in nodes if node.op_type == "MatMulInteger"]
    else:
        import openvino

        model = openvino.Core().read_model(directory / "openvino_model.xml")
        names = [node.get_friendly_name() for node in model.get_ops() if _multiplies_int8(node)]
    return {name.split("/MatMul")[0].split("/Gemm")[0].removeprefix("/model/").replace("/", ".") for name in names}


def _multiplies_int8(node: object) -> bool:
    """Whether the second input is a constant in int8 that is converted and scaled."""
    if node.get_type_name() != "MatMul":  # type: ignore[attr-defined]
        return False
    source = node.input_value(1).get_node()  # type: ignore[attr-defined]
    while source.get_input_size() and source.get_type_name() != "Constant":
        source = source.input_value(0).get_node()
    return bool(source.get_type_name() == "Constant" and source.get_element_type().to_string() == "i8")
