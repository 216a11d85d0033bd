"""The token classification script, on a tiny BERT that has learnt two kinds of entity."""

import json
from pathlib import Path

import pytest
import torch
from _shared import script_rows as source
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from helpers.example_scripts import Run, example, results, train, tune_and_benchmark, write, write_model
from transformers import AutoModelForTokenClassification, BertForTokenClassification

pytestmark = pytest.mark.slow

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "anna", "bo", "##ris", "lives", "in", "new", "york", "oslo", "the"]
ROWS = [
    (["anna", "lives", "in", "oslo"], ["B-PER", "O", "O", "B-LOC"]),
    (["boris", "lives", "in", "new", "york"], ["B-PER", "O", "O", "B-LOC", "I-LOC"]),
    (["the", "new", "york"], ["O", "B-LOC", "I-LOC"]),
    (["boris", "anna", "in", "the", "oslo"], ["B-PER", "B-PER", "O", "O", "B-LOC"]),
]
TAGS = ["B-LOC", "B-PER", "I-LOC", "O"]
JSON = json.dumps([{"tokens": words, "ner_tags": tags} for words, tags in ROWS])
CSV = "tokens,ner_tags\n" + "".join(f"{' '.join(words)},{' '.join(tags)}\n" for words, tags in ROWS)
TRAIN = "--do_train --do_eval --num_train_epochs 40 --learning_rate 3e-3 --max_seq_length 16 --no_cuda"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ner")
    write(directory / "rows.json", JSON)
    write_model(directory / "start", BertForTokenClassification, VOCABULARY)
    train(directory, example("token-classification", "run_ner_tune"), f"{TRAIN} --ignore_mismatched_sizes")
    return directory


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(trained / "model")
    write(tmp_path / "rows.json", JSON)
    write(tmp_path / "rows.csv", CSV)
    return example("token-classification", "run_ner_tune")


def test_training_learns_the_entities(trained: Path) -> None:
    assert {results(trained / "model")[f"eval_{name}"] for name in ("f1", "precision", "recall", "accuracy")} == {1.0}
    config = AutoModelForTokenClassification.from_pretrained(trained / "model").config
    assert list(config.id2label.values()) == TAGS


@pytest.mark.parametrize("padding", ["true", "false"], ids=["padded", "dynamic"])
@pytest.mark.parametrize("file", ["rows.json", "rows.csv"])
def test_tune_then_benchmark(
    run: Run, file: str, padding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = f"--validation_file {file} --no_cuda --max_seq_length 16 --pad_to_max_length {padding}"
    tuned, timing = tune_and_benchmark(run, common, f"--train_file {file}")
    assert "Outcome: met" in capsys.readouterr().out
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "int8")
    assert any(tensor.dtype == torch.int8 for tensor in loaded.state_dict().values())

    assert (timing["metric_name"], timing["metric_value"]) == ("f1", tuned["eval_f1"])


def test_whole_entities_count(run: Run, tmp_path: Path) -> None:
    """The model is right on ROWS: it finds the 7 entities expected here and one more; of 17 tags one is wrong."""
    rows = [*ROWS[:3], (ROWS[3][0], ["B-PER", "O", "O", "O", "B-LOC"])]
    write(tmp_path / "other.json", json.dumps([{"tokens": w, "ner_tags": t} for w, t in rows]))
    run(
        "--model_name_or_path model --validation_file other.json --do_eval --no_cuda --max_seq_length 16 "
        "--output_dir out"
    )
    found = results(tmp_path / "out")
    assert (found["eval_precision"], found["eval_recall"]) == (7 / 8, 1)
    assert found["eval_f1"] == pytest.approx(2 * 7 / 15)
    assert found["eval_accuracy"] == pytest.approx(16 / 17)


def test_words_without_tags_are_predicted(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "test.json", json.dumps([{"tokens": words} for words, _ in ROWS]))
    run(
        "--model_name_or_path model --validation_file rows.json --test_file test.json --do_eval --do_predict "
        "--no_cuda --max_seq_length 16 --output_dir out"
    )
    lines = (tmp_path / "out/predictions.txt").read_text().splitlines()
    assert lines == [" ".join(tags) for _, tags in ROWS]


def test_numbers_of_a_data_set_are_tags_by_its_names(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    features = Features({"tokens": [Value("string")], "ner_tags": [ClassLabel(names=TAGS)]})
    data = {"tokens": [words for words, _ in ROWS], "ner_tags": [tags for _, tags in ROWS]}
    splits = DatasetDict({"validation": Dataset.from_dict(data, features=features)})
    monkeypatch.setattr(source, "load_dataset", lambda *names, **options: splits)
    run("--model_name_or_path model --dataset_name x/y --do_eval --no_cuda --max_seq_length 16 --output_dir out")
    assert results(tmp_path / "out")["eval_f1"] == 1


def test_a_tag_that_the_model_does_not_know_is_refused(run: Run, tmp_path: Path) -> None:
    rows = [{"tokens": words, "ner_tags": tags} for words, tags in [*ROWS, (["anna"], ["B-ORG"])]]
    write(tmp_path / "other.json", json.dumps(rows))
    with pytest.raises(SystemExit, match=r"fine-tuned with 4 label\(s\).*the data has 5"):
        run("--model_name_or_path model --validation_file other.json --do_eval --no_cuda --output_dir out")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"tokens": ["a", "b"], "ner_tags": ["O"]}, "validation row 1: 1 tags for 2 words", id="lengths"),
        pytest.param({"words": ["a"], "ner_tags": ["O"]}, "no column 'tokens'; there are words, ner_tags", id="words"),
        pytest.param({"tokens": ["a"]}, "no column 'ner_tags'", id="tags"),
        pytest.param({"tokens": None, "ner_tags": ["O"]}, "row 1: nothing in the column 'tokens'", id="empty"),
    ],
)
def test_a_mistake_in_the_rows_is_one_message(run: Run, row: dict[str, object], message: str, tmp_path: Path) -> None:
    write(tmp_path / "bad.json", json.dumps([row]))
    with pytest.raises(SystemExit, match=message):
        run("--model_name_or_path model --validation_file bad.json --do_eval --no_cuda --output_dir out")
