"""The journal: what a search has found out, kept in a file so that a killed search goes on where it stopped.

An append-only file of JSON lines, described in docs/journal.md. It holds nothing that runs: it is never unpickled.
"""

import io
import logging
import math
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import NCTrainerError
from nc_trainer.search.fingerprint import changed_parts
from nc_trainer.search.nonfinite_json import from_json, to_json
from nc_trainer.search.trial import CompleteTrial, Trial, trial_from

try:
    import fcntl
except ImportError:  # Windows: no lock there, and directories cannot be synced
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

VERSION = 1
MOST_NUMBERS = 100_000
"""More classes than this are not kept."""

_BEGINNING = b'{"journal": "nc_trainer", '
_END = {"finished": True}
_START_AGAIN = "Delete the file to start again, or use another output directory."
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class Journal:
    """The baseline, the ranking and the finished trials of one search. Made by `Journal.open`; close it after use.

    Every record is on the disk when the method that writes it returns. One process at a time has a journal open; a
    child made by `os.fork` does not have it.

    Attributes:
        path: the file.
        baseline: trial 0, None until it is recorded.
        ranking: damage by module name, the most damaging first; None until it is recorded.
        trials: the finished trials, numbered from 1 in their order.
        classes: by trial number, what each predicts, as `record_trial` was given them.
        is_finished: whether the search came to its end; it is kept until its model is saved.
    """

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self.path = path
        self.baseline: Trial | None = None
        self.ranking: dict[str, float] | None = None
        self.trials: list[Trial] = []
        self.classes: dict[int, np.ndarray] = {}
        self.is_finished = False
        self._file = file

    @classmethod
    def open(cls, path: str | os.PathLike[str], fingerprint: Mapping[str, Any]) -> "Journal":
        """Open the journal at `path`, or start one, directories included.

        A last line that a crash left unfinished is cut off. A finished search that does not fit is started again.

        Args:
            path: the file.
            fingerprint: JSON-able values by the names of what they stand for, see `nc_trainer.search.fingerprint`.

        Raises:
            NCTrainerError: the file cannot be opened, another process has it open, it is not a journal of a known
                version, a line is damaged, or it was written under another fingerprint.
        """
        journal = cls(Path(path), _open_locked(Path(path)))
        try:
            journal._load(fingerprint)
        except BaseException:
            journal.close()
            raise
        return journal

    def record_trial(self, trial: Trial, classes: np.ndarray | None = None) -> None:
        """Keep a finished trial. It is on the disk when this returns.

        Args:
            trial: numbered one more than the last; the baseline comes first.
            classes: what it predicts, integers [rows] or [rows, labels]. More than `MOST_NUMBERS` are not kept.

        Raises:
            ValueError: the number is not the next one, or the value is NaN or infinite.
            OSError: it cannot be written; the file is as it was before.
        """
        self._check_trial(trial)
        if classes is not None and classes.size > MOST_NUMBERS:
            classes = None
        kept = {} if classes is None else {"predictions": _array_to_dict(classes)}
        self._append({"trial": _trial_to_dict(trial)} | kept)
        self._keep(trial, classes)

    def record_ranking(self, damage: Mapping[str, float]) -> None:
        """Keep the damage that each module does alone, in the order given: the most damaging first.

        Raises:
            ValueError: there is a ranking already.
            OSError: it cannot be written; the file is as it was before.
        """
        self._check_ranking()
        self._append({"ranking": [[name, value] for name, value in damage.items()]})
        self.ranking = dict(damage)

    def record_end(self) -> None:
        """Note that the search came to its end: the same call finds its result, another one may start again.

        Raises:
            OSError: it cannot be written; the file is as it was before.
        """
        if not self.is_finished:
            self._append(_END)
            self.is_finished = True

    def start_again(self) -> None:
        """Forget everything but the fingerprint."""
        self.baseline, self.ranking, self.is_finished = None, None, False
        self.trials.clear()
        self.classes.clear()
        self._start(self._fingerprint)

    def close(self) -> None:
        """Let other processes have the file. What was recorded stays readable here."""
        self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _load(self, fingerprint: Mapping[str, Any]) -> None:
        self._fingerprint = fingerprint
        content = self._file.readall() or b""
        if _BEGINNING.startswith(content) or (content.startswith(_BEGINNING) and b"\n" not in content):
            self._start(fingerprint)
            return
        if not content.startswith(_BEGINNING):
            raise NCTrainerError(f"{self.path}: not a journal. Move the file away, or use another output directory.")
        lines = _finished_lines(content)
        try:
            _check_header(self.path, self._entry(1, lines[0]), fingerprint)
        except NCTrainerError:
            if not _is_end(lines[-1]):
                raise
            self.start_again()
            return
        for number, line in enumerate(lines[1:], start=2):
            self._replay(number, self._entry(number, line))
        self._cut_off(sum(len(line) + 1 for line in lines), len(content))
        logger.info("Resuming from %s: %d finished trials.", self.path, len(self.trials))

    def _start(self, fingerprint: Mapping[str, Any]) -> None:
        self._file.truncate(0)
        self._append({"journal": "nc_trainer", "version": VERSION, "fingerprint": dict(fingerprint)})
        _sync_directory(self.path.parent)

    def _cut_off(self, finished: int, size: int) -> None:
        if finished < size:
            logger.warning("%s: the last line was not finished when the process ended; it is cut off.", self.path)
            self._file.truncate(finished)
            os.fsync(self._file.fileno())

    def _entry(self, number: int, line: bytes) -> Any:
        try:
            return from_json(line.decode())
        except _UNREADABLE as error:
            raise _damaged(self.path, number, error) from error

    def _replay(self, number: int, entry: Any) -> None:
        try:
            if set(entry) == {"ranking"}:
                self._check_ranking()
                self.ranking = {name: float(value) for name, value in entry["ranking"]}
            elif entry == _END:
                self.is_finished = True
            elif set(entry) <= {"trial", "predictions"}:
                trial = _trial_from_dict(entry["trial"])
                self._check_trial(trial)
                self._keep(trial, _array_from_dict(entry["predictions"]) if "predictions" in entry else None)
            else:
                raise ValueError(f"expected a trial or a ranking, found {sorted(entry)}")
        except _UNREADABLE as error:
            raise _damaged(self.path, number, error) from error

    def _check_trial(self, trial: Trial) -> None:
        expected = 0 if self.baseline is None else len(self.trials) + 1
        if trial.number != expected:
            raise ValueError(f"expected trial {expected}, found trial {trial.number!r}")
        if isinstance(trial, CompleteTrial) and not math.isfinite(trial.value):
            raise ValueError(f"the value of trial {trial.number} is {trial.value}: expected None and an error")

    def _check_ranking(self) -> None:
        if self.ranking is not None:
            raise ValueError("there is a ranking already")

    def _keep(self, trial: Trial, classes: np.ndarray | None) -> None:
        self.is_finished = False
        if trial.number == 0:
            self.baseline = trial
        else:
            self.trials.append(trial)
        if classes is not None:
            self.classes[trial.number] = classes

    def _append(self, entry: Mapping[str, Any]) -> None:
        """Write one line; after an error the file is as before, so that no later line follows half of one."""
        before = os.fstat(self._file.fileno()).st_size
        rest = memoryview(to_json(entry).encode() + b"\n")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(before)
            raise


def _open_locked(path: Path) -> io.FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.FileIO(path, "a+")
    except OSError as error:
        raise NCTrainerError(f"{path}: the journal cannot be opened: {error.strerror}.") from error
    try:
        _lock(file, path)
    except BaseException:
        file.close()
        raise
    _open_files.add(file)
    file.seek(0)
    return file


def _lock(file: io.FileIO, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NCTrainerError(
            f"{path}: another process has this journal open. Wait until it ends, or use another output directory."
        ) from error
    except OSError as error:
        logger.warning("%s: this file system has no locks (%s): start one process only.", path, error.strerror)


_open_files: "weakref.WeakSet[io.FileIO]" = weakref.WeakSet()


def _close_in_child() -> None:
    """A forked child, e.g. a dataloader's worker, would otherwise keep the lock of a parent that was killed."""
    for file in list(_open_files):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _sync_directory(directory: Path) -> None:
    if fcntl is None:
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _finished_lines(content: bytes) -> list[bytes]:
    """All lines but one that was being written when the process died: the last, without its end or not JSON.

    A power cut may leave the end of a line on the disk and not its middle.
    """
    *lines, rest = content.split(b"\n")
    if not rest and len(lines) > 1 and not _is_json(lines[-1]):
        lines.pop()
    return lines


def _is_end(line: bytes) -> bool:
    return _is_json(line) and from_json(line.decode()) == _END


def _is_json(line: bytes) -> bool:
    try:
        from_json(line.decode())
    except _UNREADABLE:
        return False
    return True


def _check_header(path: Path, header: Mapping[str, Any], fingerprint: Mapping[str, Any]) -> None:
    if header.get("version") != VERSION:
        raise NCTrainerError(
            f"{path}: journal version {header.get('version')!r} is not known, expected {VERSION}. "
            f"Another nc_trainer wrote it. {_START_AGAIN}"
        )
    if not isinstance(header.get("fingerprint"), dict):
        raise _damaged(path, 1, ValueError("there is no fingerprint"))
    changed = changed_parts(header["fingerprint"], from_json(to_json(fingerprint)))
    if changed:
        raise NCTrainerError(
            f"{path}: the trials in this journal do not fit this run. Changed: {'; '.join(changed)}. {_START_AGAIN}"
        )


def _damaged(path: Path, number: int, error: Exception) -> NCTrainerError:
    return NCTrainerError(f"{path}, line {number}: the journal is damaged: {error}. {_START_AGAIN}")


def _trial_to_dict(trial: Trial) -> dict[str, Any]:
    return vars(trial) | {"recipe": trial.recipe.to_dict()}


def _trial_from_dict(content: Mapping[str, Any]) -> Trial:
    tolerance = content.get("flip_tolerance")
    tolerances = {"flip_tolerance": tuple(tolerance)} if isinstance(tolerance, list) else {}
    return trial_from({**content, **tolerances, "recipe": Recipe.from_dict(content["recipe"])})


def _array_to_dict(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.name, "shape": list(array.shape), "numbers": array.reshape(-1).tolist()}


def _array_from_dict(content: Mapping[str, Any]) -> np.ndarray:
    return np.array(content["numbers"], dtype=content["dtype"]).reshape(content["shape"])
