"""Timing several callables side by side, so that what disturbs one disturbs the others too."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager

from nc_trainer.errors import NCTrainerError


def time_interleaved(
    runs: Mapping[str, Callable[[], object]],
    *,
    warmup: int,
    iterations: int,
    before: Callable[[str], object] = lambda name: None,
) -> dict[str, list[float]]:
    """Time `iterations` rounds, in each of which every callable is called once.

    First come `warmup` rounds that are not timed. Round r starts with callable r modulo their number,
    so that none always goes first or always follows the same neighbour's cache. Garbage collection is
    off while this runs.

    Args:
        runs: what to time, by name.
        warmup: untimed rounds, 0 or more.
        iterations: timed rounds, 1 or more.
        before: called with the name ahead of each call, off the clock, e.g. to put one model in another state.

    Returns:
        For each name, `iterations` durations in seconds; element i of every list is from round i.

    Raises:
        NCTrainerError: there is nothing to time or a count is out of range.
    """
    check_counts(runs, warmup, iterations)
    durations: dict[str, list[float]] = {name: [] for name in runs}
    with _garbage_collection_off():
        for number in range(warmup):
            for name in turns(list(runs), number):
                before(name)
                runs[name]()
        for number in range(iterations):
            for name in turns(list(runs), number):
                before(name)
                durations[name].append(_seconds(runs[name]))
    return durations


def check_counts(runs: Sized, warmup: int, iterations: int) -> None:
    """Raise an NCTrainerError when there is nothing to time or a count is out of range."""
    if not len(runs):
        raise NCTrainerError("There is nothing to time: give at least one model.")
    if warmup < 0:
        raise NCTrainerError(f"warmup is {warmup}; expected 0 or more rounds.")
    if iterations < 1:
        raise NCTrainerError(f"iterations is {iterations}; expected 1 or more rounds.")


def turns(names: Sequence[str], number: int) -> list[str]:
    """The order in round `number`: another one goes first in each."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
