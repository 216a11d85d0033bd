"""`quantization.fit`, as Neural Compressor 2.x called a search: `from nc_trainer import quantization`."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from nc_trainer.compat.common import Metric, Model, unwrapped
from nc_trainer.compat.named_metrics import UpdatedMetric
from nc_trainer.compat.quantization_1x import Quantization
from nc_trainer.compat.training_function import training_function
from nc_trainer.compat.unjudged import quantize_unjudged
from nc_trainer.config import PostTrainingQuantConfig, TuningConfig
from nc_trainer.errors import ConfigError


def fit(
    model: nn.Module | Model,
    conf: PostTrainingQuantConfig | TuningConfig | str | os.PathLike[str] | None = None,
    *,
    calib_dataloader: Iterable[Any] | None = None,
    calib_func: Callable[[nn.Module], Any] | None = None,
    eval_func: Callable[[nn.Module], Any] | None = None,
    eval_dataloader: Iterable[Any] | None = None,
    eval_metric: Metric | UpdatedMetric | None = None,
) -> Model:
    """Search for the int8 model that meets the criterion.

    Args:
        model: a transformers model; it is changed in place.
        conf: what is asked for.
        calib_dataloader: rows that rank modules when the first recipe is refused.
        calib_func: must be None: dynamic quantization has nothing to calibrate.
        eval_func: from the model to what is judged.
        eval_dataloader, eval_metric: what is judged on and by, where there is no `eval_func`.

    Returns:
        The model in the chosen recipe, never None: the best there is, with a warning, if none meets the criterion.
        Without `eval_func` and `eval_dataloader` nothing is searched: everything that can be is int8, unjudged.

    Raises:
        ConfigError: the configuration is not valid, or only half of what is judged by was given.
        QuantizationError: the model cannot be quantized.
    """
    if calib_func is not None:
        raise ConfigError("quantization.fit: `calib_func` calibrates static scales, and there are none: leave it out.")
    quantizer = Quantization(conf.config if isinstance(conf, PostTrainingQuantConfig) else conf)
    if eval_func is None and eval_dataloader is None:
        if eval_metric is not None:
            raise ConfigError("quantization.fit: `eval_metric` needs `eval_dataloader`, which was not given.")
        training_function(quantizer.conf, None)
        return Model(quantize_unjudged(unwrapped(model), quantizer.conf))
    quantizer.model = model
    quantizer.calib_dataloader = calib_dataloader
    quantizer.eval_func = eval_func
    quantizer.eval_dataloader = eval_dataloader
    quantizer.metric = eval_metric
    return quantizer()
