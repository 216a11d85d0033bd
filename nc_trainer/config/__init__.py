"""The tuning configuration: the YAML schema as frozen dataclasses.

`schema` and the files named `..._section` declare the keys, `rules` and `precision` what a value may be, `section`
checks values, `parsing` checks keys, `unsupported_keys` knows those of Neural Compressor that are not built here,
`yaml_file` reads the file, `post_training_2x` and `benchmark_2x` have Neural Compressor 2.x's names for the same
settings. `recipe` is what a search arrives at, `training_args` are Trainer's arguments with ours.
"""

from nc_trainer.config.benchmark_2x import BenchmarkConfig
from nc_trainer.config.evaluation_section import EvaluationAccuracy, EvaluationConfig
from nc_trainer.config.performance import EvaluationPerformance, PerformanceConfigs
from nc_trainer.config.post_training_2x import (
    PostTrainingQuantConfig,
    QuantizationAwareTrainingConfig,
    TuningCriterion,
)
from nc_trainer.config.quantization_section import (
    AwareTrainingConfig,
    CalibrationConfig,
    QuantizationConfig,
    RecipesConfig,
)
from nc_trainer.config.schema import ModelConfig, TuningConfig
from nc_trainer.config.shapley_section import ShapleyConfig
from nc_trainer.config.tuning_section import (
    AccuracyCriterion,
    EarlyStoppingConfig,
    ExitPolicy,
    MultiMetrics,
    MultiObjectives,
    ReportConfig,
    StrategyConfig,
    TuningSection,
    Workspace,
)
from nc_trainer.config.yaml_file import load_tuning_config

__all__ = [
    "AccuracyCriterion",
    "AwareTrainingConfig",
    "BenchmarkConfig",
    "CalibrationConfig",
    "EarlyStoppingConfig",
    "EvaluationAccuracy",
    "EvaluationConfig",
    "EvaluationPerformance",
    "ExitPolicy",
    "ModelConfig",
    "MultiMetrics",
    "MultiObjectives",
    "PerformanceConfigs",
    "PostTrainingQuantConfig",
    "QuantizationAwareTrainingConfig",
    "QuantizationConfig",
    "RecipesConfig",
    "ReportConfig",
    "ShapleyConfig",
    "StrategyConfig",
    "TuningConfig",
    "TuningCriterion",
    "TuningSection",
    "Workspace",
    "load_tuning_config",
]
