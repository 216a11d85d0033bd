"""Fingerprints: equal for equal content in every process, different for whatever changes a trial."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset
from helpers.tiny import tiny_bert, token_rows
from torch.utils.data import IterableDataset, Subset, TensorDataset
from transformers import BertConfig, BertForMaskedLM, BertModel

import nc_trainer
from nc_trainer.config import ExitPolicy, ModelConfig, TuningConfig
from nc_trainer.int8.quantize import full_recipe
from nc_trainer.search import fingerprint as module
from nc_trainer.search.fingerprint import (
    UNKNOWN,
    changed_parts,
    config_fingerprint,
    dataset_fingerprint,
    model_fingerprint,
    search_fingerprint,
    version_fingerprint,
)


@dataclass
class Example:
    text: str


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))

    def __len__(self) -> int:
        return 3


def changed_by(change: Callable[[torch.nn.Module], object]) -> list[str]:
    model = tiny_bert()
    before = model_fingerprint(model)
    change(model)
    return changed_parts(before, model_fingerprint(model))


def data(dataset: Any) -> dict[str, Any]:
    return dataset_fingerprint(dataset, "the data")


def flip_the_last_bit(model: torch.nn.Module) -> None:
    model.get_parameter("classifier.weight").data.view(torch.int32)[0, 0] ^= 1


def test_equal_models_have_equal_fingerprints() -> None:
    assert model_fingerprint(tiny_bert()) == model_fingerprint(tiny_bert())
    assert set(model_fingerprint(tiny_bert())) == {"the model's class", "the model's weights", "the model's config"}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (flip_the_last_bit, ["the model's weights"]),
        (lambda model: model.half(), ["the model's weights"]),
        (lambda model: model.register_buffer("extra", torch.zeros(())), ["the model's weights"]),
        (lambda model: setattr(model.config, "num_attention_heads", 8), ["the model's config"]),
        (lambda model: setattr(model.config, "_name_or_path", "elsewhere"), []),
        (lambda model: model.train(), []),
    ],
    ids=["one-bit", "dtype", "buffer", "config", "where-from", "mode"],
)
def test_a_change_of_the_model_is_named(change: Callable[[torch.nn.Module], object], parts: list[str]) -> None:
    assert changed_by(change) == parts


def test_the_class_is_compared() -> None:
    base, other = BertConfig(vocab_size=9, hidden_size=8, num_attention_heads=2, num_hidden_layers=1), BertModel
    parts = changed_parts(model_fingerprint(other(base)), model_fingerprint(BertForMaskedLM(base)))
    assert "the model's class: BertModel -> BertForMaskedLM" in parts


def holding(**buffers: torch.Tensor) -> torch.nn.Module:
    module = torch.nn.Module()
    for name, tensor in buffers.items():
        module.register_buffer(name, tensor)
    return module


def test_names_and_shapes_are_compared_where_bytes_are_the_same() -> None:
    zeros = torch.zeros(4, 2)
    views = [{"a": zeros}, {"b": zeros}, {"a": zeros.T}, {"a": zeros, "b": zeros}, {"a": zeros, "b": zeros.T}]
    digests = {model_fingerprint(holding(**buffers))["the model's weights"] for buffers in views}
    assert len(digests) == len(views)


def test_the_order_in_which_weights_were_registered_does_not_matter() -> None:
    one, other = torch.zeros(1), torch.ones(1)
    assert model_fingerprint(holding(a=one, b=other)) == model_fingerprint(holding(b=other, a=one))


def test_tied_weights_count_as_what_they_hold() -> None:
    tied = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    untied = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    untied.load_state_dict(tied.state_dict())
    assert model_fingerprint(tied) == model_fingerprint(untied)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.int8], ids=["bf16", "bool", "int8"])
def test_any_dtype_and_layout_is_read(dtype: torch.dtype) -> None:
    one = holding(x=torch.tensor([[1, 0], [1, 1]], dtype=dtype).T)
    other = holding(x=torch.tensor([[1, 1], [0, 1]], dtype=dtype))
    assert model_fingerprint(one) == model_fingerprint(other)


def test_equal_data_has_equal_fingerprints_whatever_its_history() -> None:
    rows = token_rows()
    assert data(rows) == data(rows.map(lambda row: row)) == data(rows.select(range(24)))
    assert data(rows) == data(rows.with_format("torch"))
    assert data(rows)["rows of the data"] == 24


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.select(range(23)),
        lambda rows: rows.select([1, 0, *range(2, 24)]),
        lambda rows: rows.rename_column("input_ids", "ids"),
        lambda rows: rows.add_column("labels", [0] * 24),
        lambda rows: rows.map(lambda row, at: {"input_ids": [1]} if at == 23 else row, with_indices=True),
    ],
    ids=["fewer", "order", "name", "column", "one-value"],
)
def test_a_change_of_the_data_is_noticed(change: Callable[[Dataset], Dataset]) -> None:
    assert data(change(token_rows()))["the data"] != data(token_rows())["the data"]


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ([{"x": 1}], [{"x": 1}], [{"x": 1.0}]),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}], [{"a": 2, "b": 1}]),
        (TensorDataset(torch.ones(3)), TensorDataset(torch.ones(3)), TensorDataset(torch.ones(3).double())),
        (
            Subset(TensorDataset(torch.arange(3)), [0, 2]),
            [(torch.tensor(0),), (torch.tensor(2),)],
            Subset(TensorDataset(torch.arange(3)), [0, 1]),
        ),
        ([np.ones((2, 3))], [np.ones((3, 2)).T], [np.ones((3, 2))]),
        ([np.array(["a", None], dtype=object)], [["a", None]], [["a", 0]]),
        ([np.float32(0.5)], [0.5], [0.25]),
        ([Example("a")], [Example("a")], [Example("b")]),
        ([transformers.BatchEncoding({"x": [1]})], [{"x": [1]}], [{"x": [2]}]),
        ([b"ab"], [bytearray(b"ab")], [b"ac"]),
        ([date(2020, 1, 2)], ["2020-01-02"], [date(2020, 1, 3)]),
    ],
    ids=[
        "number",
        "keys",
        "tensors",
        "subset",
        "array",
        "objects",
        "scalar",
        "dataclass",
        "encoding",
        "bytes",
        "date",
    ],
)
def test_anything_with_a_length_and_indices_is_read(one: Any, same: Any, other: Any) -> None:
    assert data(one) == data(same)
    assert data(one)["the data"] != data(other)["the data"]
    assert data(one)["the data"] != UNKNOWN


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (None, {"the data": None}),
        ((row for row in range(3)), {"the data": UNKNOWN}),
        (Stream(), {"the data": UNKNOWN}),
        (token_rows().to_iterable_dataset(), {"the data": UNKNOWN}),
        ([object(), object()], {"the data": UNKNOWN, "rows of the data": 2}),
    ],
    ids=["none", "generator", "iterable-with-length", "streamed", "objects"],
)
def test_what_cannot_be_read_is_said_to_be_unknown(dataset: Any, expected: dict[str, Any]) -> None:
    assert data(dataset) == expected


def test_each_of_several_data_sets_is_named() -> None:
    both = data({"matched": [1, 2], "mismatched": [3]})
    assert changed_parts(both, data({"matched": [1, 2], "mismatched": [4, 5]})) == [
        "rows of the data `mismatched`: 1 -> 2",
        "the data `mismatched`",
    ]


@pytest.mark.parametrize("kind", [list, lambda rows: Dataset.from_dict({"x": rows})], ids=["list", "datasets"])
def test_large_data_is_sampled_evenly_with_both_ends(
    kind: Callable[[list[int]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAMPLED_ROWS", 3)
    before = data(kind(list(range(9))))
    read = [at for at in range(9) if data(kind([99 if row == at else row for row in range(9)])) != before]
    assert read == [0, 4, 8]


def test_every_key_of_the_configuration_is_compared_but_the_exempt() -> None:
    parts = config_fingerprint(TuningConfig())
    assert parts["tuning.accuracy_criterion.relative"] == 0.01
    assert parts["tuning.strategy.name"] == "basic"
    assert not set(parts) & module.EXEMPT_KEYS


def test_a_changed_criterion_is_named_with_both_values() -> None:
    changed = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"relative": 0.02}}})
    found = changed_parts(config_fingerprint(TuningConfig()), config_fingerprint(changed))
    assert found == ["tuning.accuracy_criterion.relative: 0.01 -> 0.02"]


def test_the_budget_and_the_label_may_change() -> None:
    config = TuningConfig()
    more = replace(config.tuning, exit_policy=ExitPolicy(timeout=60, max_trials=7))
    changed = replace(config, tuning=more, model=ModelConfig(name="mine"), version="2.0")
    assert config_fingerprint(config) == config_fingerprint(changed)


def test_exempt_keys_exist() -> None:
    assert {key for key, _ in module._flat(TuningConfig().to_dict())} >= module.EXEMPT_KEYS


@pytest.mark.parametrize(
    ("name", "holder"), [("nc_trainer", module), ("torch", torch), ("transformers", transformers)]
)
def test_a_changed_version_is_named(name: str, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before, old = version_fingerprint(), str(holder.__version__)
    monkeypatch.setattr(holder, "__version__", "99.0")
    assert changed_parts(before, version_fingerprint()) == [f"{name} version: {old} -> 99.0"]


def test_parts_that_come_and_go_are_named() -> None:
    assert changed_parts({"a": 1, "b": None}, {"b": None, "c": "x"}) == ["c: absent -> x", "a: 1 -> absent"]


def whole(embeddings: bool = False, **changes: Any) -> dict[str, Any]:
    model, rows = tiny_bert(), token_rows().map(lambda row: {"labels": len(row["input_ids"])})
    options = {"metric": "f1", "higher_is_better": None, "evaluation_data": {"a": rows}, "calibration_data": rows}
    return search_fingerprint(model, full_recipe(model, embeddings=embeddings), TuningConfig(), **options | changes)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"metric": None}, ["the metric that was asked for: f1 -> null"]),
        ({"higher_is_better": True}, ["the direction that was asked for: null -> true"]),
        ({"embeddings": True}, ["the modules that can be int8"]),
        ({"calibration_data": [1]}, ["rows of the calibration data: 24 -> 1", "the calibration data"]),
    ],
    ids=["metric", "direction", "modules", "calibration"],
)
def test_whatever_else_a_search_is_given_is_compared(change: dict[str, Any], parts: list[str]) -> None:
    assert changed_parts(whole(), whole(**change)) == parts


WHOLE = """
import json, runpy, sys
print(json.dumps(runpy.run_path(sys.argv[1])["whole"]()))
"""


@pytest.mark.slow
def test_another_process_finds_the_same() -> None:
    places = [str(Path(__file__).parents[1]), str(Path(nc_trainer.__file__).parents[1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", WHOLE, __file__]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(printed.stdout.splitlines()[-1]) == whole()
