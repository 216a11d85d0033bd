"""A search that shows its progress and ends in what a report is made from."""

from dataclasses import replace

from nc_trainer.report.collect import try_to_collect
from nc_trainer.report.plots import check_matplotlib
from nc_trainer.report.progress import TrialProgress, is_quiet
from nc_trainer.report.result import QuantizationResult
from nc_trainer.report.tensorboard_trials import TensorBoardTrials
from nc_trainer.search.search import Search
from nc_trainer.search.steps import run


def run_reported(search: Search, quiet: bool = False) -> QuantizationResult:
    """Search, and leave the model in the chosen recipe; see `nc_trainer.search.steps.run`.

    Args:
        search: what is asked for; `tuning.report` of its configuration says what is reported.
        quiet: show no progress.

    Raises:
        ConfigError: the configuration does not fit the model, or asks for a package that is not installed.
        QuantizationError: the model cannot be quantized.
    """
    tuning = search.config.tuning
    shown: list[TrialProgress | TensorBoardTrials] = [TrialProgress(quiet or is_quiet())]
    if tuning.tensorboard:
        shown.append(TensorBoardTrials(search.workspace / "runs"))
    if tuning.report.plots:
        check_matplotlib()
    with run(replace(search, listeners=(*shown, *search.listeners))) as found:
        report = try_to_collect(found, search)
    reference = found.reference
    return QuantizationResult(
        model=search.model,
        metric=reference.criterion.metric,
        baseline=reference.trial,
        study=found.result,
        report=report,
        calls=found.calls,
        explanations=found.explanations,
    )
