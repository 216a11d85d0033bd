"""A linear layer whose weights are packed answers everything as before."""

import copy
import io

import pytest
import torch
from torch import nn

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.ops import quantize_rows
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.packing import is_packed
from nc_trainer.int8.quantize import ModuleSwapper, finish_loaded, swap_in_empty_modules

pytestmark = pytest.mark.skipif(native.unavailable_reason() is not None, reason="only the native engine packs weights")


@pytest.fixture(autouse=True)
def native_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NC_TRAINER_ENGINE", "native")


def both_forms(inputs: int = 100, outputs: int = 30) -> tuple[Int8Linear, Int8Linear]:
    """The same layer, plain and packed."""
    torch.manual_seed(0)
    plain = Int8Linear.from_float(nn.Linear(inputs, outputs)).eval()
    packed = copy.deepcopy(plain)
    packed.pack_weights()
    assert not is_packed(plain.stored)
    assert is_packed(packed.stored)
    return plain, packed


def test_outputs_have_the_same_bits() -> None:
    plain, packed = both_forms()
    x = torch.randn(5, 100)
    assert torch.equal(packed(x), plain(x))


def test_state_dict_holds_the_plain_codes() -> None:
    plain, packed = both_forms()
    expected, found = plain.state_dict(), packed.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("assign", [True, False])
def test_a_state_dict_is_loaded_and_packed(assign: bool) -> None:
    _, packed = both_forms()
    torch.manual_seed(1)
    other = Int8Linear.from_float(nn.Linear(100, 30))
    packed.load_state_dict(other.state_dict(), assign=assign)
    assert is_packed(packed.stored)
    assert torch.equal(packed.qweight, other.qweight)


def test_new_codes_replace_the_packed_ones() -> None:
    plain, packed = both_forms()
    packed.qweight = -plain.qweight
    plain.qweight = -plain.qweight
    x = torch.randn(5, 100)
    assert torch.equal(packed(x), plain(x))


def test_weight_is_int8_of_the_layers_shape() -> None:
    plain, packed = both_forms()
    assert (packed.weight.shape, packed.weight.dtype) == (plain.weight.shape, torch.int8)
    assert packed.weight.data_ptr() == packed.stored.data_ptr()


def test_copies_and_pickles_stay_packed() -> None:
    plain, packed = both_forms()
    file = io.BytesIO()
    torch.save(packed, file)
    file.seek(0)
    x = torch.randn(5, 100)
    for copied in (copy.deepcopy(packed), torch.load(file, weights_only=False)):
        assert is_packed(copied.stored)
        assert torch.equal(copied(x), plain(x))


@pytest.mark.parametrize("engine", ["reference", "onednn"])
def test_another_engine_computes_with_packed_weights(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = both_forms()
    x = torch.randn(5, 100)
    expected = plain(x)
    monkeypatch.setenv("NC_TRAINER_ENGINE", engine)
    assert torch.equal(packed(x), expected)


@pytest.mark.slow
def test_compiled_and_eager_return_the_same_bits() -> None:
    _, packed = both_forms()
    x = torch.randn(5, 100)
    with torch.no_grad():
        assert torch.equal(torch.compile(packed, fullgraph=True)(x), packed(x))


@pytest.mark.parametrize("loaded", [False, True], ids=["quantized", "loaded"])
def test_a_model_packs_its_linear_layers_and_saves_them_plain(loaded: bool) -> None:
    model = nn.Sequential(nn.Linear(70, 48), nn.ReLU(), nn.Linear(48, 32)).eval()
    recipe = Recipe(dict.fromkeys(("0", "2"), Precision.INT8_DYNAMIC))
    expected = {name: quantize_rows(model.state_dict()[f"{name}.weight"])[0] for name in recipe.modules}
    ModuleSwapper(model).apply(recipe)
    if loaded:
        state = model.state_dict()
        model = nn.Sequential(nn.Linear(70, 48), nn.ReLU(), nn.Linear(48, 32)).eval()
        swap_in_empty_modules(model, recipe)
        model.load_state_dict(state)
        finish_loaded(model, recipe)
    assert [is_packed(module.stored) for module in model.modules() if isinstance(module, Int8Linear)] == [True, True]
    assert all(torch.equal(model.state_dict()[f"{name}.qweight"], codes) for name, codes in expected.items())


def test_a_layer_that_packing_would_more_than_double_stays_plain() -> None:
    head = Int8Linear.from_float(nn.Linear(64, 2))
    head.pack_weights()
    assert not is_packed(head.stored)
