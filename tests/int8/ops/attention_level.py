"""Run by test_native_levels.py, in a process whose instruction set is forced."""

from nc_trainer.int8.ops.attention import native_instruction_set


def test_the_forced_level_is_the_one_in_use() -> None:
    assert native_instruction_set() == "amx"
