"""Builds the peers for one workload, checks their logits, and times them in turn."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.workloads import Batches, Workload, check_batches, linear_operations
from nc_trainer.benchmark import time_interleaved
from nc_trainer.benchmark.workload import describe_workload
from peers import build_peer
from peers.interface import Batch, Forward, Peer, Task, trial_milliseconds

SLOW = 10
MIN_ROUNDS, MAX_ROUNDS, WARMUP = 8, 60, 2
ROUNDS_TO_JUDGE = 3
Build = Callable[[str, Task], Peer]


@dataclass
class Entry:
    """What became of one peer. `error` is the relative error of its logits; see `relative_error`."""

    name: str
    setting: str = ""
    failure: str | None = None
    error: float | None = None
    seconds: list[float] = field(default_factory=list)


def run_workload(
    workload: Workload,
    task: Task,
    names: Sequence[str],
    *,
    rounds: int | None,
    seconds: float,
    build: Build = build_peer,
) -> dict[str, Any]:
    """Measure the peers `names` on one workload; a peer that fails is recorded with its error.

    A timed call is one pass over all batches of the workload, or one batch where they are served. `rounds` is how
    many; by default as many as fit into `seconds`, within MIN_ROUNDS and MAX_ROUNDS passes.
    """
    torch._dynamo.reset()  # what was compiled for the last workload counts against the limit for this one
    with torch.inference_mode():
        checks = check_batches(workload, task.batches)
        reference = logits(lambda batch: task.model(**batch).logits, checks)
        entries, forwards = build_all(names, task, checks, reference, build)
        if forwards:
            calls = served_calls if workload.served else passes
            time_all(entries, calls(forwards, task.batches), rounds, seconds)
        operations = linear_operations(task.model, task.batches)
    return {
        "name": task.name,
        "model": workload.model,
        "batches": 1 if workload.served else len(task.batches),
        "served": workload.served,
        "inputs": vars(describe_workload(task.batches)),
        "linear_operations": operations,
        "peers": [vars(entry) for entry in entries.values()],
    }


def build_all(
    names: Sequence[str], task: Task, checks: Batches, reference: Tensor, build: Build
) -> tuple[dict[str, Entry], dict[str, Forward]]:
    """Every peer's record, and the forward function of those that can run."""
    entries, forwards = {}, {}
    float_milliseconds = trial_milliseconds(lambda batch: task.model(**batch).logits, task.batches)
    for name in names:
        entry = entries[name] = Entry(name)
        try:
            peer = build(name, task)
            entry.error = relative_error(logits(peer.forward, checks), reference)
            check_duration(trial_milliseconds(peer.forward, task.batches), float_milliseconds)
        except Exception as error:  # whatever a library raises is a result to record
            entry.failure = f"{type(error).__name__}: {error}"
        else:
            entry.setting, forwards[name] = peer.setting, peer.forward
        print(f"  {describe(entry)}", flush=True)
        gc.collect()
    return entries, forwards


def check_duration(milliseconds: float, float_milliseconds: float) -> None:
    """Refuse a peer that would take most of the run's time; RuntimeError says how slow it is."""
    if milliseconds > SLOW * float_milliseconds:
        raise RuntimeError(
            f"{milliseconds:.0f} ms, more than {SLOW} times fp32's {float_milliseconds:.0f} ms: not timed further"
        )


def describe(entry: Entry) -> str:
    if entry.failure is not None:
        return f"{entry.name}: FAILED, {entry.failure.splitlines()[0][:200]}"
    return f"{entry.name}: logits off by {entry.error:.3f}; {entry.setting or 'ready'}"


@dataclass(frozen=True)
class Calls:
    """What is timed of one peer: `run`, after an untimed `before`; `share` of a pass over all batches is one call."""

    run: Callable[[], None]
    before: Callable[[], None]
    share: float = 1.0


def passes(forwards: Mapping[str, Forward], batches: Sequence[Batch]) -> dict[str, Calls]:
    """A call is a pass over all batches."""
    runs = {name: one_pass(forward, batches) for name, forward in forwards.items()}
    return {name: Calls(run, run) for name, run in runs.items()}


def served_calls(forwards: Mapping[str, Forward], batches: Sequence[Batch]) -> dict[str, Calls]:
    """A call is one batch, another one each time, and before it comes another one still."""
    return {name: Calls(*served(forward, batches), share=1 / len(batches)) for name, forward in forwards.items()}


def served(forward: Forward, batches: Sequence[Batch]) -> tuple[Callable[[], None], Callable[[], None]]:
    """Functions that take the next batch, and the one that was taken half of all batches ago."""
    half = len(batches) // 2
    following, others = cycle(batches), cycle([*batches[half:], *batches[:half]])

    def run() -> None:
        forward(next(following))

    def before() -> None:
        forward(next(others))

    return run, before


def time_all(entries: Mapping[str, Entry], calls: Mapping[str, Calls], rounds: int | None, seconds: float) -> None:
    """Fill in the durations, measured in turn; an untimed call of the same peer precedes each timed one."""
    runs = {name: call.run for name, call in calls.items()}
    count = rounds or rounds_within(seconds, calls)
    durations = time_interleaved(runs, warmup=WARMUP, iterations=count, before=lambda name: calls[name].before())
    for name, values in durations.items():
        entries[name].seconds = values


def one_pass(forward: Forward, batches: Sequence[Batch]) -> Callable[[], None]:
    def run() -> None:
        for batch in batches:
            forward(batch)

    return run


def rounds_within(seconds: float, calls: Mapping[str, Calls]) -> int:
    """How many rounds fit into `seconds`, judged by all but the first of a few."""
    once = time_interleaved({name: call.run for name, call in calls.items()}, warmup=1, iterations=ROUNDS_TO_JUDGE)
    one_round = 2 * sum(sum(values) / len(values) for values in once.values())
    a_pass = round(1 / next(iter(calls.values())).share)
    return max(1 if a_pass > 1 else MIN_ROUNDS, min(MAX_ROUNDS, int(seconds / one_round / a_pass))) * a_pass


def logits(forward: Forward, batches: Batches) -> Tensor:
    """The logits [rows, labels] of all batches, in fp32; a copy."""
    return torch.cat([forward(batch).float().clone() for batch in batches])


def relative_error(found: Tensor, reference: Tensor) -> float:
    """The root of the squared error of `found` over the squared deviation of `reference` from its mean row.

    1 is as bad as answering every row with the mean of the reference's logits.
    """
    deviation = (reference - reference.mean(dim=0)).norm()
    return float((found - reference).norm() / deviation)


def scratch_directory(root: Path, model: str) -> Path:
    """Where the files made from one model are kept while its workloads are measured."""
    path = root / model
    path.mkdir(parents=True, exist_ok=True)
    return path
