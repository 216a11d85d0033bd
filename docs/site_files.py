"""A hook of properdocs: the site holds the pages of the whole repository, where they are, not only those of docs/."""

from collections.abc import Iterator
from pathlib import Path

from properdocs.config.defaults import ProperDocsConfig as Config
from properdocs.structure.files import File, Files
from repository_pages import links_of, pages


def on_files(files: Files, *, config: Config) -> Files:
    """The theme's files, the repository's pages and the site's styles, and every other file that a page links to."""
    root = Path(config.config_file_path).parent
    themes = [file for file in files if file.src_dir != config.docs_dir]
    return Files(themes + [_file(path.relative_to(root), root, config) for path in site_files(root)])


def site_files(root: Path) -> list[Path]:
    """Pages, what they link to, and the styles."""
    found = set(pages(root))
    return sorted(found | {path for page in found for path in _linked(page)} | {root / "docs" / "site.css"})


def _linked(page: Path) -> Iterator[Path]:
    for link in links_of(page.read_text(encoding="utf-8")):
        path = (page.parent / link).resolve()
        if path.is_file() and path.suffix != ".md":
            yield path


def _file(path: Path, root: Path, config: Config) -> File:
    return File(path.as_posix(), str(root), config.site_dir, config.use_directory_urls)
