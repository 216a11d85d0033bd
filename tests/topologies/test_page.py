"""docs/topologies.md says of each topology what the scripts do with it."""

import re
from pathlib import Path

from topologies import TOPOLOGIES, Topology

PAGE = Path(__file__).parents[2] / "docs" / "topologies.md"
ROW = re.compile(r"\| `(\w+)` \| (\w+) \| ([\w-]+) \| `([\w/.-]+)` \| [45., 7]+ \| (\d+) \| (\d+) \|")


def test_the_table_is_the_scripts_own() -> None:
    matches = map(ROW.fullmatch, PAGE.read_text(encoding="utf-8").splitlines())
    rows = [match.groups() for match in matches if match]
    known = [
        Topology(name, task, kind, base, int(tuning), int(timed)) for name, task, kind, base, tuning, timed in rows
    ]
    assert known == list(TOPOLOGIES.values())
