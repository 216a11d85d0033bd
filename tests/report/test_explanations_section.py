"""The section on explanations: numbers, tokens with both models' values, and no texts where they may not go."""

from dataclasses import replace

import pytest
from helpers.report_data import report_data

from nc_trainer.explain import ExplainedRow, Explanations, ShapleyComparison
from nc_trainer.report.page import render_page
from nc_trainer.report.page.sections.explanations import SHOWN, explanations
from nc_trainer.report.report_data import ReportData

COMPARISON = ShapleyComparison(0.0123, 0.004, 0.003, 0.021, 0.0005, 1, 3, 1, 0.05, 0.9)
ROW = ExplainedRow(
    row=7,
    label="positive",
    players=("a", "<good>", "film"),
    float_values=(0.1, 2.0, -0.5),
    int8_values=(-0.05, 1.9, -0.55),
    float_base=-0.3,
    int8_base=-0.2,
    float_output=1.3,
    int8_output=1.1,
    exact=True,
)
FOUND = Explanations((ROW,), COMPARISON, 4e-4, 1, 500, 1978, "[MASK]", 1234, 56.0, 2)


def section(found: Explanations) -> str:
    body = explanations(report_data(explanations=found))
    assert body is not None
    return str(body)


def test_there_is_no_section_without_explanations() -> None:
    assert explanations(report_data()) is None
    assert 'id="explanations"' not in render_page(report_data())


def test_the_numbers_stand_with_their_error_and_their_cost() -> None:
    text = section(FOUND)
    for part in ("0.0123 squared logits (95 % interval 0.003 to 0.021)", "1 of 3", "1234 forward passes", "2 models"):
        assert part in text
    assert "0.0004 (Neural Compressor&#x27;s number)" in text


def test_both_values_stand_under_each_token_with_their_sign() -> None:
    text = section(FOUND)
    assert '<span class="word">&lt;good&gt;</span>' in text
    assert (
        '<span class="more" style="--share: 45%">+2.00</span><span class="more" style="--share: 43%">+1.90</span>'
        in text
    )
    assert '<span class="less" style="--share: 11%">−0.50</span>' in text


def test_a_token_whose_sign_differs_is_framed() -> None:
    assert section(FOUND).count('class="flipped"') == 1


def test_the_rows_that_differ_most_come_first_and_the_rest_is_folded() -> None:
    rows = [replace(ROW, row=number, int8_values=(0.1, 2.0 + number, -0.5)) for number in range(SHOWN + 2)]
    text = section(replace(FOUND, rows=tuple(rows)))
    assert text.index(f"Row {SHOWN + 1},") < text.index("Row 2,") < text.index("<details>") < text.index("Row 1,")
    assert "The other 2 rows" in text


def test_a_regression_has_no_class() -> None:
    assert "the number predicted" in section(replace(FOUND, rows=(replace(ROW, label=""),)))


def test_it_is_read_back_with_the_report() -> None:
    data = report_data(explanations=FOUND)
    assert ReportData.from_dict(data.to_dict()).explanations == FOUND


@pytest.mark.parametrize("allowed", [False, True])
def test_tokens_are_uploaded_only_where_texts_may_be(allowed: bool) -> None:
    data = report_data(explanations=FOUND)
    page = render_page(replace(data, flipped=replace(data.flipped, for_hub=allowed)).for_hub())
    assert ("&lt;good&gt;" in page) is allowed
    assert "0.0123 squared logits" in page
