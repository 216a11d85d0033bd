"""Batches of rows of about the same length: less padding, the same metric."""

from itertools import pairwise
from pathlib import Path

import pytest
from helpers.tiny import tiny_trainer
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import QuantizationError
from nc_trainer.trainer.row_order import length_order


@given(lengths=st.lists(st.integers(1, 50)), batch_size=st.integers(1, 9), seed=st.integers(0, 9))
def test_every_row_comes_once_beside_rows_of_neighbouring_length(
    lengths: list[int], batch_size: int, seed: int
) -> None:
    order = length_order(lengths, batch_size, seed)
    assert sorted(order) == list(range(len(lengths)))
    batches = [[lengths[row] for row in order[i : i + batch_size]] for i in range(0, len(order), batch_size)]
    spans = sorted((min(batch), max(batch)) for batch in batches)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_batches_come_in_an_order_of_their_own() -> None:
    order = length_order(list(range(100)), 10, seed=0)
    assert order != sorted(order)
    assert order == length_order(list(range(100)), 10, seed=0)


def test_the_metric_stays_and_padding_shrinks(tmp_path: Path) -> None:
    plain = tiny_trainer(tmp_path / "plain")
    sorted_ = tiny_trainer(tmp_path / "sorted", arguments={"batch_by_length": True})
    assert sorted_.evaluate()["eval_accuracy"] == plain.evaluate()["eval_accuracy"]
    padding = [trainer.benchmark().workload.tokens_padding or 0 for trainer in (plain, sorted_)]
    assert 0 < padding[1] < padding[0]


def test_quantize_meets_the_criterion_on_sorted_batches(tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path, arguments={"batch_by_length": True}).quantize()
    assert result.outcome in ("met", "best_effort")
    assert result.baseline.value == 1.0


def test_rows_without_lengths_are_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments={"batch_by_length": True})
    rows = list(trainer.eval_dataset or [])
    with pytest.raises(QuantizationError, match=r"`batch_by_length` needs .* column `input_ids`"):
        trainer.evaluate(rows)
