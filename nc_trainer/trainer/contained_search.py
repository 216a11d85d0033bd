"""What is different in a search whose model stands in a container, as in sentence-transformers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from nc_trainer.config import TuningConfig
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.int8.replay import Batch
from nc_trainer.search.objectives.goal import TIMED_BATCHES
from nc_trainer.search.search import SearchRows
from nc_trainer.trainer.called_inputs import CalledInputs


def called_rows(called: CalledInputs, evaluation_data: Any) -> SearchRows:
    """The rows of a search: what an evaluation has called the model with."""
    return SearchRows(
        example=called.first,
        calibration=called.rows,
        labelled=_no_labels,
        timed=lambda: called.batches(TIMED_BATCHES),
        evaluation_data=evaluation_data,
    )


def _no_labels(rows: int) -> Sequence[Batch]:
    raise QuantizationError(
        "A Hessian needs the model's own loss, and sentence-transformers computes its loss outside of the model: use "
        "a strategy that needs none, such as `basic` or `mse`."
    )


def with_dtype_of_container(config: TuningConfig, container: nn.Module, model: nn.Module) -> TuningConfig:
    """float32 where a container has weights of its own, which it casts to the model's dtype when it is loaded.

    An int8 model returns float32 whatever its rest computes in, which weights in bfloat16 do not take.
    """
    outside = set(container.parameters()) - set(model.parameters())
    if not any(parameter.is_floating_point() for parameter in outside):
        return config
    if config.quantization.float_dtype not in ("auto", "float32"):
        raise ConfigError(
            f"`quantization.float_dtype`: found {config.quantization.float_dtype}, expected float32 or auto, because "
            f"the {type(container).__name__} has weights after the transformers model, which take float32 alone."
        )
    return replace(config, quantization=replace(config.quantization, float_dtype="float32"))
