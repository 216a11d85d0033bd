"""The evaluation rows that the two models answer differently."""

from nc_trainer.report.page.html import Html, join, tag
from nc_trainer.report.page.number_format import count, share
from nc_trainer.report.report_data import FlippedRow, ReportData

LONGEST = 600
"""Longer texts are cut, in characters."""


def flipped(data: ReportData) -> Html | None:
    """How many flipped, and some of them with the answers of both models."""
    chosen = data.chosen_trial
    if chosen is data.baseline or chosen.flips is None:
        return None
    if not chosen.flips:
        return tag("p", f"None: both models give the same answer to all {count(chosen.rows or 0, 'row')}.")
    return join(
        tag("p", _counted(data), class_="muted"),
        tag("ol", [tag("li", _example(row)) for row in data.flipped.examples], class_="examples")
        if data.flipped.examples
        else None,
    )


def _counted(data: ReportData) -> str:
    chosen = data.chosen_trial
    said = f"{chosen.flips} of {count(chosen.rows or 0, 'row')} changed their answer"
    if chosen.better is not None and chosen.p_value is not None:
        said += (
            f": {chosen.better} became right and {chosen.worse} became wrong. Were a flip as likely to help as to "
            f"hurt, so uneven a split or a more uneven one would come up with probability {chosen.p_value:.2f} "
            "(McNemar's test)"
        )
    shown = "Each model's probability is that of its own answer." if data.flipped.examples else ""
    return " ".join(part for part in (f"{said}.", shown, data.flipped.note) if part)


def _example(row: FlippedRow) -> Html:
    texts = [tag("p", _cut(text)) for text in row.texts] or [tag("p", "(no text)")]
    return join(
        tag("blockquote", texts),
        tag(
            "dl",
            _answer("float", row.float_answer, row.float_probability, row.label),
            _answer("int8", row.chosen_answer, row.chosen_probability, row.label),
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
