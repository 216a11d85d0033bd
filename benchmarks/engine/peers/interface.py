"""What a peer is given and what it gives back, and the choice among settings of one peer."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from transformers import PreTrainedModel

Batch = Mapping[str, Tensor]
Forward = Callable[[Batch], Tensor]
TRIAL_CALLS, TRIAL_MILLISECONDS = 9, 4000.0


@dataclass(frozen=True)
class Task:
    """One model on one workload.

    `name` is that of the workload. `model` is in fp32 and eval mode and belongs to everyone: copy it before changing
    it. `batches`, which are timed, and `calibration`, others of their kind, hold `input_ids` and `attention_mask`,
    [rows, tokens] int64, on the CPU. `scratch` is a directory for files made from this model; it outlives the
    workload. `threads` is what the peer may use.
    """

    name: str
    model: PreTrainedModel
    batches: Sequence[Batch]
    calibration: Sequence[Batch]
    scratch: Path
    threads: int

    @property
    def shape(self) -> tuple[int, int] | None:
        """[rows, tokens] when all batches have the same, else None."""
        shapes = {tuple(batch["input_ids"].shape) for batch in self.batches}
        rows, tokens = next(iter(shapes))
        return (rows, tokens) if len(shapes) == 1 else None


class Peer(NamedTuple):
    """`forward` gives the logits [rows, labels] of a batch; `setting` says what was chosen, for the record."""

    forward: Forward
    setting: str = ""


def fastest(candidates: Mapping[str, Callable[[], Forward]], batches: Sequence[Batch]) -> Peer:
    """The candidate setting with the lowest median duration, each measured on its own after a warm-up."""
    chosen: tuple[float, Peer] | None = None
    durations = {}
    for setting, make in candidates.items():
        forward = make()
        durations[setting] = trial_milliseconds(forward, batches)
        if chosen is None or durations[setting] < chosen[0]:
            chosen = durations[setting], Peer(forward, setting)
        del forward
    if chosen is None:
        raise ValueError("There is no candidate to choose from.")
    if len(durations) == 1:
        return chosen[1]
    tried = ", ".join(f"{setting} {value:.1f} ms" for setting, value in durations.items())
    return Peer(chosen[1].forward, f"{chosen[1].setting} (tried: {tried})")


def trial_milliseconds(forward: Forward, batches: Sequence[Batch]) -> float:
    """The median duration of a pass over `batches` after one that warms up; slow ones are called less often."""
    _milliseconds(forward, batches)
    durations: list[float] = []
    while not durations or (len(durations) < TRIAL_CALLS and sum(durations) < TRIAL_MILLISECONDS):
        durations.append(_milliseconds(forward, batches))
    return statistics.median(durations)


def _milliseconds(forward: Forward, batches: Sequence[Batch]) -> float:
    start = time.perf_counter()
    for batch in batches:
        forward(batch)
    return (time.perf_counter() - start) * 1e3
