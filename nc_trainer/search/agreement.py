"""Whether what a trial scored can be believed: how many predictions changed, beside what the metric lost.

A metric on a few hundred rows adds up what int8 won and what it lost. A model of which a tenth of the predictions
changed may score as well as the float model there, and not on the next rows; one that changed four may score worse, by
the toss of four coins.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import scipy

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.statistics.class_metric import Ints, find_class_metric
from nc_trainer.search.statistics.evidence import Evidence, JudgedRows, least_loss
from nc_trainer.search.statistics.flips import Flips
from nc_trainer.search.trial import Trial

SIGNIFICANT = 0.05
"""McNemar's p-value below which changes for the worse are no chance."""
QUANTILE = 0.95
SHARE_OF_FALLBACKS = 0.1
"""Of all modules: so many fallbacks more are a cheap way to raise the agreement."""


@dataclass(frozen=True)
class Agreement:
    """Two limits on how many of `rows` predictions may differ from the float model's.

    - Up to `alike`, a share of 1 - `least`, the trial is taken for the float model, unless the changes are for the
      worse more often than chance: then what the metric lost is not looked at. Only where the metric is known to be
      one of predicted classes: a loss of another, as of an area under a curve, may come from logits that changed no
      class.
    - Up to `most`, chance explains the changes of a model that loses just what is tolerated: the 95 % quantile of
      Binomial(rows, tolerated). A trial with more may meet the criterion by luck.

    The paired test: McNemar (1947), see `statistics.flips.Flips`. The limits are ours.

    Args:
        rows: how many are judged.
        tolerated: which share of them may turn wrong by the criterion, between 0 and 1.
        least: the share of predictions that must be the float model's for the first limit.
        of_classes: whether the metric is computed from predicted classes alone, as far as is known.
    """

    rows: int
    tolerated: float
    least: float
    of_classes: bool = True

    @cached_property
    def alike(self) -> int:
        """So many changed predictions at most are those of the float model, as far as can be told; -1 for never."""
        if not self.of_classes:
            return -1
        return math.floor((1 - self.least) * self.rows + 1e-9)

    @cached_property
    def most(self) -> int:
        """So many changed predictions at most are explained by losses of the tolerated size."""
        return max(self.alike, int(scipy.stats.binom.ppf(QUANTILE, self.rows, self.tolerated)))

    def cannot_be_told(self, flips: Flips) -> bool:
        """Whether the trial cannot be told from the float model."""
        return flips.changed <= self.alike and flips.p_value is not None and flips.p_value >= SIGNIFICANT

    def accepts(self, meets: bool, flips: Flips) -> bool:
        """Whether a trial is accepted.

        Args:
            meets: whether its metric meets the criterion.
            flips: of all rows.
        """
        return (meets and flips.changed <= self.most) or self.cannot_be_told(flips)

    def luck(self, trial: Trial) -> str:
        """What makes a trial lucky."""
        return (
            f"{trial.flips} of {trial.rows} predictions changed (+{trial.better} -{trial.worse}), and losses of the "
            f"tolerated size explain at most {self.most}"
        )


def agreement_of(criterion: Criterion, baseline: float, labels: Ints, classes: Ints, least: float) -> Agreement | None:
    """The limits for a criterion; None where rows have no class each, or a loss cannot be counted in rows.

    A row is taken to cost what it costs at least by the formula of the metric, see `class_metric.find_class_metric`,
    and where that is not known, as for an average over classes, one of all rows.

    Args:
        criterion: what is accepted.
        baseline: the float model's metric.
        labels: integers [rows]; negative ones, which are no labels, leave nothing to say.
        classes: what the float model predicts, [rows].
        least: see `Agreement`.
    """
    judged = JudgedRows(labels, classes)
    if not least or not judged.is_usable() or math.isinf(criterion.tolerated(baseline)):
        return None
    formula = find_class_metric(criterion.metric.name, baseline, labels, classes)
    cost = least_loss(Evidence(criterion, baseline, len(labels), judged, formula))
    if not cost:
        if not criterion.metric.higher_is_better or not 0 <= baseline <= 1:
            return None
        cost = 1 / len(labels)
    tolerated = min(1.0, criterion.tolerated(baseline) / cost / len(labels))
    return Agreement(len(labels), tolerated, least, formula is not None)


def few(recipe: Recipe) -> int:
    """So many fallbacks more are a cheap way to raise the agreement; at least one."""
    return math.ceil(SHARE_OF_FALLBACKS * len(recipe.modules))


def is_cheap(lucky: Recipe, accepted: Recipe) -> bool:
    """Whether the accepted recipe costs only a few fallbacks more than the lucky one."""
    return len(lucky.quantized) - len(accepted.quantized) <= few(lucky)
