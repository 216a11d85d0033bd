#!/usr/bin/env python
"""A few sounds and a tiny model for them, made from nothing, so that the example runs without a download."""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    AutoModelForAudioClassification,
    PretrainedConfig,
    SequenceFeatureExtractor,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    set_seed,
)

RATE, SECONDS = 16000, 0.25
LABELS = ("high", "low", "noise")
ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CONVOLUTIONS = {"conv_dim": [32, 32, 32], "conv_kernel": [16, 8, 4], "conv_stride": [8, 4, 2]}
POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
FRAMES, BINS = 24, 32
CONFIGS: dict[str, tuple[type[PretrainedConfig], dict[str, object]]] = {
    "wav2vec2": (
        Wav2Vec2Config,
        {**ENCODER, **CONVOLUTIONS, **POSITIONS, "classifier_proj_size": 32, "mask_time_prob": 0.0, "layerdrop": 0.0},
    ),
    "ast": (ASTConfig, {**ENCODER, "max_length": FRAMES, "num_mel_bins": BINS, "patch_size": 8}),
}
"""Patches of AST overlap: its strides are 10."""


def write_tiny(directory: Path, kind: str = "wav2vec2") -> None:
    """Write `train.csv`, `validation.csv`, the sounds that they name, and `model`, untrained.

    Args:
        directory: gets them.
        kind: a name of `CONFIGS`.
    """
    generator = np.random.default_rng(0)
    for split, count in (("train", 96), ("validation", 48)):
        (directory / split).mkdir(parents=True, exist_ok=True)
        with (directory / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["audio", "label"])
            for number in range(count):
                label = LABELS[number % len(LABELS)]
                name = f"{split}/{number}.wav"
                wavfile.write(directory / name, RATE, samples(label, generator))
                lines.writerow([name, label])
    write_model(directory / "model", kind)


def samples(label: str, generator: np.random.Generator) -> np.ndarray:
    """A noisy tone of a second's quarter or less, or noise alone, int16 [samples]."""
    count = int(RATE * SECONDS * generator.uniform(0.8, 1.0))
    pitch = {"high": 2000.0, "low": 400.0, "noise": 0.0}[label] * generator.uniform(0.9, 1.1)
    tone = np.sin(2 * np.pi * pitch * np.arange(count) / RATE)
    return ((tone + generator.normal(0, 0.3, count)) * 8_000).astype(np.int16)


def write_model(directory: Path, kind: str) -> None:
    """An untrained classifier of `LABELS` and its feature extractor."""
    set_seed(0)
    config_class, sizes = CONFIGS[kind]
    config = config_class(**sizes, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)})
    AutoModelForAudioClassification.from_config(config).save_pretrained(directory)
    extractor(kind).save_pretrained(directory)


def extractor(kind: str) -> SequenceFeatureExtractor:
    """What makes the model's inputs of samples."""
    if kind == "ast":
        return ASTFeatureExtractor(num_mel_bins=BINS, max_length=FRAMES)
    return Wav2Vec2FeatureExtractor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--kind", choices=list(CONFIGS), default="wav2vec2")
    options = parser.parse_args()
    write_tiny(options.directory, options.kind)


if __name__ == "__main__":
    main()
