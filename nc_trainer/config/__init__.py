"""The tuning configuration: the YAML schema as frozen dataclasses.

`schema` and `quantization` declare the keys, `rules` and `precision` what a value may be, `section` checks values,
`parsing` checks keys, `legacy` knows the keys of Neural Compressor that are not built here, `loading` reads the file.
"""

from nc_trainer.config.loading import load_tuning_config
from nc_trainer.config.quantization import CalibrationConfig, QuantizationConfig, RecipesConfig
from nc_trainer.config.schema import (
    AccuracyCriterion,
    EarlyStoppingConfig,
    ExitPolicy,
    ModelConfig,
    StrategyConfig,
    TuningConfig,
    TuningSection,
)

__all__ = [
    "AccuracyCriterion",
    "CalibrationConfig",
    "EarlyStoppingConfig",
    "ExitPolicy",
    "ModelConfig",
    "QuantizationConfig",
    "RecipesConfig",
    "StrategyConfig",
    "TuningConfig",
    "TuningSection",
    "load_tuning_config",
]
