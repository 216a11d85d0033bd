"""The section `evaluation.performance`: how a benchmark is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nc_trainer.config.rules import optional, text, whole_number
from nc_trainer.config.section import Section, setting


@dataclass(frozen=True, kw_only=True)
class PerformanceConfigs(Section, path="evaluation.performance.configs"):
    """Processes and threads of a benchmark."""

    cores_per_instance: int | None = setting(
        None,
        optional(whole_number(1)),
        "Physical cores that each instance is pinned to; null shares out all there are.",
    )
    num_of_instance: int | None = setting(
        None,
        optional(whole_number(-1)),
        "Processes that are timed at the same time; -1 is as many as fit. 1 when only `cores_per_instance` is given; "
        "when neither is, models are timed in the process itself.",
    )
    inter_num_of_threads: int | None = setting(
        None, optional(whole_number(1)), "torch's inter-op threads in each instance."
    )
    intra_num_of_threads: int | None = setting(
        None, optional(whole_number(1)), "torch's threads; null is one for each core of an instance."
    )
    kmp_blocktime: int | None = setting(
        None, optional(whole_number(0)), "`KMP_BLOCKTIME` in instances; only Intel's OpenMP reads it."
    )
    kmp_affinity: str | None = setting(
        None, optional(text()), "`KMP_AFFINITY` in instances; only Intel's OpenMP reads it."
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationPerformance(Section, path="evaluation.performance"):
    """What `benchmark()` takes where its own arguments say nothing."""

    warmup: int | None = setting(None, optional(whole_number(0)), "Untimed batches; null is 5.")
    iteration: int | None = setting(
        None,
        optional(whole_number(-1)),
        "Timed batches; -1 is one pass over the evaluation set, null is 100. In the original null was -1.",
    )
    configs: PerformanceConfigs = field(
        default_factory=PerformanceConfigs, metadata={"help": "Processes and threads."}
    )

    def options(self) -> dict[str, Any]:
        """What is given, as arguments of `nc_trainer.benchmark.BenchmarkOptions`."""
        configs = self.configs
        variables = {"KMP_BLOCKTIME": configs.kmp_blocktime, "KMP_AFFINITY": configs.kmp_affinity}
        environment = {name: str(value) for name, value in variables.items() if value is not None}
        found = {
            "warmup": self.warmup,
            "iterations": None if self.iteration is None else max(self.iteration, 0),
            "threads": configs.intra_num_of_threads,
            "interop_threads": configs.inter_num_of_threads,
            "cores_per_instance": configs.cores_per_instance,
            "num_of_instance": configs.num_of_instance,
            "environment": environment or None,
        }
        return {name: value for name, value in found.items() if value is not None}
