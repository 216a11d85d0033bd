"""torch.compile as the peers use it."""

import torch
from torch import nn

from peers.interface import Forward

SETTING = "frozen weights"


def compiled(model: nn.Module) -> Forward:
    """The model under torch.compile. The first calls compile it, again when a second shape comes.

    Weights are frozen, as PyTorch advises for inference on a CPU: inductor may then pack them for oneDNN.
    """
    torch._dynamo.config.fail_on_recompile_limit_hit = True  # instead of going on in eager mode
    call = torch.compile(model, options={"freezing": True})
    return lambda batch: call(**batch).logits
