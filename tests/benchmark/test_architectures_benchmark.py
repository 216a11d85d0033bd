"""benchmarks/architectures: what is counted, and that nothing but attention and named fallbacks computes in float."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.architectures import CONFIGS, HEADS, SMALL, small
from helpers.tiny import tiny_bert

from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "architectures"
IDS = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 11, 12, 2]])
SEGMENTS = ("funnel", "xlnet")
# Weights that are too small to be worth a module: segments are two rows a head; on 4.57 embeddings of rare words are
# projected by parameters whose dtype Transformer-XL reads.
LEFT_IN_FLOAT = {"funnel": "seg_embed", "xlnet": "seg_embed", "transfo-xl": "emb_projs"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def float_weights(load: Callable[[str], Any], name: str, fallbacks: tuple[str, ...] = ()) -> set[str]:
    """Names of the float parameters that an int8 model multiplies."""
    model = small(name, attn_implementation="eager")
    ModuleSwapper(model).apply(full_recipe(model).with_fallbacks(fallbacks))
    batch = {"input_ids": IDS} | ({"token_type_ids": IDS % 2} if name in SEGMENTS else {})
    return set().union(*(product.parameters for product in load("matmuls").products(model, batch)))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_no_float_weight_is_multiplied(name: str, load: Callable[[str], Any]) -> None:
    found = float_weights(load, name)
    assert all(name in LEFT_IN_FLOAT and LEFT_IN_FLOAT[name] in weight for weight in found)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_the_weight_of_a_fallback_is_multiplied(name: str, load: Callable[[str], Any]) -> None:
    fallback = next(iter(full_recipe(small(name)).modules))
    parameters = dict(small(name).named_parameters())
    weight = fallback if fallback in parameters else f"{fallback}.weight"
    assert float_weights(load, name, (fallback,)) - float_weights(load, name) == {weight}


def test_products_are_counted_by_what_they_multiply(load: Callable[[str], Any]) -> None:
    tokens, hidden, inner, layers = 6, 32, 64, 2
    model = tiny_bert(num_labels=3, attn_implementation="eager")
    row = load("flops").share("tiny", model, load("checkpoints").one_row(model, tokens))
    in_layers = layers * 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner)
    assert row.int8_flops == in_layers + 2 * hidden * hidden + 2 * hidden * 3
    assert row.attention_flops == layers * 2 * 2 * tokens * tokens * hidden
    assert row.other_flops == 0
    assert row.modules == 14
    assert row.int8_weights == layers * (4 * hidden * hidden + 2 * hidden * inner) + hidden * hidden + hidden * 3
    assert row.embedding_weights == (50 + 32 + 2) * hidden


@pytest.mark.parametrize("name", ["bert", "bart", "xlnet"])
def test_a_model_without_memory_counts_the_same(name: str, load: Callable[[str], Any]) -> None:
    checkpoints, flops = load("checkpoints"), load("flops")
    real = small(name, attn_implementation="eager")
    hollow = checkpoints.model_without_memory(SMALL | CONFIGS[name] | {"model_type": name})
    batch = checkpoints.one_row(real, 12)
    assert flops.share(name, hollow, batch) == flops.share(name, real, batch)
    assert all(tensor.untyped_storage().nbytes() <= 8 for tensor in hollow.parameters())


def test_attention_that_is_not_counted_is_an_error(load: Callable[[str], Any]) -> None:
    model = tiny_bert(attn_implementation="sdpa")
    with pytest.raises(NotImplementedError, match="is not counted"):
        load("matmuls").products(model, {"input_ids": IDS})


def test_the_page_shows_the_table_of_the_file(load: Callable[[str], Any]) -> None:
    flops = load("flops")
    rows = flops.read(FOLDER / "flops.json")
    page = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    assert list(rows) == list(load("checkpoints").CHECKPOINTS)
    assert flops.with_table(page, list(rows.values())) == page
    assert f"\n{flops.table(list(rows.values()))}\n" in page


def test_the_command_keeps_rows_of_architectures_that_are_not_installed(
    load: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flops, output, page = load("flops"), tmp_path / "flops.json", tmp_path / "page.md"
    page.write_text("# Title\n\n| sizes of |\n|---|\n\nMore.\n", encoding="utf-8")
    bert = {"model_type": "bert", **SMALL, **HEADS}
    monkeypatch.setattr("sys.argv", ["flops.py", "--output", str(output), "--page", str(page)])
    monkeypatch.setattr(flops, "CHECKPOINTS", {"first": bert})
    flops.main()
    monkeypatch.setattr(flops, "CHECKPOINTS", {"first": {"model_type": "no-such-model"}, "second": bert})
    flops.main()
    assert list(flops.read(output)) == ["first", "second"]
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[4:6]] == ["| first", "| second"]
    assert lines[6:] == ["", "More."]
