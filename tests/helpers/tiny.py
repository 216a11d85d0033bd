"""Small models, data and trainers that tests build from nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EvalPrediction,
    PreTrainedTokenizerFast,
    set_seed,
)

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments, TuningConfig

VOCABULARY = 50


def tiny_bert(num_labels: int = 3, **changes: Any) -> BertForSequenceClassification:
    """Two layers, hidden size 32: 14 linear modules and 3 embeddings. The same weights every time."""
    set_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 32,
        "initializer_range": 0.4,
    }
    return BertForSequenceClassification(BertConfig(num_labels=num_labels, **(sizes | changes))).eval()


def sensitive_bert() -> BertForSequenceClassification:
    """A model in which int8 fails in exactly one module, `bert.pooler.dense`.

    One huge feature of the pooler's input is read by nobody, but it takes the whole range of the int8 codes.
    """
    model = tiny_bert()
    model.bert.encoder.layer[1].output.LayerNorm.weight.data[0] = 1e5
    model.bert.pooler.dense.weight.data[:, 0] = 0.0
    return model


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Words `w0` to `w48`, and `[PAD]`."""
    words = {"[PAD]": 0} | {f"w{number}": number + 1 for number in range(VOCABULARY - 1)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[PAD]")


def token_rows(rows: int = 24, seed: int = 0) -> Dataset:
    """Random token ids in rows of 4 to 12, without labels."""
    random = np.random.default_rng(seed)
    ids = [random.integers(1, VOCABULARY, size=random.integers(4, 13)).tolist() for _ in range(rows)]
    return Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})


def with_labels_of(model: torch.nn.Module, rows: Dataset) -> Dataset:
    """The rows labelled with what `model` predicts, so that its accuracy is 1 and every flip is an error."""
    with torch.no_grad():
        labels = [int(model(input_ids=torch.tensor([ids])).logits.argmax()) for ids in rows["input_ids"]]
    return rows.add_column("labels", labels)


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """A `compute_metrics`."""
    predictions = prediction.predictions
    logits = predictions[0] if isinstance(predictions, tuple) else predictions
    return {"accuracy": float((logits.argmax(-1) == prediction.label_ids).mean())}


def config(absolute: float = 0.5, quantization: Mapping[str, Any] | None = None, **tuning: Any) -> TuningConfig:
    """So many points may be lost; and what else the sections `tuning` and `quantization` are to hold."""
    judged = {"accuracy_criterion": {"absolute": absolute}}
    return tuning_config(quantization=quantization or {}, tuning=judged | tuning)


def tuning_config(**sections: Any) -> TuningConfig:
    """What a YAML file with these sections says."""
    return TuningConfig.from_dict(sections)


def tiny_trainer(tmp_path: Path, model: torch.nn.Module | None = None, **changes: Any) -> QuantizationTrainer:
    """A trainer on the CPU whose evaluation rows are labelled by its own float model."""
    model = tiny_bert() if model is None else model
    arguments = changes.pop("arguments", {})
    options: dict[str, Any] = {
        "model": model,
        "args": QuantizationTrainingArguments(
            output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none", disable_tqdm=True, **arguments
        ),
        "train_dataset": token_rows(seed=1),
        "eval_dataset": changes.pop("eval_dataset", None) or with_labels_of(model, token_rows()),
        "compute_metrics": accuracy,
        "processing_class": tiny_tokenizer(),
    }
    return QuantizationTrainer(**(options | changes))
