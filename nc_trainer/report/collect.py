"""From a finished search to what its report shows."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from transformers import PreTrainedModel

from nc_trainer.benchmark import describe_machine
from nc_trainer.config import ReportConfig
from nc_trainer.hub.describe import engine_of
from nc_trainer.int8.module_tree import submodule
from nc_trainer.report.flipped import Answers, flipped_rows, label_name
from nc_trainer.report.report_data import FlippedRows, ModelFacts, ModuleFacts, ReportData, Sensitivity, Speed
from nc_trainer.report.speed import measure_speed
from nc_trainer.search.label_kinds import are_label_sets
from nc_trainer.search.objectives.goal import saved_bytes
from nc_trainer.search.search import Search
from nc_trainer.search.searched import Searched

logger = logging.getLogger(__name__)

T = TypeVar("T")


def try_to_collect(searched: Searched, search: Search) -> ReportData | None:
    """Everything that the page shows. What cannot be found out is left out, with a note that says why.

    Costs the budget of the timing, and forward passes over a few batches. The model is left in any recipe. The search
    stands whatever happens here: a failure costs a warning.

    Args:
        searched: what the search has left.
        search: what was asked for; its configuration says what is reported.
    """
    if not search.config.tuning.report.enabled:
        return None
    try:
        return _Collector(searched, search, search.config.tuning.report).data()
    except Exception as error:
        logger.warning("There will be no report: %s: %s", type(error).__name__, error)
        return None


@dataclass
class _Collector:
    searched: Searched
    search: Search
    config: ReportConfig
    seconds: dict[str, float] = field(default_factory=dict)

    def data(self) -> ReportData:
        searched, reference, result = self.searched, self.searched.reference, self.searched.result
        self.seconds["search"] = searched.seconds
        if searched.explanations is not None:
            self.seconds["explanations"] = searched.explanations.seconds
        modules = self._modules()
        sensitivity = self._timed("ranking", self._sensitivity, lambda note: Sensitivity(note=note))
        speed = self._timed("timing", self._speed, lambda note: Speed(note=note))
        flipped = self._timed("flipped rows", self._flipped, lambda note: FlippedRows(note=note))
        return ReportData(
            created=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
            outcome=result.outcome,
            reason=result.reason,
            metric=reference.criterion.metric,
            criterion=reference.rule(),
            threshold=reference.criterion.threshold(reference.value),
            recipe=searched.recipe,
            trials=(reference.trial, *result.trials),
            chosen=result.chosen.number,
            warnings=result.warnings,
            model=self._model(),
            modules=modules,
            machine=describe_machine(engine_of(result.chosen.recipe)),
            sensitivity=sensitivity,
            speed=speed,
            flipped=flipped,
            seconds=self.seconds,
            explanations=searched.explanations,
        )

    def _timed(self, name: str, compute: Callable[[], T], without: Callable[[str], T]) -> T:
        """One part of the report, which must not cost the others or the search if it fails."""
        started = time.monotonic()
        try:
            found = compute()
        except Exception as error:
            logger.warning("The report has no %s: %s: %s", name, type(error).__name__, error)
            return without(f"Left out: {type(error).__name__}: {error}")
        self.seconds[name] = time.monotonic() - started
        return found

    def _modules(self) -> dict[str, ModuleFacts]:
        self.search.swapper.restore()
        weights = self.search.swapper.weights(self.searched.recipe)
        kinds = {name: type(submodule(self.search.model, name)).__name__ for name in weights}
        calls = self.searched.calls
        return {name: ModuleFacts(kinds[name], number, calls.get(name, 1)) for name, number in weights.items()}

    def _model(self) -> ModelFacts:
        model = self.search.model
        recipes = {"float": self.searched.reference.trial.recipe, "chosen": self.searched.result.chosen.recipe}
        sizes = {}
        for name, recipe in recipes.items():
            self.search.swapper.apply(recipe)
            sizes[name] = saved_bytes(model)
        labels = tuple(label_name(model.config, number) for number in range(model.config.num_labels))
        return ModelFacts(
            _model_name(model), type(model).__name__, labels, sizes["float"], sizes["chosen"], _hub_name(model)
        )

    def _sensitivity(self) -> Sensitivity:
        damage = self.searched.rank() if self.config.ranking else self.searched.ranking
        if damage is None:
            return Sensitivity(
                note="The search did not need to know which modules int8 hurts, so they were not ranked."
            )
        return Sensitivity({name: damage[name] for name in self.searched.recipe.modules if name in damage})

    def _speed(self) -> Speed:
        chosen = self.searched.result.chosen
        judged = [trial for trial in self.searched.result.trials if trial.state != "failed"]
        interesting = sorted(
            judged,
            key=lambda trial: (trial is not chosen, not trial.accepted, trial.state == "pruned", -trial.number),
        )
        batches = self.search.rows.timed() if interesting and self.config.timing else ()
        floats = self.searched.reference.trial.recipe
        return measure_speed(self.search.swapper, floats, interesting, batches, self.config.timing)

    def _flipped(self) -> FlippedRows:
        reference, chosen = self.searched.reference, self.searched.result.chosen
        before, after = reference.answers, self.searched.classes.get(chosen.number)
        if chosen is reference.trial or self.config.examples == "never":
            return FlippedRows(note="Rows that flipped were not asked for." if chosen.flips else "")
        labels = reference.evaluation.labels
        is_shown = before is not None and _is_shown(before, labels)
        if before is None or after is None or not is_shown or before.shape != after.shape:
            return FlippedRows(note="There is not one answer for each row, so that rows cannot flip.")
        rows = self.search.rows.evaluated
        if rows is None:
            return FlippedRows(note="The rows cannot be looked up: the search was given no Trainer.")
        known = labels.reshape(before.shape) if isinstance(labels, np.ndarray) and labels.size == before.size else None
        answers = Answers(before, after, known, chosen.flip_tolerance or 0.0)
        found = flipped_rows(answers, rows, self.search.swapper, reference.trial.recipe, chosen.recipe)
        return replace(found, for_hub=self.config.examples == "always")


def _is_shown(answers: np.ndarray, labels: Any) -> bool:
    """Whether there is one answer for each row: a class, numbers, or a set of labels."""
    are_numbers = np.issubdtype(answers.dtype, np.floating)
    return answers.ndim == 1 or are_numbers or are_label_sets(labels, answers.astype(np.float64))


def _model_name(model: PreTrainedModel) -> str:
    """The last part of where it came from, or else its type."""
    path = getattr(model.config, "_name_or_path", "") or ""
    return Path(path).name or model.config.model_type


def _hub_name(model: PreTrainedModel) -> str | None:
    """Where on the hub it came from; None if from a directory, even one that is gone."""
    name = getattr(model.config, "_name_or_path", "") or ""
    return name if name.count("/") == 1 and not name.startswith((".", "/")) and not Path(name).exists() else None
