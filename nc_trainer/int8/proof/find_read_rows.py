"""Which rows of which layers a model reads for its answer, as the gradient of the answer shows."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from nc_trainer.config.recipe import READ_AT
from nc_trainer.int8.encoder_layers import leave_fast_path
from nc_trainer.int8.module_tree import hookable
from nc_trainer.int8.nn.current_batch import parameters_of
from nc_trainer.int8.nn.read_rows import rows_at
from nc_trainer.int8.proof.probes import Probe

logger = logging.getLogger(__name__)
Rows = dict[str, Tensor]
"""By layer, whether each row of its output, [batch * tokens] bool, changes what the model returns."""


def find_read_rows(model: nn.Module, names: Sequence[str], probes: Sequence[Probe]) -> dict[str, str]:
    """The layers of whose output a model reads one token of each row of the batch, and which; see `Recipe.read_rows`.

    A row is read if the gradient of anything that the model returns, the loss for given labels included, is not zero
    there. A layer is in the answer if that holds for every call of it in every probe, and in variants of these whose
    last token, padding and mask stand in unusual places.

    Args:
        model: in float, in place.
        names: linear layers whose input has a row for each token.
        probes: see `probes.py`. One that the model does not take, or has no gradient for, shows nothing.
    """
    at = {position: set(names) for position in READ_AT}
    seen = False
    for inputs in (inputs for probe in probes for inputs in _variants(probe.inputs)):
        wanted = [name for name in names if any(name in kept for kept in at.values())]
        try:
            rows = _rows_with_gradient(model, wanted, inputs) if wanted else {}
        except Exception as error:  # the model's own code: it takes no such batch, or has no gradient
            logger.info("No gradient of the answer shows which rows are read: %s", error)
            continue
        seen = True
        for position, kept in at.items():
            allowed = rows_at(position, inputs, getattr(model, "config", None))
            kept &= {name for name, read in rows.items() if allowed is not None and _only(read, allowed)}
    return {name: position for position in reversed(READ_AT) for name in names if name in at[position]} if seen else {}


def _variants(inputs: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The inputs, and others of their shape: a last token inside, tokens in reverse, and all tokens alike."""
    yield inputs
    ids = inputs.get("input_ids")
    if ids is None or ids.dim() != 2:
        return
    yield {**inputs, "input_ids": ids.roll(ids.shape[1] // 2, 1)}
    yield {**inputs, "input_ids": ids.flip(1)}
    yield {**inputs, "input_ids": ids[:, :1].expand_as(ids).contiguous()}


def _only(read: Tensor, allowed: Tensor) -> bool:
    outside = read.clone()
    outside[allowed] = False
    return bool(read.any()) and not bool(outside.any())


def _rows_with_gradient(model: nn.Module, names: Sequence[str], inputs: Mapping[str, Tensor]) -> Rows:
    calls: list[tuple[str, Tensor]] = []
    with _watched(model, names, calls), torch.enable_grad():
        total = _summed(_outputs(model, inputs))
        gradients = torch.autograd.grad(total, [y for _, y in calls], allow_unused=True)
    rows: Rows = {}
    for (name, y), gradient in zip(calls, gradients, strict=True):
        read = torch.zeros(y.shape[:-1], dtype=torch.bool) if gradient is None else (gradient != 0).any(-1)
        rows[name] = rows.get(name, torch.zeros_like(read.flatten())) | read.flatten()
    return rows


def _outputs(model: nn.Module, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """All that the model returns, with a loss if it takes labels: one of each row, or several of it."""
    if "labels" not in parameters_of(model):
        return _float_tensors(model(**inputs))
    rows = next(value.shape[0] for value in inputs.values() if value.dim())
    config = getattr(model, "config", None)
    labels = torch.zeros(rows, getattr(config, "num_labels", 1))
    if labels.shape[1] > 1 and getattr(config, "problem_type", None) == "regression":
        return _float_tensors(model(**inputs, labels=labels))  # torch broadcasts one number to several, and warns
    try:
        return _float_tensors(model(**inputs, labels=torch.zeros(rows, dtype=torch.long)))
    except ValueError:  # what torch raises where several labels of a row are expected
        return _float_tensors(model(**inputs, labels=labels))


def _float_tensors(output: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def _summed(tensors: Sequence[Tensor]) -> Tensor:
    """Their sum, each element with another weight: what sums to a constant, as probabilities do, has a gradient."""
    weighted = [(tensor * torch.cos(torch.arange(tensor.numel())).view_as(tensor)).sum() for tensor in tensors]
    return torch.stack([value.double() for value in weighted]).sum()


@contextmanager
def _watched(model: nn.Module, names: Sequence[str], calls: list[tuple[str, Tensor]]) -> Iterator[None]:
    was_training = model.training
    model.eval()
    undo, handles = leave_fast_path(model, everywhere=True), []
    with hookable(model, names) as modules:
        handles = [module.register_forward_hook(partial(_keep, calls, name)) for name, module in modules.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            undo()
            model.train(was_training)


def _keep(calls: list[tuple[str, Tensor]], name: str, module: nn.Module, args: Any, y: Tensor) -> None:
    calls.append((name, y if y.requires_grad else y.requires_grad_()))
