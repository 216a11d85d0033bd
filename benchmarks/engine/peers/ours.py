"""nc_trainer: the full recipe, eager or under torch.compile."""

import copy
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from nc_trainer.benchmark import describe_machine
from nc_trainer.fusion import with_fusions
from nc_trainer.ops import current_engine
from nc_trainer.quantize import ModuleSwapper, full_recipe
from peers import compiling
from peers.interface import Batch, Peer, Task


def build(task: Task, compiled: bool) -> Peer:
    model = quantized(task.model, task.batches[0])
    setting = f"engine {current_engine().NAME}, {float_dtype()}"
    if compiled:
        return Peer(compiling.compiled(model), f"{setting}, {compiling.SETTING}")
    return Peer(lambda batch: model(**batch).logits, setting)


def quantized(float_model: PreTrainedModel, batch: Batch) -> PreTrainedModel:
    """A copy of the model with everything int8 that can be, the rest in bf16 where the CPU has it, and fused."""
    with torch.inference_mode(False):  # fusions are found by the versions of tensors, which inference mode leaves out
        model = copy.deepcopy(float_model)
        recipe = replace(full_recipe(model), float_dtype=float_dtype(), attention="native")
        ModuleSwapper(model).apply(with_fusions(model, recipe, batch))
    return model


def float_dtype() -> str:
    isa = describe_machine().isa or ()
    return "bfloat16" if {"avx512_bf16", "amx_bf16"}.intersection(isa) else "float32"
