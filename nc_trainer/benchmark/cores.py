"""Which cores each instance gets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from nc_trainer.benchmark.machine import available_processors
from nc_trainer.errors import NCTrainerError
from nc_trainer.int8.ops.hardware import read_processors

AS_MANY_AS_FIT = -1


@dataclass(frozen=True)
class Placement:
    """Instances that run at the same time, each pinned to cores of its own.

    `cores` has the numbers of the logical processors of each instance, one for each of its physical cores.
    """

    cores: tuple[tuple[int, ...], ...]

    @property
    def cores_per_instance(self) -> int:
        """The same for all."""
        return len(self.cores[0])


def place_instances(num_of_instance: int | None, cores_per_instance: int | None) -> Placement:
    """Give instances their cores, in order, neighbours on the same socket.

    Args:
        num_of_instance: how many; None is 1, AS_MANY_AS_FIT what its name says.
        cores_per_instance: how many physical cores each; None shares out all there are.

    Raises:
        NCTrainerError: more cores are asked for than this process may use, or processes cannot be pinned here.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise NCTrainerError("Instances are pinned to cores, which this system cannot do; leave the option out.")
    usable = physical_processors(read_processors(), available_processors())
    count = 1 if num_of_instance is None else num_of_instance
    if count == AS_MANY_AS_FIT:
        count = max(1, len(usable) // (cores_per_instance or 1))
    each = cores_per_instance or max(1, len(usable) // count)
    if count * each > len(usable):
        raise NCTrainerError(
            f"num_of_instance {count} with cores_per_instance {each} needs {count * each} cores; this process may use "
            f"{len(usable)} (hyper-threads of one core count once). Ask for fewer."
        )
    return Placement(tuple(usable[number * each : (number + 1) * each] for number in range(count)))


def physical_processors(processors: list[dict[str, str]], available: frozenset[int]) -> tuple[int, ...]:
    """The first available logical processor of each physical core, ordered by socket and core.

    Where /proc/cpuinfo does not name cores, every logical processor counts as one.
    """
    first: dict[tuple[int, int], int] = {}
    for fields in sorted(processors, key=_number):
        number = _number(fields)
        if number in available and "core id" not in fields:
            return tuple(sorted(available))
        if number in available:
            first.setdefault((int(fields.get("physical id", 0)), int(fields["core id"])), number)
    return tuple(first[core] for core in sorted(first)) or tuple(sorted(available))


def _number(fields: Mapping[str, str]) -> int:
    return int(fields.get("processor", -1))
