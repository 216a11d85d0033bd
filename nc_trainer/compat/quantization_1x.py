"""`Quantization`, as Neural Compressor 1.x called a search."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from torch import nn

from nc_trainer.compat.common import Metric, Model, unwrapped
from nc_trainer.compat.loader_search import loader_search
from nc_trainer.compat.named_metrics import Compute, UpdatedMetric, updated_metric
from nc_trainer.compat.training_function import trained, trained_search, training_function
from nc_trainer.compat.unjudged import quantize_unjudged
from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.errors import ConfigError
from nc_trainer.report.reported_search import run_reported
from nc_trainer.search.objectives.objective import Objective, Reading


class Quantization:
    """A search that is put together from attributes and then called.

    Attributes:
        model: a transformers model, or a `common.Model` of one. It is changed in place.
        eval_func: from the model to a number that is judged, or to numbers by name.
        eval_dataloader: what is judged on when there is no `eval_func`; the file's `evaluation.accuracy`, or `metric`,
            says by what.
        metric: a `common.Metric`, or an object with `update`, `reset` and `result`.
        calib_dataloader: rows that rank modules; when it is None, those of `eval_dataloader`, or the first that
            `eval_func` gives to the model.
        objective: the name of an objective, or a function from the model to a number of which less is better, unless
            it has an attribute `higher_is_better`. It is called for the float model first, then for each accepted
            recipe. None: what the configuration names.
        q_func: under the approach `quant_aware_training` trains the model that it is given, in place; else None.

    Args:
        conf: a YAML file, a configuration, or None for the defaults.

    Raises:
        ConfigError: the configuration is not valid.
    """

    def __init__(self, conf: str | os.PathLike[str] | TuningConfig | None = None) -> None:
        self.conf = conf if isinstance(conf, TuningConfig) else load_tuning_config(conf) if conf else TuningConfig()
        self.model: nn.Module | Model | None = None
        self.eval_func: Callable[[nn.Module], Any] | None = None
        self.eval_dataloader: Iterable[Any] | None = None
        self.calib_dataloader: Iterable[Any] | None = None
        self.metric: Metric | UpdatedMetric | None = None
        self.objective: str | Callable[[nn.Module], float] | None = None
        self.q_func: Callable[..., Any] | None = None

    def __call__(self) -> Model:
        """Search. If no recipe meets the criterion, the model is the one that comes closest, with a warning.

        Returns:
            The model in the chosen recipe, never None; `result` says how it came about.

        Raises:
            ConfigError: the model, or something to judge by, was not given.
            QuantizationError: the model cannot be quantized.
        """
        if self.model is None:
            raise ConfigError("Quantization: no model was given. Set `quantizer.model = common.Model(model)`.")
        model, conf = unwrapped(self.model), self._conf()
        train = training_function(conf, self.q_func)
        if conf.tuning.exit_policy.performance_only and self.eval_func is None and self.eval_dataloader is None:
            return Model(quantize_unjudged(trained(model, conf, train), conf))
        search = loader_search(
            model,
            conf,
            eval_func=self.eval_func,
            eval_dataloader=self.eval_dataloader,
            calib_dataloader=self.calib_dataloader,
            compute=_compute(self.metric),
            objective=_objective(self.objective, model),
        )
        with trained_search(search, train) as search:
            result = run_reported(search)
        return Model(result.model, result)

    fit = __call__

    def _conf(self) -> TuningConfig:
        if not isinstance(self.objective, str):
            return self.conf
        several = type(self.conf.tuning.multi_objectives)()
        return replace(self.conf, tuning=replace(self.conf.tuning, objective=self.objective, multi_objectives=several))


def _compute(metric: Metric | UpdatedMetric | None) -> Compute | None:
    if metric is None:
        return None
    name, updated = (metric.name, metric.metric) if isinstance(metric, Metric) else ("user_metric", metric)
    missing = [part for part in ("update", "reset", "result") if not callable(getattr(updated, part, None))]
    if missing:
        raise ConfigError(f"Quantization.metric: {type(updated).__name__} has no {missing}, which are called.")
    return updated_metric(updated, name)


def _objective(objective: str | Callable[[nn.Module], float] | None, model: nn.Module) -> Objective | None:
    if objective is None or isinstance(objective, str):
        return None
    if not callable(objective):
        raise ConfigError(
            f"Quantization.objective: found a {type(objective).__name__}, expected a name or a function of the "
            "model that returns a number."
        )
    name = getattr(objective, "name", None) or getattr(objective, "__name__", type(objective).__name__)
    higher = bool(getattr(objective, "higher_is_better", False))
    return Objective(str(name), lambda trial: Reading(float(objective(model))), higher)
