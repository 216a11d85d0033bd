"""The journal: nothing that was finished is lost, nothing that does not fit is taken."""

import json
import math
import multiprocessing
import os
from dataclasses import fields
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import NCTrainerError
from nc_trainer.search import CompleteTrial, Trial
from nc_trainer.search import journal as journal_module
from nc_trainer.search.journal import Journal
from nc_trainer.search.trial import trial_from

RECIPE = Recipe({"a": Precision.INT8_DYNAMIC, "b": Precision.FLOAT, "c": Precision.INT8_WEIGHT_ONLY})
FINGERPRINT = {"the model's weights": "blake2b:00", "tuning.accuracy_criterion.relative": 0.01, "rows": 4}
CLASSES = np.array([2, 0, 1, 1])

recipes = st.builds(Recipe, st.dictionaries(st.text(max_size=5), st.sampled_from(Precision), max_size=3))
kinds = {name: st.from_type(kind) for name, kind in get_type_hints(Trial).items()}
any_trial = st.fixed_dictionaries(
    kinds
    | {
        "number": st.just(0),
        "recipe": recipes,
        "value": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "metrics": st.dictionaries(st.text(max_size=5), st.floats(), max_size=3),
        "objectives": st.dictionaries(st.text(max_size=5), st.floats(), max_size=3),
    }
).map(trial_from)
arrays = st.builds(
    lambda numbers, dtype: np.array(numbers, dtype=dtype),
    st.lists(st.integers(0, 100), max_size=5),
    st.sampled_from(["int8", "int32", "int64"]),
)


def trial(number: int, value: float | None = 0.9) -> Trial:
    error = None if value is not None else "boom"
    about = {"accepted": True, "seconds": 1.5, "metrics": {"accuracy": 0.9}, "flips": 1, "rows": 4, "error": error}
    return trial_from({"number": number, "recipe": RECIPE, "value": value} | about)


def write_small_journal(path: Path) -> None:
    with Journal.open(path, FINGERPRINT) as journal:
        journal.record_trial(trial(0), CLASSES)
        journal.record_trial(trial(1))
        journal.record_ranking({"b": math.inf, "a": 0.1 + 0.2})
        journal.record_trial(trial(2, None))


def state(journal: Journal) -> tuple[Any, ...]:
    classes = {number: (array.dtype, array.tolist()) for number, array in journal.classes.items()}
    return journal.baseline, journal.ranking, journal.trials, classes


def change_line(path: Path, number: int, line: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "directory" / "journal.jsonl"


@pytest.fixture
def written(path: Path) -> Path:
    write_small_journal(path)
    return path


def test_a_new_journal_is_empty(path: Path) -> None:
    with Journal.open(path, FINGERPRINT) as journal:
        assert state(journal) == (None, None, [], {})
    assert json.loads(path.read_text()) == {"journal": "nc_trainer", "version": 1, "fingerprint": FINGERPRINT}


def test_what_was_recorded_is_there_at_once_and_after_reopening(path: Path) -> None:
    expected = (trial(0), {"b": math.inf, "a": 0.1 + 0.2}, [trial(1), trial(2, None)])
    with Journal.open(path, FINGERPRINT) as journal:
        journal.record_trial(trial(0))
        journal.record_ranking({"b": math.inf, "a": 0.1 + 0.2})
        journal.record_trial(trial(1))
        journal.record_trial(trial(2, None))
        assert state(journal) == (*expected, {})
    with Journal.open(path, FINGERPRINT) as journal:
        assert state(journal) == (*expected, {})
        assert list(journal.ranking or {}) == ["b", "a"]


def test_a_reopened_journal_is_appended_to(written: Path) -> None:
    before = written.read_bytes()
    with Journal.open(written, FINGERPRINT) as journal:
        journal.record_trial(trial(3))
    assert written.read_bytes().startswith(before)
    with Journal.open(written, FINGERPRINT) as journal:
        assert journal.trials == [trial(1), trial(2, None), trial(3)]


@settings(max_examples=60, deadline=None)
@given(recorded=any_trial)
def test_every_field_of_a_trial_comes_back_exactly(recorded: Trial) -> None:
    with TemporaryDirectory() as directory:
        with Journal.open(Path(directory) / "j", {}) as journal:
            journal.record_trial(recorded)
        with Journal.open(Path(directory) / "j", {}) as journal:
            found = journal.baseline
    for item in fields(Trial):  # repr tells 0.0 from -0.0 and from 0, and equates NaN with itself
        assert repr(getattr(found, item.name)) == repr(getattr(recorded, item.name))


@settings(max_examples=30, deadline=None)
@given(array=arrays)
def test_classes_come_back_bit_for_bit(array: np.ndarray) -> None:
    with TemporaryDirectory() as directory:
        with Journal.open(Path(directory) / "j", {}) as journal:
            journal.record_trial(trial(0), array)
        with Journal.open(Path(directory) / "j", {}) as journal:
            found = journal.classes[0]
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize(("most", "kept"), [(4, True), (3, False)])
def test_many_classes_are_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch, most: int, kept: bool) -> None:
    monkeypatch.setattr(journal_module, "MOST_NUMBERS", most)
    with Journal.open(path, {}) as journal:
        journal.record_trial(trial(0), CLASSES)
    with Journal.open(path, {}) as journal:
        assert (0 in journal.classes) is kept


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["nan", "inf"])
def test_a_value_that_is_not_finite_is_not_recorded(path: Path, value: float) -> None:
    with Journal.open(path, {}) as journal, pytest.raises(ValueError, match="expected None and an error"):
        journal.record_trial(trial(0, value))
    assert len(path.read_text().splitlines()) == 1


def test_only_the_next_trial_is_recorded(written: Path) -> None:
    with Journal.open(written, FINGERPRINT) as journal:
        with pytest.raises(ValueError, match="expected trial 3, found trial 2"):
            journal.record_trial(trial(2))
        with pytest.raises(ValueError, match="expected trial 3, found trial 0"):
            journal.record_trial(trial(0))
        with pytest.raises(ValueError, match="there is a ranking already"):
            journal.record_ranking({})


def test_a_file_torn_at_any_byte_keeps_every_finished_line(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of them take a while
    content = written.read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    for size in range(len(content) + 1):
        written.write_bytes(content[:size])
        finished = sum(end <= size for end in ends)
        with Journal.open(written, FINGERPRINT) as journal:
            found = (journal.baseline is not None) + (journal.ranking is not None) + len(journal.trials)
            assert found == max(finished - 1, 0), size  # the first line is the header
            if journal.baseline is None:
                journal.record_trial(trial(0))
            journal.record_trial(trial(len(journal.trials) + 1))
        with Journal.open(written, FINGERPRINT) as journal:
            assert journal.trials[-1] == trial(len(journal.trials)), size
        kept = content[: ends[finished - 1]] if finished else b""
        assert written.read_bytes().startswith(kept), size


@pytest.mark.parametrize("hole", [b"\0" * 40 + b"\n", b'{"trial": \n'], ids=["zeros", "half"])
def test_a_last_line_with_an_end_and_a_hole_is_torn_too(written: Path, hole: bytes) -> None:
    content = written.read_bytes()
    written.write_bytes(content + hole)
    with Journal.open(written, FINGERPRINT) as journal:
        assert len(journal.trials) == 2
    assert written.read_bytes() == content


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"trial": {"number": 1', "line 3: the journal is damaged"),
        (b"", "line 3: the journal is damaged"),
        (b"\xff\xfe", "line 3: the journal is damaged"),
        (b"[" * 100_000, "line 3: the journal is damaged"),
        (b"7", "line 3: the journal is damaged"),
        (b'{"what": 1}', r"line 3: .* expected a trial or a ranking, found \['what'\]"),
        (b'{"trial": {"number": 1}}', "line 3: the journal is damaged: 'recipe'"),
        (b'{"ranking": [["a"]]}', "line 3: the journal is damaged"),
    ],
    ids=["torn", "empty", "binary", "deep", "a-number", "unknown", "incomplete", "pairs"],
)
def test_a_damaged_middle_line_is_refused_by_its_number(written: Path, line: bytes, reason: str) -> None:
    change_line(written, 3, line)
    before = written.read_bytes()
    with pytest.raises(NCTrainerError, match=reason):
        Journal.open(written, FINGERPRINT)
    assert written.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("value", "much", "must be real number"),
        ("colour", 1, "colour"),
        ("recipe", {"format_version": 9, "float_dtype": "float32", "modules": {}}, "format_version 9 is not known"),
        ("number", 2, "expected trial 1, found trial 2"),
        ("value", {"$float": "nan"}, "expected None and an error"),
    ],
    ids=["type", "unknown", "recipe", "number", "nan"],
)
def test_a_line_that_is_not_a_trial_is_refused(written: Path, key: str, value: Any, reason: str) -> None:
    entry = json.loads(written.read_bytes().split(b"\n")[2])
    entry["trial"][key] = value
    change_line(written, 3, json.dumps(entry).encode())
    with pytest.raises(NCTrainerError, match=f"line 3: .*{reason}"):
        Journal.open(written, FINGERPRINT)


def test_a_missing_line_is_noticed(written: Path) -> None:
    lines = written.read_bytes().split(b"\n")
    written.write_bytes(b"\n".join(lines[:2] + lines[3:]))
    with pytest.raises(NCTrainerError, match=r"line 4: .* expected trial 1, found trial 2"):
        Journal.open(written, FINGERPRINT)


@pytest.mark.parametrize("content", ["some notes", "some notes\n", '{"a": 1}\n'], ids=["torn", "text", "json"])
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    other = tmp_path / "notes.txt"
    other.write_text(content)
    with pytest.raises(NCTrainerError, match=r"notes\.txt: not a journal"):
        Journal.open(other, FINGERPRINT)
    assert other.read_text() == content


def test_an_unknown_version_is_refused(written: Path) -> None:
    change_line(written, 1, b'{"journal": "nc_trainer", "version": 2}')
    with pytest.raises(NCTrainerError, match=r"journal version 2 is not known, expected 1.*Delete the file"):
        Journal.open(written, FINGERPRINT)


def test_changed_parts_are_refused_by_name(written: Path) -> None:
    changed = {"the model's weights": "blake2b:11", "tuning.accuracy_criterion.relative": 0.02, "rows": 4}
    with pytest.raises(NCTrainerError) as error:
        Journal.open(written, changed)
    assert str(error.value) == (
        f"{written}: the trials in this journal do not fit this run. Changed: the model's weights; "
        "tuning.accuracy_criterion.relative: 0.01 -> 0.02. Delete the file to start again, "
        "or use another output directory."
    )


def test_a_refused_journal_is_not_kept_locked(written: Path) -> None:
    with pytest.raises(NCTrainerError) as error:
        Journal.open(written, {})
    Journal.open(written, FINGERPRINT).close()
    assert "Changed" in str(error.value)  # still here, with its traceback, and so is the journal that it came from


def test_a_path_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match="the journal cannot be opened: Is a directory"):
        Journal.open(tmp_path, FINGERPRINT)


def test_a_line_that_cannot_be_written_leaves_the_file_as_it_was(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal.open(written, FINGERPRINT) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                journal.record_trial(trial(3))
        assert written.read_bytes() == before
        journal.record_trial(trial(3))
    with Journal.open(written, FINGERPRINT) as journal:
        assert journal.trials[-1] == trial(3)


def test_every_line_is_synced_and_the_directory_of_a_new_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, int]] = []

    def record(descriptor: int) -> None:
        found = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((found.is_dir(), len(path.read_bytes().splitlines())))

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to tell what a descriptor is")
    monkeypatch.setattr(os, "fsync", record)
    with Journal.open(path, FINGERPRINT) as journal:
        journal.record_trial(trial(0))
        journal.record_ranking({})
    assert synced == [(False, 1), (True, 1), (False, 2), (False, 3)]


needs_locks = pytest.mark.skipif(journal_module.fcntl is None, reason="this platform has no fcntl")


@needs_locks
def test_a_journal_that_is_open_is_refused(written: Path) -> None:
    with (
        Journal.open(written, FINGERPRINT),
        pytest.raises(NCTrainerError, match="another process has this journal open"),
    ):
        Journal.open(written, FINGERPRINT)


def _outlive(connection: Connection) -> None:
    connection.send("running")
    connection.recv()


@needs_locks
def test_a_forked_child_does_not_keep_the_lock(written: Path) -> None:
    journal = Journal.open(written, FINGERPRINT)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_outlive, args=(theirs,))
    child.start()
    try:
        assert ours.recv() == "running"
        journal.close()
        Journal.open(written, FINGERPRINT).close()
    finally:
        ours.send("end")
        child.join()


def test_a_finished_journal_gives_way_to_another_search(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.open(path, {"the model": "one"}) as journal:
        journal.record_trial(CompleteTrial(0, RECIPE, 0.5, True, 1.0))
        journal.record_end()
    with Journal.open(path, {"the model": "one"}) as journal:
        assert journal.is_finished
        assert journal.baseline is not None
    with Journal.open(path, {"the model": "other"}) as journal:
        assert not journal.is_finished
        assert journal.baseline is None


def test_a_search_that_goes_on_after_its_end_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.open(path, {"the model": "one"}) as journal:
        journal.record_trial(CompleteTrial(0, RECIPE, 0.5, True, 1.0))
        journal.record_end()
        journal.record_trial(CompleteTrial(1, RECIPE, 0.5, True, 1.0))
        assert not journal.is_finished
    with pytest.raises(NCTrainerError, match="the model"):
        Journal.open(path, {"the model": "other"})
