"""Finds a GLUE task's folder and the file of each split in it."""

from __future__ import annotations

from pathlib import Path

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.glue.tasks import GLUE_TASKS, GlueTask, normalized


def find_task_folder(location: Path, task: GlueTask) -> Path:
    """The folder of `task` in `location`, in any case, or `location` when it is that folder.

    Raises:
        NCTrainerError: neither exists; the message says what was looked for.
    """
    if not location.is_dir():
        raise NCTrainerError(f"GLUE data: {location} is not a directory")
    accepted = {normalized(task.folder), task.name}
    for child in sorted(location.iterdir()):
        if child.is_dir() and normalized(child.name) in accepted:
            return child
    if _holds_task(location, task):
        return location
    raise NCTrainerError(
        f"GLUE data: {location} has no folder '{task.folder}' (or '{task.name}', in any case), "
        f"and holds none of {', '.join(_marker_files(task))} itself"
    )


def split_files(folder: Path, task: GlueTask) -> dict[str, Path]:
    """The official file of each split, keyed by the split's name on the hub; the files need not exist."""
    splits = task.splits_for(("train", "validation", "test"))
    return {split: folder / f"{split.replace('validation', 'dev')}.tsv" for split in splits}


def _holds_task(location: Path, task: GlueTask) -> bool:
    """Whether `location` has a file of the task and is not named after another task."""
    name = normalized(location.resolve().name)
    others = {normalized(other.folder) for other in GLUE_TASKS.values() if other is not task}
    return name not in others and any((location / file).exists() for file in _marker_files(task))


def _marker_files(task: GlueTask) -> list[str]:
    files = [path.name for path in split_files(Path(), task).values()]
    return [*files, "msr_paraphrase_train.txt"] if task.name == "mrpc" else files
