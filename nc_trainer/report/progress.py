"""One progress line while the search runs."""

from types import TracebackType

from tqdm.auto import tqdm

from nc_trainer.tuning import Metric, Trial


class TrialProgress:
    """A bar with the trial, its metric and the best so far; the time left is an estimate from the trials so far.

    Args:
        expected: about how many trials there will be.
        metric: what is judged.
        disable: show nothing, as `TrainingArguments.disable_tqdm` asks.
    """

    def __init__(self, expected: int, metric: Metric, disable: bool) -> None:
        self.metric = metric
        self.best: float | None = None
        self.bar = tqdm(total=expected, desc="Tuning", unit="trial", disable=disable, leave=False)

    def __enter__(self) -> "TrialProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def __call__(self, trial: Trial) -> None:
        """Show a trial that has just been judged."""
        if trial.value is not None and (self.best is None or self.metric.better(trial.value, self.best)):
            self.best = trial.value
        without_value = "stopped early" if trial.state == "pruned" else "failed"
        shown = without_value if trial.value is None else f"{trial.value:.4f}"
        best = "" if self.best is None else f", best {self.best:.4f}"
        self.bar.total = max(self.bar.total or 0, trial.number)
        self.bar.set_postfix_str(f"trial {trial.number}: {self.metric.name} {shown}{best}")
        self.bar.update()
