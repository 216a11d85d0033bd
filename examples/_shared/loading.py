"""Loads the model of an example script, float or int8, and refuses one that does not fit the options."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from _shared.arguments import ModelArguments
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import OptimizedModel


@contextmanager
def explained(name: str) -> Iterator[None]:
    """What loading raises, as one NCTrainerError that names the model."""
    try:
        yield
    except NCTrainerError:
        raise
    except (OSError, ValueError) as error:
        raise NCTrainerError(f"could not load the model '{name}': {error}") from error


def load_config(model_args: ModelArguments) -> PretrainedConfig:
    """The model's config, or the one that is named instead."""
    return AutoConfig.from_pretrained(
        model_args.config_name or model_args.model_name_or_path,
        trust_remote_code=model_args.trust_remote_code,
        **model_args.hub_options,
    )


def load_tokenizer(model_args: ModelArguments, **options: Any) -> PreTrainedTokenizerBase:
    """The model's tokenizer, or the one that is named instead."""
    return AutoTokenizer.from_pretrained(
        model_args.tokenizer_name or model_args.model_name_or_path,
        use_fast=model_args.use_fast_tokenizer,
        trust_remote_code=model_args.trust_remote_code,
        **model_args.hub_options,
        **options,
    )


def has_head(config: PretrainedConfig, head: str) -> bool:
    """Whether the checkpoint is of a class whose name has `head` in it, such as `ForSequenceClassification`."""
    return any(head in name for name in config.architectures or ())


def check_model(
    config: PretrainedConfig, model_args: ModelArguments, args: QuantizationTrainingArguments, *heads: str
) -> None:
    """Raise NCTrainerError for a model that does not fit the options.

    Args:
        config: of the model.
        model_args: where it comes from.
        args: what is to be done with it.
        heads: what the names of classes that are fine-tuned for the task have in them, one of these.
    """
    name = model_args.model_name_or_path
    is_int8 = getattr(config, "quantization_config", None) is not None
    if args.int8 and not is_int8:
        raise NCTrainerError(f"--int8: '{name}' holds a float model; expected a directory that --tune wrote")
    if is_int8 and not args.int8:
        raise NCTrainerError(f"'{name}' holds a quantized model: add --int8 to evaluate or benchmark it")
    if args.tune and Path(name).resolve() == Path(str(args.output_dir)).resolve():
        raise NCTrainerError(f"--tune: --output_dir is the model's own directory, '{name}': its weights would be lost")
    if args.tune and not any(has_head(config, head) for head in heads):
        raise NCTrainerError(
            f"--tune: '{name}' is not fine-tuned for the task ({' or '.join(heads)}); train it first, without --tune"
        )


def load_weights(model_args: ModelArguments, config: PretrainedConfig, auto_class: Any, int8: bool) -> PreTrainedModel:
    """The model, in float32 by the class of its task, or int8."""
    name = model_args.model_name_or_path
    if int8:
        return OptimizedModel.from_pretrained(name, config=config, **model_args.hub_options)
    return auto_class.from_pretrained(
        name,
        config=config,
        dtype=torch.float32,
        trust_remote_code=model_args.trust_remote_code,
        ignore_mismatched_sizes=model_args.ignore_mismatched_sizes,
        **model_args.hub_options,
    )
