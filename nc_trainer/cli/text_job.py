"""A trainer for a local model directory and a csv or json file."""

from dataclasses import dataclass
from pathlib import Path

from transformers import DataCollatorWithPadding, PretrainedConfig, PreTrainedModel

from nc_trainer.cli.model_directory import load_model, load_tokenizer
from nc_trainer.config import TuningConfig
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.csv_and_json import Rows, read_rows
from nc_trainer.text_data.find_label import label_column_of
from nc_trainer.text_data.glue.glue_metrics import compute_metrics_for
from nc_trainer.text_data.label_alignment import align_labels, check_label_count, is_trained_classifier
from nc_trainer.text_data.loading import TextData, load_files
from nc_trainer.text_data.own_files import check_extensions, text_columns_of
from nc_trainer.text_data.preprocessing import ensure_pad_token, tokenize, usable_length
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import train_rows_needed


@dataclass(frozen=True)
class Job:
    """A model and the rows it is judged on.

    `data` and `calibration` are csv or json files with one or two text columns and one of labels; `max_length` is in
    tokens; without `text_columns` they are told from the first row, without `label_column` it is told from all rows
    and the model; `slices` are columns that hold neither. With a `search`, only those of the `calibration` rows are
    tokenized that it needs.
    """

    model_dir: Path
    data: Path
    output_dir: Path
    calibration: Path | None = None
    batch_size: int = 16
    max_length: int = 128
    metric: str | None = None
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    slices: tuple[str, ...] = ()
    search: TuningConfig | None = None


def make_trainer(job: Job) -> QuantizationTrainer:
    """A trainer around the job's model, with its rows tokenized and padded batch by batch.

    Raises:
        NCTrainerError: the directory holds no text classifier, or the data does not fit it.
    """
    check_extensions(_files(job))
    rows = read_rows(job.data)
    model = load_model(job.model_dir)
    if not is_trained_classifier(model.config):
        raise NCTrainerError(f"{job.model_dir}: {type(model).__name__} is not a sequence classifier.")
    label_column = job.label_column or _label_column(job, rows, model.config)
    text_columns = job.text_columns or _text_columns(job, rows, label_column)
    data = load_files(_files(job), text_columns=text_columns, label_column=label_column)
    check_label_count(model.config, data.label_names, may_be_subset=True)
    label_ids = None if data.is_regression else align_labels(model.config, data.label_names)
    return _trainer(job, model, data, label_ids)


def _label_column(job: Job, rows: Rows, config: PretrainedConfig) -> str:
    names = tuple(map(str, (config.id2label or {}).values()))
    return label_column_of(str(job.data), rows, names, {*job.text_columns, *job.slices})


def _text_columns(job: Job, rows: Rows, label_column: str) -> tuple[str, ...]:
    """Where there are slices, the texts are looked for among the other columns."""
    if not job.slices:
        return ()
    others = {*job.slices, label_column}
    return text_columns_of(str(job.data), {name: value for name, value in rows[0].items() if name not in others})


def _files(job: Job) -> dict[str, Path]:
    files = {"validation": job.data, "train": job.calibration}
    return {split: path for split, path in files.items() if path is not None}


def _trainer(job: Job, model: PreTrainedModel, data: TextData, label_ids: list[int] | None) -> QuantizationTrainer:
    tokenizer = load_tokenizer(job.model_dir)
    ensure_pad_token(tokenizer, model.config)
    length = usable_length(tokenizer, job.max_length)
    splits = dict(data.splits)
    if job.search and "train" in splits:
        splits["train"] = train_rows_needed(splits["train"], job.search)
    rows = {
        split: tokenize(dataset, tokenizer, data.text_columns, length, False, label_ids)
        for split, dataset in splits.items()
    }
    arguments = QuantizationTrainingArguments(
        output_dir=str(job.output_dir),
        use_cpu=True,
        report_to="none",
        per_device_eval_batch_size=job.batch_size,
        metric_for_best_model=job.metric,
    )
    return QuantizationTrainer(
        model=model,
        args=arguments,
        train_dataset=rows.get("train"),
        eval_dataset=rows["validation"],
        compute_metrics=compute_metrics_for(None, data.is_regression),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
