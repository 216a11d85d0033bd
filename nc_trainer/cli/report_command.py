"""`nc-trainer report`"""

from pathlib import Path

from nc_trainer.benchmark import BenchmarkReport
from nc_trainer.report.report_data import ReportData
from nc_trainer.report.report_files import PAGE_NAME, Report


def report(directory: Path, benchmark: Path | None, plots: bool, without_texts: bool) -> int:
    """Make the page and the model card of a directory again from its data, with a benchmark's latencies if given.

    Raises:
        NCTrainerError: a file cannot be read, or matplotlib is missing for plots.
    """
    data = ReportData.load(directory)
    found = Report(data.without_texts() if without_texts else data, plots)
    if benchmark is not None:
        found = found.with_benchmark(BenchmarkReport.load(benchmark))
    found.write(directory)
    print(f"Written: {directory / PAGE_NAME}")
    return 0
