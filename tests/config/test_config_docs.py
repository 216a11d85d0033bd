"""docs/yaml.md says what the code does: its table is built from the dataclasses, its examples load."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.config.legacy import UNSUPPORTED_KEYS
from nc_trainer.config.section import Section, dotted, section_of

PAGE = (Path(__file__).parents[2] / "docs" / "yaml.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def rows(kind: type[Section]) -> Iterator[str]:
    for item in fields(kind):
        inner, key = section_of(item), dotted(kind.place, item.name)
        if inner is not None:
            yield from rows(inner)
        else:
            default = "null" if item.default is None else str(item.default).lower()
            yield f"| `{key}` | {item.metadata['rule'].expected} | `{default}` | {item.metadata['help']} |"


def test_the_table_of_keys_is_the_schema() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert table == list(rows(TuningConfig))


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_loads(tmp_path: Path, text: str) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(text, encoding="utf-8")
    assert isinstance(load_tuning_config(path), TuningConfig)


@pytest.mark.parametrize("key", sorted(UNSUPPORTED_KEYS))
def test_each_key_that_is_not_supported_yet_is_listed(key: str) -> None:
    assert f"`{key}`" in PAGE
