"""Writes an int8 directory with whatever version of nc_trainer is imported, and what its model answered.

The directories beside this file were written by the last commit of each format version, with transformers 5.23:

    git archive COMMIT nc_trainer | tar -x -C DIRECTORY
    PYTHONPATH=DIRECTORY python tests/hub/format_versions/write.py tests/hub/format_versions/VERSION

COMMIT was `cb3a662^` for version 1 and `33f4fa3^` for version 2. A new version gets a directory when it is released.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification, EvalPrediction, set_seed

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments, TuningConfig, save_for_huggingface_upstream

IDS = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
SIZES: dict[str, float] = {
    "vocab_size": 12,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
SIZES |= {"max_position_embeddings": 16, "initializer_range": 0.4}
CONFIG = {"quantization": {"float_dtype": "float32"}, "tuning": {"accuracy_criterion": {"absolute": 0.99}}}


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def main(target: Path) -> None:
    set_seed(0)
    model = BertForSequenceClassification(BertConfig(**SIZES)).eval()
    rows = {"input_ids": IDS, "attention_mask": [[1] * 5] * 2, "labels": [0, 1]}
    with tempfile.TemporaryDirectory() as output:
        args = QuantizationTrainingArguments(output_dir=output, use_cpu=True, report_to="none")
        trainer = QuantizationTrainer(model, args, eval_dataset=Dataset.from_dict(rows), compute_metrics=accuracy)
        int8 = trainer.quantize(TuningConfig.from_dict(CONFIG)).model
        save_for_huggingface_upstream(int8, None, target)
    with torch.no_grad():
        answers = int8(input_ids=torch.tensor(IDS), attention_mask=torch.ones(2, 5, dtype=torch.long)).logits
    (target / "answers.json").write_text(json.dumps({"input_ids": IDS, "logits": answers.tolist()}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
