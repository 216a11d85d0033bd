"""A benchmark whose models, data and scores are a trainer's."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel

from nc_trainer.benchmark import BenchmarkOptions, BenchmarkReport
from nc_trainer.benchmark.contenders import Contender, check_dtypes, in_dtypes, time_contenders
from nc_trainer.benchmark.lengths import with_lengths
from nc_trainer.benchmark.sources import SHORT_NAMES
from nc_trainer.config import load_tuning_config
from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import OptimizedModel, detached, recipe_of
from nc_trainer.hub.config import QUANT_METHOD, NCInt8Config
from nc_trainer.int8.quantize import ModuleSwapper, is_int8
from nc_trainer.trainer.batches import evaluation_batches
from nc_trainer.trainer.called_inputs import CalledInputs
from nc_trainer.trainer.contained_model import contained_model, is_container

if TYPE_CHECKING:
    from nc_trainer.trainer.mixin import QuantizationMixin


@dataclass(frozen=True)
class Quantized:
    """A model that was quantized here, with what brings its float weights back."""

    swapper: ModuleSwapper
    recipe: Recipe


class FloatState(Contender):
    """The float model that an int8 one came from: the same object in another recipe."""

    def save(self, directory: Path) -> None:
        """Write a float directory."""
        self.enter()
        with detached(self.model):
            self.model.save_pretrained(directory)


class TrainerBenchmark:
    """One call of `QuantizationMixin.benchmark`, whose arguments these are.

    Args:
        trainer: whose model is timed.
        eval_dataset: see there.
        baseline: see there.
        options: see there.
        quantized: how the trainer's model was quantized, if it was here.
    """

    def __init__(
        self,
        trainer: "QuantizationMixin",
        eval_dataset: Any,
        baseline: PreTrainedModel | str | os.PathLike[str] | None,
        options: BenchmarkOptions | None,
        quantized: Quantized | None,
    ) -> None:
        self.trainer = trainer
        self.model = cast(PreTrainedModel, contained_model(cast(nn.Module, trainer.model)))
        self.eval_dataset = eval_dataset
        self.baseline = getattr(trainer.args, "benchmark_baseline", None) if baseline is None else baseline
        self.dtypes: Sequence[str] = getattr(trainer.args, "benchmark_baseline_dtype", ["float32"])
        self.options = options or options_of(trainer.args)
        self.quantized = quantized if quantized and quantized.swapper.model is self.model else None

    def run(self) -> BenchmarkReport:
        """Score every model on the evaluation data, then time all of them."""
        check_dtypes(self.dtypes)
        self.options.placement  # noqa: B018 - raises now, not after an evaluation
        contenders = [*self._baselines(), self._own()]
        collated = self._batches(self.options.iterations or None)
        side = getattr(self.trainer.processing_class, "padding_side", "right")
        batches, lengths = with_lengths(collated, self.options, self.model.config, side)
        try:
            scores = {contender.name: self._score(contender) for contender in contenders}
            return time_contenders(contenders, batches, self.options, scores, lengths)
        finally:
            for contender in contenders:
                contender.leave()

    def _batches(self, limit: int | None) -> list[dict[str, Tensor]]:
        if is_container(self.trainer.model):
            return CalledInputs(self.trainer, self.model, self.eval_dataset).batches(limit)
        return evaluation_batches(self.trainer, self.eval_dataset, limit)

    def _own(self) -> Contender:
        name = "int8" if is_int8(self.model) else "float"
        directory = directory_of(self.model, str(self.trainer.args.output_dir))
        if self.quantized is None:
            return Contender(name, self.model, directory=directory)
        recipe, swapper = self.quantized.recipe, self.quantized.swapper

        def quantize() -> None:
            swapper.apply(recipe)

        return Contender(name, self.model, quantize, leave=quantize, directory=directory)

    def _baselines(self) -> list[Contender]:
        if self.baseline is None:
            return [] if self.quantized is None else self._float_states(self.quantized)
        if is_container(self.trainer.model):
            raise NCTrainerError(
                f"A {type(self.trainer.model).__name__} is compared with the float model that it came from: call "
                "`quantize()` first, and leave `baseline` out."
            )
        if isinstance(self.baseline, PreTrainedModel):
            model, directory = self.baseline, None
        else:
            model, directory = _loaded(self.baseline), str(self.baseline)
        ours, theirs = self.model.config.num_labels, model.config.num_labels
        if ours != theirs:
            raise NCTrainerError(
                f"The baseline has {theirs} labels and the trainer's model {ours}: not the same task."
            )
        return in_dtypes("baseline {}".format, model, self.dtypes, directory)

    def _float_states(self, quantized: Quantized) -> list[Contender]:
        def state(dtype: str) -> Contender:
            recipe = replace(quantized.recipe.in_float(), float_dtype=dtype)
            return FloatState(SHORT_NAMES[dtype], self.model, lambda: quantized.swapper.apply(recipe), dtype=dtype)

        return [state(dtype) for dtype in self.dtypes]

    def _score(self, contender: Contender) -> tuple[str, float]:
        contender.enter()
        if contender.model is self.model:
            return self.trainer.score(self.eval_dataset)
        with _standing_in(self.trainer, contender.model):
            return self.trainer.score(self.eval_dataset)


def _loaded(directory: str | os.PathLike[str]) -> PreTrainedModel:
    if not Path(directory, "config.json").is_file():
        raise NCTrainerError(f"The baseline {directory} is not a model directory: it has no config.json.")
    return OptimizedModel.from_pretrained(directory, dtype=torch.float32)


def options_of(args: Any) -> BenchmarkOptions:
    """What training arguments ask for; where they are at their default, what `args.tuning_config` says counts."""
    names = {
        "warmup": "benchmark_warmup",
        "iterations": "benchmark_iters",
        "threads": "benchmark_threads",
        "cores_per_instance": "benchmark_cores_per_instance",
        "num_of_instance": "benchmark_num_of_instance",
        "memory": "benchmark_memory",
        "pad_to": "benchmark_pad_to",
        "fixed_length": "benchmark_fixed_length",
    }
    path = getattr(args, "tuning_config", None)
    from_file = load_tuning_config(path).evaluation.performance.options() if path else {}
    defaults = BenchmarkOptions()
    given = {name: getattr(args, flag) for name, flag in names.items() if hasattr(args, flag)}
    changed = {name: value for name, value in given.items() if value != getattr(defaults, name)}
    return BenchmarkOptions(**{**from_file, **changed})


def directory_of(model: PreTrainedModel, output_dir: str) -> str | None:
    """Where the model is on disk: where it came from, or for an int8 model the output directory; None if not there."""
    for directory in (getattr(model.config, "_name_or_path", None), output_dir if is_int8(model) else None):
        if directory and Path(directory, "config.json").is_file() and _recipe_in(directory) == recipe_of(model):
            return str(directory)
    return None


def _recipe_in(directory: str) -> Recipe | str | None:
    found = getattr(AutoConfig.from_pretrained(directory), "quantization_config", None)
    if found is None:
        return None
    stored = found if isinstance(found, dict) else found.to_dict()
    return NCInt8Config(**stored).recipe if stored.get("quant_method") == QUANT_METHOD else "another format"


@contextmanager
def _standing_in(trainer: "QuantizationMixin", model: PreTrainedModel) -> Iterator[None]:
    """The trainer evaluates `model` meanwhile."""
    before = trainer.model, trainer.model_wrapped
    trainer.model = trainer.model_wrapped = model
    try:
        yield
    finally:
        trainer.model, trainer.model_wrapped = before
