"""Samples of wav files, at the rate that a model was trained with."""

import io
from math import gcd
from typing import Any

import numpy as np
from _shared.script_rows import Splits
from datasets import Audio
from scipy.io import wavfile
from scipy.signal import resample_poly

from nc_trainer import NCTrainerError


def undecoded(splits: Splits, column: str) -> Splits:
    """The splits with sounds as bytes and paths: `datasets` would need torchcodec to decode them."""
    return {
        split: rows.cast_column(column, Audio(decode=False)) if isinstance(rows.features.get(column), Audio) else rows
        for split, rows in splits.items()
    }


def samples_of(cell: Any, rate: int) -> np.ndarray:
    """One channel of a sound, float32 [samples] from -1 to 1.

    Args:
        cell: the path of a wav file, or the `bytes` and the `path` that `datasets` has of a sound.
        rate: of the samples that are returned, in Hz; a sound with another one is resampled.

    Raises:
        NCTrainerError: this is no wav file.
    """
    content = cell.get("bytes") if isinstance(cell, dict) else None
    name = cell.get("path") if isinstance(cell, dict) else cell
    try:
        own_rate, samples = wavfile.read(io.BytesIO(content) if content is not None else name)
    except (OSError, ValueError) as error:
        raise NCTrainerError(f"{name} cannot be read as a wav file: {error}") from error
    mono = _as_float(samples).reshape(len(samples), -1).mean(axis=1)
    if own_rate != rate:
        shared = gcd(own_rate, rate)
        mono = resample_poly(mono, rate // shared, own_rate // shared)
    return mono.astype(np.float32)


def _as_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype == np.uint8:  # the one unsigned form of wav
        return (samples.astype(np.float64) - 128) / 128
    if samples.dtype.kind == "i":
        return samples / -float(np.iinfo(samples.dtype).min)
    return samples
