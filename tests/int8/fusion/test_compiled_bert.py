"""torch.compile and torch.export see an int8 BERT as one graph, fusions included."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny import tiny_bert
from transformers import PreTrainedModel

from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

BATCH = {
    "input_ids": torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
}


def int8_bert(float_dtype: str) -> PreTrainedModel:
    model = tiny_bert()
    recipe = with_fusions(model, full_recipe(model).with_rest_in(float_dtype), [BATCH])
    ModuleSwapper(model).apply(replace(recipe, padding="skip"))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
def test_one_graph_without_breaks_returns_the_bits_of_eager(float_dtype: str) -> None:
    model = int8_bert(float_dtype)
    calls: list[int] = []

    def count(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        calls.append(sum("int8_linears" in str(node.target) for node in graph.graph.nodes))
        return graph

    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, backend=count)
        assert torch.equal(compiled(**BATCH).logits, model(**BATCH).logits)
    # Of 14 linear layers, query, key and value of each of two blocks are one call. What the model returns is cast to
    # float32 in a graph of its own.
    assert [count for count in calls if count] == [10]


def test_an_exported_model_returns_the_bits_of_eager() -> None:
    model = int8_bert("bfloat16")
    with torch.no_grad():
        exported = torch.export.export(model, (), dict(BATCH))
        assert torch.equal(exported.module()(**BATCH).logits, model(**BATCH).logits)
