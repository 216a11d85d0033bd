"""Where the search ran, and what it took."""

from nc_trainer.report.page.html import Html, definitions
from nc_trainer.report.page.number_format import seconds
from nc_trainer.report.report_data import ReportData


def machine(data: ReportData) -> Html | None:
    """CPU, threads, versions; time spent."""
    found = data.machine
    versions = {
        "Python": found.python,
        "torch": found.torch,
        "transformers": found.transformers,
        "nc_trainer": found.nc_trainer,
    }
    took = [f"{name} {seconds(value)}" for name, value in data.seconds.items()]
    return definitions(
        {
            "CPU": found.cpu,
            "cores": f"{found.physical_cores or '?'} ({found.logical_cores or '?'} logical)",
            "threads": found.threads,
            "instruction sets": None if found.isa is None else ", ".join(found.isa) or "none beyond AVX",
            "memory": None if found.memory_bytes is None else f"{found.memory_bytes / 2**30:.0f} GiB",
            "allocator": ", ".join(f"{name}={value}" for name, value in found.allocator.items()) or "default",
            "int8 engine": found.engine or "none",
            "system": found.os,
            "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
            "written": data.created,
            "time spent": ", ".join(took) or None,
        }
    )
