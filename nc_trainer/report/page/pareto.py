"""Which trials no other beats in both directions."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other point is better than in one coordinate and no worse than in the other.

    Larger is better in both. In the order of the first coordinate; of equal points only the first.
    """
    order = sorted(range(len(points)), key=lambda index: (-points[index][0], -points[index][1]))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front[::-1]
