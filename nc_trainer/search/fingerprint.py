"""What a trial depends on, as named parts: the model, the data, the configuration, the versions.

A fingerprint is a flat mapping from a part's name, worded for people, to a plain value or a digest. Two searches may
share a journal when their fingerprints are equal; `changed_parts` says what differs.
"""

import dataclasses
import datetime
import decimal
import hashlib
import json
from collections.abc import Iterator, Mapping, Sized
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from nc_trainer.config import TuningConfig
from nc_trainer.config.recipe import FORMAT_VERSION, Recipe
from nc_trainer.config.version import __version__

Fingerprint = dict[str, Any]

UNKNOWN = "unknown"
"""The value of data that cannot be read twice, so that a change in it cannot be noticed."""

SAMPLED_ROWS = 2000
"""At most this many rows of a data set are read, evenly spaced; their number is always compared."""

EXEMPT_KEYS = frozenset(
    {
        "model.name",
        "version",
        "tuning.exit_policy.timeout",
        "tuning.exit_policy.max_trials",
        "tuning.report.enabled",
        "tuning.report.examples",
        "tuning.report.plots",
        "tuning.report.ranking",
        "tuning.report.timing",
        "tuning.shapley.inc_shapley_mse",
        "tuning.shapley.report",
        "tuning.tensorboard",
        "tuning.workspace.path",
        "tuning.workspace.resume",
    }
)
"""Keys that may change between one run and the next: none of them changes what a trial means."""

_DIGEST = "blake2b:"
_OF_THE_FILE = ("_name_or_path", "transformers_version")  # where a model came from, not what it computes
_TEXT_IS_EXACT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)


def search_fingerprint(
    model: nn.Module,
    recipe: Recipe,
    config: TuningConfig,
    *,
    metric: str | None,
    higher_is_better: bool | None,
    evaluation_data: Any,
    calibration_data: Any,
) -> Fingerprint:
    """Everything that a search's trials depend on.

    Args:
        model: the float model.
        recipe: everything in int8 that can be.
        metric: the name of the metric that was asked for, None when it is chosen from what is computed.
        higher_is_better: the direction that was asked for, None when it follows from the name.
        evaluation_data: see `dataset_fingerprint`.
        calibration_data: likewise; it decides the ranking.
    """
    return {
        **model_fingerprint(model),
        **dataset_fingerprint(evaluation_data, "the evaluation data"),
        **dataset_fingerprint(calibration_data, "the calibration data"),
        "the modules that can be int8": _digest(recipe.to_dict()),
        "the metric that was asked for": metric,
        "the direction that was asked for": higher_is_better,
        **config_fingerprint(config),
        **version_fingerprint(),
    }


def model_fingerprint(model: nn.Module) -> Fingerprint:
    """The model's class, its `config` where it has one, and its weights: names, dtypes, shapes and bytes.

    Equal weights give equal digests whether or not they are tied, in every process.
    """
    parts = {"the model's class": type(model).__name__, "the model's weights": _weights_digest(model)}
    config = getattr(model, "config", None)
    if isinstance(config, transformers.PretrainedConfig):
        settings = {key: value for key, value in config.to_dict().items() if key not in _OF_THE_FILE}
        parts["the model's config"] = _digest(settings)
    return parts


def dataset_fingerprint(dataset: Any, name: str) -> Fingerprint:
    """How many rows a data set has and a digest of their content, under `name` and "rows of `name`".

    The content is hashed, because the `_fingerprint` of `datasets` differs between processes after a `map` with a
    lambda. Of more than `SAMPLED_ROWS` rows, so many are read, the first and the last among them.

    Args:
        dataset: a `datasets.Dataset` (its stored columns, whatever its format), anything with `len` and integer
            indices, a mapping from names to such, or None. What has no length or holds objects without a plain form is
            `UNKNOWN`.
        name: what to call it.
    """
    if isinstance(dataset, Mapping):
        inner = (dataset_fingerprint(value, f"{name} `{key}`") for key, value in dataset.items())
        return {key: value for parts in inner for key, value in parts.items()}
    if dataset is None:
        return {name: None}
    if not isinstance(dataset, Sized) or isinstance(dataset, IterableDataset):
        return {name: UNKNOWN}
    return {f"rows of {name}": len(dataset), name: _content_digest(dataset)}


def config_fingerprint(config: TuningConfig) -> Fingerprint:
    """Every value of the configuration by its dotted key, without `EXEMPT_KEYS`."""
    return {key: value for key, value in _flat(config.to_dict()) if key not in EXEMPT_KEYS}


def version_fingerprint() -> Fingerprint:
    """The versions of what computes a trial. int8 engines are left out: all of them give the same bits."""
    return {
        "nc_trainer version": __version__,
        "torch version": str(torch.__version__),
        "transformers version": transformers.__version__,
        "recipe format version": FORMAT_VERSION,
    }


def changed_parts(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """One text for each part that differs: `name: old -> new`, or the name alone where the values are digests."""
    names = [*current, *(name for name in stored if name not in current)]
    return [_change(name, stored, current) for name in names if _shown(name, stored) != _shown(name, current)]


def _change(name: str, stored: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    old, new = _shown(name, stored), _shown(name, current)
    return name if _DIGEST in old + new else f"{name}: {old} -> {new}"


def _shown(name: str, parts: Mapping[str, Any]) -> str:
    if name not in parts:
        return "absent"
    value = parts[name]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _weights_digest(model: nn.Module) -> str:
    whole = hashlib.blake2b(digest_size=20)
    hashed: dict[tuple[Any, ...], str] = {}  # tied tensors are read once
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor):
            place = (value.data_ptr(), value.dtype, value.shape, value.stride())
            if place not in hashed:
                hashed[place] = _digest(value)
            value = hashed[place]
        whole.update(_canonical([name, value]))
    return _DIGEST + whole.hexdigest()


def _content_digest(dataset: Any) -> str:
    chosen = _evenly_spaced(len(dataset))
    try:
        if isinstance(dataset, datasets.Dataset):
            return _digest(dataset.with_format(None).select(chosen).to_dict())
        return _digest([dataset[number] for number in chosen])
    except TypeError:  # rows without a plain form, or no integer indices
        return UNKNOWN


def _evenly_spaced(rows: int) -> list[int]:
    if rows <= SAMPLED_ROWS:
        return list(range(rows))
    return [number * (rows - 1) // (SAMPLED_ROWS - 1) for number in range(SAMPLED_ROWS)]


def _digest(value: Any) -> str:
    return _DIGEST + hashlib.blake2b(_canonical(value), digest_size=20).hexdigest()


def _canonical(value: Any) -> bytes:
    """The same bytes for equal values in every process; raises TypeError for objects without a plain form."""
    return json.dumps(value, default=_plain, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    """What JSON is to hold for a value that it does not know."""
    if isinstance(value, Tensor):
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return _array(str(value.dtype), value.shape, raw)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return _array(str(value.dtype), value.shape, np.ascontiguousarray(value))
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.hex()}
    if isinstance(value, Mapping):  # e.g. BatchEncoding, which is not a dict
        return dict(value)
    if isinstance(value, _TEXT_IS_EXACT):
        return str(value)
    if dataclasses.is_dataclass(value):
        return vars(value)
    raise TypeError(f"{type(value).__name__} has no plain form")


def _array(dtype: str, shape: tuple[int, ...], raw: np.ndarray) -> list[Any]:
    return [dtype, list(shape), hashlib.blake2b(raw.data, digest_size=20).hexdigest()]
