"""Strategies that leave the choice to Optuna's samplers. Optuna is an extra; making one of these imports it."""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import ConfigError
from nc_trainer.search.strategies.base import Proposals, SearchSpace
from nc_trainer.search.strategies.random_search import shuffled_recipes
from nc_trainer.search.trial import Trial

INT8, FLOAT = "int8", "float"


class OptunaSearch:
    """Asks a sampler for recipes and tells it what became of them. Needs Optuna 5 or later.

    Each module is a choice between int8 and float. The objective is the share of weights in int8, subject to the
    criterion; recipes that miss it are ordered by how much. The first recipe is all int8; one that was judged before,
    or the float model, is replaced by a random one. A trial that failed tells the sampler nothing.

    Raises:
        ConfigError: Optuna is not installed, or too old.
    """

    finishes_itself = False
    needs_values = True

    def __init__(self) -> None:
        self._optuna = _imported_optuna(type(self).__name__)

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        study = self._new_study(space.seed)
        study.enqueue_trial(_choices(space.recipe))
        spare = shuffled_recipes(space.recipe, space.seed)
        judged: set[Recipe] = set()
        while True:
            asked = study.ask()
            recipe = _suggested(asked, space.recipe)
            if recipe not in judged and recipe.quantized:
                judged.add(recipe)
                self._tell(study, asked, space, (yield recipe))
                continue
            study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
            unseen = next((other for other in spare if other not in judged), None)
            if unseen is None:
                return
            study.enqueue_trial(_choices(unseen))

    def expected_trials(self, modules: int) -> int:
        """All there are: a sampler does not stop by itself."""
        return 2**modules - 1

    def _sampler(self, seed: int) -> Any:
        raise NotImplementedError

    def _new_study(self, seed: int) -> Any:
        with _quiet(self._optuna):
            return self._optuna.create_study(direction="maximize", sampler=self._sampler(seed))

    def _tell(self, study: Any, asked: Any, space: SearchSpace, trial: Trial) -> None:
        if trial.state != "complete":
            study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
            return
        missing = -space.margin(trial)
        asked.set_constraint("missing", min(missing, 0.0) if trial.accepted else max(missing, 1e-12))
        in_int8 = sum(space.weights[name] for name in trial.recipe.quantized)
        study.tell(asked, in_int8 / max(sum(space.weights.values()), 1))


class Bayesian(OptunaSearch):
    """A Gaussian process over recipes and constrained expected improvement.

    Costs as many evaluations as the budget allows, ten of them random at first, and seconds between evaluations
    where there are many modules.

    Source: `GPSampler` of Optuna, https://optuna.org. Neural Compressor's `bayesian` has a Gaussian process too, and
    no float fallbacks.
    """

    def _sampler(self, seed: int) -> Any:
        return self._optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)


class TPE(OptunaSearch):
    """Tree-structured Parzen estimators: which choices are more frequent in good recipes than in others.

    Costs as many evaluations as the budget allows, ten of them random at first.

    Source: Bergstra et al., "Algorithms for hyper-parameter optimization" (2011), as `TPESampler` of Optuna,
    https://optuna.org. Neural Compressor's `tpe` used hyperopt.
    """

    def _sampler(self, seed: int) -> Any:
        return self._optuna.samplers.TPESampler(seed=seed)


def _imported_optuna(strategy: str) -> Any:
    needed = f"tuning.strategy.name: `{strategy.lower()}` needs Optuna 5 or later"
    try:
        optuna = importlib.import_module("optuna")
    except ImportError:
        raise ConfigError(f"{needed}, which is not installed: `pip install 'optuna>=5'`.") from None
    if not hasattr(optuna.trial.Trial, "set_constraint"):
        raise ConfigError(f"{needed}, found {optuna.__version__}: `pip install 'optuna>=5'`.")
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's line about a new study, and its warnings that parts of it may change."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _choices(recipe: Recipe) -> dict[str, str]:
    return dict.fromkeys(recipe.fallbacks, FLOAT) | dict.fromkeys(recipe.quantized, INT8)


def _suggested(asked: Any, recipe: Recipe) -> Recipe:
    chosen = {name: asked.suggest_categorical(name, [INT8, FLOAT]) for name in recipe.quantized}
    return recipe.with_fallbacks(name for name, choice in chosen.items() if choice == FLOAT)
