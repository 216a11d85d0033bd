"""Time the forward pass of nc_trainer's int8 and of its peers, in turn, in one process.

    python benchmarks/engine/compare_peers.py --output peers.json [--glue DIR --tokenizer DIR]

Writes the raw durations as JSON, the same name with .md for the tables and .png for the plot. See README.md here
for what is measured and how it is kept fair.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.int8_peak import int8_peak_tops
from harness.models import make_model
from harness.process import limit_threads, restart_with_allocator, versions
from harness.report import markdown
from harness.runner import run_workload, scratch_directory
from harness.workloads import WORKLOADS, calibration_batches, timed_batches
from nc_trainer.benchmark import describe_machine
from nc_trainer.benchmark.machine import available_processors
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.int8.ops import current_engine
from peers import PEERS, SUBJECTS
from peers.interface import Task

FORMAT, VERSION = "nc_trainer engine benchmark", 1


def main() -> None:
    options = parse()
    restart_with_allocator()
    limit_threads(options.threads)
    record = new_record(options)
    with tempfile.TemporaryDirectory(prefix="nc_trainer_peers_") as scratch:
        for name in options.shapes:
            record["workloads"].append(measure(name, options, Path(scratch)))
            record["int8_peak_tops"] = max(filter(None, [record["int8_peak_tops"], int8_peak_tops()]), default=None)
            save(record, options.output)
    print(markdown(record))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--shapes", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="SHAPE")
    parser.add_argument("--subject", choices=SUBJECTS, default=SUBJECTS[0], help="whom the peers are set against")
    parser.add_argument("--rounds", type=positive, help="timed rounds of each shape (default: what fits in --seconds)")
    parser.add_argument("--seconds", type=float, default=90.0, help="time for the rounds of each shape")
    parser.add_argument("--threads", type=positive, default=len(available_processors()) or 1)
    parser.add_argument("--glue", type=Path, help="directory of the official GLUE folders, for the text shapes")
    parser.add_argument("--tokenizer", type=Path, help="directory of a BERT-uncased tokenizer, for the text shapes")
    parser.add_argument("--output", type=Path, default=Path("peers.json"), help="JSON file to write")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number


def new_record(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "subject": options.subject,
        "machine": asdict(describe_machine(current_engine().NAME)),
        "versions": versions(),
        "int8_peak_tops": int8_peak_tops(),
        "workloads": [],
    }


def measure(name: str, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """One workload's part of the record; a workload without its data is recorded as skipped."""
    print(name, flush=True)
    workload = WORKLOADS[name]
    try:
        batches = timed_batches(workload, options.glue, options.tokenizer)
    except NCTrainerError as error:
        print(f"  skipped: {error}", flush=True)
        return {"name": name, "skipped": str(error), "peers": []}
    calibration = calibration_batches(workload, batches)
    directory = scratch_directory(scratch, workload.model)
    task = Task(name, make_model(workload.model), batches, calibration, directory, options.threads)
    return run_workload(workload, task, options.only, rounds=options.rounds, seconds=options.seconds)


def save(record: dict[str, Any], output: Path) -> None:
    """Write the record after each workload, so that a run which is stopped keeps what it has measured."""
    write_text_atomically(output, json.dumps(record, indent=1) + "\n")
    write_text_atomically(output.with_suffix(".md"), markdown(record))
    try:
        from harness.plot import plot
    except ImportError as error:
        print(f"no plot: {error}", flush=True)
    else:
        plot(record, output.with_suffix(".png"))


if __name__ == "__main__":
    main()
