"""The rooms of the package: which may import which, how many there are, how large files and functions are."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from helpers.markdown_blocks import ROOT

PACKAGE = ROOT / "nc_trainer"
TREES = {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}

MAY_IMPORT = {
    "errors": "",
    "config": "errors",
    "text_data": "errors",
    "int8": "errors config",
    "hub": "errors config int8",
    "benchmark": "errors config int8 hub",
    "explain": "errors benchmark",
    "search": "errors config int8 hub benchmark explain",
    "report": "errors config int8 hub benchmark explain search",
    "trainer": "errors config int8 hub benchmark explain search report text_data",
    "compat": "errors config int8 hub benchmark search report text_data",
    "cli": "errors config hub benchmark search report trainer text_data __init__",
    "__init__": "errors config int8 hub report trainer",
    "tuning": "search",
    "experimental": "compat",
    "quantization": "compat",
    "training": "compat",
    "utils": "compat",
}
"""By room, the other rooms that it imports from, for types too. The last five are import paths of earlier names."""

ONE_NAME_FOR_ONE_IDEA = {
    "__init__.py": "Python's own name",
    "common.py": "the import path of Neural Compressor, and what stands behind it",
    "load_huggingface.py": "the import path of Neural Compressor, and what stands behind it",
    "explanations.py": "what is found out, and the section of the page that shows it",
    "flipped.py": "what is found out, and the section of the page that shows it",
    "machine.py": "what is found out, and the section of the page that shows it",
    "notes.py": "what is found out, and the section of the page that shows it",
    "recipe.py": "what is found out, and the section of the page that shows it",
    "sensitivity.py": "what is found out, and the section of the page that shows it",
}
TWINS = {"Metric": "Neural Compressor's name for what computes one, and the search's for what is judged"}


def room(path: Path) -> str:
    """The entry at the top of the package that a file is in."""
    return path.parts[1].removesuffix(".py")


def imported_rooms(tree: ast.Module) -> Iterator[str]:
    """The rooms that a file imports from, anywhere in it; `__init__` for what stands in the package itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for package, _, rest in (name.partition(".") for name in names):
            if package == "nc_trainer":
                first = rest.partition(".")[0]
                yield first if first in MAY_IMPORT else "__init__"


def test_every_room_is_in_the_table() -> None:
    assert {room(path) for path in TREES} == set(MAY_IMPORT)
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= 19


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_room_imports_from_the_rooms_that_it_may(name: str) -> None:
    found = {other for path, tree in TREES.items() if room(path) == name for other in imported_rooms(tree)}
    assert found - {name} == set(MAY_IMPORT[name].split())


def test_no_rooms_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: others.split() for name, others in MAY_IMPORT.items()}).prepare()


def test_files_of_one_name_hold_one_idea() -> None:
    names = Counter(path.name for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {name for name, count in names.items() if count > 1} == set(ONE_NAME_FOR_ONE_IDEA)


def test_classes_of_one_name_hold_one_idea() -> None:
    names = Counter(node.name for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1 and not name.startswith("_")} == set(TWINS)


@pytest.mark.parametrize("suffix", [".py", ".h", ".cpp", ".css"])
def test_no_file_is_longer_than_400_lines(suffix: str) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(suffix)}
    assert {path.name: length for path, length in lengths.items() if length > 400} == {}


def test_no_function_is_longer_than_46_lines() -> None:
    functions = [
        (f"{path}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert {name: length for name, length in functions if length > 46} == {}


def sources(suffix: str) -> list[Path]:
    found = list(PACKAGE.rglob(f"*{suffix}"))
    assert found
    return found
