"""What a verdict does not say: plain sentences about baselines, criteria and selections that mislead."""

from collections.abc import Callable

from nc_trainer.search.criterion import ROUNDING, Criterion
from nc_trainer.search.statistics.evidence import Evidence, JudgedRows, constant_answer, gather, least_loss
from nc_trainer.search.statistics.selection import Estimate, corrected_estimate, paired_loss

MANY_TRIALS = 5
"""From so many trials on, having selected one of them matters."""
FEW_ROWS = 2
"""Rows are few when the tolerated loss is below so many standard errors of the metric."""


def warnings_for(
    criterion: Criterion, baseline: float, judged: JudgedRows | None = None, rows: int | None = None
) -> list[str]:
    """What should be known before a verdict is believed, one to three sentences for each finding.

    - The baseline is no better than a constant predictor: the largest class for accuracy, always positive for F1,
      zero for Matthews correlation.
    - The criterion tolerates less than one row.
    - It tolerates less than the metric's standard error, sqrt(p (1 - p) / rows) for an accuracy p and bootstrapped
      for others; with what the chosen trial's flips show instead.
    - Many trials were selected from on few rows; with the corrected estimate.

    Args:
        criterion: what is accepted.
        baseline: the float model's metric.
        judged: the rows. Shapes that do not fit, or a metric that `find_class_metric` does not recognise, are no
            error: then less can be said.
        rows: how many rows there are, for an accuracy without `judged`.
    """
    evidence = gather(criterion, baseline, judged, rows)
    sentences: tuple[Callable[[Evidence], str | None], ...] = (_constant, _below_one_row, _below_noise, _selected)
    return [said for said in (sentence(evidence) for sentence in sentences) if said]


def _constant(evidence: Evidence) -> str | None:
    found = constant_answer(evidence)
    if found is None or evidence.baseline > found[0] + ROUNDING:
        return None
    value, answer = found
    return (
        f"The float model is no better than a constant answer: its {evidence.name} is {evidence.baseline:.4f}, and "
        f"{answer} gives {value:.4f}. Keeping that says nothing about int8."
    )


def _below_one_row(evidence: Evidence) -> str | None:
    least = least_loss(evidence)
    if least is None or evidence.tolerated >= least - ROUNDING:
        return None
    return (
        f"The criterion tolerates a loss of {evidence.tolerated:.4f} in {evidence.name}, less than one row: of "
        f"{evidence.rows} rows each that turns wrong costs at least {least:.4f}. A trial is accepted only if it wins "
        "back what it loses."
    )


def _below_noise(evidence: Evidence) -> str | None:
    if evidence.noise is None or evidence.tolerated >= evidence.noise:
        return None
    return (
        f"The criterion tolerates a loss of {evidence.tolerated:.4f}, less than the sampling error of the float "
        f"model's {evidence.name}, {evidence.noise:.4f} (one standard error on {evidence.rows} rows): a trial's score "
        f"alone cannot show so small a loss on new rows, only which rows flipped can.{_paired(evidence)}"
    )


def _paired(evidence: Evidence) -> str:
    """What the flips of the chosen trial do show."""
    judged, formula = evidence.judged, evidence.formula
    if judged is None or formula is None or judged.chosen is None:
        return ""
    loss = paired_loss(formula, evidence.criterion, judged.labels, judged.baseline, judged.trials[judged.chosen])
    if loss.high <= evidence.tolerated:
        conclusion = "new rows like these can be expected to meet the criterion too"
    elif loss.low > evidence.tolerated:
        conclusion = "more is lost than tolerated"
    else:
        conclusion = "whether new rows would meet the criterion is open"
    return f" Row by row the chosen trial loses {_interval(loss)}: {conclusion}."


def _selected(evidence: Evidence) -> str | None:
    judged, formula = evidence.judged, evidence.formula
    if judged is None or formula is None or evidence.noise is None or judged.chosen is None:
        return None
    tried = len(judged.trials) + judged.stopped
    if tried < MANY_TRIALS or evidence.tolerated >= FEW_ROWS * evidence.noise:
        return None
    corrected = corrected_estimate(
        formula, evidence.criterion, judged.labels, judged.baseline, judged.trials, judged.preference
    )
    if corrected is None:
        return None
    without = f" ({judged.stopped} stopped early and left out)" if judged.stopped else ""
    return (
        f"The chosen trial was selected among {tried}{without} on {evidence.rows} rows, which flatters it. "
        f"Corrected for that, its {evidence.name} on new rows is {_interval(corrected.metric)}, a loss of "
        f"{corrected.loss.value:.4f} where {evidence.tolerated:.4f} is tolerated."
    )


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} (95 % interval {estimate.low:.4f} to {estimate.high:.4f})"
