"""The site builds without a warning (a dead link is one), and a browser that shows it asks nobody else for a file."""

import re
from pathlib import Path

import pytest
from helpers.markdown_blocks import ROOT
from repository_pages import pages

build = pytest.importorskip("properdocs.commands.build", reason="the site needs `pip install .[docs]`")
config = pytest.importorskip("properdocs.config")

FETCHED = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(//|https?:)|<link[^>]*\shref=[\"']?(//|https?:)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build.build(config.load_config(str(ROOT / "properdocs.yml"), strict=True, site_dir=str(folder)))
    return folder


def test_every_page_is_in_it(site: Path) -> None:
    names = {page.relative_to(ROOT).with_suffix(".html").as_posix() for page in pages(ROOT)}
    names = {name.replace("README.html", "index.html") for name in names}
    assert names <= {page.relative_to(site).as_posix() for page in site.rglob("*.html")}


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    found = [page.name for page in site.rglob("*.html") if FETCHED.search(page.read_text(encoding="utf-8"))]
    assert found == []
    styles = "".join(sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?://|https?:)", styles) == []
