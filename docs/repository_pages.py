"""Which pages the documentation consists of, and what they link to."""

import re
from pathlib import Path

PATTERNS = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md")
LINK = re.compile(r"\]\(([^)#\s]+)")


def pages(root: Path) -> list[Path]:
    """The Markdown pages of the repository at `root`."""
    return sorted({page for pattern in PATTERNS for page in root.glob(pattern)})


def links_of(text: str) -> list[str]:
    """The files that a page links to, without anchors, as they are written."""
    return [link for link in LINK.findall(text) if "://" not in link]
