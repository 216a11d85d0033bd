"""What single modules may be: the values of `model_wise`, `optype_wise` and `op_wise`.

A value is what the search may choose: `fp32` keeps a module in float, `int8` keeps it in int8, a list of both leaves
the choice to the search. Everything else about int8 is fixed here, and a file that asks for something else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nc_trainer.config.frozen_mapping import FrozenMapping
from nc_trainer.config.rules import Rule, describe
from nc_trainer.errors import ConfigError


@dataclass(frozen=True)
class _Key:
    """What one key of `weight` or `activation` may hold, and why nothing else."""

    possible: tuple[object, ...]
    because: str


_DTYPE = _Key(("int8", "fp32"), "a module is int8 or stays in float")
_SCHEME = _Key(("sym",), "int8 is symmetric here, zero is code 0")
_BIT = _Key((8,), "int8 codes have 8 bits")
KEYS: dict[str, dict[str, _Key]] = {
    "weight": {
        "dtype": _DTYPE,
        "scheme": _SCHEME,
        "granularity": _Key(("per_channel",), "each row of the weights has its scale"),
        "algorithm": _Key(("minmax",), "the scale of a row comes from its largest weight"),
        "bit": _BIT,
    },
    "activation": {
        "dtype": _DTYPE,
        "compute_dtype": _Key(("int8",), "activations are computed in int8, symmetric"),
        "scheme": _SCHEME,
        "granularity": _Key(("per_token",), "each token has its scale, found while the model runs"),
        "algorithm": _Key(
            ("minmax", "placeholder"), "the scale of a token comes from its largest value, without calibration"
        ),
        "bit": _BIT,
    },
}
_OTHER_DTYPES = {
    "bf16": "bfloat16 is not chosen for single modules but for all that is not int8, by `quantization.float_dtype`",
    "fp16": "float16 is not computed on CPUs here",
    "uint8": "int8 codes are signed and symmetric here: write int8",
}


@dataclass(frozen=True)
class ModuleRule(Rule):
    """The rule of `model_wise`: `weight` and `activation`, each with the keys of `KEYS`."""

    def apply(self, value: object, path: str) -> FrozenMapping | None:
        """`value` with a tuple of alternatives for every key; ConfigError naming the dotted key inside it."""
        if value is None:
            return None
        parts = _mapping(value, path, tuple(KEYS))
        return FrozenMapping({part: _part(inner, f"{path}.{part}", KEYS[part]) for part, inner in parts.items()})


@dataclass(frozen=True)
class ModuleRules(ModuleRule):
    """The rule of `optype_wise` and `op_wise`: what `model_wise` holds, by names or regular expressions."""

    def apply(self, value: object, path: str) -> FrozenMapping | None:
        """See `ModuleRule.apply`."""
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise ConfigError(f"`{path}`: found {describe(value)}, expected {self.expected}.")
        return FrozenMapping(
            {
                _pattern(name, path): super(ModuleRules, self).apply(inner or {}, f"{path}.{name}")
                for name, inner in value.items()
            }
        )


def module_rule() -> Rule:
    """What every module that can be int8 may be."""
    return ModuleRule("a mapping of `weight` and `activation` or null", lambda value: value)


def module_rules(of: str) -> Rule:
    """What the modules of some names or types may be; `of` says which."""
    return ModuleRules(f"a mapping from {of} to `weight` and `activation` or null", lambda value: value)


def _pattern(name: object, path: str) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"`{path}`: found {describe(name)} as a name, expected a text.")
    try:
        re.compile(name)
    except re.error as error:
        raise ConfigError(f"`{path}.{name}`: not a regular expression ({error}).") from None
    return name


def _mapping(value: object, path: str, allowed: Sequence[str]) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"`{path}`: found {describe(value)}, expected a mapping whose keys may be: {_listed(allowed)}."
        )
    for key in value:
        if key not in allowed:
            shown = key if isinstance(key, str) else describe(key)
            raise ConfigError(f"`{path}.{shown}`: unknown key. Keys allowed under `{path}`: {_listed(allowed)}.")
    return value


def _part(value: object, path: str, keys: Mapping[str, _Key]) -> FrozenMapping:
    content = _mapping(value if value is not None else {}, path, tuple(keys))
    return FrozenMapping({key: _alternatives(inner, f"{path}.{key}", keys[key]) for key, inner in content.items()})


def _alternatives(value: object, path: str, key: _Key) -> tuple[object, ...]:
    """One value or a list of them, as a tuple without repetitions; every one must be possible."""
    listed = list(value) if isinstance(value, (list, tuple)) else [value]
    if not listed:
        raise ConfigError(f"`{path}`: found an empty list, expected {_choices(key)}.")
    for item in listed:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)) or item not in key.possible:
            because = _OTHER_DTYPES.get(str(item), key.because) if key is _DTYPE else key.because
            raise ConfigError(f"`{path}`: found {describe(item)}, expected {_choices(key)}: {because}.")
    return tuple(choice for choice in key.possible if choice in listed)


def _choices(key: _Key) -> str:
    return " or ".join(repr(choice) for choice in key.possible)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))
