"""Every documented topology, from a fine-tuned checkpoint to an int8 model that knows what it knew."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import run_glue_tune
import run_topology
import torch
from helpers.fine_tuned import QUIET, FineTuned, fine_tuned
from helpers.float_products import float_matmul_weights
from topologies import TOPOLOGIES
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification, PreTrainedModel

from nc_trainer import QuantizationResult, QuantizationTrainer
from nc_trainer.trainer.batches import evaluation_batches

pytestmark = pytest.mark.slow

CONSTANT = 0.5
"""Accuracy of a constant answer: half of the rows have either label."""
LOOKED_UP = ("seg_embed", "emb_projs")
"""Parameters that belong to an embedding although a matrix product reads them: one row for each of two segments in
XLNet and Funnel, and what brings the short vectors of Transformer-XL's rare words to the model's width."""
AVAILABLE = [name for name, one in TOPOLOGIES.items() if one.model_type in CONFIG_MAPPING]
IN_ANOTHER_PROCESS = ("gpt2_MRPC", "transfo_xl_MRPC")
"""Starting a process takes seconds."""
COMPUTE = """
import sys, torch
import nc_trainer
from transformers import AutoModelForSequenceClassification
model, directory = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
with torch.no_grad():
    logits = [model(**batch).logits for batch in torch.load(f"{directory}/batches.pt")]
torch.save(torch.cat(logits), f"{directory}/logits.pt")
"""

Batches = list[dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Tuned:
    """What one run of run_tuning.sh left, in memory and on disk."""

    checkpoint: FineTuned
    result: QuantizationResult
    batches: Batches
    directory: Path


class RecordingTrainer(QuantizationTrainer):
    """Keeps what the example script throws away."""

    last: "RecordingTrainer"
    result: QuantizationResult

    def quantize(self, *args: Any, **kwargs: Any) -> QuantizationResult:
        self.result = super().quantize(*args, **kwargs)
        RecordingTrainer.last = self
        return self.result


def tune_into(directory: Path, checkpoint: FineTuned) -> RecordingTrainer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_glue_tune, "QuantizationTrainer", RecordingTrainer)
        patch.setenv("TRUST_REMOTE_CODE", "1")  # the vocabulary that Transformer-XL has just saved is a pickle
        options = run_topology.tuning_options([*checkpoint.flags, f"--output_model={directory}"])
        run_glue_tune.run([*options, *QUIET])
    return RecordingTrainer.last


@pytest.fixture(scope="module", params=AVAILABLE)
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuned]:
    directory = tmp_path_factory.mktemp(request.param)
    checkpoint = fine_tuned(request.param, directory)
    trainer = tune_into(directory / "int8", checkpoint)
    yield Tuned(checkpoint, trainer.result, evaluation_batches(trainer, None, None), directory / "int8")
    shutil.rmtree(directory)


def logits(model: PreTrainedModel, batches: Batches) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(**batch).logits for batch in batches])


def test_the_criterion_is_met_and_nothing_learned_is_lost(tuned: Tuned) -> None:
    result = tuned.result
    assert result.outcome == "met"
    assert result.baseline.metrics["accuracy"] > 0.9 > CONSTANT
    assert result.chosen.metrics["accuracy"] >= result.baseline.metrics["accuracy"]


def test_the_directory_gives_the_same_bits(tuned: Tuned) -> None:
    loaded = AutoModelForSequenceClassification.from_pretrained(tuned.directory)
    assert type(loaded) is type(tuned.result.model)
    assert torch.equal(logits(loaded, tuned.batches), logits(tuned.result.model, tuned.batches))


def test_a_second_run_into_the_same_directory_gives_the_same_model(tuned: Tuned) -> None:
    before = (tuned.directory / "model.safetensors").read_bytes()
    result = tune_into(tuned.directory, tuned.checkpoint).result
    assert result.recipe == tuned.result.recipe
    assert (tuned.directory / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("tuned", [name for name in IN_ANOTHER_PROCESS if name in AVAILABLE], indirect=True)
def test_another_process_computes_the_same_bits(tuned: Tuned, tmp_path: Path) -> None:
    torch.save(tuned.batches, tmp_path / "batches.pt")
    subprocess.run([sys.executable, "-c", COMPUTE, tuned.directory, tmp_path], check=True)
    computed = torch.load(tmp_path / "logits.pt", weights_only=True)
    assert torch.equal(computed, logits(tuned.result.model, tuned.batches))


def test_every_weight_of_a_matrix_product_is_int8_or_a_named_fallback(tuned: Tuned) -> None:
    recipe = tuned.result.recipe
    named = {f"{name}.weight" for name in recipe.fallbacks} | set(recipe.fallbacks)
    multiplied = float_matmul_weights(tuned.result.model, tuned.batches[0])
    assert [name for name in multiplied - named if not set(name.split(".")) & set(LOOKED_UP)] == []


def test_the_watch_on_matrix_products_sees_the_float_model(tuned: Tuned) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(tuned.checkpoint.model)
    multiplied = float_matmul_weights(model, tuned.batches[0])
    assert {name.removesuffix(".weight") for name in multiplied} >= set(tuned.result.recipe.modules)
