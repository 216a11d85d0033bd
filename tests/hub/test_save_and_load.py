import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import IDS, logits
from helpers.tiny import tiny_bert, tiny_tokenizer, tiny_trainer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    pipeline,
)

from nc_trainer import (
    NCTrainerError,
    OptimizedModel,
    Precision,
    QuantizationError,
    SavingError,
    TrainingRefusedError,
    save_for_huggingface_upstream,
)
from nc_trainer.hub import attach, recipe_of
from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe


def int8_bert(embeddings: bool = False, fallbacks: tuple[str, ...] = ()) -> BertForSequenceClassification:
    model = tiny_bert()
    recipe = full_recipe(model, embeddings=embeddings).with_fallbacks(fallbacks)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


@pytest.fixture
def int8_dir(tmp_path: Path) -> Path:
    save_for_huggingface_upstream(int8_bert(), tiny_tokenizer(), tmp_path / "int8")
    return tmp_path / "int8"


@pytest.mark.parametrize("embeddings", [False, True], ids=["linear", "linear-and-embeddings"])
@pytest.mark.parametrize("fallbacks", [(), ("classifier", "bert.pooler.dense")], ids=["all-int8", "fallbacks"])
@pytest.mark.parametrize("loader", [AutoModelForSequenceClassification, OptimizedModel], ids=["auto", "optimized"])
def test_reload_is_bit_equal(tmp_path: Path, embeddings: bool, fallbacks: tuple[str, ...], loader: Any) -> None:
    model = int8_bert(embeddings, fallbacks)
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = loader.from_pretrained(tmp_path)
    assert type(loaded) is BertForSequenceClassification
    assert torch.equal(logits(loaded), logits(model))
    assert recipe_of(loaded) == recipe_of(model)
    for key, tensor in model.state_dict().items():
        assert loaded.state_dict()[key].dtype == tensor.dtype
        assert torch.equal(loaded.state_dict()[key], tensor)


@pytest.mark.slow
@pytest.mark.parametrize("loader", [AutoModelForSequenceClassification, OptimizedModel])
def test_columns_in_float_are_reloaded_bit_equal(tmp_path: Path, loader: Any) -> None:
    save_for_huggingface_upstream(with_columns(), None, tmp_path)
    loaded = loader.from_pretrained(tmp_path)
    recipe = recipe_of(loaded)
    assert recipe is not None
    assert recipe.float_columns == {"classifier": (1,), "bert.pooler.dense": (0, 7)}
    assert torch.equal(logits(loaded), logits(with_columns()))


@pytest.mark.parametrize("columns", [{}, {"classifier": [1, 2], "bert.pooler.dense": [0, 7]}], ids=["none", "more"])
def test_columns_that_are_not_the_tensors_are_refused(tmp_path: Path, columns: dict[str, list[int]]) -> None:
    save_for_huggingface_upstream(with_columns(), None, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["quantization_config"]["config_digest"]
    config["quantization_config"]["float_columns"] = columns
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(NCTrainerError, match="float_columns"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


def with_columns() -> BertForSequenceClassification:
    model = tiny_bert()
    recipe = full_recipe(model).with_float_columns({"classifier": [1], "bert.pooler.dense": [0, 7]})
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


def test_reload_in_a_fresh_process_is_bit_equal(int8_dir: Path, tmp_path: Path) -> None:
    script = (
        "import sys, torch, nc_trainer\n"
        "from transformers import AutoModelForSequenceClassification\n"
        "model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])\n"
        "with torch.no_grad():\n"
        "    logits = model(input_ids=torch.tensor([[5, 6, 7, 8, 2], [9, 10, 11, 12, 2]])).logits\n"
        "print([value.hex() for value in logits.flatten().tolist()])\n"
    )
    command = [sys.executable, "-c", script, str(int8_dir)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str([value.hex() for value in logits(int8_bert()).flatten().tolist()])


def test_the_directory_is_an_ordinary_one(int8_dir: Path) -> None:
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in int8_dir.iterdir()}
    config = json.loads((int8_dir / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["quantization_config"]["quant_method"] == "nc_int8"
    assert config["quantization_config"]["modules"]["classifier"] == "int8_dynamic"
    assert AutoTokenizer.from_pretrained(int8_dir)("w1 w2")["input_ids"] == [2, 3]


def test_int8_embeddings_make_the_file_smaller(tmp_path: Path) -> None:
    sizes = []
    tiny_bert(vocab_size=2000).save_pretrained(tmp_path / "float")
    sizes.append((tmp_path / "float" / "model.safetensors").stat().st_size)
    for embeddings in (False, True):
        model = tiny_bert(vocab_size=2000)
        recipe = full_recipe(model, embeddings=embeddings)
        ModuleSwapper(model).apply(recipe)
        attach(model, recipe)
        model.save_pretrained(tmp_path / str(embeddings))
        sizes.append((tmp_path / str(embeddings) / "model.safetensors").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_base_model_loads_without_the_head(int8_dir: Path) -> None:
    base = AutoModel.from_pretrained(int8_dir)
    model = int8_bert()
    with torch.no_grad():
        assert torch.equal(base(input_ids=IDS).pooler_output, model.bert(input_ids=IDS).pooler_output)


def test_saving_again_after_loading_writes_the_same_tensors(int8_dir: Path, tmp_path: Path) -> None:
    AutoModelForSequenceClassification.from_pretrained(int8_dir).save_pretrained(tmp_path / "again")
    first, second = (path / "model.safetensors" for path in (int8_dir, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, "auto", None], ids=str)
def test_the_recipe_decides_the_float_dtype(int8_dir: Path, dtype: torch.dtype | str | None) -> None:
    loaded = AutoModelForSequenceClassification.from_pretrained(int8_dir, dtype=dtype)
    assert loaded.dtype == torch.float32
    assert torch.equal(logits(loaded), logits(int8_bert()))


def test_optimized_model_loads_float_directories(tmp_path: Path) -> None:
    model = tiny_bert()
    model.save_pretrained(tmp_path)
    loaded = OptimizedModel.from_pretrained(tmp_path, config=AutoConfig.from_pretrained(tmp_path), revision="main")
    assert torch.equal(logits(loaded), logits(model))
    assert recipe_of(loaded) is None


def test_optimized_model_accepts_the_calls_of_the_original(int8_dir: Path, tmp_path: Path) -> None:
    loaded = OptimizedModel.from_pretrained(
        str(int8_dir),
        config=AutoConfig.from_pretrained(int8_dir),
        cache_dir=str(tmp_path / "cache"),
        revision="main",
        use_auth_token=None,
    )
    assert torch.equal(logits(loaded), logits(int8_bert()))


def test_optimized_model_is_not_instantiated() -> None:
    with pytest.raises(NCTrainerError, match="from_pretrained"):
        OptimizedModel()


def test_optimized_model_refuses_both_token_names(int8_dir: Path) -> None:
    with pytest.raises(NCTrainerError, match="`token` or its old name `use_auth_token`, not both"):
        OptimizedModel.from_pretrained(int8_dir, token="a", use_auth_token="b")


@pytest.mark.parametrize("names", [[], ["os"], ["NoSuchModel"], ["A", "B"]], ids=["none", "module", "unknown", "two"])
def test_optimized_model_takes_only_model_classes(int8_dir: Path, names: list[str]) -> None:
    config = AutoConfig.from_pretrained(int8_dir)
    config.architectures = names
    with pytest.raises(NCTrainerError, match="expected exactly one model class"):
        OptimizedModel.from_pretrained(int8_dir, config=config)


def test_a_float_model_is_not_saved_as_int8(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="expects an int8 model"):
        save_for_huggingface_upstream(tiny_bert(), None, tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_failed_save_leaves_the_old_directory(int8_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in int8_dir.iterdir()}

    def fail(self: PreTrainedModel, directory: Path, **kwargs: object) -> None:
        (Path(directory) / "config.json").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", fail)
    with pytest.raises(SavingError, match="disk full"):
        save_for_huggingface_upstream(int8_bert(), tiny_tokenizer(), int8_dir)
    assert {path.name: path.read_bytes() for path in int8_dir.iterdir()} == before
    assert [path.name for path in int8_dir.parent.iterdir()] == ["int8"]


def test_a_loaded_model_evaluates_in_a_plain_trainer(int8_dir: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(int8_dir)
    dataset = tiny_trainer(tmp_path, int8_bert()).eval_dataset
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", disable_tqdm=True)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=dataset,
        processing_class=tiny_tokenizer(),
    )
    assert trainer.evaluate()["eval_loss"] > 0
    with pytest.raises(TrainingRefusedError, match="weights are frozen codes"):
        trainer.train()


def test_a_loaded_model_evaluates_and_refuses_training_in_ours(int8_dir: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(int8_dir)
    trainer = tiny_trainer(tmp_path, model)
    assert trainer.evaluate()["eval_accuracy"] == 1.0
    with pytest.raises(TrainingRefusedError, match="Train the float model first"):
        trainer.train()


def test_a_loaded_model_works_in_a_pipeline(int8_dir: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(int8_dir)
    classify = pipeline("text-classification", model=model, tokenizer=tiny_tokenizer(), device="cpu")
    assert set(classify("w1 w2 w3")[0]) == {"label", "score"}


def test_a_device_without_an_engine_is_refused(int8_dir: Path) -> None:
    with pytest.raises(NCTrainerError, match="int8 models run on the CPU"):
        AutoModelForSequenceClassification.from_pretrained(int8_dir, device_map="cuda")


def test_the_recipe_survives_in_the_config(int8_dir: Path) -> None:
    recipe = recipe_of(AutoModelForSequenceClassification.from_pretrained(int8_dir))
    assert recipe is not None
    assert set(recipe.modules.values()) == {Precision.INT8_DYNAMIC}


def test_loaded_modules_are_ours(int8_dir: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(int8_dir)
    assert sum(isinstance(module, Int8Linear) for module in model.modules()) == 14
