"""Loads what the walk saved, in a process that has quantized nothing: `python -m helpers.families.reload DIRECTORY`.

Prints a JSON object: by class, what is wrong with what was loaded; nothing for those that give the same bits.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from helpers.families.visit import in_one_line

import nc_trainer  # noqa: F401 - registers the format
from nc_trainer.int8.replay import logits


def reload_fault(directory: Path) -> str:
    """What is wrong with the model in `directory`, whose name is that of its class; empty if nothing is."""
    saved = torch.load(directory / "expected.pt")
    try:
        model = getattr(transformers, directory.name).from_pretrained(directory)
        same = all(map(torch.equal, logits(model, saved["batch"]), saved["logits"]))
    except Exception as error:  # whatever stands in the table
        return f"while loading: {in_one_line(error)}"
    return "" if same else "another answer after loading"


if __name__ == "__main__":
    torch.set_num_threads(1)
    directories = sorted(path.parent for path in Path(sys.argv[1]).glob("*/expected.pt"))
    faults = {directory.name: reload_fault(directory) for directory in directories}
    print(json.dumps({name: [fault] for name, fault in faults.items() if fault}))
