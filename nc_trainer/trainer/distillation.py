"""A loss beside the trainer's own: how far the logits are from those of another model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Trainer

from nc_trainer.int8.output_logits import logits_of

IGNORED = -100  # the label that transformers' losses leave out


@contextmanager
def distilling(trainer: Trainer, teacher: nn.Module | None, share: float) -> Iterator[None]:
    """While the trainer trains, that share of its loss is the mean squared difference from the teacher's logits.

    The teacher is put in evaluation mode and given what the model is given; without one nothing changes.
    `trainer.compute_loss`, which may be the user's, computes the rest of the loss, and all of it in evaluations.

    Source: Ba and Caruana, "Do deep nets really need to be deep?" (2014), section 2: regression on logits.
    """
    if teacher is None:
        yield
        return
    student = cast(nn.Module, trainer.model)
    loss = _DistillationLoss(trainer.compute_loss, teacher.eval().requires_grad_(False), share)
    own = vars(trainer).get("compute_loss")
    hook = student.register_forward_hook(loss.see, with_kwargs=True)
    trainer.compute_loss = loss
    try:
        yield
    finally:
        hook.remove()
        del trainer.compute_loss
        if own is not None:
            trainer.compute_loss = own


class _DistillationLoss:
    """Stands in for `Trainer.compute_loss`, whatever its arguments are.

    Args:
        compute_loss: what it stands in for.
        teacher: whose logits are the aim.
        share: of the loss.
    """

    def __init__(self, compute_loss: Any, teacher: nn.Module, share: float) -> None:
        self.compute_loss = compute_loss
        self.teacher = teacher
        self.share = share
        self._call: tuple[Any, Any, Any] | None = None

    def see(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """A forward hook of the student."""
        self._call = args, kwargs, output

    def __call__(self, model: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The loss, or loss and outputs, as `compute_loss` returns them."""
        self._call = None
        computed = self.compute_loss(model, *args, **kwargs)
        if not model.training or self._call is None:
            return computed
        loss, *outputs = computed if isinstance(computed, tuple) else (computed,)
        loss = (1 - self.share) * loss + self.share * self._distance(*self._call)
        return (loss, *outputs) if outputs else loss

    def _distance(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Tensor:
        with torch.no_grad():
            aims = logits_of(self.teacher(*args, **kwargs))
        found = logits_of(output)
        distances = [_distance(x, aim, kwargs.get("labels")) for x, aim in zip(found, aims, strict=True)]
        return torch.stack(distances).mean()


def _distance(x: Tensor, aim: Tensor, labels: Any) -> Tensor:
    """Mean squared difference of logits [..., classes]; of tokens only those that have a label."""
    squared = (x.float() - aim.float()).square().mean(-1)
    if isinstance(labels, Tensor) and labels.shape == squared.shape and bool((labels != IGNORED).any()):
        squared = squared[labels != IGNORED]
    return squared.mean()
