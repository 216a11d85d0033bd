"""What weakens the outcome."""

from nc_trainer.report.data import ReportData
from nc_trainer.report.page.html import Html, tag


def notes(data: ReportData) -> Html | None:
    """The warnings of the verdict."""
    if not data.warnings:
        return None
    return tag("ul", [tag("li", warning) for warning in data.warnings], class_="notes")
