"""The Python of every page runs as it stands, block after block in one namespace, where `make demo` has run."""

from pathlib import Path

import pytest
from helpers.markdown_blocks import PAGES, ROOT, Block, blocks_in

from nc_trainer.int8.quantize import is_int8

pytestmark = pytest.mark.slow

README = ROOT / "README.md"


def run_page(page: Path) -> dict[str, object]:
    """What the blocks of a page define."""
    names: dict[str, object] = {"__name__": page.stem}
    for block in python_of(page):
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
    return names


def python_of(page: Path) -> list[Block]:
    return [block for block in blocks_in("python") if block.page == page]


@pytest.mark.usefixtures("working_directory")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if python_of(page)],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_the_python_runs(page: Path) -> None:
    assert run_page(page)


@pytest.mark.usefixtures("working_directory")
def test_the_readme_ends_with_an_int8_model(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_page(README)
    assert "Outcome:" in capsys.readouterr().out
    assert is_int8(names["model"])


def test_the_first_block_of_the_readme_is_short() -> None:
    assert len(python_of(README)[0].text.splitlines()) <= 15
