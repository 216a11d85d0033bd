"""Saving and loading int8 models the Hugging Face way. Importing it registers the format."""

from nc_trainer.hub.adapters import merge_adapters
from nc_trainer.hub.before_reading import check_before_reading
from nc_trainer.hub.config import QUANT_METHOD, NCInt8Config
from nc_trainer.hub.describe import describe_engine
from nc_trainer.hub.optimized_model import OptimizedModel
from nc_trainer.hub.quantizer import NCInt8Quantizer, attach, detached, recipe_of
from nc_trainer.hub.task_models import (
    OptimizedModelForAudioClassification,
    OptimizedModelForImageClassification,
    OptimizedModelForMultipleChoice,
    OptimizedModelForQuestionAnswering,
    OptimizedModelForSeq2SeqLM,
    OptimizedModelForSequenceClassification,
    OptimizedModelForTokenClassification,
)
from nc_trainer.hub.upstream import save_for_huggingface_upstream

check_before_reading()

__all__ = [
    "QUANT_METHOD",
    "NCInt8Config",
    "NCInt8Quantizer",
    "OptimizedModel",
    "OptimizedModelForAudioClassification",
    "OptimizedModelForImageClassification",
    "OptimizedModelForMultipleChoice",
    "OptimizedModelForQuestionAnswering",
    "OptimizedModelForSeq2SeqLM",
    "OptimizedModelForSequenceClassification",
    "OptimizedModelForTokenClassification",
    "attach",
    "describe_engine",
    "detached",
    "merge_adapters",
    "recipe_of",
    "save_for_huggingface_upstream",
]
