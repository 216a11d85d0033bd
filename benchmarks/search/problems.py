"""Classifiers in which int8 fails in known modules: small transformers trained on SST-2, then planted.

Planting leaves the float model's function as it is, but for rounding. In a chosen layer, a channel a of the values is
made the largest by a power of two that the output projection divides by; a second channel b of the same head is tied
to it, v_b = 2 v_a, and the output projection reads both with a huge vector u that cancels:

    W_out[:, a] += t u        W_out[:, b] = -t u / 2        so that  t u v_a - (t u / 2) (2 v_a) = 0

Attention mixes tokens, not channels, so the tie survives it, and a factor of two is exact in floating point. In int8
the largest weight of each row, t u, is code 127, so t u / 2 is 63.5 and becomes 64: t u v_a / 127 is left of the
cancellation. u is the direction that moves the logits most, because a classifier forgives noise in most others. The
value projection keeps the tie, because rows that are multiples of each other get the same codes. So exactly the output
projection of that layer has to stay in float.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordLevelTrainer
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, set_seed

LONGEST = 40


def sst2(glue: Path, split: str) -> list[tuple[str, int]]:
    """Sentences and labels."""
    with (glue / "SST-2" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["sentence"], int(row["label"])) for row in rows]


def word_tokenizer(texts: Sequence[str], words: int = 6000) -> PreTrainedTokenizerFast:
    """Whole words, lower-cased as SST-2 is, with [CLS] in front."""
    tokenizer = Tokenizer(WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    trainer = WordLevelTrainer(vocab_size=words, special_tokens=["[PAD]", "[UNK]", "[CLS]"])
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]")


def encoded(tokenizer: PreTrainedTokenizerFast, rows: Sequence[tuple[str, int]]) -> Dataset:
    """Token ids and labels."""
    inputs = tokenizer([text for text, _ in rows], truncation=True, max_length=LONGEST)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    return Dataset.from_dict({"input_ids": ids, "attention_mask": mask, "labels": [label for _, label in rows]})


def trained_classifier(
    layers: int, tokenizer: PreTrainedTokenizerFast, rows: Dataset, steps: int, hidden: int = 64, seed: int = 0
) -> BertForSequenceClassification:
    """A post-norm encoder with `layers` layers, 6 * layers + 2 linear modules."""
    set_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * hidden,
        max_position_embeddings=LONGEST,
        num_labels=2,
    )
    model = BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps, pct_start=0.2)
    for batch in _batches(tokenizer, rows, steps, seed):
        model(**batch).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model.eval()


def _batches(
    tokenizer: PreTrainedTokenizerFast, rows: Dataset, steps: int, seed: int, size: int = 64
) -> Iterator[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = torch.randint(0, len(rows), (size,), generator=generator).tolist()
        yield dict(tokenizer.pad(rows[chosen], return_tensors="pt"))


def plant(model: BertForSequenceClassification, layer: int, strength: float, batch: dict[str, torch.Tensor]) -> str:
    """Make int8 fail in one module of this layer and return its name.

    Args:
        strength: t, in units of the largest weight of the output projection.
        batch: some rows, for the direction u: the one that moves the logits most.
    """
    attention = model.bert.encoder.layer[layer].attention
    value, out = attention.self.value, attention.output.dense
    u = _steepest(model, out, batch)
    with torch.no_grad():
        a, b = 0, 1  # of the same head
        norms = value.weight.norm(dim=1)
        larger = 2.0 ** math.ceil(math.log2(2 * float(norms.max() / norms[a])))
        value.weight[a], value.bias[a] = larger * value.weight[a], larger * value.bias[a]
        out.weight[:, a] /= larger
        value.weight[b], value.bias[b] = 2 * value.weight[a], 2 * value.bias[a]
        u *= strength * out.weight.abs().max() / u.abs().max()
        out.weight[:, b] = -u / 2
        out.weight[:, a] += u
    return f"bert.encoder.layer.{layer}.attention.output.dense"


def harden(model: BertForSequenceClassification, layer: int, channel: int, factor: float) -> str:
    """Make int8 coarse in one module and return its name; the float function stays as it is for a power of two.

    One channel of the values is made larger and the output projection divides by as much. In int8 it takes the scale
    of every token, and what the other channels say is rounded away, the more the larger `factor` is.
    """
    attention = model.bert.encoder.layer[layer].attention
    value, out = attention.self.value, attention.output.dense
    with torch.no_grad():
        value.weight[channel] *= factor
        value.bias[channel] *= factor
        out.weight[:, channel] /= factor
    return f"bert.encoder.layer.{layer}.attention.output.dense"


def _steepest(model: BertForSequenceClassification, module: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The gradient of the difference of the two logits by the module's output for the first token, [hidden]."""
    found: list[torch.Tensor] = []
    hook = module.register_forward_hook(lambda module, inputs, output: found.append(output))
    logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    hook.remove()
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), found)
    return gradient[:, 0].mean(0)
