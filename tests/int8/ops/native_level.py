"""Run by test_native_levels.py, in a process whose instruction set is forced."""

import os

import pytest

from nc_trainer.int8.ops.engines import native


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    assert native.unavailable_reason() is None


def test_the_forced_level_is_the_one_in_use() -> None:
    assert native.isa() == os.environ["NC_TRAINER_ISA"]
