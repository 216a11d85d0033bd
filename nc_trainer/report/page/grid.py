"""Where modules stand in the network: layers by their numbers, and what a module is within its layer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """`stack` holds numbered layers, `layer` is the number in it, `kind` what is the same in all of them."""

    stack: str
    layer: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class Grid:
    """One stack of layers: names of modules by layer and kind."""

    stack: str
    kinds: tuple[str, ...]
    rows: dict[tuple[int, ...], dict[str, str]]


_NUMBERED = re.compile(r"(?P<list>[^.]+)\.(?P<layer>\d+(?:\.\d+)*)(?:\.(?P<rest>.+))?$")


def place_of(name: str) -> Place | None:
    """The place of a module by its name, None outside of numbered layers.

    `bert.encoder.layer.3.output.dense` is `output.dense` in layer 3 of `bert.encoder`. Lists that stand side by side,
    as XLM's `attentions` and `ffns`, make one stack: then the list belongs to the kind.
    """
    parent, _, _ = name.rpartition(".")
    parts = name.split(".")
    first = next((index for index, part in enumerate(parts) if part.isdigit()), None)
    if not parent or not first:
        return None
    match = _NUMBERED.match(".".join(parts[first - 1 :]))
    if match is None or match["rest"] is None:
        return None
    layer = tuple(int(number) for number in match["layer"].split("."))
    return Place(".".join(parts[: first - 1]), layer, f"{match['list']}.{match['rest']}")


def grids(names: Iterable[str]) -> tuple[list[Grid], list[str]]:
    """The stacks of a network, in its order, and the modules that are in none."""
    stacks: dict[str, dict[tuple[int, ...], dict[str, str]]] = {}
    others = []
    for name in names:
        place = place_of(name)
        if place is None:
            others.append(name)
        else:
            stacks.setdefault(place.stack, {}).setdefault(place.layer, {})[place.kind] = name
    return [_grid(stack, rows) for stack, rows in stacks.items()], others


def _grid(stack: str, rows: dict[tuple[int, ...], dict[str, str]]) -> Grid:
    kinds = tuple(dict.fromkeys(kind for row in rows.values() for kind in row))
    lists = {kind.split(".")[0] for kind in kinds}
    if len(lists) > 1:
        return Grid(stack, kinds, rows)
    only = f"{lists.pop()}."
    short = {layer: {kind.removeprefix(only): name for kind, name in row.items()} for layer, row in rows.items()}
    return Grid(f"{stack}.{only[:-1]}".strip("."), tuple(kind.removeprefix(only) for kind in kinds), short)
