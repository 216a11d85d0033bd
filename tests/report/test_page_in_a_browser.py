"""The page as a browser shows it: on a phone, in the dark, printed, with a keyboard."""

import base64
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.browser import Browser, browser, missing
from helpers.report_data import benchmark_report, report_data

from nc_trainer.report.page import render_page
from nc_trainer.report.report_data import Sensitivity, Speed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]
PAGES = {
    "full": report_data(benchmark=benchmark_report()),
    "bare": report_data(warnings=(), sensitivity=Sensitivity(), speed=Speed(), outcome="best_effort"),
    "long names": report_data(model=replace(report_data().model, name="m" * 200), reason="r" * 300),
}


@pytest.fixture(scope="module")
def shown() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module", params=PAGES, ids=str)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(PAGES[request.param]), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_but_the_file_is_asked_for_and_nothing_is_wrong(shown: Browser, page: Path, width: int) -> None:
    shown.show(page, width)
    assert {address for address in shown.requests() if not address.startswith("data:")} == {page.as_uri()}
    assert shown.console() == []


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_the_page_is_no_wider_than_the_screen(shown: Browser, page: Path, width: int) -> None:
    shown.show(page, width)
    assert shown.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1100])
def test_axe_finds_nothing(shown: Browser, page: Path, width: int, scheme: str) -> None:
    shown.show(page, width, scheme)
    assert shown.accessibility_violations() == []


def test_the_reader_chooses_light_or_dark(shown: Browser, page: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        shown.show(page, scheme=scheme)
        colours.append(shown.run("return getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(253, 253, 252)", "rgb(20, 23, 24)"]


def test_it_can_be_printed(shown: Browser, page: Path) -> None:
    shown.show(page)
    printed = base64.b64decode(shown.command("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF")
    assert printed.rstrip().endswith(b"%%EOF")


def test_headings_are_in_order(shown: Browser, page: Path) -> None:
    shown.show(page)
    levels = shown.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_picture_says_what_it_is(shown: Browser, page: Path) -> None:
    shown.show(page)
    named = "return [...document.querySelectorAll('svg[role=img]')].map(s => !!s.querySelector('title').textContent)"
    assert shown.run(named).count(False) == 0
    assert shown.run("return document.querySelectorAll('body > * svg:not([role=img]):not([aria-hidden])').length") == (
        shown.run("return document.querySelectorAll('svg[role=img] svg').length")
    )


def test_marks_stay_inside_their_picture(shown: Browser, page: Path) -> None:
    shown.show(page, 390)
    outside = """
        return [...document.querySelectorAll('svg[role=img]')].flatMap(picture => {
            const frame = picture.getBoundingClientRect();
            return [...picture.querySelectorAll('circle, path, text, rect')].filter(shape => {
                const box = shape.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
            }).map(shape => shape.outerHTML);
        })"""
    assert shown.run(outside) == []


def test_the_first_tab_leads_past_the_links(shown: Browser, page: Path) -> None:
    shown.show(page)
    for kind in ("rawKeyDown", "keyUp"):
        shown.command("Input.dispatchKeyEvent", {"type": kind, "key": "Tab", "windowsVirtualKeyCode": 9})
    assert shown.run("return document.activeElement.className") == "skip"
