"""What a recipe says beyond the precision of modules, applied to a model reversibly: each step undoes itself."""

from collections.abc import Callable

from torch import nn

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.called_forward import call_for_forward
from nc_trainer.int8.encoder_layers import leave_fast_path
from nc_trainer.int8.fixed_dtypes import fix_dtypes
from nc_trainer.int8.float32_head import returns_float32, widen_head
from nc_trainer.int8.fusion import fuse
from nc_trainer.int8.marked_config import mark_as_quantized
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.nn import CurrentBatch, Int8Linear, compute_rows_alone, restore_attention, use_native_attention
from nc_trainer.int8.nn.current_batch import parameters_of, watch_batches

Undo = Callable[[], None]


def compute_as(model: nn.Module, recipe: Recipe) -> Undo:
    """Make a model, whose modules are what the recipe says, compute as the rest of it says.

    Returns:
        A function that undoes it.
    """
    for module in model.modules():
        if isinstance(module, Int8Linear):
            module.pack_weights()
    undo = [fuse(model, recipe), watch_current_batch(model, recipe), leave_fast_path(model)]
    if recipe.attention == "native":
        undo.append(compute_rows_alone(model))
        if use_native_attention(model):
            undo.append(lambda: restore_attention(model))
    if recipe.float_dtype != "float32":
        undo.append(widen_head(model, recipe.float32_after))
    if recipe.quantized:
        undo += [fix_dtypes(model, recipe.float_dtype), mark_as_quantized(model)]
    if recipe.quantized or recipe.float_dtype != "float32":
        undo.append(call_for_forward(model))

    def undo_all() -> None:
        for step in reversed(undo):
            step()

    return undo_all


def watch_current_batch(model: nn.Module, recipe: Recipe) -> Undo:
    """Let int8 layers leave out rows, and leave fusions, as the recipe says, batch by batch."""
    skips = recipe.padding == "skip" and bool(recipe.token_wise)
    limits_fusions = recipe.coverage.tokens is not None and bool(recipe.activations)
    if not skips and not recipe.read_rows and not limits_fusions:
        return lambda: None
    batch = CurrentBatch(recipe.coverage, skips, recipe.read_rows, parameters_of(model), (returns_float32,))
    token_wise = {submodule(model, name) for name in recipe.token_wise} if skips else set()
    read_at = {submodule(model, name): position for name, position in recipe.read_rows.items()}
    linears = [module for module in model.modules() if isinstance(module, Int8Linear)]
    for linear in linears:
        linear.batch, linear.token_wise, linear.read_at = batch, linear in token_wise, read_at.get(linear, "")
    unwatch = watch_batches(model, batch)

    def undo() -> None:
        unwatch()
        for linear in linears:
            linear.batch, linear.token_wise, linear.read_at = None, False, ""

    return undo
