"""The rows of an example script, from the user's files or from the hub."""

from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, load_dataset
from datasets.exceptions import DatasetsError

from _shared.arguments import DataArguments, ModelArguments, purposes
from _shared.modes import check_purposes, first_rows
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.csv_and_json import read_rows

Splits = dict[str, Dataset]


def load_splits(
    data_args: DataArguments, model_args: ModelArguments, training_args: QuantizationTrainingArguments
) -> Splits:
    """Those of `train`, `validation` and `test` that the options need, each cut to its `--max_..._samples`.

    Raises:
        NCTrainerError: a file is missing or broken, the hub is out of reach, or a split is missing.
    """
    wanted = purposes(training_args)
    if data_args.files:
        check_purposes(wanted, list(data_args.files))
        splits = {split: Dataset.from_list(read_rows(Path(data_args.files[split]))) for split in wanted}
    else:
        splits = _from_hub(data_args, model_args)
        check_purposes(wanted, list(splits))
    return {split: first_rows(splits[split], split, data_args) for split in wanted}


def column_values(splits: Splits, column: str, *, needed_for_test: bool = True) -> dict[str, list[Any]]:
    """The values of one column by split; empty lists for a test split without it, where it is not needed.

    Raises:
        NCTrainerError: a split has no such column, or a cell of it is empty.
    """
    values: dict[str, list[Any]] = {}
    for split, rows in splits.items():
        if column not in rows.column_names and split == "test" and not needed_for_test:
            values[split] = []
            continue
        if column not in rows.column_names:
            raise NCTrainerError(
                f"the {split} rows have no column '{column}'; there are {', '.join(rows.column_names)}"
            )
        values[split] = rows[column][:]
        if None in values[split]:
            raise NCTrainerError(f"{split} row {values[split].index(None) + 1}: nothing in the column '{column}'")
    return values


def class_names(rows: Dataset, column: str) -> list[str] | None:
    """The label names that a data set from the hub knows of a column of labels, or of lists of labels."""
    feature = rows.features[column]
    inner = getattr(feature, "feature", feature)
    return list(inner.names) if isinstance(inner, ClassLabel) else None


def _from_hub(data_args: DataArguments, model_args: ModelArguments) -> Any:
    name, config = data_args.dataset_name, data_args.dataset_config_name
    try:
        return load_dataset(name, config, cache_dir=model_args.cache_dir, token=model_args.hub_options["token"])
    except (OSError, ValueError, DatasetsError) as error:
        raise NCTrainerError(
            f"could not load the dataset '{name}': {error.__cause__ or error}\n"
            "Without the hub, use --train_file and --validation_file with csv or json files."
        ) from error
