"""docs/architecture.md names every room of the package."""

import pytest
from helpers.markdown_blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = [
    path for path in (ROOT / "nc_trainer").iterdir() if not path.name.startswith("__") and path.suffix != ".typed"
]


@pytest.mark.parametrize("name", sorted(path.name + "/" * path.is_dir() for path in PACKAGE))
def test_it_has_a_place_in_the_table(name: str) -> None:
    assert f"`{name}`" in PAGE
