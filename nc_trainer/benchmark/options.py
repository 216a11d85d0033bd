"""What a benchmark is asked for, wherever the wish comes from: arguments, a YAML file, the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nc_trainer.benchmark.cores import AS_MANY_AS_FIT, Placement, place_instances
from nc_trainer.errors import NCTrainerError


@dataclass(frozen=True)
class BenchmarkOptions:
    """How to measure.

    Attributes:
        warmup: untimed rounds.
        iterations: timed rounds; 0 is one pass over all batches.
        threads: of torch; None leaves them as they are, or takes as many as an instance has cores.
        interop_threads: of torch in instances, see `torch.set_num_interop_threads`.
        cores_per_instance, num_of_instance: see `place_instances`; None for both times in this process, unless
            `interop_threads` or `environment` need another.
        memory: also measure memory and load time, in processes of their own.
        pad_to: pad all batches to so many tokens; 0 leaves them as they were collated.
        fixed_length: take rows of so many random tokens instead; 0 takes the text.
        environment: further variables for instances.

    Raises:
        NCTrainerError: a number is out of range, or `pad_to` and `fixed_length` are both given.
    """

    warmup: int = 5
    iterations: int = 100
    threads: int | None = None
    interop_threads: int | None = None
    cores_per_instance: int | None = None
    num_of_instance: int | None = None
    memory: bool = False
    pad_to: int = 0
    fixed_length: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("warmup", "iterations", "pad_to", "fixed_length"):
            if getattr(self, name) < 0:
                raise NCTrainerError(f"benchmark: {name} is {getattr(self, name)}, expected 0 or more.")
        for name in ("threads", "interop_threads", "cores_per_instance", "num_of_instance"):
            value = getattr(self, name)
            fits = name == "num_of_instance" and value == AS_MANY_AS_FIT
            if value is not None and value < 1 and not fits:
                raise NCTrainerError(f"benchmark: {name} is {value}, expected 1 or more.")
        if self.pad_to and self.fixed_length:
            raise NCTrainerError("benchmark: pad_to and fixed_length are both given; expected one of them.")

    @property
    def placement(self) -> Placement | None:
        """The cores of the instances, None where everything is timed in this process.

        Raises:
            NCTrainerError: there are not so many cores.
        """
        needing = (self.num_of_instance, self.cores_per_instance, self.interop_threads, self.environment or None)
        if all(value is None for value in needing):
            return None
        return place_instances(self.num_of_instance, self.cores_per_instance)
