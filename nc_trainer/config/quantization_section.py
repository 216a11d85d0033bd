"""The section `quantization`: how modules become int8, and which of them may."""

from __future__ import annotations

from dataclasses import dataclass, field

from nc_trainer.config.frozen_mapping import FrozenMapping
from nc_trainer.config.precision import module_rule, module_rules
from nc_trainer.config.rules import flag, number, one_of, sizes
from nc_trainer.config.section import Section, setting

DYNAMIC = "post_training_dynamic_quant"
AWARE_TRAINING = "quant_aware_training"


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig(Section, path="quantization.calibration"):
    """Which data ranks the modules by how much int8 hurts them."""

    sampling_size: int = setting(
        64,
        sizes(),
        "Rows of the train set that rank modules by how much int8 hurts them, at most: fewer where that would cost "
        "more than one evaluation. Of several the largest is used.",
    )


@dataclass(frozen=True, kw_only=True)
class RecipesConfig(Section, path="quantization.recipes"):
    """Which ends of the model may be int8, and what may be tried before a module falls back."""

    first_conv_or_matmul_quantization: bool = setting(
        True, flag(), "Whether the first linear module may be int8; false keeps it in float."
    )
    last_conv_or_matmul_quantization: bool = setting(
        True, flag(), "Whether the last linear module may be int8; false keeps it in float."
    )
    float_columns: bool = setting(
        True,
        flag(),
        "Whether `basic` may keep a few columns of a module's input in float where that takes its damage away, before "
        "the whole module falls back. Not in the original.",
    )


@dataclass(frozen=True, kw_only=True)
class AwareTrainingConfig(Section, path="quantization.quant_aware_training"):
    """What the approach `quant_aware_training` adds to the Trainer's own arguments. Not in the original."""

    distillation: float = setting(
        0.0,
        number(0, below=1),
        "Share of the loss that is the mean squared difference of the logits from the float model's before training; "
        "the rest is the Trainer's own loss. More than 0 keeps a copy of the float model meanwhile.",
    )


@dataclass(frozen=True, kw_only=True)
class QuantizationConfig(Section, path="quantization"):
    """How modules become int8."""

    approach: str = setting(
        DYNAMIC,
        one_of(DYNAMIC, AWARE_TRAINING),
        "How modules become int8: weights ahead of time, activations while the model runs. quant_aware_training "
        "first trains the float weights to be rounded so, on the train set.",
    )
    calibration: CalibrationConfig = field(
        default_factory=CalibrationConfig, metadata={"help": "Data that ranks the modules."}
    )
    quant_aware_training: AwareTrainingConfig = field(
        default_factory=AwareTrainingConfig, metadata={"help": "How weights are trained to be rounded."}
    )
    recipes: RecipesConfig = field(
        default_factory=RecipesConfig,
        metadata={"help": "Which ends may be int8, and what is tried before a fallback."},
    )
    model_wise: FrozenMapping | None = setting(None, module_rule(), "What every module that can be int8 may be.")
    optype_wise: FrozenMapping | None = setting(
        None, module_rules("types of modules"), "What modules of a type may be, e.g. of `Linear`."
    )
    op_wise: FrozenMapping | None = setting(
        None, module_rules("names or regular expressions"), "What modules of a name may be."
    )
    embeddings: bool = setting(
        False, flag(), "Also store `nn.Embedding` tables in int8 (weight only). Not in the original."
    )
    float_dtype: str = setting(
        "auto",
        one_of("auto", "float32", "bfloat16"),
        "The dtype of what is not int8; auto is bfloat16 where the CPU has it in hardware and the criterion allows. "
        "Not in the original.",
    )
