"""The tuning configuration: the YAML schema as frozen dataclasses.

`schema`, `quantization` and `tuning` declare the keys, `rules` and `precision` what a value may be, `section` checks
values, `parsing` checks keys, `legacy` knows the keys of Neural Compressor that are not built here, `loading` reads
the file.
"""

from nc_trainer.config.loading import load_tuning_config
from nc_trainer.config.quantization import CalibrationConfig, QuantizationConfig, RecipesConfig
from nc_trainer.config.schema import ModelConfig, TuningConfig
from nc_trainer.config.tuning import (
    AccuracyCriterion,
    EarlyStoppingConfig,
    ExitPolicy,
    MultiMetrics,
    MultiObjectives,
    StrategyConfig,
    TuningSection,
    Workspace,
)

__all__ = [
    "AccuracyCriterion",
    "CalibrationConfig",
    "EarlyStoppingConfig",
    "ExitPolicy",
    "ModelConfig",
    "MultiMetrics",
    "MultiObjectives",
    "QuantizationConfig",
    "RecipesConfig",
    "StrategyConfig",
    "TuningConfig",
    "TuningSection",
    "Workspace",
    "load_tuning_config",
]
