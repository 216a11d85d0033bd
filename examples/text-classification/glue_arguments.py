"""The command line of run_glue_tune.py: run_glue's model and data arguments, and nc_trainer's own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from _shared.arguments import DataArguments, ModelArguments
from _shared.arguments import parse_arguments as parse

from nc_trainer import NCTrainerError, QuantizationTrainingArguments
from nc_trainer.text_data.glue.tasks import GLUE_TASKS, glue_task


@dataclass
class DataTrainingArguments(DataArguments):
    """Where the data comes from and how it is tokenized."""

    task_name: str | None = field(
        default=None, metadata={"help": f"GLUE task: {', '.join(GLUE_TASKS)} (any spelling: SST-2 is sst2)."}
    )
    dataset_location: str | None = field(
        default=None,
        metadata={"help": "Directory of the official GLUE folders (SST-2/, MRPC/ ...). Default: $GLUE_DIR."},
    )
    max_seq_length: int = field(default=128, metadata={"help": "Longest input in tokens; the rest is cut."})
    text_column_names: str | None = field(
        default=None, metadata={"help": "Text column of your own data, or two: `title,body`. Default: found out."}
    )
    label_column_name: str = field(default="label", metadata={"help": "Label column of your own data."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task_name is not None:
            self.task_name = glue_task(self.task_name).name
        if self.files and self.dataset_location:
            raise NCTrainerError("give the data as files or as a data set, not both")
        if self.dataset_location is None and not self.files and not self.dataset_name:
            self.dataset_location = os.environ.get("GLUE_DIR") or None
        if not (self.files or self.dataset_name or self.task_name):
            raise NCTrainerError("no data: give --task_name, or --train_file and --validation_file, or --dataset_name")
        self.check_counts("max_seq_length")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The names in `text_column_names`."""
        return tuple(name.strip() for name in (self.text_column_names or "").split(",") if name.strip())


Arguments = tuple[ModelArguments, DataTrainingArguments, QuantizationTrainingArguments]


def parse_arguments(argv: Sequence[str] | None = None) -> Arguments:
    """Read the command line, or the one `.json` or `.yaml` file it names.

    Raises:
        NCTrainerError: an option is unknown, or options contradict each other.
    """
    return parse(argv, DataTrainingArguments)
