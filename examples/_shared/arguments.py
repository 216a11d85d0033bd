"""The command line of the example scripts: the model's options, and those that every kind of data has."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import HfArgumentParser

from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.errors import NCTrainerError


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
    merge_adapters: str | None = field(
        default=None,
        metadata={
            "help": "The model is PEFT adapters (LoRA ...): merge them into the one they name, or this one.",
            "nargs": "?",
            "const": "",
            "metavar": "BASE",
        },
    )
    ignore_mismatched_sizes: bool = field(
        default=False, metadata={"help": "Start a new head when the model has another number of labels."}
    )

    @property
    def hub_options(self) -> dict[str, Any]:
        """What every `from_pretrained` takes."""
        token = self.token or (True if self.use_auth_token else None)
        return {"cache_dir": self.cache_dir, "revision": self.model_revision, "token": token}


@dataclass
class DataArguments:
    """Where the rows come from and how many of them are used; subclasses say how they are tokenized."""

    dataset_name: str | None = field(
        default=None, metadata={"help": "Another dataset: a hub id or a local dataset directory."}
    )
    dataset_config_name: str | None = field(default=None, metadata={"help": "Its configuration."})
    train_file: str | None = field(default=None, metadata={"help": "csv or json file with training rows."})
    validation_file: str | None = field(default=None, metadata={"help": "csv or json file to evaluate on."})
    test_file: str | None = field(default=None, metadata={"help": "csv or json file to predict."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Use the first N training rows."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Use the first N evaluation rows."})
    max_predict_samples: int | None = field(default=None, metadata={"help": "Predict the first N test rows."})
    overwrite_cache: bool = field(default=False, metadata={"help": "Tokenize again what is in the cache."})
    pad_to_max_length: bool = field(
        default=True, metadata={"help": "Pad every row to the maximum; otherwise to the longest of its batch."}
    )

    def __post_init__(self) -> None:
        if self.files and self.dataset_name:
            raise NCTrainerError("give the data as files or as a data set, not both")
        self.check_counts("max_train_samples", "max_eval_samples", "max_predict_samples")

    def check_counts(self, *names: str) -> None:
        """Raise NCTrainerError for the first of these options that is below 1."""
        for name in names:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise NCTrainerError(f"--{name} is {value}, expected 1 or more")

    def check_source(self) -> None:
        """Raise NCTrainerError if there are neither files nor a data set."""
        if not (self.files or self.dataset_name):
            raise NCTrainerError("no data: give --train_file and --validation_file, or --dataset_name")

    @property
    def files(self) -> dict[str, str]:
        """The user's own files by split."""
        files = {"train": self.train_file, "validation": self.validation_file, "test": self.test_file}
        return {split: path for split, path in files.items() if path}

    @property
    def limits(self) -> dict[str, int | None]:
        """How many rows to use by split, None for all."""
        return {
            "train": self.max_train_samples,
            "validation": self.max_eval_samples,
            "test": self.max_predict_samples,
        }


def parse_arguments(
    argv: Sequence[str] | None,
    data_arguments: type[DataArguments],
    training_arguments: type[QuantizationTrainingArguments] = QuantizationTrainingArguments,
) -> Any:
    """Model, data and training arguments from the command line, or from the one `.json` or `.yaml` file it names.

    Raises:
        NCTrainerError: an option is unknown, or options contradict each other.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = HfArgumentParser([ModelArguments, data_arguments, training_arguments])
    suffix = Path(argv[0]).suffix if len(argv) == 1 else ""
    try:
        if suffix == ".json":
            parsed = parser.parse_json_file(argv[0])
        elif suffix in (".yaml", ".yml"):
            parsed = parser.parse_yaml_file(argv[0])
        else:
            parsed = parser.parse_args_into_dataclasses(argv)
    except (ValueError, OSError) as error:
        raise NCTrainerError(str(error)) from error
    _check_modes(parsed[0], parsed[2])
    return parsed


def _check_modes(model_args: ModelArguments, training_args: QuantizationTrainingArguments) -> None:
    if training_args.int8 and training_args.do_train:
        raise NCTrainerError("--int8 loads a model whose weights are frozen; train the float model, without --int8")
    if training_args.tune and model_args.ignore_mismatched_sizes:
        raise NCTrainerError("--tune needs a fine-tuned model; --ignore_mismatched_sizes would start a new head")


def purposes(args: QuantizationTrainingArguments) -> list[str]:
    """Those of `train`, `validation` and `test` that the options need."""
    evaluates = args.do_eval or args.tune or args.benchmark or args.accuracy_only
    wanted = {"train": args.do_train, "validation": evaluates, "test": args.do_predict}
    return [purpose for purpose, needed in wanted.items() if needed]
