"""What weakens the outcome."""

from nc_trainer.report.page.html import Html, tag
from nc_trainer.report.report_data import ReportData


def notes(data: ReportData) -> Html | None:
    """The warnings of the verdict."""
    if not data.warnings:
        return None
    return tag("ul", [tag("li", warning) for warning in data.warnings], class_="notes")
