"""Which rows of a trainer's evaluation data are explained, and what their texts are."""

from collections.abc import Mapping, Sized
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase, Trainer

from nc_trainer.config import ShapleyConfig
from nc_trainer.errors import ConfigError, NCTrainerError, QuantizationError
from nc_trainer.explain.neural_compressor_mse import ROWS
from nc_trainer.int8.replay import rows_in
from nc_trainer.search.objectives.shapley_mse import ExplainedData
from nc_trainer.text_data.own_files import text_columns_of
from nc_trainer.trainer.batches import calibration_batches, sampled_indices, selected


def explained_data(trainer: Trainer, dataset: Any, config: ShapleyConfig, seed: int) -> ExplainedData:
    """Rows drawn with `seed`, as the trainer collates them; an iterable data set without a length gives its first.

    Raises:
        ConfigError: `tuning.shapley.column` names no text column.
        QuantizationError: the trainer has no tokenizer, or the data set no rows.
    """
    tokenizer = trainer.processing_class
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise QuantizationError(
            "Shapley values hide tokens: give the trainer its tokenizer, `processing_class=tokenizer`."
        )
    dataset = next(iter(dataset.values())) if isinstance(dataset, dict) else dataset
    columns = _text_columns(dataset)
    if config.column is not None and config.column not in columns:
        raise ConfigError(
            f"`tuning.shapley.column`: found {config.column!r}, expected a text column of the evaluation data "
            f"({', '.join(columns) or 'it has none'})."
        )
    text = columns.index(config.column) if config.column is not None and len(columns) > 1 else None
    indices, inputs = _rows(trainer, dataset, config.rows, seed)
    first_texts = _first_texts(dataset, columns, config.column)
    return ExplainedData(tokenizer, inputs, indices, text, first_texts, _labels(trainer))


def _labels(trainer: Trainer) -> dict[int, str]:
    config = trainer.model.config
    return {} if config.num_labels == 1 else {int(number): str(name) for number, name in config.id2label.items()}


def _rows(trainer: Trainer, dataset: Any, rows: int, seed: int) -> tuple[list[int], list[dict[str, Tensor]]]:
    """Indices and model inputs. Each row is collated alone, because a sampler may order rows by their length."""
    if isinstance(dataset, Sized):
        indices = sampled_indices(len(dataset), rows, seed)
        return indices, [calibration_batches(trainer, selected(dataset, [index]), 1, seed)[0] for index in indices]
    batches = calibration_batches(trainer, dataset, rows, seed)
    singles = [_row(one, i) for one in batches for i in range(rows_in(one))]
    return list(range(len(singles[:rows]))), singles[:rows]


def _row(batch: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    return {key: value[index : index + 1] if value.dim() else value for key, value in batch.items()}


def _text_columns(dataset: Any) -> tuple[str, ...]:
    """The columns that hold the raw text, in the order in which they are tokenized; none if that is not clear."""
    row = dataset[0] if isinstance(dataset, Sized) and len(dataset) and hasattr(dataset, "__getitem__") else None
    if not isinstance(row, Mapping):
        return ()
    try:
        return text_columns_of("the evaluation data", row)
    except NCTrainerError:
        return ()


def _first_texts(dataset: Any, columns: tuple[str, ...], column: str | None) -> list[str]:
    wanted = column or (columns[0] if len(columns) == 1 else None)
    return [] if wanted is None else [dataset[index][wanted] for index in range(min(ROWS, len(dataset)))]
