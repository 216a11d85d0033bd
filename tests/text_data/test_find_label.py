"""Which column holds the labels, where nobody says."""

import pytest

from nc_trainer import NCTrainerError
from nc_trainer.text_data.find_label import label_column_of

MODEL = ("negative", "positive")


def rows(**columns: str) -> list[dict[str, str]]:
    """From one comma separated string for each column."""
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(each.split(",") for each in columns.values()), strict=True)
    ]


def test_label_comes_first() -> None:
    assert label_column_of("a.csv", rows(text="a,b", target="0,1", label="x,y"), MODEL) == "label"


@pytest.mark.parametrize("name", ["Label", "target", "Sentiment", "rating"])
def test_a_usual_name_is_enough(name: str) -> None:
    assert label_column_of("a.csv", rows(text="a,b", **{name: "x,y"}), MODEL) == name


def test_of_two_usual_names_the_one_with_the_models_labels() -> None:
    assert (
        label_column_of("a.csv", rows(text="a,b", category="x,y", sentiment="Positive,negative"), MODEL) == "sentiment"
    )


@pytest.mark.parametrize("values", ["Positive,negative", "1,0"])
def test_a_column_of_nothing_but_the_models_labels(values: str) -> None:
    assert label_column_of("a.csv", rows(text="a,b", mood=values, stars="1,5"), MODEL) == "mood"


def test_a_column_of_texts_is_none_of_labels() -> None:
    assert label_column_of("a.csv", rows(category="a,b", mood="0,1"), MODEL, {"category"}) == "mood"


@pytest.mark.parametrize(
    "unclear",
    [
        pytest.param(rows(text="a,b", mood="0,2"), id="none fits"),
        pytest.param(rows(text="a,b", mood="0,1", irony="1,1"), id="two fit"),
        pytest.param(rows(text="a,b", target="x,y", category="y,x"), id="two usual names"),
    ],
)
def test_what_is_not_clear_is_asked(unclear: list[dict[str, str]]) -> None:
    with pytest.raises(NCTrainerError, match=r"a\.csv: which column .* --label_column_name; there are text, "):
        label_column_of("a.csv", unclear, MODEL)


def test_a_file_without_a_header_loses_no_row() -> None:
    with pytest.raises(NCTrainerError, match=r"the first line looks like a row, because 'Positive' is a label"):
        label_column_of("a.csv", rows(**{"good film": "a,b", "Positive": "negative,positive"}), MODEL)
