"""The tuning configuration: every key of the YAML file, its default, what it may hold and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nc_trainer.config.evaluation_section import EvaluationConfig
from nc_trainer.config.parsing import build
from nc_trainer.config.quantization_section import QuantizationConfig
from nc_trainer.config.rules import one_of, text, version_number
from nc_trainer.config.section import Section, plain, setting
from nc_trainer.config.tuning_section import TuningSection


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section, path="model"):
    """What the model is called, and which framework it is of."""

    name: str = setting("model", text(), "A label for logs and reports.")
    framework: str = setting(
        "pytorch",
        one_of("pytorch", "pytorch_fx", because=" (only PyTorch models are supported)"),
        "The model's framework; both values mean the same here.",
    )


@dataclass(frozen=True, kw_only=True)
class TuningConfig(Section, path=""):
    """A whole configuration; `TuningConfig()` is all defaults."""

    model: ModelConfig = field(default_factory=ModelConfig, metadata={"help": "What is quantized."})
    device: str = setting("cpu", one_of("cpu"), "Where the int8 model runs.")
    quantization: QuantizationConfig = field(
        default_factory=QuantizationConfig, metadata={"help": "How modules become int8."}
    )
    evaluation: EvaluationConfig = field(
        default_factory=EvaluationConfig, metadata={"help": "How a model is evaluated without a Trainer, and timed."}
    )
    tuning: TuningSection = field(default_factory=TuningSection, metadata={"help": "The search."})
    version: str = setting("1.0", version_number(), "Version of the file format; checked, then ignored.")

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TuningConfig:
        """The configuration that nested mappings describe; keys left out take their defaults.

        Raises:
            ConfigError: naming the dotted key, what was found and what was expected.
        """
        return build(cls, content)

    def to_dict(self) -> dict[str, Any]:
        """Nested dicts and lists of bool, int, float, str and None (JSON-able); `from_dict` reads them back."""
        content: dict[str, Any] = plain(self)
        return content
