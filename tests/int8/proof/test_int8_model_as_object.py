"""An int8 model is an ordinary object: pickled, copied, given to processes, watched with hooks, and not cast."""

import copy
import io
import multiprocessing
import pickle
from collections.abc import Callable

import pytest
import torch
from helpers.tiny import tiny_bert
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

IDS = torch.tensor([[5, 6, 7, 8, 9, 2], [10, 11, 2, 0, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}


@torch.no_grad()
def answer(model: nn.Module) -> Tensor:
    return model(**INPUTS).logits


@pytest.fixture(params=["float32", "bfloat16"])
def model(request: pytest.FixtureRequest) -> BertForSequenceClassification:
    """Quantized, and called before anything is done with it."""
    model = tiny_bert()
    swapper = ModuleSwapper(model)
    recipe = proven(swapper, full_recipe(model).with_rest_in(request.param), INPUTS).recipe
    assert recipe.padding == "skip"
    assert recipe.activations
    assert recipe.shared_inputs
    swapper.apply(recipe)
    answer(model)
    return model


def unpickled(model: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(model))  # noqa: S301


def saved_by_torch(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, unpickled, saved_by_torch])
def test_a_copy_answers_alike_and_does_not_lean_on_the_original(
    model: BertForSequenceClassification, copied: Callable[[nn.Module], nn.Module]
) -> None:
    expected = answer(model)
    other = copied(model)
    model.classifier.qweight.zero_()
    assert torch.equal(answer(other), expected)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_answers_alike(model: BertForSequenceClassification, method: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # torch's own threads do not survive a fork
    try:
        with multiprocessing.get_context(method).Pool(1) as pool:
            found = pool.apply_async(answer_bytes, (pickle.dumps(model),)).get(timeout=60)
    finally:
        torch.set_num_threads(threads)
    assert found == answer(model).numpy().tobytes()


def answer_bytes(pickled: bytes) -> bytes:
    return answer(pickle.loads(pickled)).numpy().tobytes()  # noqa: S301


@pytest.mark.parametrize("name", ["bert.encoder.layer.0.intermediate.dense", "bert.pooler.activation", "classifier"])
def test_hooks_see_what_they_saw_in_float(name: str) -> None:
    model, seen = tiny_bert(), []
    model.get_submodule(name).register_forward_hook(lambda module, args, output: seen.append(output.clone()))
    expected = answer(model)
    in_float = seen.pop()
    swapper = ModuleSwapper(model)
    swapper.apply(proven(swapper, full_recipe(model), INPUTS).recipe)
    seen.clear()
    answer(model)
    assert len(seen) == 1
    real = INPUTS["attention_mask"].bool()
    a, b = (seen[0][real], in_float[real]) if in_float.dim() == 3 else (seen[0], in_float)
    assert float((a - b).abs().max()) < 0.2 * float(in_float.abs().max())
    swapper.restore()
    assert torch.equal(answer(model), expected)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "cast",
    [
        lambda m: m.to(torch.bfloat16), lambda m: m.bfloat16(), lambda m: m.half(), lambda m: m.double(),
        lambda m: m.to(torch.float16), lambda m: m.to("meta"), lambda m: m.bert.to(torch.float64),
    ],
)  # fmt: skip
def test_a_cast_is_one_error_and_changes_nothing(
    model: BertForSequenceClassification, cast: Callable[[nn.Module], nn.Module]
) -> None:
    expected = answer(model)
    before = {key: value.dtype for key, value in model.state_dict().items()}
    with pytest.raises(QuantizationError, match="int8"):
        cast(model)
    assert {key: value.dtype for key, value in model.state_dict().items()} == before
    assert torch.equal(answer(model), expected)


def test_what_changes_nothing_is_allowed(model: BertForSequenceClassification) -> None:
    expected = answer(model)
    assert torch.equal(answer(model.to("cpu").cpu().eval().requires_grad_(False)), expected)
