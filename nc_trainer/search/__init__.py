"""The search over recipes. It knows a callable that evaluates the model, not what trains it."""

from nc_trainer.search.conclusion import StudyResult
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.early import EarlyStopping, Watch
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.metric import DEFAULT_ORDER, Metric, choose_metric
from nc_trainer.search.statistics.flips import compare_classes
from nc_trainer.search.strategies import STRATEGIES, SearchSpace, Strategy, make_strategy, register_strategy
from nc_trainer.search.study import Budget, Study
from nc_trainer.search.trial import CompleteTrial, Evaluation, Trial, predicted_classes

__all__ = [
    "DEFAULT_ORDER",
    "STRATEGIES",
    "Budget",
    "CompleteTrial",
    "Criterion",
    "EarlyStopping",
    "Evaluation",
    "Metric",
    "Reference",
    "SearchSpace",
    "Strategy",
    "Study",
    "StudyResult",
    "Trial",
    "Watch",
    "choose_metric",
    "compare_classes",
    "make_strategy",
    "predicted_classes",
    "register_strategy",
]
