"""The data options of run_squad_tune.py."""

from dataclasses import dataclass, field

from _shared.arguments import DataArguments
from _shared.squad import AnswerFinder


@dataclass
class SquadArguments(DataArguments):
    """SQuAD's files, how contexts are cut, and how answers are chosen."""

    max_seq_length: int = field(default=384, metadata={"help": "Longest window in tokens, with the question."})
    doc_stride: int = field(default=128, metadata={"help": "Tokens that neighbouring windows share."})
    n_best_size: int = field(default=20, metadata={"help": "Starts and ends of a window that are combined."})
    max_answer_length: int = field(default=30, metadata={"help": "Longest answer in tokens."})
    version_2_with_negative: bool = field(default=False, metadata={"help": "Questions may have no answer (SQuAD 2)."})
    null_score_diff_threshold: float = field(
        default=0.0, metadata={"help": "No answer wins if it outscores the best one by more than this (version 2)."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_counts("max_seq_length", "n_best_size", "max_answer_length")

    @property
    def finder(self) -> AnswerFinder:
        """How answers are chosen."""
        return AnswerFinder(
            self.n_best_size, self.max_answer_length, self.version_2_with_negative, self.null_score_diff_threshold
        )
