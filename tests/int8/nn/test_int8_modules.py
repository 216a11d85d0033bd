import gc

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from nc_trainer import TrainingRefusedError
from nc_trainer.int8.nn import KINDS, Int8Embedding, Int8Linear
from nc_trainer.int8.ops import dequantize_rows, quantize_rows, use_engine
from nc_trainer.int8.ops.engines import native


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_linear_computes_with_dequantized_weights_and_activations(bias: bool) -> None:
    linear = nn.Linear(16, 8, bias=bias)
    x = torch.randn(5, 16)
    module = Int8Linear.from_float(linear).eval()
    weight = dequantize_rows(module.qweight, module.scale)
    expected = nn.functional.linear(dequantize_rows(*quantize_rows(x)), weight, linear.bias)
    torch.testing.assert_close(module(x), expected)


def test_linear_is_close_to_its_float_module() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(256, 64), torch.randn(32, 256)
    with torch.no_grad():
        error = (Int8Linear.from_float(linear).eval()(x) - linear(x)).square().mean()
        assert float(error) < 1e-3 * float(linear(x).square().mean())


def test_embedding_looks_up_dequantized_rows() -> None:
    embedding = nn.Embedding(10, 6, padding_idx=0)
    module = Int8Embedding.from_float(embedding).eval()
    ids = torch.tensor([[3, 0], [9, 3]])
    assert torch.equal(module(ids), dequantize_rows(module.qweight, module.scale)[ids])
    assert torch.equal(module(ids)[0, 1], torch.zeros(6))


@pytest.mark.parametrize(
    ("float_module", "keys"),
    [
        (nn.Linear(4, 2), ["qweight", "scale", "bias"]),
        (nn.Linear(4, 2, bias=False), ["qweight", "scale"]),
        (nn.Embedding(4, 2), ["qweight", "scale"]),
    ],
    ids=["linear", "linear-no-bias", "embedding"],
)
def test_state_is_plain_buffers(float_module: nn.Module, keys: list[str]) -> None:
    module = KINDS[type(float_module)].from_float(float_module)
    assert list(module.state_dict()) == keys
    assert list(module.parameters()) == []
    assert module.qweight.dtype == torch.int8


def test_the_weight_is_int8_for_models_that_read_its_dtype() -> None:
    """T5 casts the input of a layer to the dtype of its weight, but for int8; and it asks in every forward pass."""
    module = Int8Linear.from_float(nn.Linear(8, 4))
    assert module.weight is module.qweight


def test_conv1d_is_a_linear_layer_the_other_way_round() -> None:
    conv, linear = Conv1D(4, 8), nn.Linear(8, 4)
    linear.weight.data, linear.bias.data = conv.weight.data.t().clone(), conv.bias.data
    x = torch.randn(3, 8)
    assert torch.equal(KINDS[Conv1D].from_float(conv).eval()(x), Int8Linear.from_float(linear).eval()(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_modules_keep_fp32_scales(dtype: torch.dtype) -> None:
    module = Int8Linear.from_float(nn.Linear(8, 4).to(dtype)).eval()
    assert module.scale.dtype == torch.float32
    assert module(torch.ones(2, 8, dtype=dtype)).dtype == dtype


def test_training_is_refused() -> None:
    module = Int8Linear.from_float(nn.Linear(4, 2)).train()
    with pytest.raises(TrainingRefusedError, match="cannot be trained"):
        module(torch.ones(1, 4))


def test_training_mode_without_gradients_computes() -> None:
    module = Int8Linear.from_float(nn.Linear(4, 2)).train()
    with torch.no_grad():
        assert module(torch.ones(1, 4)).shape == (1, 2)


def test_torch_compile_sees_one_graph() -> None:
    module = Int8Linear.from_float(nn.Linear(8, 4)).eval()
    x = torch.randn(3, 8)
    with torch.no_grad():
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        assert torch.equal(compiled(x), module(x))


def test_torch_export_sees_one_node() -> None:
    module = Int8Linear.from_float(nn.Linear(8, 4)).eval()
    with torch.no_grad():
        graph = torch.export.export(module, (torch.randn(3, 8),)).graph
    assert sum("int8_linear" in str(node.target) for node in graph.nodes) == 1


def test_weights_at_rest_take_little_more_than_their_codes() -> None:
    module = Int8Linear.from_float(nn.Linear(768, 768)).eval()
    assert sum(tensor.nbytes for tensor in module.state_dict().values()) <= 1.1 * module.qweight.numel()
    with use_engine("native" if native.unavailable_reason() is None else "reference"), torch.no_grad():
        before = int8_tensors()
        module(torch.randn(40, 768))
        assert int8_tensors() == before


def int8_tensors() -> set[int]:
    """Where the data of all int8 tensors lies that Python knows of."""
    tensors = (found for found in gc.get_objects() if type(found) is torch.Tensor)
    return {tensor.data_ptr() for tensor in tensors if tensor.dtype == torch.int8}
