"""nc_trainer: the full recipe, eager, under torch.compile, or without leaving out any row."""

import copy
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from nc_trainer.hub import attach, describe_engine
from nc_trainer.int8.float_parts import float_dtype
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from peers import compiling
from peers.interface import Batch, Peer, Task


def build(task: Task, compiled: bool = False, every_row: bool = False) -> Peer:
    """`every_row`: padding, and what no head reads, is computed, so that kernels and cleverness are told apart."""
    model = quantized(task.model, task.batches[0], every_row)
    setting = describe_engine(model) or ""
    if compiled:
        return Peer(compiling.compiled(model), f"{setting}, {compiling.SETTING}")
    return Peer(lambda batch: model(**batch).logits, setting)


def quantized(float_model: PreTrainedModel, batch: Batch, every_row: bool = False) -> PreTrainedModel:
    """A copy of the model as `quantize()` makes it if everything is accepted."""
    with torch.inference_mode(False):  # fusions are found by the versions of tensors, which inference mode leaves out
        model = copy.deepcopy(float_model)
        example = {key: value[:1] for key, value in batch.items()}
        recipe = full_recipe(model).with_rest_in(float_dtype("auto"))
        swapper = ModuleSwapper(model)
        recipe = proven(swapper, recipe, example).recipe
        if every_row:
            recipe = replace(recipe, padding="compute", read_rows={})
        swapper.apply(recipe)
        attach(model, recipe)
    return model
