"""The encoder-decoder script, on a tiny BART that has learnt to repeat the words after "the"."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.example_scripts import Run, example, results, train, tune_and_benchmark, write
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    BartModel,
    EvalPrediction,
    PreTrainedTokenizerFast,
    set_seed,
)

pytestmark = pytest.mark.slow

WORDS = ["the", "good", "great", "bad", "awful", "film", "plot", "a"]
VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", *WORDS]
ROWS = [
    {"text": f"a {noun} the {word} {noun}", "summary": f"{word} {noun}"}
    for word in ("good", "great", "bad", "awful")
    for noun in ("film", "plot")
]
COMMON = "--no_cuda --max_source_length 16 --max_target_length 8"
TRAIN = f"--do_train --do_eval --num_train_epochs 120 --learning_rate 4e-3 --per_device_train_batch_size 8 {COMMON}"


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=16, **special)


def write_bart(directory: Path, kind: type = BartForConditionalGeneration) -> None:
    set_seed(0)
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "d_model": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 32}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = BartConfig(vocab_size=len(VOCABULARY), forced_eos_token_id=None, dropout=0.0, **sizes, **heads, **ids)
    kind(config).save_pretrained(directory)
    tokenizer().save_pretrained(directory)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("seq2seq")
    write(directory / "rows.json", json.dumps(ROWS))
    write_bart(directory / "start")
    train(directory, example("seq2seq", "run_seq2seq_tune"), TRAIN)
    return directory


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(trained / "model")
    write(tmp_path / "rows.json", json.dumps(ROWS))
    write(tmp_path / "rows.csv", "text,summary\n" + "".join(f"{row['text']},{row['summary']}\n" for row in ROWS))
    return example("seq2seq", "run_seq2seq_tune")


def test_training_learns_the_texts(trained: Path) -> None:
    found = results(trained / "model")
    assert {name: found[f"eval_{name}"] for name in ("rouge1", "rouge2", "rougeL", "exact_match")} == dict.fromkeys(
        ("rouge1", "rouge2", "rougeL", "exact_match"), 100.0
    )


@pytest.mark.parametrize("options", ["", "--pad_to_max_length", "--num_beams 2"], ids=["dynamic", "padded", "beams"])
def test_tune_then_benchmark(run: Run, options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = "rows.csv" if options else "rows.json"
    common = f"--validation_file {file} {COMMON} {options}"
    tuned, timing = tune_and_benchmark(run, common, f"--train_file {file}")
    printed = capsys.readouterr().out
    assert "Outcome: met" in printed
    assert "rougeL" in printed
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "int8")
    assert loaded.lm_head.qweight.dtype == torch.int8
    assert loaded.config.use_cache

    assert (timing["metric_name"], timing["metric_value"]) == ("rougeL", tuned["eval_rougeL"])


def test_sources_without_targets_are_generated_from(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "test.json", json.dumps([{"text": row["text"]} for row in ROWS]))
    run(f"--model_name_or_path model --test_file test.json --do_predict {COMMON} --output_dir out")
    lines = (tmp_path / "out/generated_predictions.txt").read_text().splitlines()
    assert lines == [row["summary"] for row in ROWS]


def test_metrics_are_worked_out_by_hand(run: Run) -> None:
    from texts import text_metrics

    words = tokenizer()
    found, expected = ["the good film", "bad plot"], ["good film a film", "bad plot"]
    ids = [
        np.array([row + [-100] * (6 - len(row)) for row in words(texts)["input_ids"]]) for texts in (found, expected)
    ]
    metrics = text_metrics(words)(EvalPrediction(*ids))
    # row 1: 2 of 3 words found, 2 of 4 expected: 4/7; pairs: 1 of 2 and 1 of 3: 2/5; row 2 is perfect
    assert metrics == pytest.approx(
        {
            "rouge1": 100 * (4 / 7 + 1) / 2,
            "rouge2": 100 * (2 / 5 + 1) / 2,
            "rougeL": 100 * (4 / 7 + 1) / 2,
            "exact_match": 50,
        }
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param("--summary_column headline", "no column 'headline'; there are text, summary", id="column"),
        pytest.param("--num_beams 0", "--num_beams is 0", id="beams"),
        pytest.param("--target_lang xx_XX", "--target_lang: the tokenizer knows no 'xx_XX'", id="language"),
        pytest.param("--int8", "holds a float model", id="int8 of float"),
    ],
)
def test_a_mistake_ends_the_script_with_one_message(run: Run, options: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        run(f"--model_name_or_path model --validation_file rows.json --do_eval {COMMON} --output_dir out {options}")


def test_tuning_needs_a_model_that_generates(run: Run, tmp_path: Path) -> None:
    write_bart(tmp_path / "base", BartModel)
    with pytest.raises(SystemExit, match="not fine-tuned for the task"):
        run(f"--model_name_or_path base --validation_file rows.json --tune {COMMON} --output_dir out")


def test_there_have_to_be_rows(run: Run) -> None:
    with pytest.raises(SystemExit, match="no data: give --train_file"):
        run(f"--model_name_or_path model --do_eval {COMMON} --output_dir out")
