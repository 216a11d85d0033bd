"""How much int8 weights are expected to cost the loss, from its curvature. Labels are needed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.pytorch_utils import Conv1D

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.nn import KINDS, Projection
from nc_trainer.int8.ops import dequantize_rows
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import Batch

Loss = Callable[[nn.Module, Batch], Tensor]


def models_own_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The loss that the model computes from a batch with labels.

    Raises:
        QuantizationError: it computes none.
    """
    output = model(**batch)
    loss = output.get("loss") if isinstance(output, Mapping) else output[0] if isinstance(output, tuple) else None
    if loss is None or loss.dim():
        raise QuantizationError(
            f"{type(model).__name__} computes no loss from {sorted(batch)}: Hessian traces need batches with `labels`."
        )
    return loss


def hessian_sensitivities(
    swapper: ModuleSwapper,
    recipe: Recipe,
    batches: Sequence[Batch],
    samples: int = 16,
    seed: int = 0,
    loss: Loss = models_own_loss,
) -> dict[str, float]:
    """Average Hessian trace of each module times the squared error of its int8 weight.

    Costs what `hessian_traces` costs. The model is left in float.

    Returns:
        By module name, in the recipe's order, in the unit of the loss. Negative where the loss is concave, as it may
        be away from a minimum.

    Source: Dong et al., "HAWQ-V2: Hessian aware trace-weighted quantization of neural networks" (2020), section 3.
    """
    swapper.restore()
    model, names = swapper.model, recipe.quantized
    traces = hessian_traces(model, batches, names, samples, seed, loss)
    weights = {name: _weight(model, name) for name in names}
    errors = {name: _squared_weight_error(submodule(model, name)) for name in names}
    return {name: traces[name] / weights[name].numel() * errors[name] for name in names}


def hessian_traces(
    model: nn.Module,
    batches_with_labels: Sequence[Batch],
    names: Sequence[str],
    samples: int,
    seed: int,
    loss: Loss = models_own_loss,
) -> dict[str, float]:
    """The trace of the Hessian of the loss by each module's weight, estimated by Hutchinson's method.

    For random signs v the expectation of v . (H v) is the trace of H. All modules are estimated from the same double
    backward pass, which adds noise but no bias: samples * batches passes in all, each some five forward passes
    long. With a few samples the modules of a transformer are still ordered differently from seed to seed. The model
    is in evaluation mode meanwhile and left as it was.

    Args:
        model: in float.
        batches_with_labels: model inputs with labels, already collated. The loss is averaged over batches.
        names: modules with a `weight`.
        samples: random vectors per batch, at least 1.
        seed: of the vectors; the global random state is neither used nor changed.
        loss: computes a scalar from the model and a batch.

    Returns:
        Trace by name, as given. Divided by the number of weights it is the average eigenvalue.

    Raises:
        QuantizationError: there are no batches, or the model computes no loss.

    Source: Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines"
    (1990).
    """
    if not batches_with_labels or samples < 1:
        raise QuantizationError("Hessian traces need at least one batch with labels and one sample.")
    generator = torch.Generator().manual_seed(seed)
    weights = [_weight(model, name) for name in names]
    totals = [0.0] * len(weights)
    with _differentiable(model, weights):
        for batch in batches_with_labels:
            gradients = torch.autograd.grad(loss(model, batch), weights, create_graph=True, materialize_grads=True)
            for _ in range(samples):
                quadratic = _quadratic_forms(gradients, weights, generator)
                totals = [total + value for total, value in zip(totals, quadratic, strict=True)]
    count = samples * len(batches_with_labels)
    return {name: total / count for name, total in zip(names, totals, strict=True)}


def _quadratic_forms(gradients: Sequence[Tensor], weights: list[Tensor], generator: torch.Generator) -> list[float]:
    """v . (H v) for each weight, for new random signs v."""
    signs = [torch.randint(0, 2, w.shape, generator=generator).to(w) * 2 - 1 for w in weights]
    products = torch.autograd.grad(gradients, weights, signs, retain_graph=True, materialize_grads=True)
    return [float((v * hv).double().sum()) for v, hv in zip(signs, products, strict=True)]


@contextmanager
def _differentiable(model: nn.Module, weights: Sequence[Tensor]) -> Iterator[None]:
    """Evaluation mode, gradients by the weights, and attention that can be differentiated twice."""
    was_training, required = model.training, [weight.requires_grad for weight in weights]
    model.eval()
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        model.train(was_training)
        for weight, before in zip(weights, required, strict=True):
            weight.requires_grad_(before)


def _weight(model: nn.Module, name: str) -> Tensor:
    weight = submodule(model, name).weight
    if not isinstance(weight, Tensor):
        raise QuantizationError(f"`{name}` has no weight.")
    return weight


def _squared_weight_error(module: nn.Module) -> float:
    buffers = dict(KINDS[type(module)].from_float(module).named_buffers())
    error = dequantize_rows(buffers["qweight"], buffers["scale"]) - _matrix(module).detach().float()
    return float(error.double().square().sum())


def _matrix(module: nn.Module) -> Any:
    """The weight as [out, in]."""
    if isinstance(module, Projection):
        return module.matrix()
    return module.weight.t() if isinstance(module, Conv1D) else module.weight
