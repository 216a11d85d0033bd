"""Where modules stand in the network, by their names."""

import pytest
from helpers.architectures import CONFIGS, small

from nc_trainer.int8.quantize import quantizable_modules
from nc_trainer.report.page.grid import Place, grids, place_of
from nc_trainer.report.page.pareto import pareto_front
from nc_trainer.report.page.svg import Scale


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("bert.encoder.layer.3.output.dense", Place("bert.encoder", (3,), "layer.output.dense")),
        ("funnel.encoder.blocks.1.0.ffn.linear_1", Place("funnel.encoder", (1, 0), "blocks.ffn.linear_1")),
        ("transformer.h.2.ffn.0", Place("transformer", (2,), "h.ffn.0")),
        ("bert.pooler.dense", None),
        ("classifier", None),
        ("layers.0", None),
    ],
)
def test_the_first_number_is_the_layer(name: str, place: Place | None) -> None:
    assert place_of(name) == place


def test_lists_side_by_side_make_one_stack() -> None:
    (grid,), others = grids(["t.attentions.0.q_lin", "t.ffns.0.lin1", "t.attentions.1.q_lin", "t.ffns.1.lin1", "head"])
    assert grid.kinds == ("attentions.q_lin", "ffns.lin1")
    assert list(grid.rows) == [(0,), (1,)]
    assert others == ["head"]


@pytest.mark.parametrize("name", CONFIGS, ids=str)
def test_every_module_has_one_place(name: str) -> None:
    names = list(quantizable_modules(small(name)))
    found, others = grids(names)
    placed = [module for grid in found for row in grid.rows.values() for module in row.values()]
    assert sorted(placed + others) == sorted(names)


def test_the_front_is_what_nothing_beats() -> None:
    assert pareto_front([(1.0, 0.9), (2.0, 0.8), (1.5, 0.7), (2.0, 0.8), (0.5, 0.9)]) == [0, 1]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.876, 0.886, [0.876, 0.878, 0.88, 0.882, 0.884, 0.886])],
    ids=["one", "small"],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Scale(low, high, 0, 100).ticks() == pytest.approx(ticks)
