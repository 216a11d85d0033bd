"""A model as a function of tensors that gives one tensor."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

Inputs = Mapping[str, Tensor]
Run = Callable[[Inputs], Tensor]


class Logits(nn.Module):
    """Takes the named inputs one after the other. Names in a traced graph begin with `model`, the attribute."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The logits, [rows, labels]."""
        logits: Tensor = self.model(**dict(zip(self.names, inputs, strict=True))).logits
        return logits.float()
