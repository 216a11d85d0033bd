"""What a trainer gives to its model for a batch."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn
from transformers import Trainer

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.replay import logits

Batch = Mapping[str, Any]


class ModelInputs:
    """What a model's forward takes, from batches of its trainer, without the labels: no loss is to be computed.

    A decoder that reads labels, shifted by one, as its inputs is given them in that form. A model that does not run
    without labels keeps them, which the first batch shows, by a forward pass over one row.

    Args:
        trainer: collated the batches.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._runs_without_labels: bool | None = None

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Of one batch."""
        given = given_inputs(self._trainer, batch)
        inputs = {key: value for key, value in given.items() if key not in _label_names(self._trainer)}
        shift = getattr(self._trainer.model, "prepare_decoder_input_ids_from_labels", None)
        if shift is not None and "labels" in batch and "decoder_input_ids" not in inputs:
            inputs["decoder_input_ids"] = shift(labels=batch["labels"])
        if self._runs_without_labels is None:
            self._runs_without_labels = len(inputs) == len(given) or _runs(self._trainer.model, inputs)
        return inputs if self._runs_without_labels else given


def labelled_inputs(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    """What the model's forward takes, with the labels.

    Raises:
        QuantizationError: the batch has none.
    """
    if not any(name in batch for name in trainer.label_names):
        raise QuantizationError(
            f"The calibration rows have no labels ({trainer.label_names}), which a Hessian needs: add them, or "
            "use a strategy that needs none, such as `basic`."
        )
    accepted = _accepted(trainer, batch)
    return given_inputs(trainer, batch) | {key: accepted[key] for key in _label_names(trainer) if key in accepted}


class _Called(BaseException):
    """Ends a call of the model before it computes. Not an Exception, so that no handler on the way takes it."""


def given_inputs(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    """The tensors that the trainer calls its model with, by name; no forward pass is computed.

    They are what is left when `prediction_step` and `compute_loss`, which a user may override, have taken their own
    from the batch. Where these do not come so far, it is what the model's forward has a name for.
    """
    model, found = cast(nn.Module, trainer.model), dict[str, Any]()

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.update(by_name(module, args, kwargs))
        raise _Called

    handle = model.register_forward_pre_hook(look, with_kwargs=True, prepend=True)
    try:
        trainer.prediction_step(model, copy.copy(batch), prediction_loss_only=True)
    except _Called:
        pass
    except Exception:
        found.clear()
    finally:
        handle.remove()
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor) and key != "num_items_in_batch"}
    return tensors or _accepted(trainer, batch)


def by_name(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names of parameters; nothing if one has no name."""
    bound = inspect.signature(module.forward).bind_partial(*args, **kwargs)
    named = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL and named.pop(parameter.name, ()):
            return {}
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= named.pop(parameter.name, {})
    return named


def _accepted(trainer: Trainer, batch: Batch) -> dict[str, Tensor]:
    parameters = inspect.signature(cast(nn.Module, trainer.model).forward).parameters
    takes_all = not any(key in parameters for key in batch)
    return {
        key: value for key, value in batch.items() if isinstance(value, Tensor) and (takes_all or key in parameters)
    }


def _label_names(trainer: Trainer) -> set[str]:
    return {"labels", "label", "label_ids", *trainer.label_names}


def _runs(model: nn.Module, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the model takes one row of these."""
    try:
        logits(model, {key: value[:1] if value.dim() else value for key, value in inputs.items()})
    except Exception:
        return False
    return True
