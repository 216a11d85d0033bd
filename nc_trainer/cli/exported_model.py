"""An exported model beside the models in torch: its metrics and its time, on the same rows."""

import torch
from torch import Tensor, nn
from transformers import EvalPrediction

from nc_trainer.benchmark import BenchmarkReport, benchmark_models
from nc_trainer.hub import describe_engine
from nc_trainer.hub.export import Run
from nc_trainer.search.trial import Evaluation
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import evaluation_batches

ROUNDS = 30


def evaluate_exported(trainer: QuantizationTrainer, run: Run, baseline: Evaluation) -> Evaluation:
    """The exported model on the trainer's evaluation rows, with the labels of `baseline`, which are of these rows."""
    logits = torch.cat([run(batch) for batch in evaluation_batches(trainer, None, None)]).numpy()
    metrics = trainer.compute_metrics(EvalPrediction(predictions=logits, label_ids=baseline.labels))
    return Evaluation(metrics, 0.0, logits, baseline.labels)


def time_exported(
    export_format: str, trainer: QuantizationTrainer, int8_trainer: QuantizationTrainer, run: Run
) -> BenchmarkReport:
    """Rounds over the evaluation rows: the float model, the int8 model, and what was exported."""
    models: dict[str, nn.Module] = {
        "torch float": trainer.model,
        "torch int8": int8_trainer.model,
        export_format: _Exported(run),
    }
    batches = evaluation_batches(trainer, None, ROUNDS)
    return benchmark_models(models, batches, iterations=ROUNDS, engine=describe_engine(int8_trainer.model))


class _Exported(nn.Module):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def forward(self, **inputs: Tensor) -> Tensor:
        return self.run(inputs)
