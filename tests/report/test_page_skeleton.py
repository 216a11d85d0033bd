"""The page as markup: what stands in it, and that text from outside stays text."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from helpers.report_data import EXAMPLES, report_data

from nc_trainer.report.page import render_page
from nc_trainer.report.page.html import join, tag, void
from nc_trainer.report.report_data import ReportData

VOID = {"meta", "link", "wbr", "input"}


class Tree(HTMLParser):
    """Checks that every element is closed, and keeps what was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Tree:
    tree = Tree()
    tree.feed(page)
    tree.close()
    assert tree.open == []
    return tree


def attributes(page: str, name: str) -> list[str]:
    return [found[name] or "" for _, found in parsed(page).seen if name in found]


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b", tag("b", "&"), title='"') == '<p title="&quot;">a &lt; b<b>&amp;</b></p>'


def test_none_is_left_out_and_lists_are_taken_apart() -> None:
    assert join("a", None, ["b", ("c",)], 1) == "abc1"


def test_attributes_may_be_absent_or_bare() -> None:
    assert void("input", disabled=True, checked=False, aria_label=None) == "<input disabled>"


def test_every_element_is_closed_and_every_id_is_there_once() -> None:
    identifiers = attributes(render_page(report_data()), "id")
    assert len(set(identifiers)) == len(identifiers)


def test_links_and_labels_point_to_something() -> None:
    page = render_page(report_data())
    targets = [link.removeprefix("#") for link in attributes(page, "href") if link.startswith("#")]
    targets += [name for names in attributes(page, "aria-labelledby") for name in names.split()]
    assert set(targets) <= set(attributes(page, "id"))


def test_nothing_is_fetched() -> None:
    page = render_page(report_data())
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "<script" not in page
    assert attributes(page, "src") == []


HOSTILE = '<script>alert("x")</script>&\'"'


@pytest.mark.parametrize(
    "changed",
    [
        report_data(model=replace(report_data().model, name=HOSTILE)),
        report_data(reason=HOSTILE),
        report_data(warnings=(HOSTILE,)),
        report_data(flipped=replace(report_data().flipped, examples=(replace(EXAMPLES[0], texts=(HOSTILE,)),))),
        report_data(metric=replace(report_data().metric, name=HOSTILE)),
        report_data(machine=replace(report_data().machine, cpu=HOSTILE)),
    ],
    ids=["model", "reason", "warning", "example", "metric", "cpu"],
)
def test_text_from_outside_stays_text(changed: ReportData) -> None:
    page = render_page(changed)
    assert "<script" not in page
    parsed(page)


def test_a_section_without_content_is_left_out() -> None:
    assert 'id="notes"' in render_page(report_data())
    assert 'id="notes"' not in render_page(report_data(warnings=()))
