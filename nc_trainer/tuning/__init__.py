"""The search over recipes. It knows a callable that evaluates the model, not what trains it."""

from nc_trainer.tuning.conclusion import StudyResult
from nc_trainer.tuning.criterion import Criterion
from nc_trainer.tuning.early import EarlyStopping, Watch
from nc_trainer.tuning.flips import compare_classes
from nc_trainer.tuning.metric import DEFAULT_ORDER, Metric, choose_metric
from nc_trainer.tuning.strategies import STRATEGIES, SearchSpace, Strategy, make_strategy, register_strategy
from nc_trainer.tuning.study import Budget, Study
from nc_trainer.tuning.trial import Evaluation, Trial, predicted_classes

__all__ = [
    "DEFAULT_ORDER",
    "STRATEGIES",
    "Budget",
    "Criterion",
    "EarlyStopping",
    "Evaluation",
    "Metric",
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
