"""`Benchmark`, as Neural Compressor 1.x called a benchmark."""

import os
from collections.abc import Iterable
from typing import Any

from nc_trainer.benchmark import BenchmarkReport, fit
from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.errors import ConfigError


class Benchmark:
    """A benchmark that is put together from attributes and then called.

    Attributes:
        model: a transformers model, a `common.Model` of one, or a directory.
        b_dataloader: the batches that are timed.

    Args:
        conf: a YAML file, whose `evaluation.performance` says how to measure, a configuration, or None.

    Raises:
        ConfigError: the configuration is not valid.
    """

    def __init__(self, conf: str | os.PathLike[str] | TuningConfig | None = None) -> None:
        self.conf = conf if isinstance(conf, TuningConfig) else load_tuning_config(conf) if conf else TuningConfig()
        self.model: Any = None
        self.b_dataloader: Iterable[Any] | None = None

    def __call__(self, mode: str = "performance") -> BenchmarkReport:
        """Time the model and print the report.

        Raises:
            ConfigError: the model or its batches were not given, or `mode` is another one.
        """
        if mode != "performance":
            raise ConfigError(f"Benchmark: mode {mode!r} is not built; accuracy is `trainer.evaluate()`.")
        if self.model is None:
            raise ConfigError("Benchmark: no model was given. Set `evaluator.model = common.Model(model)`.")
        return fit(self.model, self.conf.evaluation.performance, self.b_dataloader)

    fit = __call__
