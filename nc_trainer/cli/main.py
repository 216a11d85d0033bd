"""`nc-trainer quantize | gate | export | benchmark | convert | report | demo`: try it without writing a script."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from nc_trainer.benchmark import BenchmarkOptions
from nc_trainer.benchmark.sources import FLOAT_DTYPES
from nc_trainer.cli import convert_command, export_command, gate_command
from nc_trainer.cli.benchmark_command import benchmark, compare
from nc_trainer.cli.data_options import add_data, job_of, positive
from nc_trainer.cli.demo import run as run_demo
from nc_trainer.cli.demo import run_yours
from nc_trainer.cli.quantize_command import quantize, with_merged_adapters
from nc_trainer.cli.report_command import report
from nc_trainer.cli.text_job import Job
from nc_trainer.config import load_tuning_config
from nc_trainer.config.training_args import SAVE_FORMATS
from nc_trainer.errors import NCTrainerError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; the result is the process's exit status.

    0: done. 1: done, but the criterion was not met. 2: a mistake in the options or the data, said in one line.
    """
    options = make_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO if options.verbose else logging.WARNING)
    disable_progress_bar()  # of loading and saving
    try:
        return int(options.run(options))
    except (NCTrainerError, OSError) as error:
        print(f"nc-trainer: error: {error}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    """The options of every subcommand."""
    parser = argparse.ArgumentParser(prog="nc-trainer", description="int8 text classifiers that keep their accuracy.")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more about what is going on")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add_options, help_text in COMMANDS:
        add_options(commands.add_parser(name, help=help_text))
    return parser


def _add_quantize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="directory of the fine-tuned float model")
    parser.add_argument("file", type=Path, nargs="?", help="the same as --data")
    parser.add_argument("--output_dir", type=Path, help="where the int8 model goes; MODEL-int8 by default")
    parser.add_argument("--calibration_data", type=Path, help="a csv or json file whose rows rank the modules")
    parser.add_argument("--tuning_config", type=Path, help="YAML file, see docs/yaml.md")
    parser.add_argument("--int8_embeddings", action="store_true", help="also store embedding tables in int8")
    parser.add_argument("--no_report", action="store_true", help="save no page about the search and no model card")
    parser.add_argument("--save_format", choices=SAVE_FORMATS, default=SAVE_FORMATS[0], help="the format to write")
    parser.add_argument(
        "--merge_adapters",
        nargs="?",
        const="",
        metavar="BASE",
        help="MODEL holds PEFT adapters (LoRA ...): merge them into the model that they name, or into BASE",
    )
    add_data(parser, required=False)
    parser.set_defaults(run=_quantize)


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "nc-trainer benchmark MODEL [OTHER ...] --data FILE [options]\n"
        "       nc-trainer benchmark --compare BEFORE.json AFTER.json"
    )
    parser.add_argument("model", type=Path, nargs="?", help="directory of a model, the one to compare with")
    parser.add_argument("others", type=Path, nargs="*", help="more model directories")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar="REPORT", help="set two saved JSON reports against each other"
    )
    parser.add_argument(
        "--output", type=Path, nargs="+", default=[], help="write the report here: JSON, or CSV if it ends in .csv"
    )
    parser.add_argument(
        "--float_dtype", nargs="+", default=["float32"], choices=FLOAT_DTYPES, help="in which float models are timed"
    )
    _add_benchmark_options(parser)
    add_data(parser, required=False)
    parser.set_defaults(run=_benchmark)


def _add_benchmark_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tuning_config", type=Path, help="YAML file; its `evaluation.performance` sets defaults")
    parser.add_argument("--warmup", type=int, help="untimed rounds, 5 by default")
    parser.add_argument("--iterations", type=int, help="timed rounds, 100 by default; 0 is all batches once")
    parser.add_argument("--threads", type=int, help="threads of torch; in instances, one for each core by default")
    parser.add_argument(
        "--cores_per_instance", type=int, help="time in processes that are pinned to so many physical cores each"
    )
    parser.add_argument(
        "--num_of_instance", type=int, help="how many such processes at the same time; -1 is as many as fit"
    )
    parser.add_argument(
        "--memory", action="store_true", help="also measure memory and load time, each model in processes of its own"
    )
    parser.add_argument(
        "--pad_to_max_length",
        action="store_true",
        help="pad timed rows to --max_seq_length, not to the batch's longest",
    )
    parser.add_argument("--fixed_length", type=positive, help="time rows of so many random tokens, not the text")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="directory that holds nc_trainer_report.json")
    parser.add_argument("--benchmark", type=Path, help="what `nc-trainer benchmark --output` wrote: latencies to show")
    parser.add_argument("--plots", action="store_true", help="also draw PNG files, for the card; needs matplotlib")
    parser.add_argument("--no_texts", action="store_true", help="leave the texts of the evaluation data out, for good")
    parser.set_defaults(run=lambda options: report(options.model, options.benchmark, options.plots, options.no_texts))


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output_dir", type=Path, default=Path("demo_output"), help="where everything goes")
    parser.add_argument(
        "--yours", type=Path, nargs=2, metavar=("MODEL", "FILE"), help="your own fine-tuned classifier and csv instead"
    )
    parser.set_defaults(run=_demo)


def _quantize(options: argparse.Namespace) -> int:
    options.data = _one_file(options.file, options.data)
    job = job_of(options, options.output_dir or _beside(options.model))
    if options.merge_adapters is not None:
        job = with_merged_adapters(job, options.merge_adapters or None)
    return quantize(job, options.tuning_config, options.int8_embeddings, not options.no_report, options.save_format)


def _one_file(*given: Path | None) -> Path:
    found = [path for path in given if path is not None]
    if len(found) != 1:
        raise NCTrainerError(
            f"{len(found) or 'no'} data files: expected one, a csv or json file with texts and labels: "
            "`nc-trainer quantize MODEL FILE`."
        )
    return found[0]


def _demo(options: argparse.Namespace) -> int:
    if options.yours is None:
        return run_demo(options.output_dir)
    model, data = options.yours
    return run_yours(Job(model, data, options.output_dir / "int8"))


def _beside(model: Path) -> Path:
    """MODEL-int8, also where MODEL is `.` or a link."""
    place = Path(os.path.abspath(model))
    return place.parent / f"{place.name}-int8"


def _benchmark(options: argparse.Namespace) -> int:
    if options.compare:
        return compare(*options.compare)
    if options.model is None or options.data is None:
        raise NCTrainerError("benchmark needs a MODEL directory and --data, or --compare with two saved reports.")
    job = job_of(options, options.model)
    return benchmark(job, options.others, options.float_dtype, read_benchmark_options(options), options.output)


def read_benchmark_options(options: argparse.Namespace) -> BenchmarkOptions:
    """What is given on the command line, else what the YAML file says."""
    path = options.tuning_config
    names = ("warmup", "iterations", "threads", "cores_per_instance", "num_of_instance", "memory", "fixed_length")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.pad_to_max_length:
        given["pad_to"] = options.max_seq_length
    from_file = load_tuning_config(path).evaluation.performance.options() if path else {}
    return BenchmarkOptions(**{**from_file, **given})


COMMANDS: tuple[tuple[str, Callable[[argparse.ArgumentParser], None], str], ...] = (
    ("quantize", _add_quantize, "turn a fine-tuned classifier int8"),
    ("gate", gate_command.add_options, "judge whether an int8 model may replace its float model"),
    ("export", export_command.add_options, "write a model for ONNX Runtime, OpenVINO or torch alone"),
    ("benchmark", _add_benchmark, "time models side by side"),
    ("convert", convert_command.add_options, "write an older or another program's int8 model in our format"),
    ("report", _add_report, "make the page of a quantized model again"),
    ("demo", _add_demo, "train, quantize and time a small classifier, offline"),
)
