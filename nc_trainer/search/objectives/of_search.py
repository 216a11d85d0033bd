"""What orders the accepted trials of one search, and what explains them."""

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import ConfigError
from nc_trainer.explain import check_shap
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.objectives.goal import make_goal
from nc_trainer.search.objectives.objective import Goal
from nc_trainer.search.objectives.shapley_mse import ShapleyMSE
from nc_trainer.search.search import Search


def explainer_of(search: Search, recipe: Recipe) -> ShapleyMSE | None:
    """What explains recipes, if that is asked for. It explains the float model at once: errors come early.

    Raises:
        ConfigError: there are no rows to explain.
        NCTrainerError: shap is not installed, or the model or its tokenizer cannot be explained.
    """
    tuning = search.config.tuning
    if not tuning.explains:
        return None
    check_shap()
    if search.rows.explained is None:
        raise ConfigError(
            "`tuning.shapley` and the objective `shapley_mse` need a tokenizer and evaluation rows, which a "
            "QuantizationTrainer has: use its `quantize()`, or choose another objective."
        )
    seed = tuning.random_seed if tuning.shapley.seed is None else tuning.shapley.seed
    explainer = ShapleyMSE(search.swapper, recipe.in_float(), search.rows.explained(seed), tuning.shapley, seed)
    search.swapper.restore()
    return explainer


def goal_of(search: Search, reference: Reference, explainer: ShapleyMSE | None) -> Goal | None:
    """What accepted trials are ordered by, None where measuring it could not change what is chosen."""
    if search.objective is not None:
        return Goal((search.objective,), (1.0,))
    return make_goal(
        search.config.tuning,
        reference.criterion.metric,
        search.swapper,
        reference.trial.recipe,
        search.rows.timed,
        explainer,
    )
