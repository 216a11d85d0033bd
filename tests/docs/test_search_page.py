"""The search that is drawn in docs/search.md is the one that `basic` does."""

import re

from helpers.markdown_blocks import ROOT
from helpers.planted import needs, space, until_accepted

from nc_trainer.config.recipe import Recipe
from nc_trainer.search import make_strategy

DRAWN = re.compile(r"^trial (\d+) +([F.]{12})  (met|refused)", flags=re.MULTILINE)
MODULES = list("ABCDEFGHIJKL")


def test_the_drawing_is_the_search() -> None:
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    seen = until_accepted(make_strategy("basic"), space(MODULES), needs("B", "E"))
    assert DRAWN.findall(page) == [
        (str(trial.number), drawn(trial.recipe), "met" if trial.accepted else "refused") for trial in seen
    ]


def drawn(recipe: Recipe) -> str:
    return "".join("F" if name in recipe.fallbacks else "." for name in MODULES)
