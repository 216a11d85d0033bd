"""What is asked of one class: int8 close to float, the same for a row wherever it stands, and after pickling."""

import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from helpers.families.classes import Classifier, tiny_model
from helpers.families.rows import Inputs, Rows, rows_for
from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.proof import proven, without_refused
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.int8.replay import logits

ALL = (0, 1, 2)
PADDED = 32
ERROR = 0.1
"""Root mean square of int8 minus float, in that of the float logits."""
MOVED = 0.1
"""How far a logit may move with the batch that its row stands in, in the same unit: no further than int8 is wrong."""
PER_TOKEN = {"TOKEN_CLASSIFICATION", "QUESTION_ANSWERING"}
EXPECTED = "expected.pt"

Answers = dict[str, list[Tensor]]


@dataclass(frozen=True)
class Finding:
    """What the walk found of one class.

    Attributes:
        classifier: the class.
        notes: what was not applied to it, and what of it is not int8.
        faults: what went wrong.
        lacks: the package without which transformers does not build it, empty if it was built.
    """

    classifier: Classifier
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    lacks: str = ""


def visit(classifier: Classifier, directory: Path) -> Finding:
    """Quantize, compare and save one class in `directory`, with what it computes, for `reload.py` to load."""
    notes: tuple[str, ...] = ()
    faults: list[str] = []
    try:
        model = tiny_model(classifier)
        rows = rows_for(model)
        expected = _answers(model, rows)
        notes = _quantize(model, rows)
        found = _answers(model, rows)
        faults += [*_differences(classifier, rows, found, expected), *_pickling(model, rows, found)]
        save_for_huggingface_upstream(model, None, directory)
        torch.save({"batch": rows.batch(ALL), "logits": found["together"]}, directory / EXPECTED)
    except ImportError as error:
        return Finding(classifier, lacks=_package(error))
    except Exception as error:  # whatever stands in the table
        faults.append(in_one_line(error))
    return Finding(classifier, notes, tuple(faults))


def batches(rows: Rows) -> dict[str, Inputs]:
    """The rows together, padded further, and each alone."""
    alone = {f"row {number}": rows.batch([number]) for number in ALL}
    return {"together": rows.batch(ALL), "padded": rows.batch(ALL, PADDED), **alone}


def _answers(model: PreTrainedModel, rows: Rows) -> Answers:
    return {name: logits(model, batch) for name, batch in batches(rows).items()}


def _quantize(model: PreTrainedModel, rows: Rows) -> tuple[str, ...]:
    """As a search's first trial does, on any CPU as on one with bfloat16. Returns what was not applied."""
    swapper = ModuleSwapper(model)
    recipe, refused = without_refused(swapper, full_recipe(model), rows.batch(ALL))
    proof = proven(swapper, recipe.with_rest_in("bfloat16"), rows.batch(ALL))
    swapper.apply(proof.recipe)
    attach(model, proof.recipe)
    experts = any(parameter.dim() == 3 and "experts" in name for name, parameter in model.named_parameters())
    return (*refused, *proof.notes, *(["Experts that are one 3-D parameter stay in float."] * experts))


def _differences(classifier: Classifier, rows: Rows, found: Answers, expected: Answers) -> Iterator[str]:
    float_rows, int8_rows = (_by_row(classifier, rows, answers) for answers in (expected, found))
    size = _rms(list(float_rows.values()))
    error = _rms([int8_rows[key] - float_rows[key] for key in float_rows])
    moved, float_moved = _moved(int8_rows), _moved(float_rows)
    if not error <= ERROR * size:
        yield f"int8 differs from float by {error / size:.2f} of the logits"
    if moved > max(MOVED * size, 2 * float_moved):
        yield f"a row's logits move by {moved / size:.2f} with the batch, in float by {float_moved / size:.2f}"


def _pickling(model: PreTrainedModel, rows: Rows, found: Answers) -> Iterator[str]:
    try:
        copy = pickle.loads(pickle.dumps(model))  # noqa: S301
    except Exception as error:  # whatever stands in the table
        yield f"while pickling: {in_one_line(error)}"
    else:
        if not all(map(torch.equal, logits(copy, rows.batch(ALL)), found["together"])):
            yield "another answer after pickling"


def _by_row(classifier: Classifier, rows: Rows, answers: Answers) -> dict[tuple[str, int], Tensor]:
    """The logits of every row in every batch, without those of padding."""
    found = {}
    for name, tensors in answers.items():
        for place, number in enumerate(ALL if len(tensors[0]) == len(ALL) else [int(name.removeprefix("row "))]):
            length = rows.lengths[number] if classifier.task in PER_TOKEN else None
            found[name, number] = torch.cat([tensor[place][:length].flatten() for tensor in tensors])
    return found


def _moved(rows: dict[tuple[str, int], Tensor]) -> float:
    return max(float((row - rows[f"row {number}", number]).abs().max()) for (_, number), row in rows.items())


def _rms(tensors: list[Tensor]) -> float:
    return float(torch.cat(tensors).square().mean().sqrt())


def _package(error: ImportError) -> str:
    found = re.search(r"requires the (\S+) library", str(error))
    return found[1] if found else in_one_line(error)


def in_one_line(error: Exception) -> str:
    """Its class and the beginning of its message."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first.split('. ')[0].strip()[:160]}"
