"""What Neural Compressor's YAML files may hold that is not built here: refused by name, with advice."""

from __future__ import annotations

from nc_trainer.errors import ConfigError

_FIXED_SCHEME = (
    "The scheme is fixed (int8 weights per channel, int8 activations per token) "
    "and the search decides which modules stay in float."
)
_NO_STATIC_SCALES = "It corrects or moves static scales, and every scale here is exact for its row or token."
_NOT_TUNING = "Only quantization of PyTorch models is done here, after or during training."
_TRAINERS_JOB = "Data, metrics and training come from the Trainer, not from this file."
_GIVEN_IN_PYTHON = "The evaluation data are the Trainer's, or `eval_dataloader` in Python."
_BENCHMARKS = "Processes and threads of a benchmark are under `evaluation.performance.configs`."
_WEIGHED_ELSEWHERE = "Accuracy is a condition here; `tuning.multi_objectives` weighs among accepted recipes."
_ONE_PER_STRATEGY = "It belongs to a strategy that is not built here."
_FLOAT_DTYPE = "Use `quantization.float_dtype: bfloat16` for what is not int8."

UNSUPPORTED_KEYS: dict[str, str] = {
    "model.inputs": "It describes graphs of other frameworks.",
    "model.outputs": "It describes graphs of other frameworks.",
    "quantization.calibration.dataloader": _TRAINERS_JOB,
    "quantization.train": _TRAINERS_JOB,
    "quantization.advance": _FIXED_SCHEME,
    "quantization.optimization_level": _FIXED_SCHEME,
    "quantization.recipes.scale_propagation_max_pooling": _NO_STATIC_SCALES,
    "quantization.recipes.scale_propagation_concat": _NO_STATIC_SCALES,
    "quantization.recipes.fast_bias_correction": _NO_STATIC_SCALES,
    "quantization.recipes.weight_correction": _NO_STATIC_SCALES,
    "quantization.recipes.smooth_quant": _NO_STATIC_SCALES,
    "quantization.recipes.smooth_quant_args": _NO_STATIC_SCALES,
    "quantization.recipes.layer_wise_quant": _NO_STATIC_SCALES,
    "quantization.recipes.pre_post_process_quantization": _NO_STATIC_SCALES,
    "tuning.strategy.accuracy_weight": _WEIGHED_ELSEWHERE,
    "tuning.strategy.latency_weight": _WEIGHED_ELSEWHERE,
    "tuning.strategy.confidence_batches": _ONE_PER_STRATEGY,
    "tuning.strategy.hawq_v2_loss": _ONE_PER_STRATEGY,
    "tuning.strategy.sigopt_api_token": _ONE_PER_STRATEGY,
    "tuning.strategy.sigopt_project_id": _ONE_PER_STRATEGY,
    "tuning.strategy.sigopt_experiment_name": _ONE_PER_STRATEGY,
    "tuning.diagnosis": "Tensors are not dumped; each trial has its flips and logits_error, the journal the ranking.",
    "evaluation.accuracy.configs": _BENCHMARKS,
    "evaluation.accuracy.dataloader": _GIVEN_IN_PYTHON,
    "evaluation.accuracy.iteration": _GIVEN_IN_PYTHON,
    "evaluation.accuracy.postprocess": _GIVEN_IN_PYTHON,
    "evaluation.performance.dataloader": _GIVEN_IN_PYTHON,
    "evaluation.performance.postprocess": _GIVEN_IN_PYTHON,
    "train": _TRAINERS_JOB,
    "use_bf16": _FLOAT_DTYPE,
    "mixed_precision": _FLOAT_DTYPE,
    "graph_optimization": _NOT_TUNING,
    "optimization_level": _NOT_TUNING,
    "pruning": _NOT_TUNING,
    "distillation": _NOT_TUNING,
    "auto_distillation": _NOT_TUNING,
    "nas": _NOT_TUNING,
}

_OTHER_APPROACHES = (
    "post_training_static_quant",
    "post_training_auto_quant",
    "weight_only",
)
_OTHER_STRATEGIES = (
    *("automixedprecision", "sigopt"),  # 1.x
    "auto",  # 2.x
)
UNSUPPORTED_VALUES: dict[str, tuple[tuple[str, ...], str]] = {
    "device": (("gpu",), "Use 'cpu': the int8 operators run on a CPU."),
    "quantization.approach": (_OTHER_APPROACHES, "Use 'post_training_dynamic_quant' or 'quant_aware_training'."),
    "tuning.strategy.name": (_OTHER_STRATEGIES, "Use 'basic'."),
}


def unsupported_key_message(path: str) -> str | None:
    """The message for the dotted key `path` when Neural Compressor had it and we do not, else None."""
    if path not in UNSUPPORTED_KEYS:
        return None
    return f"`{path}`: known from Neural Compressor, not supported yet. Remove the key. {UNSUPPORTED_KEYS[path]}"


def refuse_unsupported_value(path: str, value: object) -> None:
    """Raise ConfigError when `value` was allowed at `path` in Neural Compressor and is not built here."""
    values, advice = UNSUPPORTED_VALUES.get(path, ((), ""))
    if isinstance(value, str) and value in values:
        raise ConfigError(f"`{path}`: {value!r} is known from Neural Compressor, not supported yet. {advice}")
