"""`approach: quant_aware_training`: the trainer's own `train()` on a model whose modules compute as int8 will."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import cast

from torch import nn
from transformers import Trainer

from nc_trainer.config.quantization_section import AWARE_TRAINING
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.checked_model import searchable
from nc_trainer.search.early import Watch
from nc_trainer.search.search import Search
from nc_trainer.search.trained_first import trained_for_int8
from nc_trainer.trainer.distillation import distilling

Quietly = Callable[[], AbstractContextManager[None]]


@contextmanager
def trained_if_asked(trainer: Trainer, search: Search, quietly: Quietly) -> Iterator[Search]:
    """The search itself, or under `quant_aware_training` one over the model that `trainer.train()` leaves.

    Args:
        trainer: has a train set; its arguments say how long and how fast it trains, and where it resumes.
        search: of the trainer's model.
        quietly: in which context the float model is evaluated.

    Raises:
        QuantizationError: there is no train set.
    """
    if search.config.quantization.approach != AWARE_TRAINING:
        yield search
        return
    if trainer.train_dataset is None:
        raise QuantizationError("`quant_aware_training` trains the model: give the trainer a `train_dataset`.")
    share = search.config.quantization.quant_aware_training.distillation
    teacher = copy.deepcopy(cast(nn.Module, trainer.model)) if share else None
    with searchable(search.model):
        with quietly():
            evaluation = search.evaluate(Watch())
        with trained_for_int8(search, evaluation, partial(_train, trainer, teacher, share)) as trained:
            yield trained


def _train(trainer: Trainer, teacher: nn.Module | None, share: float) -> str:
    """Train as the trainer does; a sentence about it."""
    with distilling(trainer, teacher, share):
        steps = trainer.train(resume_from_checkpoint=trainer.args.resume_from_checkpoint).global_step
    distilled = f", with {share:g} of the loss from the float model's logits" if share else ""
    return f"The weights were trained for int8, up to step {steps}{distilled}"
