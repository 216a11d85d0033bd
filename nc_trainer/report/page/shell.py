"""The page around its sections: one file, which asks for nothing from anywhere."""

from importlib.resources import files

from nc_trainer.report.page.html import Html, join, tag, void
from nc_trainer.report.page.sections import SECTIONS, PageSection
from nc_trainer.report.page.summary import summary
from nc_trainer.report.report_data import ReportData

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Enforced by the browser: whatever stands in the page, nothing is fetched and nothing runs."""


def render_page(data: ReportData) -> str:
    """The report as a complete HTML document."""
    shown = [(one, body) for one, body in ((one, one.body(data)) for one in SECTIONS) if body]
    body = tag(
        "body",
        tag("a", "Skip to the sections", href="#main", class_="skip"),
        tag("header", summary(data), _navigation([one for one, _ in shown])),
        tag("main", [_section(one, content) for one, content in shown], id="main", tabindex="-1"),
        tag("footer", tag("p", f"Written by nc_trainer {data.machine.nc_trainer or ''} on {data.created}.")),
    )
    return "<!DOCTYPE html>\n" + tag("html", _head(data), body, lang="en") + "\n"


def _head(data: ReportData) -> Html:
    style = Html((files(__package__) / "style.css").read_text(encoding="utf-8"))
    return tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=POLICY),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("link", rel="icon", href="data:,"),
        tag("title", f"{data.model.name} in int8: report"),
        tag("style", style),
    )


def _navigation(shown: list[PageSection]) -> Html:
    links = [tag("li", tag("a", one.title, href=f"#{one.identifier}")) for one in shown]
    return tag("nav", tag("ul", links), aria_label="Sections")


def _section(one: PageSection, content: Html) -> Html:
    heading = tag("h2", one.title, id=f"{one.identifier}-title")
    return tag("section", heading, join(content), id=one.identifier, aria_labelledby=f"{one.identifier}-title")
