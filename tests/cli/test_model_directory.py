"""A directory whose files are missing or damaged is one line that names the file."""

from pathlib import Path

import pytest
from helpers.tiny import tiny_bert, tiny_tokenizer
from transformers import CanineTokenizer

from nc_trainer import NCTrainerError
from nc_trainer.cli.model_directory import load_model, load_tokenizer

WEIGHTS = "model.safetensors"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tiny_bert().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_weights_are_cut_anywhere(directory: Path, length: int) -> None:
    path = directory / WEIGHTS
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(NCTrainerError, match=r"^[^\n]*model\.safetensors is truncated [^\n]* again\.$"):
        load_model(directory)


def test_a_shard_is_cut(directory: Path) -> None:
    (directory / WEIGHTS).unlink()
    tiny_bert().save_pretrained(directory, max_shard_size="20KB")
    shard = sorted(directory.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(NCTrainerError, match=rf"^[^\n]*: {shard.name} is truncated [^\n]*$"):
        load_model(directory)


@pytest.mark.parametrize("name", ["pytorch_model.bin", WEIGHTS])
def test_weights_are_a_pointer_of_git_lfs(directory: Path, name: str) -> None:
    (directory / WEIGHTS).unlink()
    (directory / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(NCTrainerError, match=rf"^[^\n]*{name} is a pointer of git-lfs[^\n]*git lfs pull[^\n]*$"):
        load_model(directory)


@pytest.mark.parametrize("content", ["", "{", "<html>", "[]"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_json_that_is_none_or_something_else(directory: Path, name: str, content: str) -> None:
    (directory / name).write_text(content)
    said = "[^\n]*" if content == "[]" else rf"[^\n]*{name} is not valid json[^\n]*"
    load = load_model if name == "config.json" else load_tokenizer
    with pytest.raises(NCTrainerError, match=rf"^[^\n]*cannot be loaded: {said}$"):
        load(directory)


def test_a_tokenizer_of_special_tokens_alone_is_none(directory: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (directory / name).unlink(missing_ok=True)
    with pytest.raises(NCTrainerError, match=r"^[^\n]*tokenizer[^\n]*$"):
        load_tokenizer(directory)


def test_a_tokenizer_of_characters_needs_no_files_of_words(tmp_path: Path) -> None:
    CanineTokenizer().save_pretrained(tmp_path)
    assert isinstance(load_tokenizer(tmp_path), CanineTokenizer)
