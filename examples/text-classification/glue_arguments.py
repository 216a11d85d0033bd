"""The command line of run_glue_tune.py: run_glue's model and data arguments, and nc_trainer's own."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import HfArgumentParser

from nc_trainer import NCTrainerError, QuantizationTrainingArguments
from nc_trainer.glue.tasks import GLUE_TASKS, glue_task


@dataclass
class ModelArguments:
    """Which model, config and tokenizer to load."""

    model_name_or_path: str = field(metadata={"help": "Directory or hub id of the model."})
    config_name: str | None = field(default=None, metadata={"help": "Config, if it is not the model's."})
    tokenizer_name: str | None = field(default=None, metadata={"help": "Tokenizer, if not the model's."})
    cache_dir: str | None = field(default=None, metadata={"help": "Where to keep what the hub sends."})
    use_fast_tokenizer: bool = field(default=True, metadata={"help": "Use the fast tokenizer if there is one."})
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of the model."})
    token: str | None = field(default=None, metadata={"help": "Token for private hub repositories."})
    use_auth_token: bool = field(default=False, metadata={"help": "Use the stored token (old spelling)."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run model code that comes from the hub."})
    ignore_mismatched_sizes: bool = field(
        default=False, metadata={"help": "Start a new head when the model has another number of labels."}
    )

    @property
    def hub_options(self) -> dict[str, Any]:
        """What every `from_pretrained` takes."""
        token = self.token or (True if self.use_auth_token else None)
        return {"cache_dir": self.cache_dir, "revision": self.model_revision, "token": token}


@dataclass
class DataTrainingArguments:
    """Where the data comes from and how it is tokenized."""

    task_name: str | None = field(
        default=None, metadata={"help": f"GLUE task: {', '.join(GLUE_TASKS)} (any spelling: SST-2 is sst2)."}
    )
    dataset_name: str | None = field(
        default=None, metadata={"help": "Another dataset: a hub id or a local dataset directory."}
    )
    dataset_config_name: str | None = field(default=None, metadata={"help": "Its configuration."})
    dataset_location: str | None = field(
        default=None,
        metadata={"help": "Directory of the official GLUE folders (SST-2/, MRPC/ ...). Default: $GLUE_DIR."},
    )
    max_seq_length: int = field(default=128, metadata={"help": "Longest input in tokens; the rest is cut."})
    overwrite_cache: bool = field(default=False, metadata={"help": "Tokenize again what is in the cache."})
    pad_to_max_length: bool = field(
        default=True,
        metadata={"help": "Pad every row to max_seq_length; otherwise to the longest of its batch."},
    )
    max_train_samples: int | None = field(default=None, metadata={"help": "Use the first N training rows."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Use the first N evaluation rows."})
    max_predict_samples: int | None = field(default=None, metadata={"help": "Predict the first N test rows."})
    train_file: str | None = field(default=None, metadata={"help": "csv or json file with training rows."})
    validation_file: str | None = field(default=None, metadata={"help": "csv or json file to evaluate on."})
    test_file: str | None = field(default=None, metadata={"help": "csv or json file to predict."})

    def __post_init__(self) -> None:
        if self.task_name is not None:
            self.task_name = glue_task(self.task_name).name
        if self.files and (self.dataset_location or self.dataset_name):
            raise NCTrainerError("give the data as files or as a data set, not both")
        if self.dataset_location is None and not self.files and not self.dataset_name:
            self.dataset_location = os.environ.get("GLUE_DIR") or None
        if not (self.files or self.dataset_name or self.task_name):
            raise NCTrainerError("no data: give --task_name, or --train_file and --validation_file, or --dataset_name")
        for name in ("max_seq_length", "max_train_samples", "max_eval_samples", "max_predict_samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise NCTrainerError(f"--{name} is {value}, expected 1 or more")

    @property
    def files(self) -> dict[str, str]:
        """The user's own files by split."""
        files = {"train": self.train_file, "validation": self.validation_file, "test": self.test_file}
        return {split: path for split, path in files.items() if path}


Arguments = tuple[ModelArguments, DataTrainingArguments, QuantizationTrainingArguments]


def parse_arguments(argv: Sequence[str] | None = None) -> Arguments:
    """Read the command line, or the one `.json` or `.yaml` file it names.

    Raises:
        NCTrainerError: an option is unknown, or options contradict each other.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        model_args, data_args, training_args = _parse(argv)
    except (ValueError, OSError) as error:
        raise NCTrainerError(str(error)) from error
    _check_modes(model_args, training_args)
    return model_args, data_args, training_args


def _parse(argv: list[str]) -> Any:
    groups: list[Any] = [ModelArguments, DataTrainingArguments, QuantizationTrainingArguments]
    parser = HfArgumentParser(groups)
    suffix = Path(argv[0]).suffix if len(argv) == 1 else ""
    if suffix == ".json":
        return parser.parse_json_file(argv[0])
    if suffix in (".yaml", ".yml"):
        return parser.parse_yaml_file(argv[0])
    return parser.parse_args_into_dataclasses(argv)


def _check_modes(model_args: ModelArguments, training_args: QuantizationTrainingArguments) -> None:
    if training_args.int8 and training_args.do_train:
        raise NCTrainerError("--int8 loads a model whose weights are frozen; train the float model, without --int8")
    if training_args.tune and model_args.ignore_mismatched_sizes:
        raise NCTrainerError("--tune needs a fine-tuned model; --ignore_mismatched_sizes would start a new head")
