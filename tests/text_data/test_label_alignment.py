"""Matching the data's labels with the model's."""

import logging

import pytest
from transformers import BertConfig

from nc_trainer import NCTrainerError
from nc_trainer.text_data.label_alignment import align_labels, check_label_count

MNLI = ("entailment", "neutral", "contradiction")


def fine_tuned(*names: str) -> BertConfig:
    return BertConfig(
        architectures=["BertForSequenceClassification"],
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )


@pytest.mark.parametrize(
    ("model", "data", "ids"),
    [
        pytest.param(("NEGATIVE", "POSITIVE"), ("negative", "positive"), [0, 1], id="names in another case"),
        pytest.param(("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), MNLI, [2, 1, 0], id="names in another order"),
        pytest.param(("good", "fair", "bad"), ("bad", "good"), [2, 0], id="some of the names"),
        pytest.param(("good", "bad"), ("0", "1"), [0, 1], id="numbers for names"),
        pytest.param(("1", "2", "3"), ("1", "3"), [0, 2], id="names that are numbers"),
    ],
)
def test_labels_are_matched(model: tuple[str, ...], data: tuple[str, ...], ids: list[int]) -> None:
    config = fine_tuned(*model)
    assert align_labels(config, data) == ids
    assert config.id2label == dict(enumerate(model))


def test_a_model_without_names_takes_the_names_of_the_data() -> None:
    config = BertConfig(num_labels=3)
    assert align_labels(config, MNLI) == [0, 1, 2]
    assert config.id2label == dict(enumerate(MNLI))
    assert config.label2id == {name: number for number, name in enumerate(MNLI)}


def test_other_names_are_kept_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = fine_tuned("bad", "good")
    with caplog.at_level(logging.WARNING):
        assert align_labels(config, ("negative", "positive")) == [0, 1]
    assert "(bad, good) are not the data's (negative, positive)" in caplog.text
    assert config.id2label == {0: "bad", 1: "good"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param(MNLI, r"2 label\(s\): no, yes; the data has 3: entailment", id="more labels"),
        pytest.param((), r"2 label\(s\): no, yes; the data has 1: a number \(regression\)", id="regression"),
    ],
)
def test_another_number_of_labels_is_refused(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(NCTrainerError, match=message):
        check_label_count(fine_tuned("no", "yes"), labels)


def test_a_model_that_was_not_fine_tuned_fits_any_data() -> None:
    check_label_count(BertConfig(architectures=["BertForMaskedLM"]), MNLI)


def test_a_file_may_lack_some_of_the_labels_when_that_is_allowed() -> None:
    config = fine_tuned(*MNLI)
    check_label_count(config, ("neutral", "entailment"), may_be_subset=True)
    with pytest.raises(NCTrainerError, match="the data has 2"):
        check_label_count(config, ("neutral", "entailment"))
    with pytest.raises(NCTrainerError, match="the data has 2"):
        check_label_count(config, ("pos", "neg"), may_be_subset=True)
