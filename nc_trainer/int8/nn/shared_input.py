"""Linear layers that are given the same tensor, one after the other, and are computed in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nc_trainer.int8.nn.taken_over import version_of
from nc_trainer.int8.ops import int8_linears

if TYPE_CHECKING:
    from nc_trainer.int8.nn.linear import Int8Linear


class SharedInput:
    """Computes all members when the first is called, and hands the others theirs when they come with the same tensor.

    A member that comes with another tensor, or with one that was changed since, is computed on its own; members that
    compute other rows of it are computed apart.

    Args:
        members: in the order in which the model calls them; none takes an activation over.
    """

    def __init__(self, members: Sequence[Int8Linear]) -> None:
        self.members = tuple(members)
        # One attribute, replaced as a whole: threads that run the same model get a wrong `x`, never a wrong output.
        self._waiting: tuple[Tensor, int, dict[Int8Linear, Tensor]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What waits for other members stays in its process."""
        return {**vars(self), "_waiting": None}

    def output_of(self, member: Int8Linear, x: Tensor) -> Tensor:
        """What `member` returns for `x`."""
        waiting = self._waiting
        if waiting is not None and waiting[0] is x and waiting[1] == version_of(x) and member in waiting[2]:
            output = waiting[2].pop(member)
            if not waiting[2]:
                self._waiting = None
            return output
        rows = member.rows_of(x)
        together = [linear for linear in self.members if linear.rows_of(x) is rows]
        if member is not together[0]:
            return member.compute(x)
        first, *others = int8_linears(
            x,
            [linear.stored for linear in together],
            [linear.scale for linear in together],
            [linear.bias for linear in together],
            rows=rows,
        )
        self._waiting = (x, version_of(x), dict(zip(together[1:], others, strict=True))) if others else None
        return first
