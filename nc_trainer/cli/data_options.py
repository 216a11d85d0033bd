"""The options of every command that evaluates a model on rows."""

import argparse
from pathlib import Path

from nc_trainer.cli.text_job import Job


def add_data(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """The rows, how they are batched, and the metric."""
    parser.add_argument("--data", type=Path, required=required, help="a csv or json file: text column(s) and labels")
    parser.add_argument("--label_column_name", help="where the labels are, if that is not clear")
    parser.add_argument("--text_column_names", nargs="+", default=[], help="where the texts are, if that is not clear")
    parser.add_argument("--batch_size", type=positive, default=16, help="rows per batch")
    parser.add_argument("--max_seq_length", type=positive, default=128, help="in tokens; longer texts are cut")
    parser.add_argument("--metric", help="which metric is judged or shown")


def job_of(options: argparse.Namespace, output_dir: Path) -> Job:
    """The model and the rows that the options name."""
    return Job(
        model_dir=options.model,
        data=options.data,
        output_dir=output_dir,
        calibration=getattr(options, "calibration_data", None),
        batch_size=options.batch_size,
        max_length=options.max_seq_length,
        metric=options.metric,
        text_columns=tuple(options.text_column_names),
        label_column=options.label_column_name,
    )


def positive(text: str) -> int:
    """A whole number that is 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value
