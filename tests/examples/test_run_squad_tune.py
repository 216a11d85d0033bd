"""The question answering script, on a tiny BERT that has learnt six questions."""

import json
from pathlib import Path

import pytest
import torch
from _shared.squad import AnswerFinder, QuantizationQuestionAnsweringTrainer
from _shared.squad.features import Windows
from _shared.squad.squad_files import load_squad_files
from helpers.example_scripts import Run, example, results, write_model
from helpers.squad_rows import NAMES, PLACES, VOCABULARY, write_squad
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, BertForMaskedLM, BertForQuestionAnswering

from nc_trainer import OptimizedModel, QuantizationTrainingArguments

pytestmark = pytest.mark.slow

WINDOWS = "--max_seq_length 14 --doc_stride 4 --no_cuda"
FILES = "--train_file train.json --validation_file train.json"
TRAIN = "--do_train --do_eval --num_train_epochs 30 --learning_rate 3e-3 --per_device_train_batch_size 6"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with data of both versions and a model for each, trained by the script."""
    directory = tmp_path_factory.mktemp("squad")
    script = example("question-answering", "run_squad_tune")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for version, flag in (("1", ""), ("2", "--version_2_with_negative")):
            write_squad(directory / version / "train.json", version_2=version == "2")
            model = write_model(directory / "start", BertForQuestionAnswering, VOCABULARY)
            files = FILES.replace("train.json", f"{version}/train.json")
            script(f"--model_name_or_path {model} {files} {TRAIN} {WINDOWS} {flag} --output_dir {version}/model")
    return directory


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("1", "2"):
        (tmp_path / name).symlink_to(trained / name)
    return example("question-answering", "run_squad_tune")


def test_training_learns_the_answers(trained: Path) -> None:
    for version in ("1", "2"):
        found = results(trained / version / "model")
        assert (found["eval_exact_match"], found["eval_f1"]) == (100, 100)
        assert (found["eval_samples"], found["train_samples"] > 6) == (6, True)
    answers = json.loads((trained / "1/model/eval_predictions.json").read_text())
    assert answers == {f"q{number}": place for number, place in enumerate(PLACES)}
    assert results(trained / "2/model")["eval_NoAns_f1"] == 100
    best = json.loads((trained / "2/model/eval_nbest_predictions.json").read_text())
    assert best["q1"][0]["text"] == ""
    assert sum(candidate["probability"] for candidate in best["q0"]) == pytest.approx(1)


@pytest.mark.parametrize("padding", ["true", "false"], ids=["padded", "dynamic"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_tune_then_benchmark(
    run: Run, version: str, padding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = f"--train_file {version}/train.json --validation_file {version}/train.json {WINDOWS}"
    files += " --version_2_with_negative" * (version == "2") + f" --pad_to_max_length {padding}"
    run(f"--model_name_or_path {version}/model {files} --do_train --do_eval --tune --output_dir int8")
    printed = capsys.readouterr().out
    assert "Outcome: met" in printed
    assert "f1" in printed
    tuned = results(tmp_path / "int8")
    assert tuned["eval_f1"] >= 99

    run(
        f"--model_name_or_path int8 {files} --int8 --benchmark --output_dir log --overwrite_output_dir "
        "--benchmark_iters 2 --benchmark_warmup 1 --per_device_eval_batch_size 4"
    )
    timing = json.loads((tmp_path / "log/benchmark.json").read_text())["models"][0]
    assert (timing["metric_name"], timing["metric_value"]) == ("f1", tuned["eval_f1"])

    run(f"--model_name_or_path int8 {files} --int8 --accuracy_only --batch_by_length --output_dir log")
    assert f"Accuracy: {tuned['eval_f1']:.5f} (f1)" in capsys.readouterr().out


def trainer_of(directory: Path, output_dir: Path, finder: AnswerFinder | None = None) -> tuple:
    model = AutoModelForQuestionAnswering.from_pretrained(directory / "1/model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(directory / "1/model")
    examples = load_squad_files({"validation": directory / "1/train.json"}, False)["validation"]
    features = Windows(tokenizer, 14, 4).evaluation(examples)
    trainer = QuantizationQuestionAnsweringTrainer(
        model=model,
        args=QuantizationTrainingArguments(
            output_dir=str(output_dir), use_cpu=True, report_to="none", disable_tqdm=True, per_device_eval_batch_size=4
        ),
        eval_dataset=features,
        eval_examples=examples,
        finder=finder,
        processing_class=tokenizer,
    )
    return trainer, features, examples


def test_quantize_judges_f1_of_answers_and_the_saved_model_gives_the_same(trained: Path, tmp_path: Path) -> None:
    trainer, _, _ = trainer_of(trained, tmp_path / "int8")
    result = trainer.quantize()
    assert result.metric.name == "f1"
    assert (result.baseline.value, result.outcome) == (100, "met")
    assert result.baseline.metrics.keys() == {"f1", "exact_match"}
    trainer.save_model()
    score, answers = trainer.score(), trainer.latest_answers
    expected = trainer.model.state_dict()
    for loader in (AutoModelForQuestionAnswering, OptimizedModel):
        loaded = loader.from_pretrained(tmp_path / "int8")
        assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())
        trainer.model = loaded
        assert trainer.score() == score
        assert trainer.latest_answers == answers


def test_a_worse_model_is_seen_by_its_answers(trained: Path, tmp_path: Path) -> None:
    trainer, _, _ = trainer_of(trained, tmp_path, AnswerFinder(max_answer_length=1))
    trainer.model.qa_outputs.weight.data.neg_()
    assert trainer.evaluate()["eval_f1"] < 50


def test_metrics_are_of_the_features_that_are_given(trained: Path, tmp_path: Path) -> None:
    trainer, features, examples = trainer_of(trained, tmp_path)
    some = examples.select([2])
    of_some = features.filter(lambda row: row["example_id"] == "q2")
    metrics = trainer.evaluate(of_some, eval_examples=some, metric_key_prefix="some")
    assert (metrics["some_f1"], list(trainer.latest_answers)) == (100, ["q2"])
    trainer.compute_metrics = lambda prediction: {"answered": len(prediction.predictions), "of": prediction.label_ids}
    assert trainer.evaluate()["eval_answered"] == 6


def test_prediction_needs_no_answers(run: Run, tmp_path: Path) -> None:
    context = f"{NAMES[1]} works in delhi . anna lives in paris ."
    rows = [{"id": "x", "question": "Where does anna live ?", "context": context}]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    run(f"--model_name_or_path 1/model --test_file test.json --do_predict {WINDOWS} --output_dir out")
    assert json.loads((tmp_path / "out/predict_predictions.json").read_text()) == {"x": "paris"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param("--model_name_or_path 1/model --do_eval --n_best_size 0", "--n_best_size is 0", id="n best"),
        pytest.param(
            "--model_name_or_path 1/model --tune --output_dir 1/model", "weights would be lost", id="in place"
        ),
        pytest.param("--model_name_or_path 1/model --int8 --do_eval", "holds a float model", id="int8 of float"),
        pytest.param("--model_name_or_path 1/model --do_eval --doc_stride 14", "--doc_stride is 14", id="stride"),
        pytest.param("--model_name_or_path masked --tune", "not fine-tuned for the task", id="no head"),
        pytest.param("--model_name_or_path 1/model --do_predict", "give --test_file", id="no test file"),
        pytest.param(
            "--model_name_or_path 1/model --do_eval --validation_file 2/train.json", "no answer; add", id="2"
        ),
    ],
)
def test_a_mistake_ends_the_script_with_one_message(run: Run, options: str, message: str, tmp_path: Path) -> None:
    write_model(tmp_path / "masked", BertForMaskedLM, VOCABULARY)
    with pytest.raises(SystemExit, match=message):
        run(f"--output_dir out --validation_file 1/train.json {WINDOWS} {options}")
