"""The tuning configuration: every key of the YAML file, its default, what it may hold and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nc_trainer.config.parsing import build
from nc_trainer.config.quantization import QuantizationConfig
from nc_trainer.config.rules import flag, number, one_of, optional, text, version_number, whole_number
from nc_trainer.config.section import Section, plain, setting
from nc_trainer.errors import ConfigError

DEFAULT_RELATIVE_LOSS = 0.01
LARGEST_SEED = 2**32 - 1  # numpy's limit
_NO_GAIN = " (a negative loss would ask int8 to beat the float model)"


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
class StrategyConfig(Section, path="tuning.strategy"):
    """Which strategy proposes the recipes."""

    name: str = setting(
        "basic",
        text(),
        "The strategy that proposes the next recipe: basic, bayesian, conservative, exhaustive, hawq_v2, mse, mse_v2, "
        "random, sequential, tpe, or a registered one.",
    )


@dataclass(frozen=True, kw_only=True)
class AccuracyCriterion(Section, path="tuning.accuracy_criterion"):
    """How much of the metric may be lost: `relative` or `absolute`, never both; neither means 1% relative."""

    relative: float | None = setting(
        None,
        optional(number(0, below=1, percent=True, because=_NO_GAIN)),
        f"Loss allowed as a share of the baseline's metric. {DEFAULT_RELATIVE_LOSS} when neither is given.",
    )
    absolute: float | None = setting(
        None,
        optional(number(0, percent=True)),
        "Loss allowed in the metric's own unit. Not together with `relative`.",
    )
    higher_is_better: bool | None = setting(
        None, optional(flag()), "Direction of the metric; null infers it from the metric's name."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.relative is not None and self.absolute is not None:
            raise ConfigError(
                f"`{self.path}`: found both `relative` ({self.relative:g}) and "
                f"`absolute` ({self.absolute:g}), expected exactly one of them. Remove one."
            )
        if self.relative is None and self.absolute is None:
            object.__setattr__(self, "relative", DEFAULT_RELATIVE_LOSS)


@dataclass(frozen=True, kw_only=True)
class ExitPolicy(Section, path="tuning.exit_policy"):
    """When the search stops."""

    timeout: float = setting(
        0.0,
        number(0),
        "Seconds. 0: stop when the strategy has found its first acceptable recipe. More: search that long.",
    )
    max_trials: int = setting(100, whole_number(1), "How many recipes are judged at most, the baseline not counted.")


@dataclass(frozen=True, kw_only=True)
class EarlyStoppingConfig(Section, path="tuning.early_stopping"):
    """When the evaluation of a trial that will be refused ends before its last row. Not in the original."""

    enabled: bool = setting(
        True,
        flag(),
        "Stop a trial when the rows to come cannot make it acceptable. For accuracy, F1 and Matthews correlation; "
        "trials judged by other metrics are evaluated to their end.",
    )
    error_rate: float = setting(
        0.0,
        number(0, below=0.5),
        "Stop a trial as soon as a sequential test refuses it, which is wrong for an acceptable trial with at most "
        "this probability. For accuracy, on evaluation rows in random order. 0 stops only when it is certain.",
    )


@dataclass(frozen=True, kw_only=True)
class TuningSection(Section, path="tuning"):
    """What is searched, when a recipe is accepted, when the search stops."""

    strategy: StrategyConfig = field(default_factory=StrategyConfig, metadata={"help": "How recipes are proposed."})
    accuracy_criterion: AccuracyCriterion = field(
        default_factory=AccuracyCriterion, metadata={"help": "When a recipe is accepted."}
    )
    exit_policy: ExitPolicy = field(default_factory=ExitPolicy, metadata={"help": "When the search stops."})
    early_stopping: EarlyStoppingConfig = field(
        default_factory=EarlyStoppingConfig, metadata={"help": "When a trial is stopped before its last row."}
    )
    random_seed: int = setting(1978, whole_number(0, LARGEST_SEED), "Seed of everything random in the search.")
    metric: str | None = setting(
        None,
        optional(text()),
        "Which key of `compute_metrics` is judged; null chooses one. Not in the original.",
    )


@dataclass(frozen=True, kw_only=True)
class TuningConfig(Section, path=""):
    """A whole configuration; `TuningConfig()` is all defaults."""

    model: ModelConfig = field(default_factory=ModelConfig, metadata={"help": "What is quantized."})
    device: str = setting("cpu", one_of("cpu"), "Where the int8 model runs.")
    quantization: QuantizationConfig = field(
        default_factory=QuantizationConfig, metadata={"help": "How modules become int8."}
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
