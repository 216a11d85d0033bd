"""The steps of a search, in order, as docs/search.md describes them."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from transformers import set_seed

from nc_trainer.explain import Explanations
from nc_trainer.hub import attach
from nc_trainer.int8.call_counts import call_counts
from nc_trainer.int8.checked_model import searchable
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.search.calibration.space import search_space
from nc_trainer.search.conclusion import StudyResult
from nc_trainer.search.early import EarlyStopping
from nc_trainer.search.float_model import judge_float_model
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.journal import Journal
from nc_trainer.search.objectives.objective import Goal
from nc_trainer.search.objectives.of_search import explainer_of, goal_of
from nc_trainer.search.objectives.shapley_mse import try_to_explain
from nc_trainer.search.resume import JournalWriter, record_or_compare, search_journal
from nc_trainer.search.search import Evaluate, Search
from nc_trainer.search.searched import Searched
from nc_trainer.search.start import Start, expected_trials, starting_point
from nc_trainer.search.study import Budget, Study

logger = logging.getLogger(__name__)


@contextmanager
def run(search: Search) -> Iterator[Searched]:
    """Search. What was found is there inside the `with` block, in which the model may be put in any recipe.

    When the block ends the model is in the chosen recipe, in evaluation mode, ready to be saved. After an error, in
    the block too, it is the float model that it was. What was found out on the way stands in a journal, so that the
    same call goes on after a crash; it is deleted when the model is saved.
    """
    started = time.monotonic()
    with searchable(search.model), _restored_on_error(search.swapper):
        start = starting_point(search)
        calls = call_counts(search.model, start.recipe.modules, search.rows.example())
        with search_journal(search, start.recipe) as journal:
            set_seed(search.config.tuning.random_seed)
            explainer = explainer_of(search, start.recipe)
            reference, evaluate = judge_float_model(search, start.recipe)
            goal = goal_of(search, reference, explainer)
            reference = _measured(reference, goal)
            record_or_compare(journal, reference.trial)
            study = _study(search, start, reference, evaluate, goal, journal)
            result = _trials(search, study, expected_trials(start, search.config))
            result = replace(result, warnings=(*result.warnings, *search.notes, *start.notes))
            seconds = time.monotonic() - started
            explanations = try_to_explain(explainer, result.chosen)
            yield _searched(study, result, journal, calls, seconds, explanations)
            _settle(search, result)


@contextmanager
def _restored_on_error(swapper: ModuleSwapper) -> Iterator[None]:
    was_training = swapper.model.training
    try:
        yield
    except BaseException:
        swapper.restore()
        swapper.model.train(was_training)
        raise
    swapper.model.eval()  # it does not train any more; in training mode dropout would still be at work


def _measured(reference: Reference, goal: Goal | None) -> Reference:
    """With what accepted trials are compared with when they are ordered."""
    if goal is None:
        return reference
    return replace(reference, trial=replace(reference.trial, objectives=goal.measure(reference.trial)))


def _study(
    search: Search, start: Start, reference: Reference, evaluate: Evaluate, goal: Goal | None, journal: Journal
) -> Study:
    tuning, policy = search.config.tuning, search.config.tuning.exit_policy
    return Study(
        space=search_space(search, start.recipe, reference, journal),
        strategy=start.strategy,
        swapper=search.swapper,
        evaluate=evaluate,
        reference=reference,
        budget=Budget(policy.timeout, 1 if policy.performance_only else policy.max_trials),
        stopping=EarlyStopping(tuning.early_stopping.enabled, tuning.early_stopping.error_rate),
        goal=goal,
        trials=list(journal.trials),
        classes=dict(journal.classes),
        listeners=(JournalWriter(journal), *search.listeners),
    )


def _trials(search: Search, study: Study, expected: int) -> StudyResult:
    """Every trial, and the outcome."""
    with ExitStack() as stack:
        for listener in study.listeners:
            listener.on_begin(study.reference, expected)
            stack.callback(listener.on_end)
        return study.run()


def _searched(
    study: Study,
    result: StudyResult,
    journal: Journal,
    calls: Mapping[str, int],
    seconds: float,
    explanations: Explanations | None,
) -> Searched:
    def rank() -> Mapping[str, float]:
        study.space.ranking()
        return journal.ranking or {}

    return Searched(
        recipe=study.space.recipe,
        reference=study.reference,
        result=result,
        classes=study.classes,
        ranking=journal.ranking,
        rank=rank,
        calls=calls,
        seconds=seconds,
        explanations=explanations,
    )


def _settle(search: Search, result: StudyResult) -> None:
    """Leave the model in the chosen recipe, ready to be saved."""
    for warning in result.warnings:
        logger.warning(warning)
    if result.outcome == "baseline":
        search.swapper.restore()
        logger.warning("The model stays in float: %s.", result.reason)
        return
    search.swapper.apply(result.chosen.recipe)
    attach(search.model, result.chosen.recipe)
    level = logging.INFO if result.outcome == "met" else logging.WARNING
    logger.log(level, "Outcome: %s (%s)", result.outcome, result.reason)
