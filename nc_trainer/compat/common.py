"""`common.Model` and `common.Metric`, as Neural Compressor 1.x called them."""

import os
from collections.abc import Callable
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from nc_trainer.compat.named_metrics import UpdatedMetric
from nc_trainer.errors import QuantizationError
from nc_trainer.hub.saving import saved_whole
from nc_trainer.report.result import QuantizationResult


class Model:
    """A model that can be saved; everything else is passed on to it.

    Attributes:
        model: the transformers model.
        result: how it came about, for a model that was quantized; with `outcome`, `trials` and `table()`.
    """

    def __init__(self, model: "nn.Module | Model", result: QuantizationResult | None = None) -> None:
        self.model: nn.Module = unwrapped(model)
        self.result = result

    def save(self, output_dir: str | os.PathLike[str]) -> None:
        """Write config and weights to `output_dir`, all or nothing; `from_pretrained` reads them back.

        Raises:
            QuantizationError: it is no transformers model.
            SavingError: the float model that it came from is in `output_dir`, or it cannot be written.
        """
        if not isinstance(self.model, PreTrainedModel):
            raise QuantizationError(f"Only transformers models can be saved, not a {type(self.model).__name__}.")
        with saved_whole(self.model, output_dir) as stage:
            self.model.save_pretrained(stage)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A forward pass."""
        return self.model(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ("model", "result"):  # not set yet, e.g. while it is being copied
            raise AttributeError(name)
        return getattr(self.model, name)


class Metric:
    """A metric of the user's: a class with `update(predictions, labels)`, `reset()` and `result()`.

    Args:
        metric_cls: the class, or what makes an object like that.
        name: of the metric.
        **kwargs: for the class.
    """

    def __init__(self, metric_cls: Callable[..., UpdatedMetric], name: str = "user_metric", **kwargs: Any) -> None:
        self.name = name
        self.metric = metric_cls(**kwargs)


def unwrapped(model: Any) -> Any:
    """The model in a `Model`, or `model` itself."""
    return model.model if isinstance(model, Model) else model
