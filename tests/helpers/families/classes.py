"""Every class of transformers that classifies text, tokens, pictures or sounds, and a tiny model of it."""

from dataclasses import dataclass

import torch
import transformers
from helpers.families.tiny_configs import tiny_config
from transformers import CONFIG_MAPPING, PreTrainedModel, set_seed
from transformers.models.auto import modeling_auto

import nc_trainer  # noqa: F401 - repairs Transformer-XL

TASKS = (
    "SEQUENCE_CLASSIFICATION",
    "TOKEN_CLASSIFICATION",
    "QUESTION_ANSWERING",
    "MULTIPLE_CHOICE",
    "IMAGE_CLASSIFICATION",
    "AUDIO_CLASSIFICATION",
)


@dataclass(frozen=True)
class Classifier:
    """One class: its family (transformers' model type), task, and name."""

    family: str
    task: str
    name: str


def classifiers() -> list[Classifier]:
    """All of them, each class once: some families share those of another."""
    found: dict[str, Classifier] = {}
    for task in TASKS:
        for family, names in getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES").items():
            for name in [names] if isinstance(names, str) else names:
                found.setdefault(name, Classifier(family, task, name))
    return list(found.values())


def tiny_model(classifier: Classifier) -> PreTrainedModel:
    """The model in evaluation mode, with weights that let every layer count; the same every time."""
    model_class = getattr(transformers, classifier.name)
    config = tiny_config(CONFIG_MAPPING[classifier.family], classifier.name)
    set_seed(0)
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at zero, and what becomes zero would not be noticed
            parameter.add_(torch.randn(parameter.shape) * 0.05)
        for module in model.modules():  # loading makes padding zero
            if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx] = 0
    return model
