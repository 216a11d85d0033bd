"""Training for int8 with a function of the user's: `q_func` of 1.x, `train_func` of 2.x."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from nc_trainer.compat.common import unwrapped
from nc_trainer.compat.unjudged import allowed_recipe
from nc_trainer.config import TuningConfig
from nc_trainer.config.quantization_section import AWARE_TRAINING
from nc_trainer.errors import ConfigError
from nc_trainer.int8.checked_model import checked_model, searchable
from nc_trainer.int8.training import fake_quantize
from nc_trainer.search import Watch
from nc_trainer.search.search import Search
from nc_trainer.search.trained_first import trained_for_int8

Train = Callable[[nn.Module], None]


def training_function(config: TuningConfig, function: Callable[..., Any] | None) -> Train | None:
    """What trains a model in place, None where the configuration does not ask for it.

    Raises:
        ConfigError: only one of the approach and the function is there, or the loss is to be distilled.
    """
    if config.quantization.approach != AWARE_TRAINING:
        if function is None:
            return None
        raise ConfigError(
            "A training function (`q_func`) is called under `quantization.approach: quant_aware_training` only: set "
            "that, or leave the function out."
        )
    if function is None:
        raise ConfigError(
            "`quantization.approach: quant_aware_training` needs a function that trains the model: `quantizer.q_func` "
            "or `training.fit(manager, train_func)`. A QuantizationTrainer has its own."
        )
    if config.quantization.quant_aware_training.distillation:
        raise ConfigError(
            "`quantization.quant_aware_training.distillation` is part of the loss of a QuantizationTrainer; that of "
            "a training function is its own. Leave the key out."
        )
    return _checked(function)


def trained(model: nn.Module, config: TuningConfig, train: Train | None) -> nn.Module:
    """The model, after training for int8 if there is a function for it. Nothing is evaluated."""
    if train is not None:
        checked = checked_model(model)
        undo = fake_quantize(checked, allowed_recipe(checked, config))
        try:
            train(model)
        finally:
            undo()
    return model


@contextmanager
def trained_search(search: Search, train: Train | None) -> Iterator[Search]:
    """The search, or one over what the model becomes by training; see `trained_for_int8`."""
    if train is None:
        yield search
        return

    def run() -> str:
        train(search.model)
        return "The weights were trained for int8"

    with searchable(search.model):
        evaluation = search.evaluate(Watch())
        with trained_for_int8(search, evaluation, run) as changed:
            yield changed


def _checked(function: Callable[..., Any]) -> Train:
    """It may return the model that it was given, or nothing."""

    def train(model: nn.Module) -> None:
        returned = unwrapped(function(model))
        if isinstance(returned, nn.Module) and returned is not model:
            raise ConfigError("The training function returned another model: train the one that it is given.")

    return train
