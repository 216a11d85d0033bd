"""PEFT adapters, merged into the model that they were trained beside."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert, tiny_tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from nc_trainer import CheckpointError, NCTrainerError
from nc_trainer.hub import merge_adapters

# peft 0.21 reads an attribute that transformers 5 has given another name, whoever calls it.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

peft = pytest.importorskip("peft", reason="peft is not installed")

IDS = torch.tensor([[3, 4, 5, 6]])
KINDS = {
    "LoRA": {"cls": "LoraConfig", "target_modules": ["query", "value"], "init_lora_weights": False},
    "DoRA": {"cls": "LoraConfig", "target_modules": ["query"], "init_lora_weights": False, "use_dora": True},
    "IA3": {
        "cls": "IA3Config",
        "target_modules": ["key", "value"],
        "feedforward_modules": [],
        "init_ia3_weights": False,
    },
    "LoHa": {"cls": "LoHaConfig", "target_modules": ["query", "value"], "init_weights": False},
}


def base(directory: Path) -> Path:
    """A model with 2 labels whose head adapters do not use."""
    tiny_bert(num_labels=2).save_pretrained(directory / "base")
    tiny_tokenizer().save_pretrained(directory / "base")
    return directory / "base"


def adapted(directory: Path, kind: str = "LoRA", **changes: Any) -> Any:
    """A model with 3 labels with adapters; its head is saved beside them."""
    model = AutoModelForSequenceClassification.from_pretrained(
        base(directory), num_labels=3, ignore_mismatched_sizes=True
    )
    settings = {"task_type": "SEQ_CLS", **KINDS[kind], **changes}
    made = peft.get_peft_model(model, getattr(peft, settings.pop("cls"))(**settings)).eval()
    made.save_pretrained(directory / "adapters")
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_merged_model_computes_what_the_adapted_one_does(tmp_path: Path, kind: str) -> None:
    model = adapted(tmp_path, kind)
    expected = logits(model, input_ids=IDS)
    place = merge_adapters(tmp_path / "adapters", tmp_path / "merged")
    merged = AutoModelForSequenceClassification.from_pretrained(place)
    assert merged.config.num_labels == 3
    torch.testing.assert_close(logits(merged, input_ids=IDS), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits(model.unload(), input_ids=IDS), expected, atol=1e-3)
    assert torch.equal(logits(merged, input_ids=IDS), logits(peft_merged(tmp_path), input_ids=IDS))


def peft_merged(directory: Path) -> Any:
    """As PEFT's documentation merges."""
    model = AutoModelForSequenceClassification.from_pretrained(
        directory / "base", num_labels=3, ignore_mismatched_sizes=True
    )
    return peft.PeftModel.from_pretrained(model, directory / "adapters").merge_and_unload().eval()


def test_the_tokenizer_of_the_base_comes_with_it(tmp_path: Path) -> None:
    adapted(tmp_path)
    merge_adapters(tmp_path / "adapters", tmp_path / "merged")
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").get_vocab() == tiny_tokenizer().get_vocab()


def test_the_base_may_have_moved(tmp_path: Path) -> None:
    adapted(tmp_path)
    (tmp_path / "base").rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match=r"cannot be loaded: .*Say where it is: `--merge_adapters DIRECTORY`"):
        merge_adapters(tmp_path / "adapters", tmp_path / "merged")
    merge_adapters(tmp_path / "adapters", tmp_path / "merged", tmp_path / "moved")
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").config.num_labels == 3


def another_base(directory: Path) -> None:
    tiny_bert(num_labels=3, num_hidden_layers=1).save_pretrained(directory / "base")


def wider_base(directory: Path) -> None:
    tiny_bert(num_labels=3, hidden_size=64).save_pretrained(directory / "base")


def pickled(directory: Path) -> None:
    (directory / "adapters" / "adapter_model.safetensors").rename(directory / "adapters" / "adapter_model.bin")


def cut(directory: Path) -> None:
    path = directory / "adapters" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def a_broken_config(directory: Path) -> None:
    (directory / "adapters" / "adapter_config.json").write_text("{")


def no_config(directory: Path) -> None:
    (directory / "adapters" / "adapter_config.json").unlink()


def unknown_task(directory: Path) -> None:
    path = directory / "adapters" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task_type": None}))
    path = directory / "base" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"architectures": None}))


FAULTS = {
    "fewer layers": (another_base, "do not fit the model"),
    "wider layers": (wider_base, "do not fit the model|cannot be loaded"),
    "a pickle": (pickled, "nothing is unpickled"),
    "a cut file": (cut, "damaged or truncated"),
    "a broken config": (a_broken_config, "adapter_config.json cannot be read"),
    "no config": (no_config, "holds no PEFT adapters"),
    "a task that is not named": (unknown_task, "task_type is None"),
}


@pytest.mark.parametrize(("spoil", "message"), FAULTS.values(), ids=FAULTS)
def test_what_does_not_fit_is_one_error_and_nothing_is_written(tmp_path: Path, spoil: Any, message: str) -> None:
    adapted(tmp_path)
    spoil(tmp_path)
    with pytest.raises(CheckpointError, match=message) as error:
        merge_adapters(tmp_path / "adapters", tmp_path / "merged")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "merged" / "model.safetensors").exists()


def test_a_head_that_nobody_saved_is_an_error(tmp_path: Path) -> None:
    tiny_bert().bert.save_pretrained(tmp_path / "headless")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "headless", num_labels=3)
    config = peft.LoraConfig(target_modules=["query"])
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapters")
    path = tmp_path / "adapters" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task_type": "SEQ_CLS"}))
    with pytest.raises(CheckpointError, match=r"classifier.bias, classifier.weight are neither in .* nor beside"):
        merge_adapters(tmp_path / "adapters", tmp_path / "merged")


def test_prompts_cannot_be_merged(tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(base(tmp_path))
    config = peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2)
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapters")
    with pytest.raises(NCTrainerError, match="learns inputs, not weights"):
        merge_adapters(tmp_path / "adapters", tmp_path / "merged")
