"""Models whose family goes through transformers' AttentionInterface compute attention in our kernels, and back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from helpers.architectures import CONFIGS, small
from helpers.tiny import tiny_bert
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from nc_trainer.int8.nn import attention_interface as implementation
from nc_trainer.int8.nn.attention_interface import NAME, restore_attention, use_native_attention
from nc_trainer.int8.ops.attention import native_instruction_set

THROUGH_THE_INTERFACE = {"bart", "gpt2", "mbart"}
if int(transformers.__version__.split(".")[0]) >= 5:
    THROUGH_THE_INTERFACE |= {"albert", "bert", "ctrl", "distilbert", "roberta", "xlm-roberta"}
NOT_THROUGH = set(CONFIGS) - THROUGH_THE_INTERFACE
# Rows of 9, 6 and 2 tokens; 1 is padding, and 2 ends a sequence once for BART.
IDS = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12, 2], [9, 10, 11, 12, 13, 2, 1, 1, 1], [9, 2, 1, 1, 1, 1, 1, 1, 1]])
native_only = pytest.mark.skipif(native_instruction_set() is None, reason="no bf16 attention kernels here")


def logits(model: PreTrainedModel, rows: Tensor = IDS) -> Tensor:
    with torch.no_grad():
        return model(input_ids=rows, attention_mask=(rows != 1).long()).logits


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """For each call of the implementation whether the kernels computed it; each is compared with fp32."""
    native: list[bool] = []
    choose = implementation._operator

    def note() -> Any:
        native[-1] = True
        return choose()

    def spy(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **kwargs: Any) -> Any:
        native.append(False)
        y, weights = implementation.attention_forward(module, query, key, value, mask, **kwargs)
        fp32 = [t.float() for t in (query, key, value)]
        exact, _ = AttentionInterface()["sdpa"](module, *fp32, _float(mask), **kwargs)
        magnitude = value.float().abs().amax()
        assert bool(
            ((y.float() - exact).abs() <= 2**-7 * magnitude).all()
        )  # probabilities and result, rounded to bf16
        assert y.is_contiguous()
        return y, weights

    monkeypatch.setattr(implementation, "_operator", note)
    AttentionInterface.register(NAME, spy)
    yield native
    AttentionInterface.register(NAME, implementation.attention_forward)


def _float(mask: Tensor | None) -> Tensor | None:
    return mask if mask is None or mask.dtype == torch.bool else mask.float()


@native_only
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("rows", [IDS, IDS[:1]], ids=["padded", "full"])
@pytest.mark.parametrize("name", sorted(THROUGH_THE_INTERFACE - {"ctrl"}))
def test_attention_of_the_family_is_ours(name: str, rows: Tensor, dtype: torch.dtype, calls: list[bool]) -> None:
    model = small(name).to(dtype)
    assert use_native_attention(model)
    logits(model, rows)
    layers = {"bart": 6, "mbart": 6}.get(name, 2)  # encoder, decoder, and from decoder to encoder
    assert calls == [True] * layers


@pytest.mark.parametrize("name", sorted(NOT_THROUGH))
def test_other_families_are_left_as_they_are(name: str, caplog: pytest.LogCaptureFixture) -> None:
    model = small(name)
    before = model.config._attn_implementation
    assert not use_native_attention(model)
    assert model.config._attn_implementation == before
    assert caplog.records == []


@native_only
@pytest.mark.parametrize("name", sorted(THROUGH_THE_INTERFACE))
def test_restored_attention_has_the_bits_of_before(name: str) -> None:
    model = small(name)
    before = logits(model)
    use_native_attention(model)
    restore_attention(model)
    assert torch.equal(logits(model), before)


def test_an_implementation_that_the_user_chose_is_kept() -> None:
    model = small("gpt2")
    model.set_attn_implementation("eager")
    assert not use_native_attention(model)
    restore_attention(model)
    assert model.config._attn_implementation == "eager"


def test_without_kernels_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implementation, "runs_natively", lambda: False)
    model = small("gpt2")
    assert not use_native_attention(model)
    assert model.config._attn_implementation == "sdpa"


def test_a_module_that_is_no_transformer_has_no_attention_to_replace() -> None:
    model = nn.Linear(2, 2)
    assert not use_native_attention(model)
    restore_attention(model)


@native_only
def test_using_it_twice_is_using_it_once() -> None:
    model = small("gpt2")
    assert use_native_attention(model)
    assert use_native_attention(model)
    restore_attention(model)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": torch.float16},
        {"gradients": True},
        {"dropout": 0.5},
        {"scaling": -1.0},
        {"is_causal": True, "queries": 5},
        {"position_bias": torch.ones(1, 4, 9, 9).bfloat16()},
        {"output_attentions": True},
    ],
    ids=["fp16", "gradients", "dropout", "scale", "more_keys", "position_bias", "output_attentions"],
)
def test_what_the_kernels_do_not_do_is_computed_by_sdpa(change: dict[str, Any]) -> None:
    options = {"scaling": 0.5, "is_causal": False} | change
    dtype, queries = options.pop("dtype", torch.bfloat16), options.pop("queries", 9)
    x = torch.randn(2, 4, 9, 8).to(dtype).requires_grad_(options.pop("gradients", False))

    def outcome(forward: Callable[..., tuple[Tensor, None]]) -> Tensor:
        torch.manual_seed(0)
        return forward(nn.Module(), x[:, :, :queries], x, x, None, **options)[0]

    actual, expected = outcome(implementation.attention_forward), outcome(AttentionInterface()["sdpa"])
    assert torch.equal(actual, expected)
    assert actual.requires_grad == expected.requires_grad


@native_only
def test_the_saved_config_does_not_name_it(tmp_path: Path) -> None:
    model = small("gpt2")
    use_native_attention(model)
    model.save_pretrained(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text()


@native_only
@pytest.mark.skipif("bert" in NOT_THROUGH, reason="BERT goes through the interface from transformers 5")
def test_torch_compile_sees_one_node_and_no_graph_break() -> None:
    model = tiny_bert().bfloat16()
    assert use_native_attention(model)
    nodes: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        nodes.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    compiled = torch.compile(model, backend=backend, fullgraph=True)
    ids, mask = IDS[:2], torch.ones_like(IDS[:2])
    with torch.no_grad():
        actual = compiled(input_ids=ids, attention_mask=mask).logits
        expected = model(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(actual, expected)
    assert sum("nc_trainer.attention" in node for node in nodes) == 2
    assert not any("scaled_dot_product" in node for node in nodes)
