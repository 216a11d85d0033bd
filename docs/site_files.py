"""A hook of properdocs: the site holds the pages of the whole repository, where they are, not only those of docs/."""

import re
from collections.abc import Iterator
from pathlib import Path

from properdocs.config.defaults import ProperDocsConfig as Config
from properdocs.structure.files import File, Files

PAGES = ("*.md", "docs/site.css", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md")
LINK = re.compile(r"\]\(([^)#\s]+)")


def on_files(files: Files, *, config: Config) -> Files:
    """The theme's files, the repository's pages, and every other file that a page links to."""
    root = Path(config.config_file_path).parent
    themes = [file for file in files if file.src_dir != config.docs_dir]
    return Files(themes + [_file(path.relative_to(root), root, config) for path in site_files(root)])


def site_files(root: Path) -> list[Path]:
    """Pages, and what they link to."""
    pages = {page for pattern in PAGES for page in root.glob(pattern)}
    return sorted(pages | {path for page in pages for path in _linked(page)})


def _linked(page: Path) -> Iterator[Path]:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        if path.is_file() and path.suffix != ".md":
            yield path


def _file(path: Path, root: Path, config: Config) -> File:
    return File(path.as_posix(), str(root), config.site_dir, config.use_directory_urls)
