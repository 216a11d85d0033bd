"""`BenchmarkConfig`, as Neural Compressor 2.x called what a benchmark is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from nc_trainer.config.performance import EvaluationPerformance, PerformanceConfigs


@dataclass(frozen=True)
class BenchmarkConfig:
    """What `benchmark.fit` is asked for; `performance` is the same in the words of the YAML file.

    Without `cores_per_instance` and `num_of_instance` the model is timed in the process itself.

    Raises:
        ConfigError: a value is not possible; the message names the key.
    """

    warmup: int = 5
    iteration: int = -1
    cores_per_instance: int | None = None
    num_of_instance: int | None = None
    inter_num_of_threads: int | None = None
    intra_num_of_threads: int | None = None
    performance: EvaluationPerformance = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        configs = PerformanceConfigs(
            cores_per_instance=self.cores_per_instance,
            num_of_instance=self.num_of_instance,
            inter_num_of_threads=self.inter_num_of_threads,
            intra_num_of_threads=self.intra_num_of_threads,
        )
        performance = EvaluationPerformance(warmup=self.warmup, iteration=self.iteration, configs=configs)
        object.__setattr__(self, "performance", performance)
