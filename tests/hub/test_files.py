import os
from pathlib import Path

import pytest

from nc_trainer.hub.files import staged_directory, write_text_atomically


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


def test_staged_files_join_those_that_are_there(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_text_atomically(target / "kept", "kept")
    write_text_atomically(target / "config.json", "old")
    with staged_directory(target) as stage:
        (stage / "config.json").write_text("new")
        (stage / "sub").mkdir()
        (stage / "sub" / "weights").write_text("w")
        assert content(target) == {"kept": "kept", "config.json": "old"}
    assert content(target) == {"kept": "kept", "config.json": "new", "sub/weights": "w"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_text_atomically(target / "config.json", "old")
    with pytest.raises(ZeroDivisionError), staged_directory(target) as stage:
        (stage / "config.json").write_text(f"half {1 / 0}")
    assert content(target) == {"config.json": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_config_moves_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    replace = os.replace

    def recorded(source: Path, target: Path) -> None:
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", recorded)
    with staged_directory(tmp_path / "model") as stage:
        for name in ("config.json", "model.safetensors", "a.txt", "z.txt"):
            (stage / name).write_text(name)
    assert moved[-1] == "config.json"


def test_written_files_can_be_read_by_those_whom_the_umask_allows(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_text_atomically(tmp_path / "file", "x")
        with staged_directory(tmp_path / "model") as stage:
            (stage / "weights").touch(mode=0o600)
    finally:
        os.umask(old)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "model/weights")] == [0o644, 0o644]
