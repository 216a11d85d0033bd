"""One line that says how an int8 model computes here, for benchmarks."""

from nc_trainer.config.recipe import Recipe
from nc_trainer.hub.quantizer import recipe_of
from nc_trainer.int8.ops import current_engine
from nc_trainer.int8.ops.engines import native


def describe_engine(*models: object) -> str | None:
    """Engine, instruction set and the rest of the recipe of the first int8 model; None where there is none."""
    recipe = next(filter(None, map(recipe_of, models)), None)
    return None if recipe is None else engine_of(recipe)


def engine_of(recipe: Recipe) -> str:
    """How an int8 model of this recipe computes here."""
    engine = current_engine().NAME
    if engine == native.NAME:
        engine = f"{engine} ({native.isa()})"
    padding = "skipped" if recipe.padding == "skip" else "computed"
    return f"{engine}; rest in {recipe.float_dtype}; attention: {recipe.attention}; padding: {padding}"
