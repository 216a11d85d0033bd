"""Small checkpoints of the documented topologies, fine-tuned with the example script until they know their rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import run_glue_tune
from helpers.architectures import CONFIGS
from helpers.glue_rows import write_rows
from helpers.tokenizer_files import write_tokenizer
from topologies import TOPOLOGIES
from transformers import AutoConfig, AutoModel, AutoTokenizer, set_seed

ROWS = 24
LONGEST = 128
QUIET = ["--no_cuda", "--report_to", "none", "--disable_tqdm", "true"]
"""Options for every run of the script in a test."""
POSITIONS = {"bart": "max_position_embeddings", "mbart": "max_position_embeddings", "gpt2": "n_positions"}
POSITIONS |= {"ctrl": "n_positions", "xlm": "max_position_embeddings"}


@dataclass(frozen=True)
class FineTuned:
    """Where a checkpoint and the GLUE folders it was trained on are."""

    topology: str
    model: Path
    glue: Path

    @property
    def flags(self) -> list[str]:
        """The flags of run_tuning.sh and run_benchmark.sh that name it."""
        return [f"--topology={self.topology}", f"--dataset_location={self.glue}", f"--input_model={self.model}"]


def fine_tuned(topology: str, directory: Path, *, real: bool | None = None, epochs: int = 30) -> FineTuned:
    """Train a small model of the topology's architecture on a few of its task's rows."""
    task, model_type = TOPOLOGIES[topology].task, TOPOLOGIES[topology].model_type
    texts = write_rows(directory / "glue", task, ROWS, real=real)
    write_untrained(directory / "untrained", model_type, texts)
    options = {
        "--model_name_or_path": directory / "untrained",
        "--task_name": task,
        "--dataset_location": directory / "glue",
        "--output_dir": directory / "model",
        "--max_seq_length": LONGEST,
        "--pad_to_max_length": "false",
        "--num_train_epochs": epochs,
        "--learning_rate": 3e-3,
        "--per_device_train_batch_size": 12,
        "--save_strategy": "no",
    }
    run_glue_tune.run([*(str(part) for option in options.items() for part in option), "--do_train", *QUIET])
    return FineTuned(topology, directory / "model", directory / "glue")


def write_untrained(directory: Path, model_type: str, texts: list[str]) -> None:
    """A model without training and without a head, and its tokenizer, with the files that such checkpoints bring."""
    directory.mkdir(parents=True)
    AutoConfig.for_model(model_type).save_pretrained(directory)
    write_tokenizer(directory, model_type, texts, LONGEST)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer)} | CONFIGS[model_type]
    if model_type in POSITIONS:
        sizes[POSITIONS[model_type]] = LONGEST
    if tokenizer.pad_token_id is not None:
        sizes["pad_token_id"] = tokenizer.pad_token_id
    set_seed(0)
    config = AutoConfig.for_model(model_type, architectures=[], **sizes)
    AutoModel.from_config(config).save_pretrained(directory)
