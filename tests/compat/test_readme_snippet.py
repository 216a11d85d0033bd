"""The code of Neural Compressor's README runs after its imports were changed, and nothing else."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import accuracy, sensitive_bert, tiny_bert, tiny_tokenizer, token_rows, with_labels_of
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

import nc_trainer  # noqa: F401 - plain from_pretrained reads int8 directories from here on
from nc_trainer.experimental import Quantization, common
from nc_trainer.int8.quantize import is_int8

CONF = """\
model:
  name: bert
  framework: pytorch

device: cpu

quantization:
  approach: post_training_dynamic_quant

tuning:
  accuracy_criterion:
    relative: 0.05
  exit_policy:
    timeout: 0
    max_trials: 300
  random_seed: 9527
"""
logger = logging.getLogger(__name__)
IDS = torch.tensor([[1, 2, 3, 4]])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.yaml").write_text(CONF)
    return tmp_path


def trainer_for(model: torch.nn.Module, folder: Path) -> tuple[Trainer, TrainingArguments, Any]:
    training_args = TrainingArguments(
        output_dir=str(folder / "out"), use_cpu=True, report_to="none", disable_tqdm=True
    )
    eval_dataset = with_labels_of(model, token_rows())
    trainer = Trainer(
        model=model,
        args=training_args,
        train_dataset=token_rows(seed=1),
        eval_dataset=eval_dataset,
        compute_metrics=accuracy,
        processing_class=tiny_tokenizer(),
    )
    return trainer, training_args, eval_dataset


def test_the_snippet_with_an_eval_func(folder: Path) -> None:
    model = sensitive_bert()
    trainer, training_args, eval_dataset = trainer_for(model, folder)

    def eval_func_for_nc(model_tuned: torch.nn.Module) -> float:
        trainer.model = model_tuned
        result = trainer.evaluate(eval_dataset=eval_dataset)
        bert_task_acc_keys = ["eval_f1", "eval_accuracy", "mcc", "spearmanr", "acc"]
        for key in bert_task_acc_keys:
            if key in result:
                logger.info(f"Finally Eval {key}:{result[key]}")
                acc = result[key]
                break
        return acc

    quantizer = Quantization("./conf.yaml")
    calib_dataloader = trainer.get_train_dataloader()
    quantizer.model = common.Model(model)
    quantizer.calib_dataloader = calib_dataloader
    quantizer.eval_func = eval_func_for_nc
    q_model = quantizer()
    q_model.save(training_args.output_dir)

    assert q_model.result is not None
    assert q_model.result.outcome == "met"
    assert tuple(q_model.result.recipe.float_columns) == ("bert.pooler.dense",)
    loaded = AutoModelForSequenceClassification.from_pretrained(training_args.output_dir)
    assert is_int8(loaded)
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=IDS).logits, q_model(input_ids=IDS).logits)
    assert (folder / "conf.yaml").read_text() == CONF


def test_the_usage_with_dataloaders_and_a_metric_in_the_file(folder: Path) -> None:
    (folder / "conf.yaml").write_text(CONF + "evaluation:\n  accuracy:\n    metric:\n      Accuracy: {}\n")
    model = sensitive_bert()
    trainer, training_args, _ = trainer_for(model, folder)
    quantizer = Quantization("./conf.yaml")
    quantizer.model = common.Model(model)
    quantizer.calib_dataloader = trainer.get_train_dataloader()
    quantizer.eval_dataloader = trainer.get_eval_dataloader()
    q_model = quantizer.fit()
    assert q_model.result is not None
    assert q_model.result.baseline.value == 1.0
    assert q_model.result.metric.name == "accuracy"
    assert tuple(q_model.result.recipe.float_columns) == ("bert.pooler.dense",)
    assert q_model.result.trials[0].rows == 24
    q_model.save(training_args.output_dir)
    assert is_int8(AutoModelForSequenceClassification.from_pretrained(training_args.output_dir))


def test_upstreaming_and_loading_with_the_old_names(folder: Path) -> None:
    from nc_trainer.utils.load_huggingface import OptimizedModel, save_for_huggingface_upstream

    quantizer = Quantization()
    quantizer.model = tiny_bert()
    quantizer.eval_func = lambda model: 1.0
    q_model = quantizer()
    save_for_huggingface_upstream(q_model, tiny_tokenizer(), folder / "int8")
    model = OptimizedModel.from_pretrained(str(folder / "int8"), config=None, cache_dir=None, use_auth_token=None)
    assert is_int8(model)
    assert (folder / "int8" / "tokenizer.json").exists()
