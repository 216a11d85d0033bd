"""docs/architecture.md names every room of the package, and the files that one `quantize()` goes through."""

import re

import pytest
from helpers.markdown_blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = [
    path for path in (ROOT / "nc_trainer").iterdir() if not path.name.startswith("__") and path.suffix != ".typed"
]


@pytest.mark.parametrize("name", sorted(path.name + "/" * path.is_dir() for path in PACKAGE))
def test_it_has_a_place_in_the_table(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_one_quantize_is_read_in_15_files() -> None:
    named = re.findall(r"^\d+\. `([^`]+)`: ", PAGE, flags=re.MULTILINE)
    assert 0 < len(named) <= 15
    assert [name for name in named if not (ROOT / name).is_file() and not (ROOT / "nc_trainer" / name).is_file()] == []
