"""Blocks that are not Python: configurations load, JSON parses, and every block says what it is."""

import json
from pathlib import Path

import pytest
from helpers.markdown_blocks import PAGES, Block, blocks_in, blocks_of

from nc_trainer.config import TuningConfig, load_tuning_config

LANGUAGES = {"python", "yaml", "bash", "json", "text"}
ALL = [block for page in PAGES for block in blocks_of(page)]


def by_name(block: Block) -> str:
    return block.name


@pytest.mark.parametrize("block", blocks_in("yaml"), ids=by_name)
def test_a_configuration_loads(tmp_path: Path, block: Block) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(block.text, encoding="utf-8")
    assert isinstance(load_tuning_config(path), TuningConfig)


@pytest.mark.parametrize("block", blocks_in("json"), ids=by_name)
def test_json_parses(block: Block) -> None:
    """Whole, or line by line."""
    try:
        json.loads(block.text)
    except json.JSONDecodeError:
        assert [json.loads(line) for line in block.text.splitlines()]


@pytest.mark.parametrize("block", ALL, ids=by_name)
def test_the_language_is_known(block: Block) -> None:
    assert block.language in LANGUAGES


def test_blocks_that_do_not_run_are_rare() -> None:
    assert 10 * len([block for block in ALL if block.not_run]) <= len(ALL)
