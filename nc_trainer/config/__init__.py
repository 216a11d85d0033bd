"""The tuning configuration: the YAML schema as frozen dataclasses.

`schema`, `quantization` and `tuning` declare the keys, `rules` and `precision` what a value may be, `section` checks
values, `parsing` checks keys, `legacy` knows the keys of Neural Compressor that are not built here, `loading` reads
the file, `post_training` has the names of Neural Compressor 2.x for the same settings.
"""

from nc_trainer.config.benchmark_2x import BenchmarkConfig
from nc_trainer.config.evaluation_section import EvaluationAccuracy, EvaluationConfig
from nc_trainer.config.performance import EvaluationPerformance, PerformanceConfigs
from nc_trainer.config.post_training import PostTrainingQuantConfig, TuningCriterion
from nc_trainer.config.quantization_section import CalibrationConfig, QuantizationConfig, RecipesConfig
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
