import json
import os
from pathlib import Path

import pytest

from nc_trainer.hub.files import weight_files, write_text_atomically


def content(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_text_replaces_what_was_there(tmp_path: Path) -> None:
    for text in ("old", "new: ä"):
        write_text_atomically(tmp_path / "sub" / "file.json", text)
    assert content(tmp_path) == {"sub/file.json": "new: ä"}


def test_text_that_cannot_be_written_leaves_the_old(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(tmp_path / "file", "\ud800")
    assert content(tmp_path) == {"file": "old"}


def test_written_files_can_be_read_by_those_whom_the_umask_allows(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_text_atomically(tmp_path / "file", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_weights_are_looked_for_where_transformers_does(tmp_path: Path) -> None:
    found: list[list[str]] = []

    def write(name: str, text: str = "") -> None:
        (tmp_path / name).write_text(text)
        found.append([path.name for path in weight_files(tmp_path)])

    write("other.safetensors")
    write("pytorch_model.bin")
    write("model.safetensors.index.json", json.dumps({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}}))
    write("model.safetensors")
    write("config.json", json.dumps({"transformers_weights": "other.safetensors"}))
    assert found == [
        [],
        ["pytorch_model.bin"],
        ["a.safetensors", "b.safetensors"],
        ["model.safetensors"],
        ["other.safetensors"],
    ]


@pytest.mark.parametrize("name", ["../x.safetensors", "/x.safetensors", 3, None])
def test_an_index_names_files_of_its_own_directory(tmp_path: Path, name: object) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(ValueError, match="names of files in this directory"):
        weight_files(tmp_path)
