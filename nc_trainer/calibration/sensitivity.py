"""Ranking modules by the damage that each alone does to the logits. No labels are needed."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nc_trainer.quantize import ModuleSwapper
from nc_trainer.recipe import Recipe

Batch = Mapping[str, Tensor]


def sensitivities(swapper: ModuleSwapper, recipe: Recipe, batches: Sequence[Batch]) -> dict[str, float]:
    """Squared error of the model's logits, summed over `batches`, with one module at a time in int8.

    Costs one forward pass over the batches for each module, and one for the float model. The model is left in
    float.

    Args:
        swapper: of the model.
        recipe: the modules to rank, with the precision each would take.
        batches: model inputs without labels, already collated.

    Returns:
        Damage by module name, in the recipe's order; infinite where the logits are not finite.
    """
    swapper.restore()
    expected = [logits(swapper.model, batch) for batch in batches]
    damage = {}
    for name in recipe.quantized:
        swapper.apply(recipe.only([name]))
        errors = [_squared_error(logits(swapper.model, b), e) for b, e in zip(batches, expected, strict=True)]
        damage[name] = sum(errors)
    swapper.restore()
    return damage


@torch.no_grad()
def logits(model: nn.Module, batch: Batch) -> list[Tensor]:
    """The logits of one batch in evaluation mode: one tensor, or start and end for question answering."""
    was_training = model.training
    output = model.eval()(**batch)
    model.train(was_training)
    found = [value for key, value in output.items() if key.endswith("logits")]
    return [tensor.float() for tensor in found or [next(iter(output.values()))]]


def _squared_error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    error = sum(float((a - b).double().square().sum()) for a, b in zip(found, expected, strict=True))
    return error if error < float("inf") else float("inf")
