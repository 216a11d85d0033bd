"""The report as one HTML page: a shell and a list of sections."""

from nc_trainer.report.page.shell import render_page

__all__ = ["render_page"]
