"""Everything that differs between transformers 4.57 and 5, in one place."""

import importlib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, PretrainedConfig, PreTrainedModel, TrainingArguments

from nc_trainer.hub.files import weight_files
from nc_trainer.int8.module_tree import repeated_keys


def tied_keys(model: PreTrainedModel) -> set[str]:
    """Keys of the state dict that may be absent from a checkpoint because they share another key's tensor.

    5 lists them; 4.57 has regular expressions that are searched for in the keys. Modules of several names are
    saved under the first.
    """
    listed = getattr(model, "all_tied_weights_keys", None)
    if listed is not None:
        return set(listed) | repeated_keys(model)
    patterns = getattr(model, "_tied_weights_keys", None) or ()
    tied = {key for key in model.state_dict() if any(re.search(pattern, key) for pattern in patterns)}
    return tied | repeated_keys(model)


def untie(model: PreTrainedModel, is_untied: Callable[[str], bool]) -> None:
    """Forget that keys of the state dict share a tensor where one of them belongs to what is not tied any more.

    5 keeps a list that loading goes through. On 4.57 a model ties its output layer to its embedding unless the config
    says no, and heads tie their biases.
    """
    tied = getattr(model, "all_tied_weights_keys", None)
    if tied is not None:
        kept = {key: source for key, source in tied.items() if not (is_untied(key) or is_untied(source))}
        setattr(model, "all_tied_weights_keys", kept)
        return
    untied = [module for name, module in model.named_modules() if is_untied(f"{name}.weight")]
    if any(module in untied for module in _embeddings(model)):
        setattr(model, "tie_weights", partial(_tie_without_embeddings, model, model.tie_weights))
    for module in model.modules():
        if hasattr(module, "_tie_weights") and set(module.children()) & {model.get_output_embeddings()} & set(untied):
            setattr(module, "_tie_weights", _nothing)


def _embeddings(model: PreTrainedModel) -> list[nn.Module]:
    """The input embedding; none where the class does not say which it is, as some of pictures and sounds.

    ConvNeXt does not say, and what PoolFormer says is an attribute that it has not.
    """
    try:
        return [model.get_input_embeddings()]
    except (NotImplementedError, AttributeError):
        return []


def _nothing() -> None:
    """In place of a head's own method."""


def _tie_without_embeddings(model: PreTrainedModel, tie_weights: Callable[[], None]) -> None:
    wanted = model.config.tie_word_embeddings
    model.config.tie_word_embeddings = False
    try:
        tie_weights()
    finally:
        model.config.tie_word_embeddings = wanted


def local_checkpoint_files(config: PretrainedConfig | None) -> list[str] | None:
    """The weight files behind a config that was read from a local directory, None for one from the hub.

    4.57 does not tell quantizers which files it is about to read, 5 does.
    """
    directory = Path(getattr(config, "_name_or_path", None) or "/nonexistent")
    if not directory.is_dir():
        return None
    return [str(path) for path in weight_files(directory)]


def batches_of_similar_length() -> dict[str, Any]:
    """The training argument that batches rows of similar length, for less padding. 5 gave it another name."""
    if "group_by_length" in TrainingArguments.__dataclass_fields__:
        return {"group_by_length": True}
    return {"train_sampling_strategy": "group_by_length"}


def groups_by_length(args: TrainingArguments) -> bool:
    """Whether the trainer's samplers order rows by their length."""
    return all(getattr(args, name) == value for name, value in batches_of_similar_length().items())


def keep_label_names(directory: Path, config: PretrainedConfig) -> None:
    """Make `config.json` in `directory`, where `config` was just saved, give as many labels as `config` has.

    5 leaves `LABEL_0` and `LABEL_1` out, because they are what most architectures start with; BART starts with three
    labels and is read with three. 4.57 writes them.
    """
    if type(config).from_pretrained(directory).num_labels == config.num_labels:
        return
    path = directory / "config.json"
    names = {"id2label": config.id2label, "label2id": config.label2id}
    content = json.loads(path.read_text(encoding="utf-8")) | names
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def repair_transfo_xl() -> None:
    """Let Transformer-XL compute: on 4.57 every call of it raises, 5 does not have it.

    Its code says `torch.arange(...).type_as(dtype=...)`, which is no method of torch, and will not be changed any more
    (https://github.com/huggingface/transformers/issues/29650). Goes together with the support of 4.57.
    """
    if "transfo-xl" in CONFIG_MAPPING:
        modeling = importlib.import_module("transformers.models.deprecated.transfo_xl.modeling_transfo_xl")
        setattr(modeling, "torch", _TorchOfTransfoXL())


class _TorchOfTransfoXL:
    """The module `torch`, but for the tensors of `arange`: their `type_as` takes a dtype."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def arange(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        tensor = torch.arange(*args, **kwargs)
        setattr(tensor, "type_as", lambda dtype: tensor.to(dtype))
        return tensor
