"""Trainer's arguments and ours, for HfArgumentParser."""

from dataclasses import dataclass, field

from transformers import TrainingArguments

from nc_trainer.errors import NCTrainerError

SAVE_FORMATS = ("nc_int8", "compressed-tensors")


@dataclass
class QuantizationTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the options of a quantization script.

    What to do: `tune`, `int8`, `benchmark`, `accuracy_only`. How to tune: `tuning_config`, `int8_embeddings`,
    `report`. How to benchmark: what begins with `benchmark_`, and `batch_by_length`. `no_cuda` and
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
    save_format: str = field(
        default="nc_int8",
        metadata={"help": "How an int8 model is saved: nc_int8, our own format, or compressed-tensors."},
    )
    report: bool = field(
        default=True, metadata={"help": "Save a page about the search and a model card beside the int8 model."}
    )
    benchmark_warmup: int = field(default=5, metadata={"help": "Batches run before the clock starts."})
    benchmark_iters: int = field(
        default=100, metadata={"help": "Batches that are timed; 0 is one pass over the evaluation set."}
    )
    benchmark_baseline: str | None = field(
        default=None,
        metadata={"help": "Directory of a model to time beside the model, as a rule the float one."},
    )
    benchmark_baseline_dtype: list[str] = field(
        default_factory=lambda: ["float32"],
        metadata={"help": "In which the float model is timed: float32, bfloat16, or both."},
    )
    benchmark_threads: int | None = field(default=None, metadata={"help": "Threads of torch while timing."})
    benchmark_cores_per_instance: int | None = field(
        default=None, metadata={"help": "Time in processes pinned to so many physical cores each."}
    )
    benchmark_num_of_instance: int | None = field(
        default=None, metadata={"help": "How many such processes at the same time; -1 is as many as fit."}
    )
    benchmark_memory: bool = field(
        default=False, metadata={"help": "Also measure memory and load time, each model in processes of its own."}
    )
    benchmark_pad_to: int = field(
        default=0, metadata={"help": "Pad all timed batches to so many tokens; 0 leaves them as they are collated."}
    )
    benchmark_fixed_length: int = field(
        default=0, metadata={"help": "Time rows of so many random tokens instead of the text; 0 times the text."}
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
        if self.save_format not in SAVE_FORMATS:
            raise NCTrainerError(f"`--save_format` is {self.save_format!r}, expected {' or '.join(SAVE_FORMATS)}.")
        for name in ("benchmark_warmup", "benchmark_iters", "benchmark_pad_to", "benchmark_fixed_length"):
            if getattr(self, name) < 0:
                raise NCTrainerError(f"`--{name}` is {getattr(self, name)}, expected 0 or more.")
