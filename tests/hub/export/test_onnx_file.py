"""Which nodes of an exported graph compute which module."""

import logging

import pytest

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.export.onnx_file import products_of

NODES = [
    "/model/bert/layer.1/query/MatMul",
    "/model/bert/layer.10/query/MatMul",
    "/model/bert/layer.1/MatMul",
    "/model/h.0/ffn/ffn.0/MatMul",
    "/model/h.0/ffn/ffn.2/MatMul",
    "/model/shared/MatMul",
    "/model/shared/MatMul_1",
    "/model/classifier/Gemm",
]


@pytest.mark.parametrize(
    ("module", "nodes"),
    [
        ("bert.layer.1.query", ["/model/bert/layer.1/query/MatMul"]),
        ("h.0.ffn.2", ["/model/h.0/ffn/ffn.2/MatMul"]),
        ("shared", ["/model/shared/MatMul", "/model/shared/MatMul_1"]),
        ("classifier", ["/model/classifier/Gemm"]),
    ],
)
def test_a_module_has_the_products_of_its_own_scope(module: str, nodes: list[str]) -> None:
    assert products_of([module], NODES) == nodes


def test_a_module_without_a_product_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="nc_trainer"):
        assert products_of(["bert.layer.1.rel_attn.q", "classifier"], NODES) == ["/model/classifier/Gemm"]
    assert "left in float: bert.layer.1.rel_attn.q" in caplog.text


def test_names_that_match_nothing_are_an_error() -> None:
    with pytest.raises(NCTrainerError, match="no matrix product of any int8 module"):
        products_of(["bert.layer.2.query"], NODES)


def test_a_recipe_without_int8_modules_has_no_nodes() -> None:
    assert products_of([], NODES) == []
