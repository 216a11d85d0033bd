"""The tuning configuration: the YAML schema as frozen dataclasses.

`schema` declares the keys, `rules` what a value may be, `section` checks values, `parsing` checks keys,
`legacy` knows the keys of Neural Compressor that are not built here, `loading` reads the file.
"""

from nc_trainer.config.loading import load_tuning_config
from nc_trainer.config.schema import (
    AccuracyCriterion,
    CalibrationConfig,
    ExitPolicy,
    ModelConfig,
    QuantizationConfig,
    StrategyConfig,
    TuningConfig,
    TuningSection,
)

__all__ = [
    "AccuracyCriterion",
    "CalibrationConfig",
    "ExitPolicy",
    "ModelConfig",
    "QuantizationConfig",
    "StrategyConfig",
    "TuningConfig",
    "TuningSection",
    "load_tuning_config",
]
