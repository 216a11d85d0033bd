"""Loads what run_glue_tune.py works on: the data, the model and its tokenizer, the tokenized splits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from datasets import Dataset
from glue_arguments import DataTrainingArguments, ModelArguments
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from nc_trainer import NCTrainerError, OptimizedModel, QuantizationTrainingArguments
from nc_trainer.glue.data import TextData, load_files, load_from_hub, load_glue_folder
from nc_trainer.glue.labels import align_labels, check_label_count, is_trained_classifier
from nc_trainer.glue.preprocessing import ensure_pad_token, tokenize, usable_length

Datasets = dict[str, Dataset]


def load_data(
    data_args: DataTrainingArguments, model_args: ModelArguments, training_args: QuantizationTrainingArguments
) -> TextData:
    """The raw splits that the options need, from files, a GLUE folder or the hub."""
    purposes = _purposes(training_args)
    if data_args.files:
        data = load_files(data_args.files, data_args.task_name)
    elif data_args.dataset_location and data_args.task_name:
        data = load_glue_folder(data_args.dataset_location, data_args.task_name, purposes)
    else:
        token = model_args.hub_options["token"]
        names = (data_args.dataset_name, data_args.dataset_config_name, data_args.task_name)
        data = load_from_hub(*names, model_args.cache_dir, token)
    for purpose in purposes:
        if not data.split_names(purpose):
            raise NCTrainerError(
                f"no {purpose} data: these options need it, and the data has only {', '.join(data.splits)} "
                f"(with your own files, give --{purpose}_file)"
            )
    return data


def _purposes(args: QuantizationTrainingArguments) -> list[str]:
    evaluates = args.do_eval or args.tune or args.benchmark or args.accuracy_only
    wanted = {"train": args.do_train, "validation": evaluates, "test": args.do_predict}
    return [purpose for purpose, needed in wanted.items() if needed]


def load_model(
    model_args: ModelArguments, data: TextData, training_args: QuantizationTrainingArguments
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[int] | None]:
    """The model (float32, or int8 with --int8), its tokenizer, and the model's ids of the data's labels."""
    with _explained(model_args.model_name_or_path):
        config = _load_config(model_args)
        _check_model(config, model_args, data, training_args)
        tokenizer = AutoTokenizer.from_pretrained(
            model_args.tokenizer_name or model_args.model_name_or_path,
            use_fast=model_args.use_fast_tokenizer,
            trust_remote_code=model_args.trust_remote_code,
            **model_args.hub_options,
        )
        ensure_pad_token(tokenizer, config)
        label_ids = None if data.is_regression else align_labels(config, data.label_names)
        return _load_weights(model_args, config, training_args.int8), tokenizer, label_ids


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except NCTrainerError:
        raise
    except (OSError, ValueError) as error:
        raise NCTrainerError(f"could not load the model '{name}': {error}") from error


def _load_config(model_args: ModelArguments) -> PretrainedConfig:
    return AutoConfig.from_pretrained(
        model_args.config_name or model_args.model_name_or_path,
        trust_remote_code=model_args.trust_remote_code,
        **model_args.hub_options,
    )


def _check_model(
    config: PretrainedConfig,
    model_args: ModelArguments,
    data: TextData,
    training_args: QuantizationTrainingArguments,
) -> None:
    """Refuse a model that does not fit the options or the data; give one without a head the data's labels."""
    name = model_args.model_name_or_path
    is_int8 = getattr(config, "quantization_config", None) is not None
    if training_args.int8 and not is_int8:
        raise NCTrainerError(f"--int8: '{name}' holds a float model; expected a directory that --tune wrote")
    if is_int8 and not training_args.int8:
        raise NCTrainerError(f"'{name}' holds a quantized model: add --int8 to evaluate or benchmark it")
    if training_args.tune and Path(name).resolve() == Path(str(training_args.output_dir)).resolve():
        raise NCTrainerError(f"--tune: --output_dir is the model's own directory, '{name}': its weights would be lost")
    if training_args.tune and not is_trained_classifier(config):
        raise NCTrainerError(f"--tune: '{name}' is not fine-tuned for classification; train it first, without --tune")
    if not model_args.ignore_mismatched_sizes:
        may_be_subset = data.task is None and not training_args.do_train
        check_label_count(config, data.label_names, may_be_subset)
    if not is_trained_classifier(config) or model_args.ignore_mismatched_sizes:
        config.num_labels = len(data.label_names) or 1


def _load_weights(model_args: ModelArguments, config: PretrainedConfig, int8: bool) -> PreTrainedModel:
    name = model_args.model_name_or_path
    if int8:
        return OptimizedModel.from_pretrained(name, config=config, **model_args.hub_options)
    return AutoModelForSequenceClassification.from_pretrained(
        name,
        config=config,
        dtype=torch.float32,
        trust_remote_code=model_args.trust_remote_code,
        ignore_mismatched_sizes=model_args.ignore_mismatched_sizes,
        **model_args.hub_options,
    )


def splits_for(purpose: str, datasets: Datasets) -> Datasets:
    """Those of `datasets` that serve `train`, `validation` or `test`."""
    return {name: rows for name, rows in datasets.items() if name.split("_")[0] == purpose}


def tokenize_splits(
    data: TextData,
    data_args: DataTrainingArguments,
    training_args: QuantizationTrainingArguments,
    tokenizer: PreTrainedTokenizerBase,
    label_ids: list[int] | None,
) -> Datasets:
    """The tokenized splits by name, those that the options need, each cut to its `--max_..._samples`."""
    limits = {
        "train": data_args.max_train_samples,
        "validation": data_args.max_eval_samples,
        "test": data_args.max_predict_samples,
    }
    max_length = usable_length(tokenizer, data_args.max_seq_length)
    tokenized = {}
    for purpose in _purposes(training_args):
        for name in data.split_names(purpose):
            rows = data.splits[name]
            rows = rows.select(range(min(limits[purpose] or len(rows), len(rows))))
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
