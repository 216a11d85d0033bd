"""Every class: its int8 is close to float, does not move with the batch, is pickled, and loaded in a fresh process.

`make families` does the same, and writes docs/families.md.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers.families.classes import Classifier, classifiers
from helpers.families.known import known_faults, surprises
from helpers.families.page import part_of
from helpers.families.walk import walk

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
TOGETHER = 40
"""So many classes are loaded in one fresh process: it takes seconds to start."""
PARTS = [classifiers()[first : first + TOGETHER] for first in range(0, len(classifiers()), TOGETHER)]


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part[0].name}...{part[-1].name}")
def test_every_class_does_what_the_page_says(part: Sequence[Classifier]) -> None:
    found = [each for each in walk(part) if not each.lacks]
    assert [line for each in found for line in surprises(each.classifier.name, each.faults)] == []


def test_the_page_has_every_family() -> None:
    table, _, others = part_of(PAGE.read_text(encoding="utf-8")).partition("These do not:")
    passed = set(re.findall(r"^\| ([\w-]+) \|", table, re.MULTILINE)) - {"family"}
    for each in classifiers():
        assert each.family in passed or f"| {each.name} |" in others, f"`make families` has not seen {each.name}"


def test_the_page_has_every_known_fault() -> None:
    page = part_of(PAGE.read_text(encoding="utf-8"))
    table = page.partition("These do not:")[2].partition("These need")[0]
    listed = dict(re.findall(r"^\| (\w+For\w+) \| (.*) \|$", table, re.MULTILINE))
    for each in classifiers():
        known = known_faults(each.name)
        assert each.name not in listed or known
        for fault in known:
            assert fault.why in listed.get(each.name, "") or not fault.always
