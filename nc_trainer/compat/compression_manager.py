"""`training.prepare_compression` and `training.fit`, as Neural Compressor 2.x called quantization-aware training."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from nc_trainer.compat.common import Metric, Model, unwrapped
from nc_trainer.compat.named_metrics import UpdatedMetric
from nc_trainer.compat.quantization_1x import Quantization
from nc_trainer.compat.training_function import trained, training_function
from nc_trainer.compat.unjudged import allowed_recipe, quantize_unjudged
from nc_trainer.config import QuantizationAwareTrainingConfig, TuningConfig
from nc_trainer.errors import ConfigError
from nc_trainer.int8.checked_model import checked_model
from nc_trainer.int8.training import fake_quantize


class Callbacks:
    """What a training loop of one's own calls. Only the beginning and the end of training do something.

    Args:
        model: a float transformers model.
        config: what of it may be int8.
    """

    def __init__(self, model: PreTrainedModel, config: TuningConfig) -> None:
        self._model = model
        self._config = config
        self._undo: Callable[[], None] | None = None
        self._is_on = True

    def on_train_begin(self, dataloader: Any = None) -> None:
        """Let the model compute as it will in int8, with gradients; on any device."""
        if self._is_on and self._undo is None:
            self._undo = fake_quantize(self._model, allowed_recipe(self._model, self._config))

    def on_train_end(self) -> None:
        """Make the model int8, on the CPU. What that costs in accuracy is not looked at.

        Raises:
            ConfigError: training did not begin.
        """
        if not self._is_on:
            return
        if self._undo is None:
            raise ConfigError("`callbacks.on_train_end()` was called without `on_train_begin()` before.")
        self._undo()
        self._undo = None
        quantize_unjudged(self._model.to("cpu"), self._config)

    def on_after_compute_loss(self, input: Any, output: Any, loss: Tensor, teacher_output: Any = None) -> Tensor:
        """The loss as it is."""
        return loss

    def on_epoch_begin(self, epoch: int) -> None:
        """Nothing."""

    def on_step_begin(self, batch_id: int) -> None:
        """Nothing."""

    def on_before_optimizer_step(self) -> None:
        """Nothing."""

    on_after_optimizer_step = on_step_end = on_epoch_end = on_before_eval = on_after_eval = on_before_optimizer_step
    on_batch_begin, on_batch_end = on_step_begin, on_step_end

    def left_to_fit(self) -> None:
        """`fit` begins and ends training itself, whatever the training function calls."""
        self._is_on = False


class CompressionManager:
    """A model that is trained for int8 in a loop of one's own.

    Attributes:
        model: the transformers model itself; it is changed in place.
        callbacks: what the loop calls.
        config: what was asked for.
    """

    def __init__(self, model: PreTrainedModel, config: TuningConfig) -> None:
        self.model = model
        self.config = config
        self.callbacks = Callbacks(model, config)

    def save(self, root: str | os.PathLike[str]) -> None:
        """Write config and weights, see `common.Model.save`."""
        Model(self.model).save(root)


def prepare_compression(
    model: nn.Module | Model, confs: QuantizationAwareTrainingConfig | Sequence[QuantizationAwareTrainingConfig]
) -> CompressionManager:
    """A manager for training this model for int8.

    Raises:
        ConfigError: `confs` is something else than one `QuantizationAwareTrainingConfig`.
        QuantizationError: the model cannot be quantized.
    """
    given = list(confs) if isinstance(confs, (list, tuple)) else [confs]
    if len(given) != 1 or not isinstance(given[0], QuantizationAwareTrainingConfig):
        found = ", ".join(type(conf).__name__ for conf in given)
        raise ConfigError(
            f"prepare_compression: found {found or 'nothing'}, expected one QuantizationAwareTrainingConfig: there is "
            "no pruning here, and distillation is a setting of a QuantizationTrainer, "
            "`quantization.quant_aware_training.distillation`."
        )
    return CompressionManager(checked_model(unwrapped(model)), given[0].config)


def fit(
    compression_manager: CompressionManager,
    train_func: Callable[[nn.Module], Any],
    eval_func: Callable[[nn.Module], Any] | None = None,
    eval_dataloader: Iterable[Any] | None = None,
    eval_metric: Metric | UpdatedMetric | None = None,
) -> Model:
    """Train for int8, then search for the int8 model that meets the criterion.

    Args:
        compression_manager: of the model.
        train_func: trains the model that it is given, in place; it may call the manager's callbacks.
        eval_func: from the model to what is judged: the float model before training, then each recipe.
        eval_dataloader, eval_metric: what is judged on and by, where there is no `eval_func`.

    Returns:
        The model in the chosen recipe, never None. Without anything to judge by everything that can be is int8.

    Raises:
        ConfigError: the configuration is not valid.
        QuantizationError: the model cannot be quantized.
    """
    model, config = compression_manager.model, compression_manager.config
    compression_manager.callbacks.left_to_fit()
    if eval_func is None and eval_dataloader is None:
        return Model(quantize_unjudged(trained(model, config, training_function(config, train_func)), config))
    quantizer = Quantization(config)
    quantizer.model = model
    quantizer.q_func = train_func
    quantizer.eval_func = eval_func
    quantizer.eval_dataloader = eval_dataloader
    quantizer.metric = eval_metric
    return quantizer()
