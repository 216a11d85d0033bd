"""Loads what run_glue_tune.py works on: the data, the model and its tokenizer, the tokenized splits."""

from _shared.arguments import ModelArguments, purposes
from _shared.loading import check_model, explained, load_config, load_tokenizer, load_weights
from _shared.modes import check_purposes, first_rows, rows_needed
from datasets import Dataset
from glue_arguments import DataTrainingArguments
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from nc_trainer import QuantizationTrainingArguments, TuningConfig
from nc_trainer.text_data.label_alignment import CLASSIFIER, align_labels, check_label_count, is_trained_classifier
from nc_trainer.text_data.loading import TextData, load_files, load_from_hub, load_glue_folder
from nc_trainer.text_data.preprocessing import ensure_pad_token, tokenize, usable_length

Datasets = dict[str, Dataset]


def load_data(
    data_args: DataTrainingArguments, model_args: ModelArguments, training_args: QuantizationTrainingArguments
) -> TextData:
    """The raw splits that the options need, from files, a GLUE folder or the hub."""
    wanted = purposes(training_args)
    columns = data_args.text_columns, data_args.label_column_name
    if data_args.files:
        data = load_files(data_args.files, data_args.task_name, *columns)
    elif data_args.dataset_location and data_args.task_name:
        data = load_glue_folder(data_args.dataset_location, data_args.task_name, wanted)
    else:
        token = model_args.hub_options["token"]
        names = (data_args.dataset_name, data_args.dataset_config_name, data_args.task_name)
        data = load_from_hub(*names, model_args.cache_dir, token, *columns)
    check_purposes(wanted, [purpose for purpose in data_args.limits if data.split_names(purpose)])
    return data


def load_model(
    model_args: ModelArguments, data: TextData, training_args: QuantizationTrainingArguments
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[int] | None]:
    """The model (float32, or int8 with --int8), its tokenizer, and the model's ids of the data's labels."""
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, CLASSIFIER)
        if not model_args.ignore_mismatched_sizes:
            may_be_subset = data.task is None and not training_args.do_train
            check_label_count(config, data.label_names, may_be_subset)
        if not is_trained_classifier(config) or model_args.ignore_mismatched_sizes:
            config.num_labels = len(data.label_names) or 1
        tokenizer = load_tokenizer(model_args)
        ensure_pad_token(tokenizer, config)
        label_ids = None if data.is_regression else align_labels(config, data.label_names)
        model = load_weights(model_args, config, AutoModelForSequenceClassification, training_args.int8)
        return model, tokenizer, label_ids


def splits_for(purpose: str, datasets: Datasets) -> Datasets:
    """Those of `datasets` that serve `train`, `validation` or `test`."""
    return {name: rows for name, rows in datasets.items() if name.split("_")[0] == purpose}


def tokenize_splits(
    data: TextData,
    data_args: DataTrainingArguments,
    training_args: QuantizationTrainingArguments,
    tokenizer: PreTrainedTokenizerBase,
    label_ids: list[int] | None,
    config: TuningConfig | None = None,
) -> Datasets:
    """The tokenized splits by name, those that the options need, each cut to its `--max_..._samples`.

    Of the training rows only those that `--tune` needs, if that is what they are for; `config` is how it tunes.
    """
    max_length = usable_length(tokenizer, data_args.max_seq_length)
    splits = {
        name: first_rows(data.splits[name], purpose, data_args)
        for purpose in purposes(training_args)
        for name in data.split_names(purpose)
    }
    tokenized = {}
    for name, rows in rows_needed(splits, training_args, config).items():
        with training_args.main_process_first(desc=f"tokenizing {name}"):
            tokenized[name] = tokenize(
                rows,
                tokenizer,
                data.text_columns,
                max_length,
                data_args.pad_to_max_length,
                label_ids,
                use_cache=not data_args.overwrite_cache,
            )
    return tokenized


def names_by_id(model: PreTrainedModel, data: TextData, label_ids: list[int] | None) -> dict[int, str]:
    """The label of each of the model's ids, in the data's spelling; empty for regression."""
    if label_ids is None:
        return {}
    names = {int(number): str(name) for number, name in (model.config.id2label or {}).items()}
    return names | dict(zip(label_ids, data.label_names, strict=True))
