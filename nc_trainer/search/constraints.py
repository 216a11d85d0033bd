"""What a configuration says about single modules, resolved against a model: fixed in float, fixed in int8, or free."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch import nn

from nc_trainer.config import QuantizationConfig
from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import ConfigError
from nc_trainer.int8.module_tree import named_modules

INT8, FLOAT = "int8", "fp32"
Allowed = tuple[str, ...]
_BOTH: Allowed = (INT8, FLOAT)


@dataclass(frozen=True)
class Constraints:
    """The modules of a model after a configuration was read.

    Attributes:
        recipe: has everything in int8 that may be; what must be float is float.
        always_int8: names of modules that never fall back.
    """

    recipe: Recipe
    always_int8: frozenset[str] = frozenset()

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the modules whose precision the search chooses."""
        return tuple(name for name in self.recipe.quantized if name not in self.always_int8)


def constrain_model(config: QuantizationConfig, recipe: Recipe, model: nn.Module) -> Constraints:
    """`constrain` with the types of the modules of a model, which is in float."""
    return constrain(config, recipe, {name: type(module).__name__ for name, module in named_modules(model)})


def constrain(config: QuantizationConfig, recipe: Recipe, kinds: Mapping[str, str]) -> Constraints:
    """Apply `model_wise`, `optype_wise`, `recipes` and `op_wise`; of those that speak of a module, the last decides.

    Args:
        config: the section `quantization`.
        recipe: everything in int8 that can be.
        kinds: type of every module of the model, by name; with those that cannot be int8.

    Raises:
        ConfigError: a name or type matches no module, a module cannot be what is asked of it, two regular
            expressions disagree about one, or nothing is left in int8.
    """
    allowed = dict.fromkeys(recipe.modules, _BOTH)
    for level in (_model_wise, _optype_wise, _recipes, _op_wise):
        allowed.update(level(config, recipe, kinds))
    constrained = recipe.with_fallbacks(name for name, choices in allowed.items() if choices == (FLOAT,))
    if not constrained.quantized:
        raise ConfigError("`quantization`: every module is to stay in float (fp32), so there is nothing to quantize.")
    always = frozenset(name for name, choices in allowed.items() if choices == (INT8,))
    return Constraints(constrained, always)


def _model_wise(config: QuantizationConfig, recipe: Recipe, kinds: Mapping[str, str]) -> dict[str, Allowed]:
    return _choices(config.model_wise, recipe.modules, recipe, "quantization.model_wise")


def _optype_wise(config: QuantizationConfig, recipe: Recipe, kinds: Mapping[str, str]) -> dict[str, Allowed]:
    found: dict[str, Allowed] = {}
    for pattern, rule in (config.optype_wise or {}).items():
        path = f"quantization.optype_wise.{pattern}"
        matches = _matches(pattern, set(kinds.values()), path, "no type of module")
        names = [name for name, kind in kinds.items() if kind in matches]
        _merge(found, _choices_of_matches(rule, names, recipe, path), path)
    return found


def _op_wise(config: QuantizationConfig, recipe: Recipe, kinds: Mapping[str, str]) -> dict[str, Allowed]:
    exact: dict[str, Allowed] = {}
    by_pattern: dict[str, Allowed] = {}
    for pattern, rule in (config.op_wise or {}).items():
        path = f"quantization.op_wise.{pattern}"
        names = _matches(pattern, [name for name in kinds if name], path, "no module")
        _refuse_container(names, recipe, kinds, path)
        target = exact if pattern in kinds else by_pattern
        _merge(target, _choices_of_matches(rule, names, recipe, path), path)
    return by_pattern | exact


def _recipes(config: QuantizationConfig, recipe: Recipe, kinds: Mapping[str, str]) -> dict[str, Allowed]:
    linear = [name for name, precision in recipe.modules.items() if precision is Precision.INT8_DYNAMIC]
    ends = []
    if linear and not config.recipes.first_conv_or_matmul_quantization:
        ends.append(linear[0])
    if linear and not config.recipes.last_conv_or_matmul_quantization:
        ends.append(linear[-1])
    return dict.fromkeys(ends, (FLOAT,))


def _matches(pattern: str, candidates: Iterable[str], path: str, nothing: str) -> list[str]:
    """The candidate of that name, else those that the pattern matches as a whole."""
    listed = list(candidates)
    found = [pattern] if pattern in listed else [name for name in listed if re.fullmatch(pattern, name)]
    if not found:
        close = get_close_matches(pattern, listed, n=3, cutoff=0.4)
        hint = (
            f" Close matches: {', '.join(close)}." if close else f" There are, e.g.: {', '.join(sorted(listed)[:3])}."
        )
        raise ConfigError(f"`{path}`: {nothing} has this name or matches it as a regular expression.{hint}")
    return found


def _refuse_container(names: list[str], recipe: Recipe, kinds: Mapping[str, str], path: str) -> None:
    """A name means the module alone; one that only holds others would silently do nothing."""
    if any(name in recipe.modules for name in names):
        return
    for name in names:
        inside = [other for other in recipe.modules if other.startswith(f"{name}.")]
        if inside:
            raise ConfigError(
                f"`{path}`: a {kinds[name]} holds modules that can be int8 ({inside[0]}, ...) and is none itself. "
                f"For all of them write `{re.escape(name)}\\..*`."
            )


def _choices_of_matches(
    rule: Mapping[str, Any], names: Iterable[str], recipe: Recipe, path: str
) -> dict[str, Allowed]:
    listed = list(names)
    can = [name for name in listed if name in recipe.modules]
    if not can and _cannot_be_float(rule):
        raise ConfigError(
            f"`{path}`: {listed[0]} cannot be int8 here. What can: {', '.join(list(recipe.modules)[:3])}, ...; "
            "embeddings too with `quantization.embeddings: true`."
        )
    return _choices(rule, can, recipe, path)


def _cannot_be_float(rule: Mapping[str, Any]) -> bool:
    return any(FLOAT not in part.get("dtype", _BOTH) for part in rule.values())


def _choices(rule: Mapping[str, Any] | None, names: Iterable[str], recipe: Recipe, path: str) -> dict[str, Allowed]:
    """What the rule allows each module; nothing for modules of which it names no dtype."""
    found = {name: _allowed(rule or {}, recipe.modules[name], path) for name in names}
    return {name: choices for name, choices in found.items() if choices is not None}


def _allowed(rule: Mapping[str, Any], precision: Precision, path: str) -> Allowed | None:
    """int8 is int8 weights and activations together; an embedding has no activations in int8."""
    weight = rule.get("weight", {}).get("dtype")
    activation = None if precision is Precision.INT8_WEIGHT_ONLY else rule.get("activation", {}).get("dtype")
    given = [choices for choices in (weight, activation) if choices is not None]
    if not given:
        return None
    common = tuple(choice for choice in _BOTH if all(choice in choices for choices in given))
    if not common:
        raise ConfigError(
            f"`{path}`: weight dtype {given[0][0]!r} with activation dtype {given[1][0]!r} is not built: "
            "a module has both in int8 or both in fp32."
        )
    return common


def _merge(found: dict[str, Allowed], new: Mapping[str, Allowed], path: str) -> None:
    for name, choices in new.items():
        if found.setdefault(name, choices) != choices:
            raise ConfigError(
                f"`{path}`: another key of the same section says something else about `{name}`. "
                "Name that module in full, which decides, or change one of the regular expressions."
            )
