"""The search that is drawn in docs/search.md is the one that `basic` does; the steps around it are those of `run`."""

import inspect
import re

from helpers.markdown_blocks import ROOT
from helpers.planted import needs, space, until_accepted

from nc_trainer.config.recipe import Recipe
from nc_trainer.search import make_strategy, steps

DRAWN = re.compile(r"^trial (\d+) +([F.]{12})  (met|refused)", flags=re.MULTILINE)
MODULES = list("ABCDEFGHIJKL")


PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")


def test_the_drawing_is_the_search() -> None:
    seen = until_accepted(make_strategy("basic"), space(MODULES), needs("B", "E"))
    assert DRAWN.findall(PAGE) == [
        (str(trial.number), drawn(trial.recipe), "met" if trial.accepted else "refused") for trial in seen
    ]


def drawn(recipe: Recipe) -> str:
    return "".join("F" if name in recipe.fallbacks else "." for name in MODULES)


def test_the_steps_are_called_in_their_order() -> None:
    table = re.search(r"^\| function \|.*?\n(?=\n)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert table
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in table[0].splitlines()[2:]))
    code = inspect.getsource(steps.run)
    places = [code.find(f"{name}(") for name in named]
    assert -1 not in places
    assert places == sorted(places)
