"""The section `tuning`: how recipes are proposed, when one is accepted, which is best, when the search stops."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

from nc_trainer.config.rules import LARGEST_SEED, describe, flag, number, one_of, optional, several, text, whole_number
from nc_trainer.config.section import Section, setting
from nc_trainer.config.shapley_section import ShapleyConfig
from nc_trainer.errors import ConfigError

DEFAULT_RELATIVE_LOSS = 0.01
DEFAULT_AGREEMENT = 0.995
DEFAULT_OBJECTIVE = "performance"
SHAPLEY_MSE = "shapley_mse"
LOWER_IS_BETTER = ("performance", "modelsize", "footprint", SHAPLEY_MSE)
OBJECTIVES = (*LOWER_IS_BETTER, "accuracy")
_NO_GAIN = " (a negative loss would ask int8 to beat the float model)"


@dataclass(frozen=True, kw_only=True)
class StrategyConfig(Section, path="tuning.strategy"):
    """Which strategy proposes the recipes."""

    name: str = setting(
        "basic",
        text(),
        "The strategy that proposes the next recipe: basic, bayesian, conservative, exhaustive, hawq_v2, mse, mse_v2, "
        "random, ranked, sequential, tpe, or a registered one.",
    )


@dataclass(frozen=True, kw_only=True)
class MultiMetrics(Section, path="tuning.accuracy_criterion.multi_metrics"):
    """Several metrics that are judged together, instead of one."""

    metrics: tuple[str, ...] | None = setting(
        None, optional(several(text())), "Keys of `compute_metrics` that are judged together."
    )
    weight: tuple[float, ...] | None = setting(
        None,
        optional(several(number(0))),
        "Their weights: the weighted mean is judged. null: each of the metrics must meet the criterion.",
    )
    higher_is_better: tuple[bool, ...] | None = setting(
        None, optional(several(flag())), "Their directions; null infers them from the names."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lengths(self, self.metrics, "metrics", ("weight", "higher_is_better"))
        if self.weight is not None and not sum(self.weight):
            raise ConfigError(f"`{self.place}.weight`: all weights are 0, expected one above 0.")


@dataclass(frozen=True, kw_only=True)
class AccuracyCriterion(Section, path="tuning.accuracy_criterion"):
    """How much of the metric may be lost: `relative` or `absolute`, never both; neither means 1% relative.

    Neural Compressor 2.x wrote `AccuracyCriterion(criterion="absolute", tolerable_loss=0.02)`; so may you in Python.
    """

    relative: float | None = setting(
        None,
        optional(number(0, below=1, percent=True, because=_NO_GAIN)),
        f"Loss allowed as a share of the baseline's metric. {DEFAULT_RELATIVE_LOSS} when neither is given.",
    )
    absolute: float | None = setting(
        None,
        optional(number(0, percent=True)),
        "Loss allowed in the metric's own unit. Not together with `relative`.",
    )
    agreement: float = setting(
        DEFAULT_AGREEMENT,
        number(0, below=1, percent=True),
        "Of a classification, the share of predictions that are to be the float model's: with as many a recipe is "
        "taken for the float model, and a metric that is met with many predictions changed is not believed. 0 looks "
        "at the metric alone. Not in the original.",
    )
    per_label: float | None = setting(
        None,
        optional(number(0, below=1, percent=True)),
        "How much of its recall any label may lose, as a share of its rows, beside the metric. null: no limit. Not in "
        "the original.",
    )
    higher_is_better: bool | None = setting(
        None, optional(flag()), "Direction of the metric; null infers it from the metric's name."
    )
    multi_metrics: MultiMetrics = field(
        default_factory=MultiMetrics, metadata={"help": "Several metrics instead of one."}
    )
    criterion: InitVar[str | None] = None
    tolerable_loss: InitVar[float | str | None] = None

    def __post_init__(self, criterion: str | None, tolerable_loss: float | str | None) -> None:
        if criterion is not None or tolerable_loss is not None:
            self._take(criterion or "relative", DEFAULT_RELATIVE_LOSS if tolerable_loss is None else tolerable_loss)
        super().__post_init__()
        if self.relative is not None and self.absolute is not None:
            raise ConfigError(
                f"`{self.place}`: found both `relative` ({self.relative:g}) and "
                f"`absolute` ({self.absolute:g}), expected exactly one of them. Remove one."
            )
        if self.relative is None and self.absolute is None:
            object.__setattr__(self, "relative", DEFAULT_RELATIVE_LOSS)

    def _take(self, criterion: str, tolerable_loss: float | str) -> None:
        """The loss in the field that the 2.x name of the criterion means."""
        if criterion not in ("relative", "absolute"):
            raise ConfigError(f"`criterion`: found {describe(criterion)}, expected 'relative' or 'absolute'.")
        if self.relative is not None or self.absolute is not None:
            raise ConfigError("`tolerable_loss` is `relative` or `absolute` in other words: give it or one of them.")
        object.__setattr__(self, criterion, tolerable_loss)


@dataclass(frozen=True, kw_only=True)
class ExitPolicy(Section, path="tuning.exit_policy"):
    """When the search stops."""

    timeout: float = setting(
        0.0,
        number(0),
        "Seconds. 0: stop when the strategy has found its first acceptable recipe. More: search that long.",
    )
    max_trials: int = setting(100, whole_number(1), "How many recipes are judged at most, the baseline not counted.")
    performance_only: bool = setting(
        False, flag(), "Accept the first recipe whatever it loses; its metric is reported all the same."
    )


@dataclass(frozen=True, kw_only=True)
class EarlyStoppingConfig(Section, path="tuning.early_stopping"):
    """When the evaluation of a trial that will be refused ends before its last row. Not in the original."""

    enabled: bool = setting(
        True,
        flag(),
        "Stop a trial when the rows to come cannot make it acceptable. For accuracy, F1 and Matthews correlation; "
        "trials judged by other metrics are evaluated to their end.",
    )
    error_rate: float = setting(
        0.0,
        number(0, below=0.5),
        "Stop a trial as soon as a sequential test refuses it, which is wrong for an acceptable trial with at most "
        "this probability. For accuracy, on evaluation rows in random order. 0 stops only when it is certain.",
    )


@dataclass(frozen=True, kw_only=True)
class MultiObjectives(Section, path="tuning.multi_objectives"):
    """Several objectives that order accepted recipes together, instead of one."""

    objective: tuple[str, ...] | None = setting(
        None, optional(several(one_of(*OBJECTIVES))), "Objectives that are weighed against each other."
    )
    weight: tuple[float, ...] | None = setting(
        None, optional(several(number(0))), "Their weights; null weighs them equally."
    )
    higher_is_better: tuple[bool, ...] | None = setting(
        None, optional(several(flag())), "Their directions: checked, since each has only one."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lengths(self, self.objective, "objective", ("weight", "higher_is_better"))
        for name, higher in zip(self.objective or (), self.higher_is_better or (), strict=False):
            if higher and name in LOWER_IS_BETTER:
                raise ConfigError(
                    f"`{self.place}.higher_is_better`: found true for `{name}`, expected false: less of it is better."
                )
        if self.weight is not None and not sum(self.weight):
            raise ConfigError(f"`{self.place}.weight`: all weights are 0, expected one above 0.")


@dataclass(frozen=True, kw_only=True)
class Workspace(Section, path="tuning.workspace"):
    """Where a search keeps its files."""

    path: str | None = setting(
        None, optional(text()), "Directory of the journal and of TensorBoard's files; null is the output directory."
    )
    resume: str | None = setting(
        None,
        optional(text()),
        "The journal of an interrupted search to go on with; one in the workspace is found without this key.",
    )


@dataclass(frozen=True, kw_only=True)
class ReportConfig(Section, path="tuning.report"):
    """The page that is saved beside the model. Not in the original."""

    enabled: bool = setting(True, flag(), "Write `report.html` and its data beside the model that a search ends with.")
    examples: str = setting(
        "local",
        one_of("local", "always", "never"),
        "Whether the page shows texts of rows that flipped; `local` leaves them out of what goes to the hub.",
    )
    timing: float = setting(
        20.0, number(0), "Seconds that timing the trials may take, after the search; 0 measures no speed."
    )
    ranking: bool = setting(
        False, flag(), "Rank the modules for the page even if the search did not need it; costs about one evaluation."
    )
    plots: bool = setting(False, flag(), "Draw the page's pictures as PNG for the model card; needs matplotlib.")


@dataclass(frozen=True, kw_only=True)
class TuningSection(Section, path="tuning"):
    """What is searched, when a recipe is accepted, when the search stops."""

    strategy: StrategyConfig = field(default_factory=StrategyConfig, metadata={"help": "How recipes are proposed."})
    accuracy_criterion: AccuracyCriterion = field(
        default_factory=AccuracyCriterion, metadata={"help": "When a recipe is accepted."}
    )
    objective: str | None = setting(
        None,
        optional(one_of(*OBJECTIVES)),
        f"Which accepted recipe is best; {DEFAULT_OBJECTIVE} when neither this nor `multi_objectives` is given.",
    )
    multi_objectives: MultiObjectives = field(
        default_factory=MultiObjectives, metadata={"help": "Several objectives instead of one."}
    )
    shapley: ShapleyConfig = field(
        default_factory=ShapleyConfig, metadata={"help": "How predictions are explained, if they are."}
    )
    exit_policy: ExitPolicy = field(default_factory=ExitPolicy, metadata={"help": "When the search stops."})
    early_stopping: EarlyStoppingConfig = field(
        default_factory=EarlyStoppingConfig, metadata={"help": "When a trial is stopped before its last row."}
    )
    random_seed: int = setting(1978, whole_number(0, LARGEST_SEED), "Seed of everything random in the search.")
    metric: str | None = setting(
        None,
        optional(text()),
        "Which key of `compute_metrics` is judged; null chooses one. Not in the original.",
    )
    tensorboard: bool = setting(
        False, flag(), "Write each trial's numbers for TensorBoard; needs the package `tensorboard`."
    )
    workspace: Workspace = field(default_factory=Workspace, metadata={"help": "Where files are kept."})
    report: ReportConfig = field(default_factory=ReportConfig, metadata={"help": "The page about the search."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective is not None and self.multi_objectives.objective is not None:
            raise ConfigError(
                f"`{self.place}`: found both `objective` ({self.objective}) and `multi_objectives`, "
                "expected one of them. Remove the other."
            )
        if self.metric is not None and self.accuracy_criterion.multi_metrics.metrics is not None:
            raise ConfigError(
                f"`{self.place}`: found both `metric` ({self.metric}) and `accuracy_criterion.multi_metrics`, "
                "expected one of them. Remove the other."
            )
        if self.objective is None and self.multi_objectives.objective is None:
            object.__setattr__(self, "objective", DEFAULT_OBJECTIVE)

    @property
    def explains(self) -> bool:
        """Whether Shapley values are needed, to choose a recipe or to report."""
        return self.shapley.report or SHAPLEY_MSE in (self.objective, *(self.multi_objectives.objective or ()))


def _check_lengths(section: Section, items: tuple[str, ...] | None, name: str, others: tuple[str, ...]) -> None:
    """Each of `others` has one element for each of `items`, which must differ from each other."""
    if items is not None and len(set(items)) < len(items):
        raise ConfigError(f"`{section.place}.{name}`: found {list(items)}, expected each only once.")
    for other in others:
        values = getattr(section, other)
        if values is not None and len(values) != len(items or ()):
            raise ConfigError(
                f"`{section.place}.{other}`: found {len(values)} values, expected {len(items or ())}: "
                f"one for each of `{name}`."
            )
