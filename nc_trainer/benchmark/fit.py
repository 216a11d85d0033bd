"""`benchmark.fit`, as Neural Compressor 2.x called it: one model on the batches of a dataloader."""

import os
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import nn

from nc_trainer.benchmark.contenders import Contender, time_contenders
from nc_trainer.benchmark.loader_batches import loader_batches
from nc_trainer.benchmark.options import BenchmarkOptions
from nc_trainer.benchmark.report import BenchmarkReport
from nc_trainer.config import BenchmarkConfig, EvaluationPerformance
from nc_trainer.errors import ConfigError
from nc_trainer.hub import OptimizedModel
from nc_trainer.int8.quantize import is_int8


def fit(
    model: Any,
    conf: BenchmarkConfig | EvaluationPerformance | None = None,
    b_dataloader: Iterable[Any] | None = None,
    b_func: Any = None,
) -> BenchmarkReport:
    """Time the forward pass of a model, and print the report.

    Args:
        model: a transformers model, a `common.Model` of one, or a directory.
        conf: how to measure; None is the defaults.
        b_dataloader: its batches; labels are not used.
        b_func: must be None: a function of the user's would time more than the model.

    Raises:
        ConfigError: there is no dataloader, or a `b_func`.
        NCTrainerError: it cannot be timed as asked.
    """
    if b_func is not None or b_dataloader is None:
        raise ConfigError("benchmark.fit: expected `b_dataloader`, whose batches are timed, and no `b_func`.")
    performance = conf.performance if isinstance(conf, BenchmarkConfig) else conf or BenchmarkConfig().performance
    options = BenchmarkOptions(**performance.options())
    contender = _contender(model)
    batches = loader_batches(contender.model, islice(b_dataloader, options.iterations or None), sys.maxsize, False)
    report = time_contenders([contender], batches, options, scores={})
    print(report)
    return report


def _contender(model: Any) -> Contender:
    if isinstance(model, (str, os.PathLike)):
        loaded = OptimizedModel.from_pretrained(model, dtype=torch.float32)
        return Contender("int8" if is_int8(loaded) else "float", loaded, directory=os.fspath(model))
    module = model if isinstance(model, nn.Module) else model.model
    return Contender("int8" if is_int8(module) else "float", module)
