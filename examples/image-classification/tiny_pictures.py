#!/usr/bin/env python
"""A few pictures and a tiny model for them, made from nothing, so that the example runs without a download."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import (
    AutoModelForImageClassification,
    ConvNextConfig,
    Dinov2Config,
    PretrainedConfig,
    SwinConfig,
    ViTConfig,
    set_seed,
)

SIDE = 32
LABELS = ("checks", "columns", "rows")
PATCHES = {"patch_size": 4, "image_size": SIDE}
ENCODER = {**PATCHES, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
CONFIGS: dict[str, tuple[type[PretrainedConfig], dict[str, object]]] = {
    "vit": (ViTConfig, {**ENCODER, "intermediate_size": 64}),
    "dinov2": (Dinov2Config, {**ENCODER, "mlp_ratio": 2}),
    "swin": (
        SwinConfig,
        {**PATCHES, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    ),
    "convnext": (ConvNextConfig, {"hidden_sizes": [16, 32], "depths": [2, 2], "num_stages": 2, "patch_size": 2}),
}


def write_tiny(directory: Path, kind: str = "vit") -> None:
    """Write `train.csv`, `validation.csv`, the pictures that they name, and `model`, untrained.

    Args:
        directory: gets them.
        kind: a name of `CONFIGS`.
    """
    generator = np.random.default_rng(0)
    for split, count in (("train", 96), ("validation", 48)):
        (directory / split).mkdir(parents=True, exist_ok=True)
        with (directory / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["image", "label"])
            for number in range(count):
                label = LABELS[number % len(LABELS)]
                name = f"{split}/{number}.png"
                Image.fromarray(pixels(label, generator)).save(directory / name)
                lines.writerow([name, label])
    write_model(directory / "model", kind)


def pixels(label: str, generator: np.random.Generator) -> np.ndarray:
    """A noisy pattern of fine lines, uint8 [32, 32, 3], in two greys and moved at random."""
    bands = (np.arange(SIDE) + generator.integers(2)) % 2
    pattern = {
        "rows": np.repeat(bands[:, None], SIDE, axis=1),
        "columns": np.repeat(bands[None, :], SIDE, axis=0),
        "checks": bands[:, None] ^ bands[None, :],
    }[label]
    noise = generator.normal(0, 40, (SIDE, SIDE, 3))
    return np.clip(80 + 100 * pattern[..., None] + noise, 0, 255).astype(np.uint8)


def write_model(directory: Path, kind: str) -> None:
    """An untrained classifier of `LABELS` and its image processor."""
    set_seed(0)
    config_class, sizes = CONFIGS[kind]
    config = config_class(**sizes, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)})
    AutoModelForImageClassification.from_config(config).save_pretrained(directory)
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}}
    (directory / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--kind", choices=list(CONFIGS), default="vit")
    options = parser.parse_args()
    write_tiny(options.directory, options.kind)


if __name__ == "__main__":
    main()
