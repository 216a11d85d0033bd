"""What the peers are given beside a model: batches of random tokens or of real text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.loading import load_glue_folder

CHECK_ROWS, CALIBRATION_ROWS = 8, 32
TEXT_ROWS, TEXT_BATCHES, TEXT_TOKENS = 32, 3, 128
SERVED_ROWS = 100
FIRST_WORD, VOCABULARY = 1000, 30522  # every model's vocabulary has so many
Batches = Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class Workload:
    """One model on one kind of batch: `rows` of `tokens` random ids, or of the text of a GLUE `text` task.

    A timed call takes `batches` of them, or where they are served, as by a service that is asked for one row at a
    time, one.
    """

    model: str
    rows: int
    tokens: int | None = None
    text: str | None = None
    batches: int = 1
    served: bool = False


def _fixed(model: str, shapes: Sequence[tuple[int, int]] = ((1, 32), (1, 128), (16, 128))) -> dict[str, Workload]:
    return {f"{model}-{rows}x{tokens}": Workload(model, rows, tokens) for rows, tokens in shapes}


def _text(model: str) -> dict[str, Workload]:
    found = {}
    for task in ("sst2", "mrpc"):
        found[f"{model}-{task}"] = Workload(model, TEXT_ROWS, text=task, batches=TEXT_BATCHES)
        found[f"{model}-{task}-served"] = Workload(model, 1, text=task, batches=SERVED_ROWS, served=True)
    return found


LARGER = ((1, 128), (16, 128))

WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {
        **_fixed("bert"),
        **_text("bert"),
        **_fixed("distilbert"),
        **_fixed("minilm"),
        **_text("minilm"),
        **_fixed("xlm-roberta", LARGER),
        **_fixed("modernbert", LARGER),
        **_fixed("deberta-v3", LARGER),
        **_fixed("qwen2", LARGER),
    }
)


def timed_batches(workload: Workload, glue: Path | None, tokenizer: Path | None) -> Batches:
    """The batches of one timed call.

    Raises:
        NCTrainerError: the workload is text, and the GLUE folders or a tokenizer are not given or broken.
    """
    if workload.text is None:
        return random_batches(workload, 1, seed=0)
    if glue is None or tokenizer is None:
        raise NCTrainerError("real text needs --glue (the official GLUE folders) and --tokenizer (a directory)")
    return text_batches(workload, glue, tokenizer)


def check_batches(workload: Workload, timed: Batches) -> Batches:
    """Batches of the same shapes with at least CHECK_ROWS rows in all, to compare logits on."""
    return _others(workload, timed, CHECK_ROWS, seed=1)


def calibration_batches(workload: Workload, timed: Batches) -> Batches:
    """Batches of the same shapes with at least CALIBRATION_ROWS rows in all, for static quantization."""
    return _others(workload, timed, CALIBRATION_ROWS, seed=2)


def _others(workload: Workload, timed: Batches, rows: int, seed: int) -> Batches:
    return timed if workload.text else random_batches(workload, -(-rows // workload.rows), seed)


def random_batches(workload: Workload, count: int, seed: int) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    shape = (workload.rows, workload.tokens or TEXT_TOKENS)
    ids = [torch.randint(FIRST_WORD, VOCABULARY, shape, generator=generator) for _ in range(count)]
    return [{"input_ids": one, "attention_mask": torch.ones_like(one)} for one in ids]


def text_batches(workload: Workload, glue: Path, tokenizer: Path) -> Batches:
    """The first rows of the task's validation split, each batch padded to its longest row."""
    data = load_glue_folder(glue, workload.text or "", ["validation"])
    words = AutoTokenizer.from_pretrained(tokenizer)
    rows = data.splits["validation"]
    batches = []
    for start in range(0, workload.batches * workload.rows, workload.rows):
        texts = [rows[start : start + workload.rows][column] for column in data.text_columns]
        encoded = words(*texts, padding=True, truncation=True, max_length=TEXT_TOKENS, return_tensors="pt")
        batches.append({name: encoded[name] for name in ("input_ids", "attention_mask")})
    return batches


def linear_operations(model: nn.Module, batches: Batches) -> int:
    """Multiplications and additions of all `nn.Linear` modules in one pass over the batches, padding included."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += 2 * output.numel() * inputs[0].shape[-1]

    hooks = [one.register_forward_hook(count) for one in model.modules() if isinstance(one, nn.Linear)]
    for batch in batches:
        model(**batch)
    for hook in hooks:
        hook.remove()
    return total
