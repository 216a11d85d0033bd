"""The float model as it was judged: what trials are compared with, and what they have to meet."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nc_trainer.errors import QuantizationError
from nc_trainer.search.agreement import Agreement, agreement_of
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.recalls import recalls_between
from nc_trainer.search.statistics.flips import Flips
from nc_trainer.search.statistics.label_recall import LabelRecall, beyond
from nc_trainer.search.trial import CompleteTrial, Evaluation, predicted_answers, predicted_classes

NO_CLASSES = "`per_label` needs rows with a class each: this data has none, leave it out."


@dataclass(frozen=True)
class Reference:
    """Trial 0 and the rule that it sets.

    Attributes:
        criterion: what is accepted.
        trial: number 0, everything in float.
        evaluation: what it was made from.
        least_agreement: see `agreement.Agreement`; 0 looks at the metric alone.
        per_label: how much of its recall any label may lose, as a share of its rows; None: no limit.
    """

    criterion: Criterion
    trial: CompleteTrial
    evaluation: Evaluation
    least_agreement: float = 0.0
    per_label: float | None = None

    @property
    def value(self) -> float:
        """The float model's metric."""
        return self.trial.value

    @cached_property
    def classes(self) -> np.ndarray | None:
        """What it predicts, [rows], or [rows, labels] for sets of labels; None where the task has no classes."""
        return predicted_classes(self.evaluation.predictions, self.evaluation.labels)

    @cached_property
    def answers(self) -> np.ndarray | None:
        """Its classes, or the numbers of a regression, floats [rows]."""
        return predicted_answers(self.evaluation.predictions, self.evaluation.labels)

    @cached_property
    def agreement(self) -> Agreement | None:
        """How many predictions may change; None where that is not asked for, or rows have no class each."""
        labels, classes = self.evaluation.labels, self.classes
        if not isinstance(labels, np.ndarray) or classes is None:
            return None
        return agreement_of(self.criterion, self.value, labels, classes, self.least_agreement)

    def meets(self, value: float) -> bool:
        """Whether this metric meets the criterion."""
        return self.criterion.accepts(value, self.value)

    def accepts(self, value: float, flips: Flips | None) -> bool:
        """Whether a trial with this metric and these flips is accepted."""
        if self.agreement is None or flips is None:
            return self.meets(value)
        return self.agreement.accepts(self.meets(value), flips)

    def lost_label(self, evaluation: Evaluation) -> LabelRecall | None:
        """The label that lost most of its recall, if that is more than it may.

        Raises:
            QuantizationError: a limit is set, and there is no class for each row.
        """
        if self.per_label is None:
            return None
        recalls = recalls_between(self.evaluation, evaluation)
        if recalls is None:
            raise QuantizationError(NO_CLASSES)
        return max(beyond(recalls, self.per_label), key=lambda recall: recall.fall, default=None)

    def rule(self) -> str:
        """What is asked for, for people."""
        rule = self.criterion.describe(self.value)
        if self.per_label is not None:
            rule += f", no label's recall lower by more than {self.per_label:g}"
        return rule
