"""The evaluation rows that the two models answer differently."""

from nc_trainer.report.page.html import Html, join, tag
from nc_trainer.report.page.number_format import count, share
from nc_trainer.report.report_data import FlippedRow, ReportData
from nc_trainer.search import Trial
from nc_trainer.search.statistics.flips import tolerance_in_words

LONGEST = 600
"""Longer texts are cut, in characters."""


def flipped(data: ReportData) -> Html | None:
    """How many flipped, and some of them with the answers of both models."""
    chosen = data.chosen_trial
    if chosen is data.baseline or chosen.flips is None:
        return None
    are_numbers = chosen.flip_tolerance is not None
    if not chosen.flips and chosen.flip_tolerance is not None:
        beyond = tolerance_in_words(chosen.flip_tolerance)
        return tag("p", f"None: no answer changed by more than {beyond}.{_order(data)}")
    if not chosen.flips:
        return tag("p", f"None: both models give the same answer to all {count(chosen.rows or 0, 'row')}.")
    return join(
        tag("p", _counted(data), class_="muted"),
        tag("ol", [tag("li", _example(row, are_numbers)) for row in data.flipped.examples], class_="examples")
        if data.flipped.examples
        else None,
    )


def _counted(data: ReportData) -> str:
    chosen = data.chosen_trial
    said = f"{chosen.flips} of {count(chosen.rows or 0, 'row')} changed their answer"
    if chosen.flip_tolerance is not None:
        said += (
            f" by more than {tolerance_in_words(chosen.flip_tolerance)}, a tenth of the standard deviation of the "
            "float model's"
        )
    has_probabilities = any(row.float_probability is not None for row in data.flipped.examples)
    shown = "Each model's probability is that of its own answer." if has_probabilities else ""
    return " ".join(part for part in (f"{said}{_split(chosen)}.{_order(data)}", shown, data.flipped.note) if part)


def _order(data: ReportData) -> str:
    """What matters to a ranking: rows that stand in another order, which a shift of all numbers does not change."""
    part = data.flipped.changed_order
    return "" if part is None else f" Of all pairs of rows {part:.2%} stand in another order."


def _split(chosen: Trial) -> str:
    """Whether the answers that changed became better or worse, and whether that may be chance."""
    if chosen.better is None or chosen.p_value is None:
        return ""
    better, worse, test = "became right", "became wrong", "McNemar's test"
    if chosen.flip_tolerance is not None:
        better, worse, test = "moved towards their label", "moved away from it", "a sign test"
    return (
        f": {chosen.better} {better} and {chosen.worse} {worse}. Were a flip as likely to help as to hurt, so uneven "
        f"a split or a more uneven one would come up with probability {chosen.p_value:.2f} ({test})"
    )


def _example(row: FlippedRow, are_numbers: bool) -> Html:
    texts = [tag("p", _cut(text)) for text in row.texts] or [tag("p", "(no text)")]
    return join(
        tag("blockquote", texts),
        tag(
            "dl",
            _answer("float", row.float_answer, row.float_probability, None if are_numbers else row.label),
            _answer("int8", row.chosen_answer, row.chosen_probability, None if are_numbers else row.label),
            tag("div", tag("dt", "label"), tag("dd", row.label)) if row.label is not None else None,
            tag("div", tag("dt", "row"), tag("dd", row.row)),
            class_="answers",
        ),
    )


def _answer(model: str, answer: str, probability: float | None, label: str | None) -> Html:
    right = None if label is None else tag("span", " ✓ right" if answer == label else " ✗ wrong", class_="verdict")
    number = None if probability is None else f" {share(probability)}"
    bar = None
    if probability is not None:
        bar = tag("span", tag("span", style=f"width:{probability * 100:.1f}%"), class_="bar", aria_hidden="true")
    return tag("div", tag("dt", model), tag("dd", tag("strong", answer), number, right, bar))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
