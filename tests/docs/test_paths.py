"""What the pages call a file, a directory or a module of this repository is there."""

import importlib
import re
from pathlib import Path

import pytest
from helpers.markdown_blocks import ROOT
from repository_pages import links_of, pages

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
TOP = r"(?:nc_trainer|tests|docs|examples|benchmarks)/[\w./-]*"
SOURCE = r"[\w.-]+/[\w./-]*(?:\.(?:py|cpp|h|sh|css)|/)"
MODULE = re.compile(r"\bnc_trainer(?:\.\w+)+")
PAGES = pages(ROOT)


def by_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def paths_of(page: Path) -> list[str]:
    """What is in backticks and begins at the top of the repository, or is a source file or a directory in another."""
    codes = CODE.findall(page.read_text(encoding="utf-8"))
    return sorted({code for code in codes if re.fullmatch(f"{TOP}|{SOURCE}", code)})


def is_there(name: str) -> bool:
    """Whether a dotted name can be imported, or is an attribute of what can."""
    module, *rest = name.split(".")
    found = importlib.import_module(module)
    for part in rest:
        module = f"{module}.{part}"
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
    return True


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_a_path_exists(page: Path) -> None:
    above = (ROOT, ROOT / "nc_trainer", page.parent)
    assert [path for path in paths_of(page) if not any((folder / path).exists() for folder in above)] == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_a_link_leads_to_a_file(page: Path) -> None:
    links = links_of(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_a_name_of_the_package_can_be_imported(page: Path) -> None:
    names = {name for code in CODE.findall(page.read_text(encoding="utf-8")) for name in MODULE.findall(code)}
    assert [name for name in sorted(names) if not is_there(name)] == []
