"""nc_trainer: accuracy-aware int8 quantization for the Hugging Face Trainer.

Importing it also teaches transformers to load int8 directories: after `import nc_trainer`, plain
`AutoModelForSequenceClassification.from_pretrained(directory)` works.
"""

import sys

from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.config.version import __version__
from nc_trainer.errors import (
    CheckpointError,
    ConfigError,
    NCTrainerError,
    QuantizationError,
    SavingError,
    TrainingRefusedError,
)
from nc_trainer.hub import (
    OptimizedModel,
    OptimizedModelForAudioClassification,
    OptimizedModelForImageClassification,
    OptimizedModelForMultipleChoice,
    OptimizedModelForQuestionAnswering,
    OptimizedModelForSeq2SeqLM,
    OptimizedModelForSequenceClassification,
    OptimizedModelForTokenClassification,
    save_for_huggingface_upstream,
)
from nc_trainer.hub.transformers_versions import repair_transfo_xl
from nc_trainer.int8 import quantize
from nc_trainer.report.result import QuantizationResult
from nc_trainer.trainer import QuantizationMixin, QuantizationTrainer

repair_transfo_xl()
sys.modules[f"{__name__}.quantize"] = quantize  # where scripts written for 0.3 import it from

__all__ = [
    "CheckpointError",
    "ConfigError",
    "NCTrainerError",
    "OptimizedModel",
    "OptimizedModelForAudioClassification",
    "OptimizedModelForImageClassification",
    "OptimizedModelForMultipleChoice",
    "OptimizedModelForQuestionAnswering",
    "OptimizedModelForSeq2SeqLM",
    "OptimizedModelForSequenceClassification",
    "OptimizedModelForTokenClassification",
    "Precision",
    "QuantizationError",
    "QuantizationMixin",
    "QuantizationResult",
    "QuantizationTrainer",
    "QuantizationTrainingArguments",
    "Recipe",
    "SavingError",
    "TrainingRefusedError",
    "TuningConfig",
    "__version__",
    "load_tuning_config",
    "save_for_huggingface_upstream",
]
