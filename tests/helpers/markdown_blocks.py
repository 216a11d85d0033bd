"""The fenced code blocks of the documentation, for the tests that run them.

A block that cannot run says so in the line above it, with the reason: `<!-- not run: needs a model hub -->`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repository_pages import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in pages(ROOT) if page.name != "CHANGELOG.md" and page.parent.name != "reference"]
FENCE = re.compile(r"^(```+)(\S*)[^\n]*\n(.*?)^\1$", flags=re.DOTALL | re.MULTILINE)
MARKER = re.compile(r"<!-- not run: (.+) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        page: file that holds it.
        line: of its first line of code, counted from 1.
        language: what follows the opening fence, "" for nothing.
        text: the code.
        not_run: why it cannot run, or None.
    """

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None

    @property
    def name(self) -> str:
        """Page and line, as an id of a test."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    content = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(content):
        marker = MARKER.search(content[: found.start()])
        line = content.count("\n", 0, found.start(3)) + 1
        yield Block(page, line, found[2], found[3], marker[1] if marker else None)


def blocks_in(*languages: str) -> list[Block]:
    """All blocks in these languages that are not marked."""
    return [
        block for page in PAGES for block in blocks_of(page) if block.language in languages and block.not_run is None
    ]
