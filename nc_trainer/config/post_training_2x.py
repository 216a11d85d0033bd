"""The names of Neural Compressor 2.x for the same settings: `PostTrainingQuantConfig` and `TuningCriterion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nc_trainer.config.quantization_section import (
    AWARE_TRAINING,
    DYNAMIC,
    CalibrationConfig,
    QuantizationConfig,
    RecipesConfig,
)
from nc_trainer.config.rules import describe
from nc_trainer.config.schema import TuningConfig
from nc_trainer.config.tuning_section import (
    AccuracyCriterion,
    ExitPolicy,
    MultiObjectives,
    StrategyConfig,
    TuningSection,
)
from nc_trainer.errors import ConfigError


@dataclass(frozen=True)
class TuningCriterion:
    """How long is searched and for what; see docs/yaml.md for each.

    Args:
        strategy: `tuning.strategy.name`.
        strategy_kwargs: must be empty: strategies have no options here.
        timeout, max_trials: `tuning.exit_policy`.
        objective: a name or a list of one for `tuning.objective`; several, or a mapping with `objective`, `weight`
            and `higher_is_better`, for `tuning.multi_objectives`.
    """

    strategy: str = "basic"
    strategy_kwargs: Mapping[str, Any] | None = None
    timeout: float = 0
    max_trials: int = 100
    objective: str | Sequence[str] | Mapping[str, Any] = "performance"

    def __post_init__(self) -> None:
        if self.strategy_kwargs:
            raise ConfigError(
                f"`TuningCriterion.strategy_kwargs`: found {sorted(self.strategy_kwargs)}, "
                "expected none: strategies have no options here."
            )

    def objectives(self) -> dict[str, Any]:
        """The keys of `TuningSection` that say the same."""
        several = {"objective": [self.objective]} if isinstance(self.objective, str) else self.objective
        if not isinstance(several, Mapping):
            several = {"objective": list(several)}
        unknown = set(several) - {"objective", "weight", "higher_is_better"}
        if unknown or not several.get("objective"):
            raise ConfigError(
                f"`TuningCriterion.objective`: found {describe(self.objective)}, expected a name, a list of names, or "
                "a mapping with `objective`, `weight` and `higher_is_better`."
            )
        if set(several) == {"objective"} and len(several["objective"]) == 1:
            return {"objective": several["objective"][0]}
        return {"multi_objectives": MultiObjectives(**several)}


@dataclass(frozen=True)
class PostTrainingQuantConfig:
    """What `quantization.fit` is asked for, in the words of Neural Compressor 2.x.

    Of post-training quantization only dynamic is built here, so it is the default; there it was static. Everything is
    checked when the object is made; `config` is the same in our words.

    Raises:
        ConfigError: a value is not possible here; the message names the argument or the key.
    """

    device: str = "cpu"
    backend: str = "default"
    domain: str = "auto"
    quant_format: str = "default"
    approach: str = "dynamic"
    calibration_sampling_size: int | Sequence[int] = 64
    op_type_dict: Mapping[str, Any] | None = None
    op_name_dict: Mapping[str, Any] | None = None
    recipes: Mapping[str, Any] | None = None
    reduce_range: bool | None = None
    excluded_precisions: Sequence[str] = ()
    quant_level: str | int = "auto"
    accuracy_criterion: AccuracyCriterion = field(default_factory=AccuracyCriterion)
    tuning_criterion: TuningCriterion = field(default_factory=TuningCriterion)
    diagnosis: bool = False
    config: TuningConfig = field(init=False, repr=False, compare=False)
    approaches: ClassVar[Mapping[str, str]] = {"dynamic": DYNAMIC}

    def __post_init__(self) -> None:
        self._check_fixed()
        tuning = TuningSection(
            strategy=StrategyConfig(name="conservative" if self.quant_level == 0 else self.tuning_criterion.strategy),
            accuracy_criterion=self.accuracy_criterion,
            exit_policy=ExitPolicy(timeout=self.tuning_criterion.timeout, max_trials=self.tuning_criterion.max_trials),
            **self.tuning_criterion.objectives(),
        )
        quantization = QuantizationConfig(
            approach=self.approaches[self.approach],
            calibration=CalibrationConfig(sampling_size=self.calibration_sampling_size),  # type: ignore[arg-type]
            recipes=self._recipes(self.recipes or {}),
            optype_wise=self.op_type_dict,  # type: ignore[arg-type]
            op_wise=self.op_name_dict,  # type: ignore[arg-type]
            float_dtype="float32" if "bf16" in self.excluded_precisions else "auto",
        )
        config = TuningConfig(device=self.device, quantization=quantization, tuning=tuning)
        object.__setattr__(self, "config", config)

    def _check_fixed(self) -> None:
        """Refuse what is not built here, by the name of its argument."""
        possible: dict[str, tuple[Any, ...]] = {
            "backend": ("default",),
            "domain": ("auto", "nlp"),
            "quant_format": ("default",),
            "approach": tuple(self.approaches),
            "reduce_range": (None, False),
            "quant_level": ("auto", 0, 1),
            "diagnosis": (False,),
        }
        for name, values in possible.items():
            found = getattr(self, name)
            if not any(found == value and type(found) is type(value) for value in values):
                expected = " or ".join(repr(value) for value in values)
                raise ConfigError(f"`{type(self).__name__}.{name}`: found {found!r}, expected {expected}.")
        unknown = set(self.excluded_precisions) - {"bf16"}
        if unknown:
            raise ConfigError(
                f"`{type(self).__name__}.excluded_precisions`: found {sorted(unknown)}, expected none or ['bf16']."
            )

    def _recipes(self, recipes: Mapping[str, Any]) -> RecipesConfig:
        known = set(RecipesConfig.__dataclass_fields__)
        unknown = {name for name, value in recipes.items() if name not in known and value}
        if unknown:
            raise ConfigError(
                f"`{type(self).__name__}.recipes`: found {sorted(unknown)}, expected only {sorted(known)}: "
                "other recipes correct static scales, and every scale here is exact for its row or token."
            )
        return RecipesConfig(**{name: value for name, value in recipes.items() if name in known})


@dataclass(frozen=True)
class QuantizationAwareTrainingConfig(PostTrainingQuantConfig):
    """What `training.prepare_compression` is asked for, in the words of Neural Compressor 2.x.

    Raises:
        ConfigError: a value is not possible here; the message names the argument or the key.
    """

    approach: str = AWARE_TRAINING
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    model_name: str = ""
    approaches: ClassVar[Mapping[str, str]] = {AWARE_TRAINING: AWARE_TRAINING}

    def __post_init__(self) -> None:
        if self.inputs or self.outputs:
            raise ConfigError(
                "`QuantizationAwareTrainingConfig`: `inputs` and `outputs` describe graphs of other frameworks; leave "
                "them out."
            )
        super().__post_init__()
