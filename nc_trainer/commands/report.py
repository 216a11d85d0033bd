"""`nc-trainer report`"""

from dataclasses import replace
from pathlib import Path

from nc_trainer.benchmark import BenchmarkReport
from nc_trainer.report.data import ReportData
from nc_trainer.report.write import PAGE_NAME, write_report


def report(directory: Path, benchmark: Path | None, without_texts: bool) -> int:
    """Make the page of a directory again from its data, with the latencies of a benchmark if one is given.

    Raises:
        NCTrainerError: a file cannot be read.
    """
    data = ReportData.load(directory)
    if benchmark is not None:
        data = replace(data, benchmark=BenchmarkReport.load(benchmark))
    write_report(data.for_hub() if without_texts else data, directory)
    print(f"Written: {directory / PAGE_NAME}")
    return 0
