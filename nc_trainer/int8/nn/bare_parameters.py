"""Which modules of transformers keep projections in bare parameters, and how they apply them."""

from collections.abc import Callable
from typing import Any

from torch import nn
from transformers.models.funnel.modeling_funnel import FunnelRelMultiheadAttention
from transformers.models.xlnet.modeling_xlnet import XLNetRelativeAttention

from nc_trainer.int8.nn.projection import Projection


def _of_xlnet(attention: Any) -> dict[str, str]:
    return {**dict.fromkeys("qkv", "ibh,hnd->ibnd"), "o": "ibnd,hnd->ibh", "r": "ibh,hnd->ibnd"}


def _of_funnel(attention: Any) -> dict[str, str]:
    return {"r_kernel": "binh,dnh->bind" if attention.config.attention_type == "factorized" else "td,dnh->tnh"}


EQUATIONS: dict[type[nn.Module], Callable[[Any], dict[str, str]]] = {
    XLNetRelativeAttention: _of_xlnet,
    FunnelRelMultiheadAttention: _of_funnel,
}
"""By type of the module that holds the parameters: the einsum equation of each, by its name."""


def projections_of(module: nn.Module) -> dict[str, Projection]:
    """The bare parameters of `module`, and of none inside it, that are projections and still in float, by name."""
    equations = EQUATIONS[type(module)](module) if type(module) in EQUATIONS else {}
    parameters = dict(module.named_parameters(recurse=False))
    order = list(parameters)
    return {
        name: Projection(parameters[name], equation, order[order.index(name) + 1 :])
        for name, equation in equations.items()
        if name in parameters
    }
