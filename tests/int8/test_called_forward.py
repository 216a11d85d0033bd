"""A model gives the same whether it is called or its `forward` is, as sentence-transformers does."""

import copy
import inspect
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import config, tiny_bert, tiny_trainer
from torch import Tensor
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from nc_trainer.int8.called_forward import call_for_forward
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

BATCH = {
    "input_ids": torch.tensor([[3, 4, 5, 6, 7], [8, 9, 0, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]),
}


def quantized(tmp_path: Path) -> Any:
    trainer = tiny_trainer(tmp_path)
    trainer.quantize(config())
    trainer.save_model()
    return trainer.model


def both(model: Any) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return model(**BATCH).logits, model.forward(**BATCH).logits


def assert_same(model: Any) -> None:
    called, forwarded = both(model)
    assert forwarded.dtype == torch.float32
    assert torch.equal(called, forwarded)


def test_of_a_model_quantized_here_loaded_copied_and_pickled(tmp_path: Path) -> None:
    model = quantized(tmp_path)
    assert model.bert.encoder.layer[0].intermediate.dense.token_wise, "hooks have nothing to do"
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    for one in (model, loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(loaded))):  # noqa: S301
        assert_same(one)
        assert torch.equal(both(one)[0], both(model)[0])


def test_a_copy_calls_itself(tmp_path: Path) -> None:
    model = quantized(tmp_path)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        torch.nn.init.zeros_(copied.bert.embeddings.word_embeddings.weight)
        called, forwarded = both(copied)
        assert torch.equal(called, forwarded)
        assert not torch.equal(called, both(model)[0])


def test_hooks_run_once(tmp_path: Path) -> None:
    model, calls = quantized(tmp_path), []
    model.register_forward_hook(lambda *args: calls.append(1))
    both(model)
    assert len(calls) == 2


def test_hooks_run_after_an_error(tmp_path: Path) -> None:
    model = quantized(tmp_path)
    with pytest.raises(IndexError):
        model.forward(input_ids=torch.tensor([[10**6]]))
    assert_same(model)


def test_each_thread_calls_for_itself(tmp_path: Path) -> None:
    model, found = quantized(tmp_path), []
    threads = [threading.Thread(target=lambda: found.append(both(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = both(model)[0]
    assert len(found) == 8
    assert all(torch.equal(expected, one) for pair in found for one in pair)


def test_the_signature_stays(tmp_path: Path) -> None:
    model = quantized(tmp_path)
    assert inspect.signature(model.forward) == inspect.signature(BertForSequenceClassification.forward.__get__(model))


def test_past_the_recompile_limit_it_runs_uncompiled() -> None:
    labelled = {**BATCH, "labels": torch.tensor([0, 1])}
    with torch._dynamo.config.patch(recompile_limit=1), torch.no_grad():
        for problem_type in ("single_label_classification", None):
            model = tiny_bert()
            expected = model(**labelled).logits
            call_for_forward(model)
            model.compile(backend="eager")
            model.config.problem_type = problem_type
            assert torch.equal(model(**labelled).logits, expected)
    torch.compiler.reset()


def test_it_is_undone(tmp_path: Path) -> None:
    model = tiny_bert()
    swapper = ModuleSwapper(model)
    swapper.apply(full_recipe(model))
    assert "forward" in vars(model)
    swapper.restore()
    assert "forward" not in vars(model)


def test_a_forward_of_its_own_is_kept() -> None:
    model = tiny_bert()
    original, seen = model.forward, []

    def own(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return original(*args, **kwargs)

    model.forward = own
    swapper = ModuleSwapper(model)
    swapper.apply(full_recipe(model))
    both(model)
    swapper.restore()
    assert len(seen) == 2
    assert model.forward is own
