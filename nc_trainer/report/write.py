"""The page and its data as files, beside the model."""

import logging
import os
from pathlib import Path

from nc_trainer._files import write_text_atomically
from nc_trainer.report.data import ReportData
from nc_trainer.report.page import render_page

PAGE_NAME = "report.html"

logger = logging.getLogger(__name__)


def write_report(data: ReportData, directory: str | os.PathLike[str]) -> None:
    """Write `report.html` and `nc_trainer_report.json`, from which the page can be made again."""
    page = render_page(data)
    data.save(directory)
    write_text_atomically(Path(directory) / PAGE_NAME, page)


def try_to_write_report(data: ReportData, directory: str | os.PathLike[str]) -> None:
    """Likewise; a failure costs a warning and not the model that is being saved."""
    try:
        write_report(data, directory)
    except Exception as error:
        logger.warning("The model is saved, its report is not: %s: %s", type(error).__name__, error)
