"""PEFT adapters (LoRA and others), merged into the model that they were trained beside: quantization starts there."""

import importlib
import json
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from nc_trainer.errors import CheckpointError, NCTrainerError
from nc_trainer.hub.saving import saved_whole

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What PEFT puts before the names of the model's own tensors."""
HEADS = ("classifier.weight", "score.weight", "out_proj.weight")
"""How the names of weights end whose rows are the labels."""
CLASSES = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "CAUSAL_LM": "AutoModelForCausalLM",
}

Place = str | os.PathLike[str]


def merge_beside(directory: Place, output: Place, base: Place | None = None) -> Path:
    """`merge_adapters` into OUTPUT-float, the directory beside `output`, where the int8 model will go."""
    place = Path(os.path.abspath(output))
    return merge_adapters(directory, place.with_name(f"{place.name}-float"), base)


def merge_adapters(directory: Place, target: Place, base: Place | None = None) -> Path:
    """Write the model that adapters belong to, with the adapters merged into its weights, in float32, all or nothing.

    Args:
        directory: what PEFT saved: `adapter_config.json` and `adapter_model.safetensors`, perhaps a tokenizer.
        target: where the merged model and its tokenizer go.
        base: the model without adapters, a directory or a hub id; None is what `adapter_config.json` names.

    Returns:
        `target`.

    Raises:
        NCTrainerError: PEFT is not installed, or adapters of this kind are no part of weights.
        CheckpointError: a file is missing or damaged, or the adapters do not fit the model.
        SavingError: `target` cannot be written.
    """
    source = Path(directory)
    config, tensors = _config(source), _tensors(source)
    name = os.fspath(base) if base is not None else str(config.get("base_model_name_or_path"))
    model = _merged(_base_model(source, name, config, tensors), source)
    tokenizer = _tokenizer(source, name)
    with saved_whole(model, target) as stage:
        model.save_pretrained(stage)
        if tokenizer is not None:
            tokenizer.save_pretrained(stage)
    return Path(target)


def _config(source: Path) -> dict[str, Any]:
    if not (source / CONFIG).is_file():
        raise CheckpointError(f"{source} holds no PEFT adapters: it has no {CONFIG}.")
    try:
        found = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{source / CONFIG} cannot be read ({error}): copy or save the adapters again."
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{source / CONFIG} holds no settings: copy or save the adapters again.")
    return found


def _tensors(source: Path) -> dict[str, Tensor]:
    path = source / WEIGHTS
    if not path.is_file():
        raise CheckpointError(
            f"{source} has no {WEIGHTS}: nothing else is read, because nothing is unpickled. Save the adapters with "
            "`model.save_pretrained(directory)` of PEFT."
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or truncated ({error}): copy or save it again.") from error


def _base_model(source: Path, name: str, config: dict[str, Any], tensors: dict[str, Tensor]) -> PreTrainedModel:
    """In float32, with as many labels as the head beside the adapters has."""
    own = {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items()}
    try:
        settings = AutoConfig.from_pretrained(name)
        labels = next((len(tensor) for key, tensor in own.items() if key.endswith(HEADS)), settings.num_labels)
        if labels != settings.num_labels:
            settings.num_labels = labels
        loaded: Any = _model_class(source, config, settings).from_pretrained(
            name,
            config=settings,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # a head of another size, which the one beside the adapters replaces
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{source}: the model of the adapters, {name!r}, cannot be loaded: {' '.join(str(error).split())} "
            "Say where it is: `--merge_adapters DIRECTORY`."
        ) from error
    model, info = loaded
    mismatched = {key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"]}
    untrained = sorted({*map(str, info["missing_keys"]), *mismatched} - set(own))
    if untrained:
        raise CheckpointError(
            f"{source}: {', '.join(untrained)} are neither in {name!r} nor beside the adapters, so that random values "
            "would stand there. Train with `modules_to_save` (`task_type='SEQ_CLS'` sets it for a classifier)."
        )
    return model


def _model_class(source: Path, config: dict[str, Any], settings: PretrainedConfig) -> Any:
    task = config.get("task_type")
    names = [CLASSES[task]] if task in CLASSES else list(settings.architectures or ())
    found = getattr(transformers, names[0], None) if len(names) == 1 else None
    if found is None:
        raise CheckpointError(
            f"{source / CONFIG}: task_type is {task!r}, and the config of its model names {names}: expected one of "
            f"{', '.join(CLASSES)}."
        )
    return found


def _merged(model: PreTrainedModel, source: Path) -> PreTrainedModel:
    try:
        peft: Any = importlib.import_module("peft")
    except ImportError as error:
        raise NCTrainerError("Merging adapters needs PEFT: `pip install peft`.") from error
    config = peft.PeftConfig.from_pretrained(str(source))
    if config.is_prompt_learning:
        raise NCTrainerError(
            f"{source}: {config.peft_type} learns inputs, not weights, so that there is nothing to merge: quantize "
            "a model that was trained without it."
        )
    try:
        adapted = peft.get_peft_model(model, config)
        result = adapted.load_adapter(str(source), "default")
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{source}: the adapters do not fit the model: {' '.join(str(error).split())}"
        ) from error
    wrong = [*result.missing_keys, *result.unexpected_keys]
    if wrong:
        raise CheckpointError(
            f"{source}: the adapters do not fit the model: {len(wrong)} tensors are missing or have no place there "
            f"({', '.join(map(str, wrong[:3]))}). Is it the model that they were trained beside?"
        )
    try:
        merged: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)
    except (AttributeError, ValueError) as error:
        raise NCTrainerError(f"{source}: these adapters cannot be merged: {error}") from error
    return merged.eval()


def _tokenizer(*places: Place) -> PreTrainedTokenizerBase | None:
    """That of the first place that has one."""
    for place in places:
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(place)
        except (OSError, ValueError, KeyError):
            continue
        return tokenizer
    return None
