"""The commands of every page are commands: what they name exists, and its parser takes their options.

Nothing is run but the scripts' own argument parsers.
"""

import os
import re
import runpy
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers.markdown_blocks import ROOT, Block, blocks_in

from nc_trainer.cli.main import make_parser

ASSIGNMENT = re.compile(r"\w+=.*")


class Parsed(Exception):
    """The parser took everything."""


def existing(name: str, folders: Sequence[Path]) -> Path:
    """The file of that name: a reader is in the root of the repository, or beside the page."""
    paths = [folder / name for folder in folders if (folder / name).exists()]
    assert paths, f"there is no {name}"
    return paths[0]


def check_make(arguments: list[str], folders: Sequence[Path]) -> None:
    makefile = existing("Makefile", folders).read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z0-9-]*):", makefile, flags=re.MULTILINE)
    assert {argument for argument in arguments if "=" not in argument} <= set(targets)


def check_nc_trainer(arguments: list[str], folders: Sequence[Path]) -> None:
    make_parser().parse_args(arguments)


def check_pip(arguments: list[str], folders: Sequence[Path]) -> None:
    assert arguments[0] == "install"
    for before, after in pairwise(arguments):
        if before in ("-r", "-c"):
            existing(after, folders)


def check_python(arguments: list[str], folders: Sequence[Path]) -> None:
    """A script's parser is given the arguments; of a module (`-m`) only the paths are looked at."""
    first, *rest = (argument for argument in arguments if argument != "-u")
    if first == "-m":
        for path in (argument for argument in rest if "/" in argument):
            existing(path, folders)
        return
    script = existing(first, folders)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentParser, "parse_known_args", _only_parse(ArgumentParser.parse_known_args))
        patch.setattr(sys, "argv", [str(script), *rest])
        patch.setattr(sys, "path", [str(script.parent), *sys.path])
        with pytest.raises(Parsed):
            runpy.run_path(str(script), run_name="__main__")


def check_shell_script(arguments: list[str], folders: Sequence[Path]) -> None:
    """Every `--option` is spelled out in the script."""
    text = existing(arguments[0], folders).read_text(encoding="utf-8")
    options = [argument.partition("=")[0] for argument in arguments[1:]]
    assert [option for option in options if option not in text] == []


CHECKS: dict[str, Callable[[list[str], Sequence[Path]], None]] = {
    "make": check_make,
    "nc-trainer": check_nc_trainer,
    "pip": check_pip,
    "python": check_python,
    "bash": check_shell_script,
    "sh": check_shell_script,
}


def _only_parse(original: Callable[..., Any]) -> Callable[..., Any]:
    def parse(parser: ArgumentParser, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        _, rest = original(parser, args, namespace)
        assert rest == []
        raise Parsed

    return parse


def commands(text: str) -> list[list[str]]:
    """The commands of a block, each as its words."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


@pytest.mark.parametrize("block", blocks_in("bash"), ids=lambda block: block.name)
def test_the_commands_are_taken(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLUE_DIR", raising=False)
    folder = ROOT
    for words in commands(block.text):
        while ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        program, arguments = os.path.basename(words[0]), words[1:]
        if program == "cd":
            folder = (folder / arguments[0]).resolve(strict=True)
        elif program != "export":
            CHECKS[program](arguments, [folder, block.page.parent])


def test_a_wrong_option_is_noticed() -> None:
    arguments = ["run_glue_tune.py", "--model_name_or_path", "m", "--output_dir", "o", "--no_such_option"]
    with pytest.raises(AssertionError, match="no_such_option"):
        check_python(arguments, [ROOT / "examples" / "text-classification"])
