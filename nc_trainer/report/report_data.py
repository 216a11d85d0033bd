"""What the report page shows, as one record: nothing in it has to be computed from a model any more."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nc_trainer.benchmark import BenchmarkReport, Comparison, Machine
from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import NCTrainerError
from nc_trainer.explain import Explanations
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.int8.call_counts import with_count
from nc_trainer.search import CompleteTrial, Metric, Trial
from nc_trainer.search.conclusion import Outcome
from nc_trainer.search.nonfinite_json import from_json, to_json
from nc_trainer.search.trial import as_complete, trial_from

FORMAT = "nc_trainer report"
VERSION = 1
FILE_NAME = "nc_trainer_report.json"


@dataclass(frozen=True)
class ModelFacts:
    """The model: `labels` by class id; bytes of all tensors that are saved, in float and as it was chosen.

    `base` is where the float model is on the hub, None for one from a directory.
    """

    name: str
    architecture: str
    labels: tuple[str, ...]
    float_bytes: int
    chosen_bytes: int
    base: str | None = None


@dataclass(frozen=True)
class ModuleFacts:
    """One module that can be int8: its type, how many weights it has, and how often it runs in a forward pass."""

    kind: str
    weights: int
    calls: int = 1


@dataclass(frozen=True)
class Sensitivity:
    """What each module alone does to the logits when it is int8.

    `damage` is the squared error of the logits by module name, in the model's order; None where no ranking was
    computed, and then `note` says why.
    """

    damage: Mapping[str, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Speed:
    """How much faster trials are than the float model, by trial number, all timed in the same rounds.

    `batch_size` is in rows. `note` says why some or all trials were not timed.
    """

    comparisons: Mapping[int, Comparison] = field(default_factory=dict)
    batch_size: int | None = None
    note: str = ""


@dataclass(frozen=True)
class FlippedRow:
    """An evaluation row that the float model and the chosen one put into different classes, named by their labels.

    `texts` are its sentences. The probabilities are those that each model gives to its own answer, in [0, 1], None
    where they could not be reproduced.
    """

    row: int
    texts: tuple[str, ...]
    label: str | None
    float_answer: str
    chosen_answer: str
    float_probability: float | None = None
    chosen_probability: float | None = None


@dataclass(frozen=True)
class FlippedRows:
    """Some of the rows that flipped in the chosen trial; how many there are stands in the trial.

    `note` says why there are none to show, or why not all. `for_hub`: whether their texts may be uploaded.
    `changed_order`: of a regression, the share of all pairs of rows that stand in another order.
    """

    examples: tuple[FlippedRow, ...] = ()
    note: str = ""
    for_hub: bool = False
    changed_order: float | None = None


@dataclass(frozen=True)
class ReportData:
    """One search, for the page and the model card.

    Attributes:
        created: date and time, for people.
        outcome: `met`, `best_effort` or `baseline`.
        reason: one sentence that says why.
        metric: what was judged.
        criterion: what was asked for, for people.
        threshold: the worst value that is accepted; infinite where every value is.
        recipe: everything in int8 that may be.
        trials: all of them; the first is number 0, the float model.
        chosen: number of the trial that the model is.
        warnings: what weakens the outcome.
        model: its name, labels and sizes.
        modules: by name, those that the recipe names.
        machine: where the search ran.
        sensitivity: of the modules.
        speed: of the trials.
        flipped: rows that flipped in the chosen trial.
        seconds: what the search and the report took, by what for.
        benchmark: latencies, if the model was benchmarked.
        explanations: of predictions, if they were asked for.
    """

    created: str
    outcome: Outcome
    reason: str
    metric: Metric
    criterion: str
    threshold: float
    recipe: Recipe
    trials: tuple[Trial, ...]
    chosen: int
    warnings: tuple[str, ...]
    model: ModelFacts
    modules: Mapping[str, ModuleFacts]
    machine: Machine
    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    speed: Speed = field(default_factory=Speed)
    flipped: FlippedRows = field(default_factory=FlippedRows)
    seconds: Mapping[str, float] = field(default_factory=dict)
    benchmark: BenchmarkReport | None = None
    explanations: Explanations | None = None

    def __post_init__(self) -> None:
        for number in (0, self.chosen):
            as_complete(self.trials[number])

    @property
    def baseline(self) -> CompleteTrial:
        """The float model."""
        return as_complete(self.trials[0])

    @property
    def chosen_trial(self) -> CompleteTrial:
        """What the model is; the baseline if no trial could be evaluated."""
        return as_complete(self.trials[self.chosen])

    def int8_share(self, trial: Trial) -> float:
        """The share of the weights that can be int8 which is int8 in a trial, in [0, 1]."""
        total = sum(module.weights for module in self.modules.values())
        return sum(self.modules[name].weights for name in trial.recipe.quantized) / total if total else 0.0

    def counted(self, names: Iterable[str]) -> list[str]:
        """The names of modules as they are shown: `layer.ffn (x12)` for one that runs more than once."""
        calls = {name: module.calls for name, module in self.modules.items()}
        return [with_count(name, calls) for name in names]

    def for_hub(self) -> "ReportData":
        """What may be uploaded: without the texts of evaluation rows, unless the configuration allows them."""
        return self if self.flipped.for_hub else self.without_texts()

    def without_texts(self) -> "ReportData":
        """The same without what evaluation rows say."""
        explanations = self.explanations and self.explanations.without_texts()
        flipped = FlippedRows(note="The texts of the evaluation data are left out here.")
        return replace(self, explanations=explanations, flipped=flipped if self.flipped.examples else self.flipped)

    def to_dict(self) -> dict[str, Any]:
        """Mappings, lists and numbers, see `nonfinite_json`; of a trial's recipe what differs from `recipe`."""
        own = {key: value for key, value in vars(self).items() if key in _PLAIN}
        parts = {key: asdict(getattr(self, key)) for key in ("metric", "model", "machine", "sensitivity", "flipped")}
        return {
            "format": FORMAT,
            "version": VERSION,
            **own,
            **parts,
            "recipe": self.recipe.to_dict(),
            "trials": [trial.to_dict() | {"float_dtype": trial.recipe.float_dtype} for trial in self.trials],
            "modules": {name: asdict(module) for name, module in self.modules.items()},
            "speed": asdict(self.speed),
            "benchmark": None if self.benchmark is None else self.benchmark.to_dict(),
            "explanations": None if self.explanations is None else self.explanations.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ReportData":
        """The inverse of `to_dict`.

        Raises:
            NCTrainerError: `data` is not a report of a version that this code reads.
        """
        if not isinstance(data, Mapping) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
            raise NCTrainerError(f"Not a report of a search: expected format {FORMAT!r}, version {VERSION}.")
        try:
            return _from_dict(data)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise NCTrainerError(f"The report is incomplete or damaged: {error!r}.") from error

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write `nc_trainer_report.json` into `directory`."""
        write_text_atomically(Path(directory) / FILE_NAME, to_json(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> "ReportData":
        """Read what `save` wrote into `directory`.

        Raises:
            NCTrainerError: there is no such file, or it does not hold a report.
        """
        path = Path(directory) / FILE_NAME
        try:
            content = from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise NCTrainerError(
                f"Cannot read {path}: {error}. Expected what `trainer.save_model()` writes after `quantize()`."
            ) from error
        return cls.from_dict(content)


_PLAIN = ("created", "outcome", "reason", "criterion", "threshold", "chosen", "warnings", "seconds")


def _from_dict(data: Mapping[str, Any]) -> ReportData:
    recipe = Recipe.from_dict(data["recipe"])
    flipped, speed = data["flipped"], data["speed"]
    benchmark, explanations = data["benchmark"], data["explanations"]
    examples = tuple(FlippedRow(**(row | {"texts": tuple(row["texts"])})) for row in flipped["examples"])
    comparisons = {int(number): Comparison(**one) for number, one in speed["comparisons"].items()}
    return ReportData(
        **({key: data[key] for key in _PLAIN} | {"warnings": tuple(data["warnings"])}),
        metric=Metric(**data["metric"]),
        recipe=recipe,
        trials=tuple(_trial(recipe, trial) for trial in data["trials"]),
        model=ModelFacts(**(data["model"] | {"labels": tuple(data["model"]["labels"])})),
        modules={name: ModuleFacts(**module) for name, module in data["modules"].items()},
        machine=_machine(data["machine"]),
        sensitivity=Sensitivity(**data["sensitivity"]),
        speed=Speed(**(speed | {"comparisons": comparisons})),
        flipped=FlippedRows(**(flipped | {"examples": examples})),
        benchmark=None if benchmark is None else BenchmarkReport.from_dict(benchmark),
        explanations=None if explanations is None else Explanations.from_dict(explanations),
    )


def _trial(recipe: Recipe, data: Mapping[str, Any]) -> Trial:
    fields = {
        key: value for key, value in data.items() if key not in ("state", "fallbacks", "float_columns", "float_dtype")
    }
    if data["number"] == 0:
        return trial_from(fields | {"recipe": recipe.in_float()})
    own = recipe.with_fallbacks(data["fallbacks"]).with_float_columns(data.get("float_columns", {}))
    changed = own.float_dtype != data["float_dtype"]
    return trial_from(fields | {"recipe": own.with_rest_in(data["float_dtype"]) if changed else own})


def _machine(data: Mapping[str, Any]) -> Machine:
    return Machine(**{**data, "isa": None if data["isa"] is None else tuple(data["isa"])})
