import pytest
import torch
from torch import Tensor

from nc_trainer.benchmark.workload import Workload, describe_workload
from nc_trainer.errors import NCTrainerError


def tokens(rows: int, length: int, real: int) -> dict[str, Tensor]:
    mask = (torch.arange(length) < real).long().expand(rows, length)
    return {"input_ids": torch.ones(rows, length, dtype=torch.long), "attention_mask": mask}


def test_text_batches_of_several_shapes() -> None:
    workload = describe_workload([tokens(4, 10, 8), tokens(4, 20, 20), tokens(2, 12, 6)])
    assert workload == Workload(
        samples=10,
        batch_size_min=2,
        batch_size_max=4,
        sequence_length_min=10,
        sequence_length_median=12.0,
        sequence_length_max=20,
        tokens_real=4 * 8 + 4 * 20 + 2 * 6,
        tokens_padding=4 * 2 + 2 * 6,
        lengths="as collated",
        fingerprint=workload.fingerprint,
    )


def test_without_attention_mask_padding_is_unknown() -> None:
    with_mask, without_mask = tokens(1, 5, 5), {"input_ids": torch.ones(1, 7, dtype=torch.long)}
    workload = describe_workload([with_mask, without_mask])
    assert (workload.tokens_real, workload.tokens_padding) == (None, None)
    assert workload.sequence_length_max == 7


def test_the_tokens_of_choices_are_counted_and_not_the_choices() -> None:
    batch = {"input_ids": torch.ones(2, 3, 7, dtype=torch.int64), "attention_mask": torch.ones(2, 3, 7)}
    workload = describe_workload([batch])
    assert (workload.batch_size_max, workload.sequence_length_max, workload.tokens_real) == (2, 7, 42)


def test_batches_that_are_not_text_have_no_sequence_length() -> None:
    workload = describe_workload([{"pixels": torch.zeros(3, 8, 8)}])
    assert (workload.samples, workload.sequence_length_median) == (3, None)


def test_a_batch_without_batch_dimension_is_refused() -> None:
    with pytest.raises(NCTrainerError, match="no tensor with a batch dimension"):
        describe_workload([{"temperature": torch.tensor(1.0)}])
