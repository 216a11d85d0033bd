"""Brings the data's label ids and the model's label ids together."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from transformers import PretrainedConfig

from nc_trainer.errors import NCTrainerError

CLASSIFIER = "ForSequenceClassification"

logger = logging.getLogger(__name__)


def is_trained_classifier(config: PretrainedConfig, head: str = CLASSIFIER) -> bool:
    """Whether the checkpoint has a classification head, so that its number of labels is fixed."""
    return any(name.endswith(head) for name in config.architectures or ())


def check_label_count(
    config: PretrainedConfig, label_names: Sequence[str], may_be_subset: bool = False, head: str = CLASSIFIER
) -> None:
    """Raise NCTrainerError when a fine-tuned model does not have the data's number of labels.

    Args:
        config: of the model; one that was not fine-tuned as a classifier fits any data.
        label_names: the data's labels; none means regression, which needs a model with one output.
        may_be_subset: accept data that holds only some of the model's labels, as a small evaluation file may.
        head: how the class of a fine-tuned model ends.
    """
    needed = len(label_names) or 1
    if not is_trained_classifier(config, head) or config.num_labels == needed:
        return
    if may_be_subset and label_names and _ids_by_name(config, label_names) is not None:
        return
    raise NCTrainerError(
        f"the model was fine-tuned with {config.num_labels} label(s): {', '.join(_names(config).values())}; "
        f"the data has {needed}: {', '.join(label_names) or 'a number (regression)'}. Use the data it was "
        "fine-tuned on, or --ignore_mismatched_sizes to train a new head"
    )


def align_labels(config: PretrainedConfig, label_names: Sequence[str]) -> list[int]:
    """The model's id of each of the data's labels, in the data's order.

    Labels are matched by name, without case, or by number. A model without label names takes the data's; one
    with other names keeps them, with a warning, and its ids are taken to be in the data's order.
    """
    ids = _ids_by_name(config, label_names)
    if ids is not None:
        return ids
    if _is_unnamed(config):
        config.id2label = dict(enumerate(label_names))
        config.label2id = {name: number for number, name in enumerate(label_names)}
    else:
        logger.warning(
            "The model's labels (%s) are not the data's (%s); they are taken to be in the same order.",
            ", ".join(_names(config).values()),
            ", ".join(label_names),
        )
    return list(range(len(label_names)))


def _names(config: PretrainedConfig) -> dict[int, str]:
    return {int(number): str(name) for number, name in (config.id2label or {}).items()}


def _ids_by_name(config: PretrainedConfig, label_names: Sequence[str]) -> list[int] | None:
    names = _names(config)
    ids = {str(number): number for number in names} | {name.lower(): number for number, name in names.items()}
    matched = [ids.get(name.lower()) for name in label_names]
    return [number for number in matched if number is not None] if None not in matched else None


def _is_unnamed(config: PretrainedConfig) -> bool:
    return all(name == f"LABEL_{number}" for number, name in _names(config).items())
