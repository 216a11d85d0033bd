"""What a directory holds while a model takes the place of another, and after each way in which that can end."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.killed_at import killed_at

import nc_trainer.hub.stage as stage_module
from nc_trainer.hub.files import weight_files
from nc_trainer.hub.stage import staged_directory

Files = dict[str, str]
SINGLE = {"config.json": '{"model": "single"}', "model.safetensors": "single"}
OTHER = {"config.json": '{"model": "other"}', "model.safetensors": "other"}


def sharded(name: str, shards: int) -> Files:
    parts = {f"model-0000{n}-of-0000{shards}.safetensors": f"{name}{n}" for n in range(1, shards + 1)}
    index = json.dumps({"metadata": {}, "weight_map": {f"tensor{n}": part for n, part in enumerate(parts)}})
    return {"config.json": json.dumps({"model": name}), "model.safetensors.index.json": index, **parts}


def content(directory: Path) -> Files:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def save(target: Path, files: Files) -> None:
    with staged_directory(target) as stage:
        for name, text in files.items():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).write_text(text)


def model(directory: Path) -> tuple[str, list[str]]:
    """What a reader finds: the config, and the weights that go with it."""
    config = json.loads((directory / "config.json").read_text())
    return config["model"], [path.read_text() for path in weight_files(directory)]


def old_save(directory: Path, files: Files) -> None:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)


@pytest.mark.parametrize("before", [{}, OTHER], ids=["new", "over another"])
def test_weights_in_subdirectories_are_files_like_others(tmp_path: Path, before: Files) -> None:
    old_save(tmp_path, before)
    files = {**SINGLE, "2_Dense/model.safetensors": "dense", "2_Dense/config.json": "{}"}
    save(tmp_path, files)
    assert content(tmp_path) == files


def test_staged_files_join_those_that_are_there(tmp_path: Path) -> None:
    old_save(tmp_path, {"kept": "kept", "config.json": "old", "adapter_model.safetensors": "kept"})
    save(tmp_path, {"config.json": "new", "sub/file": "x"})
    assert content(tmp_path) == {
        "kept": "kept",
        "adapter_model.safetensors": "kept",
        "config.json": "new",
        "sub/file": "x",
    }


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "model"
    old_save(target, SINGLE)
    with pytest.raises(ZeroDivisionError), staged_directory(target) as stage:
        (stage / "config.json").write_text(f"half {1 / 0}")
    assert content(tmp_path) == {f"model/{name}": text for name, text in SINGLE.items()}


def test_files_can_be_read_by_those_whom_the_umask_allows(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with staged_directory(tmp_path) as stage:
            (stage / "weights").touch(mode=0o600)
    finally:
        os.umask(old)
    assert (tmp_path / "weights").stat().st_mode & 0o777 == 0o644


def test_a_file_with_the_same_content_is_left_alone(tmp_path: Path) -> None:
    old_save(tmp_path, {"tokenizer.json": "same"})
    before = (tmp_path / "tokenizer.json").stat()
    save(tmp_path, {"tokenizer.json": "same"})
    assert (tmp_path / "tokenizer.json").stat() == before


KINDS: dict[str, Files] = {
    "nothing": {},
    "single": SINGLE,
    "two-shards": sharded("old", 2),
    "three-shards": sharded("older", 3),
}
NEW: dict[str, Files] = {"single": OTHER, "two-shards": sharded("new", 2), "three-shards": sharded("newer", 3)}
pairs = pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old in KINDS.values() for new in NEW.values()], ids=lambda files: f"{len(files)}"
)


@pairs
def test_the_directory_holds_the_new_model_under_ordinary_names_and_nothing_of_the_old(
    tmp_path: Path, old: Files, new: Files
) -> None:
    old_save(tmp_path, old)
    save(tmp_path, new)
    assert content(tmp_path) == new


@pairs
def test_without_hard_links_it_is_the_same(
    tmp_path: Path, old: Files, new: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: object) -> None:
        raise PermissionError

    old_save(tmp_path, old)
    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, new)
    assert content(tmp_path) == new


@pairs
def test_killed_at_any_step_it_holds_the_old_model_or_the_new_one_and_the_next_save_cleans_up(
    tmp_path: Path, old: Files, new: Files
) -> None:
    found, step = [], 0
    is_killed = True
    while is_killed:
        step += 1
        directory = tmp_path / str(step)
        old_save(directory, {**old, "mine.txt": "mine"})
        is_killed = killed_at(step, lambda directory=directory: save(directory, new))  # type: ignore[misc]
        found.append(model(directory) if (directory / "config.json").exists() else None)
        save(directory, SINGLE)
        assert content(directory) == {**SINGLE, "mine.txt": "mine"}
    old_model = (json.loads(old["config.json"])["model"], weights_of(old)) if old else None
    switch = found.index((json.loads(new["config.json"])["model"], weights_of(new)))
    assert step > 10
    assert found[:switch] == [old_model] * switch
    assert found[switch:] == [found[switch]] * (len(found) - switch)


def weights_of(files: Files) -> list[str]:
    return [text for name, text in sorted(files.items()) if name.endswith(".safetensors")]


def full_disk_at_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nc_trainer.hub.commit._write", fail)


@pytest.mark.parametrize("new", [OTHER, sharded("new", 2)], ids=["single", "sharded"])
def test_a_disk_that_is_full_at_the_last_moment_leaves_the_old_model_alone(
    tmp_path: Path, new: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_save(tmp_path, SINGLE)
    full_disk_at_the_switch(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, new)
    assert content(tmp_path) == SINGLE


def test_the_target_may_be_a_link_to_another_file_system(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    directory = elsewhere / f"{tmp_path.parent.name}-{os.getpid()}"
    directory.mkdir()
    try:
        (tmp_path / "link").symlink_to(directory)
        save(tmp_path / "link", SINGLE)
        save(tmp_path / "link", OTHER)
        assert content(directory) == OTHER
    finally:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def leave(path: Path, age: float) -> Path:
    path.mkdir()
    (path / "model.safetensors").write_text("half")
    for each in (path / "model.safetensors", path):
        os.utime(each, (time.time() - age, time.time() - age))
    return path


def test_what_earlier_versions_left_beside_the_directory_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, young = leave(tmp_path / ".out.abcd_123", 4000), leave(tmp_path / ".out.abcd_124", 60)
    others = leave(tmp_path / ".other.abcd_123", 4000)
    save(tmp_path / "out", SINGLE)
    assert (old.exists(), young.exists(), others.exists()) == (False, True, True)


def test_where_there_are_no_locks_only_what_is_old_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "fcntl", None)
    old, young = leave(tmp_path / "_saving-old", 4000), leave(tmp_path / "_saving-young", 60)
    save(tmp_path, SINGLE)
    assert (old.exists(), young.exists()) == (False, True)


def test_two_processes_take_turns(tmp_path: Path) -> None:
    def slow(inner: Callable[[], None]) -> None:
        with staged_directory(tmp_path) as stage:
            inner()
            old_save(stage, SINGLE)

    child = 0

    def start_another() -> None:
        nonlocal child
        child = os.fork()
        if child == 0:
            save(tmp_path, OTHER)
            os._exit(0)
        time.sleep(0.2)
        assert os.waitpid(child, os.WNOHANG)[0] == 0

    slow(start_another)
    os.waitpid(child, 0)
    assert content(tmp_path) == OTHER
