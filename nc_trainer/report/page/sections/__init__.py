"""The sections of the page, in their order. Each is a function of the data, None where it has nothing to show."""

from collections.abc import Callable
from typing import NamedTuple

from nc_trainer.report.page.html import Html
from nc_trainer.report.page.sections.explanations import explanations
from nc_trainer.report.page.sections.flipped import flipped
from nc_trainer.report.page.sections.latency import latency
from nc_trainer.report.page.sections.machine import machine
from nc_trainer.report.page.sections.notes import notes
from nc_trainer.report.page.sections.recipe import recipe
from nc_trainer.report.page.sections.sensitivity import sensitivity
from nc_trainer.report.page.sections.trials import trials
from nc_trainer.report.report_data import ReportData


class PageSection(NamedTuple):
    """A part of the page: what links call it, its heading, and the function that gives what stands below."""

    identifier: str
    title: str
    body: Callable[[ReportData], Html | None]


SECTIONS = (
    PageSection("notes", "Before you believe it", notes),
    PageSection("trials", "Accuracy against speed", trials),
    PageSection("sensitivity", "Where int8 hurts", sensitivity),
    PageSection("flipped", "Answers that changed", flipped),
    PageSection("explanations", "What the answers rest on", explanations),
    PageSection("latency", "Latency", latency),
    PageSection("recipe", "The recipe", recipe),
    PageSection("machine", "Machine and versions", machine),
)
