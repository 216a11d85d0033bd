"""What a Trainer evaluates under any training argument, `quantize()` and `benchmark()` evaluate to the same number."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny import accuracy, tiny_bert, tiny_tokenizer, token_rows, with_labels_of
from transformers import EvalPrediction, Trainer, TrainingArguments

from nc_trainer import QuantizationError, QuantizationTrainer, QuantizationTrainingArguments, TuningConfig
from nc_trainer.hub.transformers_versions import batches_of_similar_length

LOOSE = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.9}}})
GROUPED = batches_of_similar_length()
WORKER = {"dataloader_num_workers": 1}

EVALUATED: dict[str, dict[str, Any]] = {
    "accelerator_config": {"accelerator_config": {"split_batches": True, "even_batches": False}},
    "auto_find_batch_size": {"auto_find_batch_size": True},
    "average_tokens_across_devices": {"average_tokens_across_devices": False},
    "batch_eval_metrics": {"batch_eval_metrics": True},
    "dataloader_drop_last": {"dataloader_drop_last": True, "per_device_eval_batch_size": 16},
    "dataloader_in_order": WORKER | {"dataloader_in_order": False},
    "dataloader_multiprocessing_context": WORKER | {"dataloader_multiprocessing_context": "fork"},
    "dataloader_num_workers": WORKER,
    "dataloader_persistent_workers": WORKER | {"dataloader_persistent_workers": True},
    "dataloader_pin_memory": {"dataloader_pin_memory": False},
    "dataloader_prefetch_factor": WORKER | {"dataloader_prefetch_factor": 3},
    "disable_tqdm": {"disable_tqdm": False},
    "eval_accumulation_steps": {"eval_accumulation_steps": 2},
    "eval_do_concat_batches": {"eval_do_concat_batches": False},
    "eval_use_gather_object": {"eval_use_gather_object": True},
    "include_for_metrics": {"include_for_metrics": ["inputs", "loss"]},
    "label_names": {"label_names": ["labels"]},
    "label_smoothing_factor": {"label_smoothing_factor": 0.2},
    "length_column_name": GROUPED | {"length_column_name": "length"},
    "load_best_model_at_end": {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 500}
    | {"metric_for_best_model": "accuracy"},
    "logging_nan_inf_filter": {"logging_nan_inf_filter": False},
    "metric_for_best_model": {"metric_for_best_model": "eval_accuracy"},
    "per_device_eval_batch_size": {"per_device_eval_batch_size": 5},
    "prediction_loss_only": {"prediction_loss_only": True},
    "remove_unused_columns": {"remove_unused_columns": False},
    "seed": {"seed": 7},
    "skip_memory_metrics": {"skip_memory_metrics": False},
    "torch_empty_cache_steps": {"torch_empty_cache_steps": 1},
    "use_cache": {"use_cache": True},
    "use_legacy_prediction_loop": {"use_legacy_prediction_loop": True},
    **dict.fromkeys(GROUPED, GROUPED),
}
"""By the name of the option: the arguments that put it to use."""

REFUSED = {
    "bf16": "would cast",
    "fp16": "would cast",
    "bf16_full_eval": "would cast",
    "fp16_full_eval": "would cast",
    "jit_mode_eval": "would trace",
}

TRAINING = """activation_checkpointing activation_checkpointing_kwargs adafactor adam_beta1 adam_beta2 adam_epsilon
    data_seed do_eval do_predict do_train enable_jit_checkpoint eval_delay eval_on_start eval_steps eval_strategy
    gradient_accumulation_steps gradient_checkpointing gradient_checkpointing_kwargs greater_is_better ignore_data_skip
    include_num_input_tokens_seen include_tokens_per_second learning_rate lr_scheduler_kwargs lr_scheduler_type
    max_grad_norm max_steps neftune_noise_alpha num_train_epochs optim optim_args optim_target_modules
    per_device_train_batch_size restore_callback_states_from_checkpoint resume_from_checkpoint warmup_ratio
    warmup_steps weight_decay"""
SAVING = """hub_always_push hub_model_id hub_private_repo hub_revision hub_strategy hub_token logging_dir
    logging_first_step logging_steps logging_strategy output_dir overwrite_output_dir project push_to_hub
    push_to_hub_model_id push_to_hub_organization push_to_hub_token report_to run_name save_on_each_node
    save_only_model save_safetensors save_steps save_strategy save_total_limit trackio_bucket_id trackio_space_id
    trackio_static_space_id"""
DEVICES = """_n_gpu ddp_backend ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters ddp_static_graph
    ddp_timeout deepspeed fp16_backend fp16_opt_level fsdp fsdp_config fsdp_min_num_params
    fsdp_transformer_layer_cls_to_wrap half_precision_backend liger_kernel_config local_rank mp_parameters no_cuda
    parallelism_config per_gpu_eval_batch_size per_gpu_train_batch_size ray_scope tf32 tpu_metrics_debug tpu_num_cores
    use_cpu use_liger_kernel use_mps_device"""
WHOLE_PROCESS = """debug full_determinism include_inputs_for_metrics log_level log_level_replica log_on_each_node
    torch_compile torch_compile_backend torch_compile_mode torchdynamo"""
MODELS_WITH_MEMORIES = "past_index"
ELSEWHERE = " ".join((TRAINING, SAVING, DEVICES, WHOLE_PROCESS, MODELS_WITH_MEMORIES)).split()

KNOWN = TrainingArguments.__dataclass_fields__


class Running:
    """A `compute_metrics` that takes whole sets, lists of batches, or one batch after the other."""

    def __init__(self) -> None:
        self.right: list[bool] = []

    def __call__(self, prediction: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        predictions, labels = prediction.predictions, prediction.label_ids
        for logits, expected in (
            zip(predictions, labels, strict=True) if isinstance(labels, list) else [(predictions, labels)]
        ):
            self.right += (torch.as_tensor(logits).argmax(-1) == torch.as_tensor(expected)).tolist()
        if not compute_result:
            return {}
        right, self.right = self.right, []
        return {"accuracy": float(np.mean(right))}


def trainer_of(kind: type[Trainer], tmp_path: Path, options: dict[str, Any]) -> Any:
    model = tiny_bert()
    rows = with_labels_of(model, token_rows()).select(range(23))  # an incomplete batch at the end
    rows = rows.map(lambda row: {"labels": (row["labels"] + (row["input_ids"][0] % 5 == 0)) % 3})
    if "length_column_name" in options:
        rows = rows.add_column("length", [len(ids) for ids in rows["input_ids"]])
    arguments: dict[str, Any] = {
        "output_dir": str(tmp_path),
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
    } | options
    ours: dict[str, Any] = (
        {"report": False, "benchmark_iters": 2, "benchmark_warmup": 0} if kind is QuantizationTrainer else {}
    )
    made = QuantizationTrainingArguments if ours else TrainingArguments
    return kind(
        model=model,
        args=made(**(arguments | options)),
        train_dataset=token_rows(seed=1),
        eval_dataset=rows,
        compute_metrics=Running(),
        processing_class=tiny_tokenizer(),
    )


def test_every_training_argument_is_in_a_table() -> None:
    assert set(KNOWN) - set(EVALUATED) - set(REFUSED) - set(ELSEWHERE) == set()


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
@pytest.mark.parametrize("option", [name for name in EVALUATED if name in KNOWN])
def test_what_trainer_evaluates_is_quantized(tmp_path: Path, option: str) -> None:
    options = EVALUATED[option]
    expected = trainer_of(Trainer, tmp_path, options).evaluate()
    trainer = trainer_of(QuantizationTrainer, tmp_path, options)
    metric = "loss" if option == "prediction_loss_only" else "accuracy"
    result = trainer.quantize(LOOSE, metric_name=metric)
    assert result.baseline.value == pytest.approx(expected[f"eval_{metric}"], abs=1e-6)
    assert result.outcome == "met"
    assert result.chosen.value == pytest.approx(trainer.evaluate()[f"eval_{metric}"], abs=1e-6)
    rows = 16 if option == "dataloader_drop_last" else 23
    assert result.chosen.rows == (None if metric == "loss" else rows)
    trainer.args.metric_for_best_model = metric
    assert trainer.benchmark().models[-1].metric_value == pytest.approx(result.chosen.value, abs=1e-6)


@pytest.mark.parametrize("option", REFUSED)
def test_what_changes_the_models_arithmetic_is_refused_in_one_line(tmp_path: Path, option: str) -> None:
    trainer = trainer_of(QuantizationTrainer, tmp_path, {})
    setattr(trainer.args, option, True)
    with pytest.raises(QuantizationError, match=f"^`{option}` {REFUSED[option]} [^\n]*$"):
        trainer.quantize(LOOSE)


def test_the_helper_agrees_with_accuracy() -> None:
    prediction = EvalPrediction(predictions=np.eye(3), label_ids=np.array([0, 1, 1]))
    assert Running()(prediction) == accuracy(prediction)
