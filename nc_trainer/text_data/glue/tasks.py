"""The nine GLUE tasks: their columns, labels, metrics and folder names (Wang et al., 2018, https://gluebenchmark.com)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from nc_trainer.errors import NCTrainerError


@dataclass(frozen=True)
class GlueTask:
    """What one GLUE task looks like, in the names the hub's `nyu-mll/glue` uses."""

    name: str
    folder: str
    text_columns: tuple[str, ...]
    metrics: tuple[str, ...]
    label_names: tuple[str, ...] = ()
    """Names in the order of the label ids; empty for regression."""
    file_label: str = "label"
    """Name of the label column in the official TSV files."""
    file_labels: tuple[str, ...] = ()
    """What the TSV files write for each label id; empty means the ids themselves."""
    file_text_columns: tuple[str, ...] = ()
    """Names of the text columns in the TSV files; empty means `text_columns`."""
    rows_span_lines: bool = False
    """QQP only: a few questions hold a line break, so one row covers several lines of the file."""

    @property
    def is_regression(self) -> bool:
        """True for STS-B, whose label is a float from 0 to 5."""
        return not self.label_names

    def splits_for(self, purposes: Collection[str]) -> list[str]:
        """The hub's splits for `train`, `validation`, `test`; MNLI has two of the last two, matched first."""
        kinds = ("_matched", "_mismatched") if self.name == "mnli" else ("",)
        return [name + kind for name in purposes for kind in (kinds if name != "train" else ("",))]


_PAIR = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")

GLUE_TASKS: dict[str, GlueTask] = {
    task.name: task
    for task in (
        GlueTask(
            "cola",
            "CoLA",
            ("sentence",),
            ("matthews_correlation",),
            ("unacceptable", "acceptable"),
        ),
        GlueTask(
            "mnli",
            "MNLI",
            ("premise", "hypothesis"),
            ("accuracy",),
            ("entailment", "neutral", "contradiction"),
            file_label="gold_label",
            file_labels=("entailment", "neutral", "contradiction"),
            file_text_columns=_PAIR,
        ),
        GlueTask(
            "mrpc",
            "MRPC",
            _PAIR,
            ("accuracy", "f1"),
            ("not_equivalent", "equivalent"),
            file_label="Quality",
            file_text_columns=("#1 String", "#2 String"),
        ),
        GlueTask("qnli", "QNLI", ("question", "sentence"), ("accuracy",), _ENTAILMENT, file_labels=_ENTAILMENT),
        GlueTask(
            "qqp",
            "QQP",
            ("question1", "question2"),
            ("accuracy", "f1"),
            ("not_duplicate", "duplicate"),
            file_label="is_duplicate",
            rows_span_lines=True,
        ),
        GlueTask("rte", "RTE", _PAIR, ("accuracy",), _ENTAILMENT, file_labels=_ENTAILMENT),
        GlueTask("sst2", "SST-2", ("sentence",), ("accuracy",), ("negative", "positive")),
        GlueTask("stsb", "STS-B", _PAIR, ("pearson", "spearmanr"), file_label="score"),
        GlueTask("wnli", "WNLI", _PAIR, ("accuracy",), ("not_entailment", "entailment")),
    )
}


def glue_task(name: str) -> GlueTask:
    """The task called `name`, where `SST-2` and `sst2` are the same; NCTrainerError when there is none."""
    try:
        return GLUE_TASKS[normalized(name)]
    except KeyError:
        raise NCTrainerError(f"unknown GLUE task '{name}'; expected one of {', '.join(GLUE_TASKS)}") from None


def normalized(name: str) -> str:
    """`name` without case, hyphens and underscores, so that folder and task names compare equal."""
    return name.lower().replace("-", "").replace("_", "")
