"""The objectives that a configuration can name, measured on a model whose recipe is swapped in place."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from torch import Tensor, nn

from nc_trainer.benchmark.statistics import compare
from nc_trainer.config import TuningSection
from nc_trainer.config.recipe import Recipe
from nc_trainer.config.tuning_section import SHAPLEY_MSE
from nc_trainer.errors import ConfigError
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.search.metric import Metric
from nc_trainer.search.objectives.objective import Goal, Objective, Reading
from nc_trainer.search.objectives.recipe_timing import Batch, time_recipes
from nc_trainer.search.trial import CompleteTrial, Trial

TIMED_BATCHES = 4


def make_goal(
    tuning: TuningSection,
    metric: Metric,
    swapper: ModuleSwapper,
    float_recipe: Recipe,
    batches: Callable[[], Sequence[Batch]],
    shapley: Callable[[Trial], Reading] | None = None,
) -> Goal | None:
    """The objectives that a configuration names, or None when measuring them could not change what is chosen.

    Without a timeout the search ends at its first acceptable recipe, so there is nothing to order by what takes time.

    Args:
        metric: what `accuracy` is.
        swapper: of the model.
        float_recipe: with everything in float: what times are compared with.
        batches: model inputs without labels, asked for once, if times are measured.
        shapley: measures `shapley_mse`; needed if it is named.
    """
    several = tuning.multi_objectives
    names = several.objective or (tuning.objective or "performance",)
    _check_direction(tuning, metric)
    known = {
        "performance": Objective("performance", RelativeTime(swapper, float_recipe, batches), costly=True),
        "modelsize": Objective("modelsize", lambda trial: Reading(saved_bytes(swapper.model))),
        "footprint": Objective("footprint", lambda trial: Reading(resident_bytes(swapper.model))),
        "accuracy": Objective("accuracy", _value, higher_is_better=metric.higher_is_better),
    }
    if shapley is not None:
        known[SHAPLEY_MSE] = Objective(SHAPLEY_MSE, shapley, costly=True)
    goal = Goal(tuple(known[name] for name in names), several.weight or (1.0,) * len(names))
    return goal if tuning.exit_policy.timeout or not goal.costly else None


class RelativeTime:
    """Seconds of a forward pass over those of the float model; below 1 is faster.

    Both run on the same batches in the same rounds, taking turns, and the medians are divided: what disturbs one
    disturbs the other. The model is switched between the two off the clock.
    """

    def __init__(self, swapper: ModuleSwapper, float_recipe: Recipe, batches: Callable[[], Sequence[Batch]]) -> None:
        self._swapper = swapper
        self._float_recipe = float_recipe
        self._make_batches = batches

    @cached_property
    def _batches(self) -> Sequence[Batch]:
        return self._make_batches()

    def __call__(self, trial: Trial) -> Reading:
        """The ratio and half of its 95% interval; the float model itself needs no measuring."""
        if trial.recipe == self._float_recipe:
            return Reading(1.0)
        recipes = {"float": self._float_recipe, "trial": trial.recipe}
        seconds = time_recipes(self._swapper, recipes, self._batches)
        self._swapper.apply(trial.recipe)
        faster = compare("float", seconds["float"], "trial", seconds["trial"])
        return Reading(1 / faster.ratio, (1 / faster.low - 1 / faster.high) / 2)


def saved_bytes(model: nn.Module) -> int:
    """Bytes of all tensors that saving writes; the file's header, about 100 bytes for each of them, is not counted."""
    return _bytes(model.state_dict().values())


def resident_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers of the model at rest, those that are not saved included.

    Activations, and the copies of weights that an int8 engine packs at first use, are not counted.
    """
    return _bytes([*model.parameters(), *model.buffers()])


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Tensors that share their memory, as tied weights do, count once."""
    unique = {(tensor.data_ptr(), tensor.shape, tensor.dtype): tensor for tensor in tensors if tensor.numel()}
    return sum(tensor.numel() * tensor.element_size() for tensor in unique.values())


def _value(trial: Trial) -> Reading:
    return Reading(trial.value if isinstance(trial, CompleteTrial) else float("nan"))


def _check_direction(tuning: TuningSection, metric: Metric) -> None:
    several = tuning.multi_objectives
    directions = dict(zip(several.objective or (), several.higher_is_better or (), strict=False))
    if directions.get("accuracy", metric.higher_is_better) != metric.higher_is_better:
        raise ConfigError(
            f"`tuning.multi_objectives.higher_is_better`: found {str(directions['accuracy']).lower()} for `accuracy`, "
            f"which is {metric.name} here, expected {str(metric.higher_is_better).lower()}."
        )
