"""Mistakes that people make in their first ten minutes: each is one line that says what to do next."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.tiny import tiny_bert, tiny_tokenizer, token_rows, with_labels_of
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from nc_trainer.cli.main import main
from nc_trainer.int8.quantize import is_int8

ROWS = "".join(f"w{number} w{number + 1},{number % 3}\n" for number in range(9))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny_bert().save_pretrained(tmp_path / "float")
    tiny_tokenizer().save_pretrained(tmp_path / "float")
    (tmp_path / "dev.csv").write_text("sentence,label\n" + ROWS)
    return tmp_path


def data(text: str | bytes, name: str = "dev.csv") -> Callable[[Path], object]:
    """What the data file holds instead."""
    return lambda place: (place / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def directory_for_data(place: Path) -> None:
    (place / "dev.csv").unlink()
    (place / "dev.csv").mkdir()


def without(name: str) -> Callable[[Path], object]:
    return lambda place: (place / "float" / name).unlink()


def of_model(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda place: (place / "float" / name).write_bytes(content)


def configured(**changes: object) -> Callable[[Path], object]:
    def change(place: Path) -> None:
        path = place / "float" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def adapters(place: Path) -> None:
    (place / "float" / "model.safetensors").unlink()
    (place / "float" / "adapter_config.json").write_text("{}")


def truncated(place: Path) -> None:
    path = place / "float" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def with_nan(place: Path) -> None:
    path = place / "float" / "model.safetensors"
    tensors = load_file(path)
    tensors["classifier.bias"] = torch.full_like(tensors["classifier.bias"], torch.nan)
    save_file(tensors, path, metadata={"format": "pt"})


def without_tokenizer(place: Path) -> None:
    for path in (place / "float").glob("*token*"):
        path.unlink()


def yaml(text: str) -> Callable[[Path], object]:
    return lambda place: (place / "tuning.yaml").write_text(text)


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no data file": (lambda place: (place / "dev.csv").unlink(), "does not exist"),
    "an empty file": (data(""), "holds no rows"),
    "a header alone": (data("sentence,label\n"), "holds no rows"),
    "no label column": (data("sentence,colour\nw1,red\nw2,blue\n"), "--label_column_name"),
    "no text column": (data("number,label\n"), "holds no rows"),
    "three text columns": (data("a,b,c,label\nw1,w2,w3,0\n"), "--text_column_names"),
    "a row too short": (data("sentence,label\nw1 w2\n"), "line 2"),
    "a comma in a text": (data("sentence,label\nw1, w2,0\n"), "double quotes"),
    "an empty label": (data("sentence,label\nw1,0\nw2,\n"), "row 2: no value"),
    "a stray label": (data("sentence,label\n" + ROWS + "w1,7\n"), "the model was fine-tuned with 3 label(s)"),
    "scores for classes": (data("sentence,label\nw1,0.5\nw2,1.5\n"), "regression"),
    "a column twice": (data("sentence,label,label\nw1,0,1\n"), "line 1: 'label' names more than one column"),
    "a text without a token": (data("sentence,label\nw1,0\n,1\n"), "row 2 has no tokens"),
    "adapters without their model": (adapters, "--merge_adapters"),
    "not UTF-8": (data("sentence,label\nw\xe9,0\n".encode("latin-1")), "not valid UTF-8"),
    "a directory for data": (directory_for_data, "dev.csv"),
    "a null byte": (data("sentence,label\nw\0,0\n"), "line 2: a null byte"),
    "an unclosed quote": (data('sentence,label\n"w1,0\n'), "line"),
    "no model": (lambda place: shutil.rmtree(place / "float"), "not a model directory"),
    "no config": (without("config.json"), "config.json"),
    "no weights": (without("model.safetensors"), "no weights"),
    "a truncated model": (truncated, "model.safetensors"),
    "weights that are no weights": (of_model("model.safetensors", b"version https://git-lfs"), "git lfs pull"),
    "an empty model": (of_model("model.safetensors", b""), "model.safetensors"),
    "no tokenizer": (without_tokenizer, "tokenizer"),
    "a broken tokenizer": (of_model("tokenizer.json", b"{"), "tokenizer.json is not valid json"),
    "a broken config": (of_model("config.json", b"{"), "config.json is not valid json"),
    "another task": (configured(architectures=["BertForMaskedLM"]), "does not fit its own config"),
    "an unknown architecture": (configured(model_type="mine"), "mine"),
    "NaN in the model": (with_nan, "NaN"),
    "no tuning file": (lambda place: None, "tuning.yaml"),
    "a broken tuning file": (yaml("tuning: ["), "tuning.yaml"),
    "a misspelled key": (yaml("tunning: {}"), "tunning"),
    "a wrong value": (yaml("tuning: {exit_policy: {max_trials: many}}"), "max_trials"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = MISTAKES[name]
    spoil(place)
    options = ["--data", str(place / "dev.csv"), "--output_dir", str(place / "int8")]
    if "tuning" in said or "key" in name or "value" in name:
        options += ["--tuning_config", str(place / "tuning.yaml")]
    assert main(["quantize", str(place / "float"), *options]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("nc-trainer: error: ")
    assert said in lines[-1]
    assert not (place / "int8" / "model.safetensors").exists()


def test_data_of_another_form_is_named_before_the_model_is_loaded(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "dev.csv").rename(place / "dev.xlsx")
    assert main(["quantize", str(place / "nowhere"), "--data", str(place / "dev.xlsx")]) == 2
    assert "must be all .csv or all .json" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("model", ["float", "float/", "float/.", "link"])
def test_without_output_dir_the_model_goes_beside_its_float_model(
    model: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "link").symlink_to(place / "float")
    main(["quantize", model, "--data", "dev.csv", "--no_report"])
    assert (place / ("link-int8" if model == "link" else "float-int8") / "model.safetensors").is_file()


def test_in_the_models_own_directory_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "float")
    main(["quantize", ".", "--data", "../dev.csv", "--no_report"])
    assert (place / "float-int8" / "model.safetensors").is_file()


def test_an_int8_model_is_cut(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(place / "dev.csv")]
    main(["quantize", str(place / "float"), *data, "--no_report"])
    path = place / "float-int8" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["gate", str(place / "float"), str(path.parent), *data]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"nc-trainer: error: {path.parent}")
    assert "model.safetensors" in error
    assert "truncated" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no data files: expected one"),
        (["dev.csv", "--data", "dev.csv"], "2 data files: expected one"),
        (["dev.csv", "--merge_adapters"], "holds no PEFT adapters"),
    ],
    ids=["no file", "two files", "no adapters to merge"],
)
def test_one_file_is_asked_for_and_adapters_are_looked_for(
    arguments: list[str],
    said: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    assert main(["quantize", "float", *arguments]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_the_file_may_stand_after_the_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    main(["quantize", "float", "dev.csv", "--no_report"])
    assert (place / "float-int8" / "model.safetensors").is_file()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_adapters_are_merged_where_that_is_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    monkeypatch.chdir(place)
    config = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"], init_lora_weights=False)
    model = AutoModelForSequenceClassification.from_pretrained("float")
    peft.get_peft_model(model, config).save_pretrained("lora")
    assert main(["quantize", "lora", "dev.csv", "--merge_adapters", "--no_report"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "nc-trainer benchmark" in printed
    assert f"{place / 'lora-int8-float'}" in printed
    assert is_int8(AutoModelForSequenceClassification.from_pretrained("lora-int8"))
    merged = peft.PeftModel.from_pretrained(AutoModelForSequenceClassification.from_pretrained("float"), "lora")
    expected = merged.merge_and_unload().state_dict()
    assert all(
        torch.equal(expected[key], value) for key, value in load_file("lora-int8-float/model.safetensors").items()
    )


@pytest.mark.slow
def test_the_demo_runs_on_a_model_and_a_file_of_ones_own(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    rows = with_labels_of(tiny_bert(), token_rows())
    lines = [" ".join(f"w{token - 1}" for token in ids) for ids in rows["input_ids"]]
    labelled = "".join(f"{line},{label}\n" for line, label in zip(lines, rows["labels"], strict=True))
    (place / "dev.csv").write_text("sentence,label\n" + labelled)
    status = main(["demo", "--yours", "float", "dev.csv"])
    printed = capsys.readouterr().out
    assert "Outcome: " in printed
    assert "The logits are the same, bit for bit." in printed
    assert "int8 against fp32" in printed
    assert status == (0 if "Outcome: met" in printed else 1)
    assert is_int8(AutoModelForSequenceClassification.from_pretrained("demo_output/int8"))
    assert (place / "demo_output" / "int8" / "report.html").is_file()
