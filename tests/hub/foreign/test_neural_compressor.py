"""What Neural Compressor 1.x and 2.x wrote loads as an int8 model of ours."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.encoder_decoders import small_encoder_decoder
from helpers.logits import logits
from helpers.neural_compressor_files import (
    LAYOUTS,
    WRITTEN_BY_2_6,
    int8_rows,
    legacy_state,
    needs_written_by_2_6,
    uint8_rows,
    write_legacy,
)
from helpers.tiny import tiny_bert
from torch import Tensor
from transformers import AutoConfig

from nc_trainer import CheckpointError, OptimizedModel, Recipe
from nc_trainer.hub import recipe_of

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
WRAPPED = ("bert.encoder.layer.0.attention.self.query", "bert.embeddings.word_embeddings", "classifier")
FALLBACK = "bert.encoder.layer.1.output.dense"
VARIANTS = {
    "dynamic": {},
    "static": {"static": True},
    "fallback": {"fallbacks": (FALLBACK,)},
    "wrapped": {"wrapped": WRAPPED},
    "float embeddings": {"embeddings": False},
}


def recipe(model: torch.nn.Module) -> Recipe:
    found = recipe_of(model)
    assert found is not None
    return found


def far(a: Tensor, b: Tensor) -> float:
    return float((a - b).pow(2).mean().sqrt())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_codes_and_float_weights_are_those_of_the_file(layout: str, variant: dict, tmp_path: Path) -> None:
    original = tiny_bert()
    write_legacy(original, tmp_path, layout, **variant)

    model = OptimizedModel.from_pretrained(tmp_path, config=None if layout == "upstream" else original.config)

    assert recipe(model).fallbacks == variant.get("fallbacks", ())
    state = model.state_dict()
    for name in recipe(model).quantized:
        quantized = int8_rows(original.get_submodule(name).weight.detach())
        assert torch.equal(state[f"{name}.qweight"], quantized.int_repr().clamp(min=-127))
        assert torch.equal(state[f"{name}.scale"], quantized.q_per_channel_scales().float())
        assert torch.equal(state[f"{name}.bias"], original.get_submodule(name).bias)
    table = original.bert.embeddings.word_embeddings.weight.detach()
    expected = uint8_rows(table).dequantize() if variant.get("embeddings", True) else table
    assert torch.equal(state["bert.embeddings.word_embeddings.weight"], expected)
    if variant.get("fallbacks"):
        assert torch.equal(state[f"{FALLBACK}.weight"], original.get_submodule(FALLBACK).weight)


def test_embeddings_become_int8_if_asked(tmp_path: Path) -> None:
    write_legacy(tiny_bert(), tmp_path, "upstream")
    model = OptimizedModel.from_pretrained(tmp_path, int8_embeddings=True)
    assert recipe(model).modules["bert.embeddings.word_embeddings"].value == "int8_weight_only"


def test_an_output_layer_that_shared_its_table_is_int8_on_its_own(tmp_path: Path) -> None:
    original = small_encoder_decoder("bart")
    state = legacy_state_of_bart(original)
    original.config.architectures = [type(original).__name__]
    original.config.save_pretrained(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin")
    model = OptimizedModel.from_pretrained(tmp_path)
    assert "lm_head" in recipe(model).quantized
    ids = torch.tensor([[3, 4, 5, 2]])
    assert far(logits(model, input_ids=ids), logits(original, input_ids=ids)) < 0.1


def legacy_state_of_bart(model: torch.nn.Module) -> dict:
    """Linear layers only: its positional embeddings are a class of their own, which was left alone."""
    state = model.state_dict()
    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear:
            del state[f"{name}.weight"]
            state.pop(f"{name}.bias", None)
            state[f"{name}._packed_params._packed_params"] = int8_rows(module.weight.detach()), module.bias
    return state


def test_what_it_is_saved_as_loads_to_the_same_bits(tmp_path: Path) -> None:
    write_legacy(tiny_bert(), tmp_path / "old", "upstream")
    model = OptimizedModel.from_pretrained(tmp_path / "old")
    model.save_pretrained(tmp_path / "new")
    inputs = {"input_ids": torch.tensor([[5, 6, 7]])}
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path / "new"), **inputs), logits(model, **inputs))


def test_a_model_of_the_hub_loads_too(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--some--model" / "snapshots" / "0123abc"
    write_legacy(tiny_bert(), snapshot, "upstream")
    refs = tmp_path / "models--some--model" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0123abc")
    assert recipe(OptimizedModel.from_pretrained("some/model", cache_dir=str(tmp_path))).quantized


class Planted:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple:
        return print, ("code of a checkpoint was run",)


@pytest.mark.parametrize("planted", [Planted(), Path("x")], ids=["code", "class"])
def test_no_class_of_the_file_is_taken_on_trust(
    planted: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_legacy(tiny_bert(), tmp_path, "upstream")
    torch.save(legacy_state(tiny_bert()) | {"best_configure": planted}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"needs code to be read .* save the model's `state_dict"):
        OptimizedModel.from_pretrained(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_torchscript_program_is_not_run(tmp_path: Path) -> None:
    write_legacy(tiny_bert(), tmp_path, "upstream")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="TorchScript program, which is not run"):
        OptimizedModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 2000])
def test_a_truncated_file_is_one_error(kept: int, tmp_path: Path) -> None:
    original = tiny_bert()
    write_legacy(original, tmp_path, "2.x")
    path = tmp_path / "best_model.pt"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"best_model\.pt"):
        OptimizedModel.from_pretrained(tmp_path, config=original.config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("classifier._packed_params._packed_params"), "lacks .'classifier.bias"),
        (lambda state: state.update(extra=torch.zeros(2)), "no place for .'extra"),
        (lambda state: state.update({"bert.pooler.input_scale_of": torch.ones(2)}), "no place for"),
    ],
    ids=["missing", "unexpected", "smoothing"],
)
def test_a_file_that_does_not_fit_the_config_is_refused(
    change: Callable[[dict], object], message: str, tmp_path: Path
) -> None:
    write_legacy(tiny_bert(), tmp_path, "upstream")
    state = legacy_state(tiny_bert())
    change(state)
    torch.save(state, tmp_path / "best_model.pt")
    with pytest.raises(CheckpointError, match=message):
        OptimizedModel.from_pretrained(tmp_path)


def test_without_a_config_the_error_says_where_to_give_one(tmp_path: Path) -> None:
    write_legacy(tiny_bert(), tmp_path, "1.x")
    with pytest.raises(CheckpointError, match=r"without a config\.json: pass `config=` of the float model"):
        OptimizedModel.from_pretrained(tmp_path)


@needs_written_by_2_6
@pytest.mark.parametrize("name", ["bert_dynamic", "bert_dynamic_fallback", "bert_static"])
@pytest.mark.parametrize("layout", ["upstream", "saved"])
def test_what_2_6_wrote_comes_nearer_to_the_float_model_than_it_was(name: str, layout: str) -> None:
    directory = WRITTEN_BY_2_6 / name
    reference = torch.load(directory / "reference.pt")
    model = OptimizedModel.from_pretrained(directory / layout, config=AutoConfig.from_pretrained(directory / "fp32"))
    found = logits(model, **{key: reference[key] for key in ("input_ids", "attention_mask")})
    assert far(found, reference["fp32"]) < far(reference["int8"], reference["fp32"])
    assert far(found, reference["int8"]) < 2 * far(reference["int8"], reference["fp32"])
    fallbacks = ("bert.encoder.layer.0.intermediate.dense",) if name.endswith("fallback") else ()
    assert recipe(model).fallbacks == fallbacks
