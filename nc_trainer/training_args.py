"""Trainer's arguments and ours, for HfArgumentParser."""

from dataclasses import dataclass, field

from transformers import TrainingArguments

from nc_trainer.errors import NCTrainerError


@dataclass
class QuantizationTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the options of a quantization script.

    What to do: `tune`, `int8`, `benchmark`, `accuracy_only`. How to tune: `tuning_config`, `int8_embeddings`.
    How to benchmark: `benchmark_warmup`, `benchmark_iters`, `batch_by_length`. `no_cuda` and
    `overwrite_output_dir`, which transformers 5 dropped, are accepted with every version of transformers.
    """

    tune: bool = field(
        default=False,
        metadata={"help": "Quantize the fine-tuned model to int8 under the accuracy criterion; no training."},
    )
    int8: bool = field(default=False, metadata={"help": "The model is an int8 directory that `--tune` wrote."})
    benchmark: bool = field(default=False, metadata={"help": "Measure accuracy, latency and throughput."})
    accuracy_only: bool = field(default=False, metadata={"help": "Evaluate only, and print the metrics."})
    tuning_config: str | None = field(
        default=None,
        metadata={"help": "YAML file with the tuning configuration; without it the defaults hold."},
    )
    int8_embeddings: bool = field(
        default=False,
        metadata={"help": "Also make embedding tables int8 (weight only), whatever the configuration says."},
    )
    benchmark_warmup: int = field(default=5, metadata={"help": "Batches run before the clock starts."})
    benchmark_iters: int = field(
        default=100, metadata={"help": "Batches that are timed; 0 is one pass over the evaluation set."}
    )
    batch_by_length: bool = field(
        default=False,
        metadata={"help": "Evaluate and benchmark on batches of rows of about the same length: less padding."},
    )
    no_cuda: bool = field(default=False, metadata={"help": "Old name of `--use_cpu`."})
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Train into an output directory that is not empty."}
    )

    def __post_init__(self) -> None:
        self._check_ours()
        no_cuda = self.no_cuda
        if no_cuda:
            self.use_cpu = True
        # transformers 4.57 warns when it sees the old name set; it has just been translated.
        self.no_cuda = False
        super().__post_init__()
        self.no_cuda = no_cuda

    def _check_ours(self) -> None:
        if self.tune and (self.int8 or self.benchmark or self.accuracy_only):
            raise NCTrainerError(
                "`--tune` makes an int8 directory; `--int8`, `--benchmark` and `--accuracy_only` look at one. "
                "Run them one after the other."
            )
        for name in ("benchmark_warmup", "benchmark_iters"):
            if getattr(self, name) < 0:
                raise NCTrainerError(f"`--{name}` is {getattr(self, name)}, expected 0 or more.")
