"""What each token adds to the answer, in the float model and in the int8 model."""

from nc_trainer.explain import ExplainedRow, Explanations
from nc_trainer.report.page.html import Html, definitions, join, tag
from nc_trainer.report.page.number_format import count, seconds, share
from nc_trainer.report.report_data import ReportData

SHOWN = 6
"""Rows that are open; the others are folded."""
STRONGEST = 45
"""Percent of colour behind the largest value of a row: text on it stays legible in both colour schemes."""


def explanations(data: ReportData) -> Html | None:
    """The Shapley MSE and its errors, then rows, those first whose values differ most."""
    found = data.explanations
    if found is None:
        return None
    rows = [_figure(row) for row in sorted(found.rows, key=_difference, reverse=True)]
    rest = rows[SHOWN:]
    return join(
        tag("p", _what(found)),
        definitions(_numbers(found)),
        tag("p", found.note, class_="note") if found.note else None,
        tag("h3", "Explained rows") if rows else None,
        tag("p", _legend(), class_="note") if rows else None,
        rows[:SHOWN],
        tag("details", tag("summary", f"The other {count(len(rest), 'row')}"), rest) if rest else None,
    )


def _what(found: Explanations) -> str:
    return (
        "Shapley values say how much each token adds to the logit of the answer that the float model gives, compared "
        f"with {found.hidden_as} in its place. Both models saw the same rows with the same tokens hidden."
    )


def _numbers(found: Explanations) -> dict[str, object]:
    numbers, original = found.comparison, found.inc_shapley_mse
    interval = f"95 % interval {numbers.low:.2g} to {numbers.high:.2g}"
    error = f"standard error {numbers.standard_error:.2g}, of which another seed would change"
    flipped = f"{numbers.sign_flips} of {numbers.players}, with {share(numbers.sign_flip_share)}"
    correlation = numbers.rank_correlation
    return {
        "Shapley MSE": f"{numbers.mse:.3g} squared logits ({interval}), {count(numbers.rows, 'row')}",
        "its error": f"{error} {numbers.permutation_error:.2g}",
        "other sign": f"{flipped} of the float model's sum of |values|",
        "rank correlation": None if correlation is None else f"{correlation:.3f} (Spearman, mean over rows)",
        "inc_shapley_mse": None if original is None else f"{original:.3g} (Neural Compressor's number)",
        "cost": f"{found.passes} forward passes of one row, {seconds(found.seconds)}, {count(found.models, 'model')}",
        "seed": found.seed,
    }


def _legend() -> str:
    return (
        "Below each token stand its values, in logits: first float, then int8. A solid line and + speak for the "
        "answer, a dashed line and − against it; the stronger the colour, the larger the value in its row. A frame "
        "marks a token whose sign differs."
    )


def _figure(row: ExplainedRow) -> Html:
    largest = max(map(abs, (*row.float_values, *row.int8_values)), default=0.0) or 1.0
    pairs = zip(row.players, row.float_values, row.int8_values, strict=True)
    tokens = [_token(name, before, after, largest) for name, before, after in pairs]
    return tag("figure", tag("figcaption", _caption(row)), tag("ul", tokens, class_="tokens"), class_="explained")


def _caption(row: ExplainedRow) -> str:
    answer = f"answer {row.label}" if row.label else "the number predicted"
    whole = f"{_signed(row.float_output)} in float, {_signed(row.int8_output)} in int8"
    base = f"{_signed(row.float_base)} and {_signed(row.int8_base)}"
    sampled = "" if row.exact else "; values are sampled"
    return f"Row {row.row}, {answer}: {whole}; with every token hidden {base}{sampled}"


def _token(name: str, before: float, after: float, largest: float) -> Html:
    flipped = "flipped" if before * after < 0 else None
    return tag("li", tag("span", name, class_="word"), _value(before, largest), _value(after, largest), class_=flipped)


def _value(value: float, largest: float) -> Html:
    strength = round(abs(value) / largest * STRONGEST)
    return tag("span", _signed(value), class_="less" if value < 0 else "more", style=f"--share: {strength}%")


def _signed(value: float) -> str:
    """Two decimals and a sign, which even a rounded 0 keeps."""
    return f"{value:+.2f}".replace("-", "−")


def _difference(row: ExplainedRow) -> float:
    pairs = zip(row.float_values, row.int8_values, strict=True)
    return sum((after - before) ** 2 for before, after in pairs) / len(row.players)
