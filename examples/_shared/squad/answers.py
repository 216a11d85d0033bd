"""From logits of windows to the text of answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from nc_trainer.errors import NCTrainerError

Offsets = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Candidate:
    """A span of the context, "" for no answer, and the sum of its start and end logit."""

    text: str
    score: float


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        text: "" for no answer.
        candidates: the best spans, best first.
        null_score_diff: by how much "no answer" outscores the best span; None where there is always an answer.
    """

    text: str
    candidates: tuple[Candidate, ...]
    null_score_diff: float | None = None

    def probabilities(self) -> list[float]:
        """Softmax over the scores of the candidates."""
        scores = np.array([candidate.score for candidate in self.candidates])
        weights = np.exp(scores - scores.max(initial=-np.inf))
        return (weights / weights.sum()).tolist()


@dataclass(frozen=True)
class AnswerFinder:
    """How answers are chosen, as in the BERT paper's code: the span with the highest start plus end logit.

    Args:
        n_best_size: how many starts and ends of each window are combined, and how many candidates are kept.
        max_answer_length: in tokens.
        unanswerable: whether a question may have no answer. Its score is the lowest sum of the logits of [CLS] over
            the windows.
        null_score_diff_threshold: "no answer" wins if it outscores the best span by more than this.

    Source: Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding" (2019),
    sections 4.2 and 4.3.
    """

    n_best_size: int = 20
    max_answer_length: int = 30
    unanswerable: bool = False
    null_score_diff_threshold: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_best_size", "max_answer_length"):
            if getattr(self, name) < 1:
                raise NCTrainerError(f"--{name} is {getattr(self, name)}, expected 1 or more")

    def __call__(self, examples: Dataset, features: Dataset, start: NDArray, end: NDArray) -> dict[str, Answer]:
        """The answers by the ids of `examples`, in their order.

        Args:
            examples: with `id` and `context`.
            features: their windows, see `Windows.evaluation`.
            start: logits [features, tokens], in the order of `features`; longer rows are padded at their end.
            end: likewise.

        Raises:
            NCTrainerError: there are not as many logits as features.
        """
        if not len(features) == len(start) == len(end):
            raise NCTrainerError(f"there are {len(start)} rows of logits for {len(features)} features")
        windows: dict[str, list[int]] = defaultdict(list)
        for number, example in enumerate(features["example_id"]):
            windows[example].append(number)
        offsets, cls = list(features["offset_mapping"]), list(features["cls_index"])
        answers = {}
        for example in examples:
            numbers = windows[example["id"]]
            spans = [self._spans(example["context"], offsets[n], start[n], end[n]) for n in numbers]
            nulls = [float(start[n][cls[n]] + end[n][cls[n]]) for n in numbers]
            answers[example["id"]] = self._answer([span for window in spans for span in window], min(nulls, default=0))
        return answers

    def _spans(self, context: str, offsets: Offsets, start: NDArray, end: NDArray) -> Iterator[Candidate]:
        """Spans of one window from its best starts to its best ends, in tokens of the context only."""
        real = np.array([number for number, (first, last) in enumerate(offsets) if last > first >= 0], dtype=int)
        starts, ends = (real[np.argsort(-logits[real], kind="stable")[: self.n_best_size]] for logits in (start, end))
        for first in starts:
            for last in ends:
                if first <= last < first + self.max_answer_length:
                    text = context[offsets[first][0] : offsets[last][1]]
                    yield Candidate(text, float(start[first] + end[last]))

    def _answer(self, spans: list[Candidate], null: float) -> Answer:
        best = sorted(spans, key=lambda span: -span.score)[: self.n_best_size]
        if not self.unanswerable:
            return Answer(best[0].text if best else "", tuple(best))
        difference = null - best[0].score if best else float("inf")
        text = "" if difference > self.null_score_diff_threshold else best[0].text
        with_null = sorted([*best, Candidate("", null)], key=lambda span: -span.score)[: self.n_best_size]
        return Answer(text, tuple(with_null), difference)
