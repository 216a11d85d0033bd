"""The record of explained predictions: what the report draws, and the numbers beside it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from nc_trainer.errors import NCTrainerError
from nc_trainer.explain.comparison import ShapleyComparison

FORMAT = "nc_trainer explanations"
VERSION = 1


@dataclass(frozen=True)
class ExplainedRow:
    """One row: what the float model answered, and what each player adds to the logit of that answer.

    Attributes:
        row: its index among the evaluation rows.
        label: the class that was explained, the one the float model predicts; "" for a regression.
        players: what each player reads, usually a token.
        float_values: Shapley values in the float model, in logits; with `float_base` they sum to `float_output`.
        int8_values: likewise in the int8 model.
        exact: whether the values are exact, not sampled.
    """

    row: int
    label: str
    players: tuple[str, ...]
    float_values: tuple[float, ...]
    int8_values: tuple[float, ...]
    float_base: float
    int8_base: float
    float_output: float
    int8_output: float
    exact: bool


@dataclass(frozen=True)
class Explanations:
    """Explained predictions of the float model and of the chosen int8 model.

    Attributes:
        rows: those explained; none where texts may not be shown.
        comparison: the token-wise MSE, its error, and more.
        inc_shapley_mse: Neural Compressor's number, see `neural_compressor_mse`; None where it is not computed.
        trial: the number of the int8 model's trial.
        max_evals: coalitions per row and model, at most.
        seed: of rows and permutations.
        hidden_as: the token that stands for a hidden one.
        passes: rows that went through a model to be explained, in the whole search.
        seconds: that this took.
        models: how many models were explained, the float model included.
        note: what should be known, e.g. why a number is missing.
    """

    rows: tuple[ExplainedRow, ...]
    comparison: ShapleyComparison
    inc_shapley_mse: float | None
    trial: int
    max_evals: int
    seed: int
    hidden_as: str
    passes: int
    seconds: float
    models: int
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it back."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Explanations":
        """The inverse of `to_dict`.

        Raises:
            NCTrainerError: `data` is not what `to_dict` gives.
        """
        if not isinstance(data, Mapping) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
            raise NCTrainerError(f"Not explanations: expected format {FORMAT!r}, version {VERSION}.")
        fields = {key: value for key, value in data.items() if key not in ("format", "version")}
        try:
            rows = tuple(ExplainedRow(**{key: _tuples(value) for key, value in row.items()}) for row in fields["rows"])
            return cls(**(fields | {"rows": rows, "comparison": ShapleyComparison(**fields["comparison"])}))
        except (KeyError, TypeError, AttributeError) as error:
            raise NCTrainerError(f"The explanations are incomplete or damaged: {error!r}.") from error

    def without_texts(self) -> "Explanations":
        """The numbers alone: no row, no token."""
        return replace(self, rows=())

    def summary(self) -> str:
        """The numbers, in lines."""
        found = self.comparison
        correlation = "" if found.rank_correlation is None else f", rank correlation {found.rank_correlation:.3f}"
        original = "" if self.inc_shapley_mse is None else f"\nNeural Compressor's number: {self.inc_shapley_mse:.3g}"
        return (
            f"Shapley MSE of trial {self.trial}: {found.mse:.3g} squared logits, standard error "
            f"{found.standard_error:.2g}, 95% {found.low:.3g} to {found.high:.3g} ({found.rows} rows, "
            f"{found.players} tokens)\n"
            f"Signs that differ: {found.sign_flips} of {found.players}, with {found.sign_flip_share:.1%} of the float "
            f"model's |values|{correlation}{original}\n"
            f"Cost: {self.passes} forward passes of one row, {self.seconds:.1f} s, {self.models} models"
            + (f"\n{self.note}" if self.note else "")
        )


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
