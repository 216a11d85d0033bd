"""`model_wise`, `optype_wise` and `op_wise`: what is possible is kept, everything else is refused by its key."""

from typing import Any

import pytest

from nc_trainer.config import QuantizationConfig, TuningConfig
from nc_trainer.errors import ConfigError


def refusal(**quantization: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        TuningConfig.from_dict({"quantization": quantization})
    return str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("fp32", ("fp32",)), (["int8"], ("int8",)), (["fp32", "int8", "int8"], ("int8", "fp32"))],
    ids=["text", "list-of-one", "order-and-repetitions"],
)
def test_a_dtype_is_one_value_or_alternatives(dtype: Any, kept: tuple[str, ...]) -> None:
    config = QuantizationConfig(op_wise={"classifier": {"weight": {"dtype": dtype}}})  # type: ignore[arg-type]
    assert config.op_wise is not None
    assert config.op_wise["classifier"]["weight"]["dtype"] == kept


def test_all_that_describes_our_int8_may_be_said() -> None:
    rule = {
        "weight": {"granularity": "per_channel", "scheme": "sym", "dtype": "int8", "algorithm": "minmax", "bit": 8},
        "activation": {
            "granularity": ["per_token"],
            "scheme": ["sym"],
            "dtype": ["int8", "fp32"],
            "compute_dtype": "int8",
            "algorithm": ["minmax", "placeholder"],
            "bit": 8.0,
        },
    }
    config = TuningConfig.from_dict({"quantization": {"model_wise": rule}})
    assert config.quantization.model_wise is not None
    assert TuningConfig.from_dict(config.to_dict()) == config
    assert hash(TuningConfig.from_dict(config.to_dict())) == hash(config)


@pytest.mark.parametrize(
    ("part", "key", "value", "expected"),
    [
        ("weight", "scheme", "asym", "expected 'sym': int8 is symmetric here"),
        ("weight", "scheme", ["sym", "asym"], "found the text 'asym', expected 'sym'"),
        ("weight", "granularity", "per_tensor", "expected 'per_channel': each row of the weights has its scale"),
        ("activation", "granularity", "per_tensor", "expected 'per_token': each token has its scale"),
        ("activation", "granularity", "per_channel", "expected 'per_token'"),
        ("activation", "algorithm", "kl", "expected 'minmax' or 'placeholder'"),
        ("weight", "algorithm", "kl", "expected 'minmax'"),
        ("weight", "bit", 4, "found 4, expected 8: int8 codes have 8 bits"),
        ("weight", "bit", True, "found true, expected 8"),
        ("weight", "dtype", "bf16", "by `quantization.float_dtype`"),
        ("weight", "dtype", ["int8", "bf16"], "by `quantization.float_dtype`"),
        ("activation", "dtype", "uint8", "int8 codes are signed and symmetric here: write int8"),
        ("activation", "dtype", "fp16", "float16 is not computed on CPUs here"),
        ("activation", "compute_dtype", "uint8", "expected 'int8'"),
        ("weight", "dtype", [], "found an empty list, expected 'int8' or 'fp32'"),
        ("weight", "dtype", None, "found nothing, expected 'int8' or 'fp32'"),
        ("weight", "dtype", {"int8": 1}, "found a mapping, expected 'int8' or 'fp32'"),
    ],
)
def test_what_is_not_built_is_refused_with_the_reason(part: str, key: str, value: Any, expected: str) -> None:
    message = refusal(model_wise={part: {key: value}})
    assert message.startswith(f"`quantization.model_wise.{part}.{key}`: found ")
    assert expected in message


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"op_wise": {"a.b": {"weights": {}}}}, "`quantization.op_wise.a.b.weights`: unknown key."),
        ({"op_wise": {"a.b": {"weight": {"type": 1}}}}, "`quantization.op_wise.a.b.weight.type`: unknown key."),
        ({"op_wise": {"a.b": ["fp32"]}}, "`quantization.op_wise.a.b`: found a list, expected a mapping"),
        ({"op_wise": ["a.b"]}, "`quantization.op_wise`: found a list, expected a mapping from names"),
        ({"optype_wise": {3: {}}}, "`quantization.optype_wise`: found 3 as a name"),
        ({"op_wise": {"a[": {}}}, "`quantization.op_wise.a[`: not a regular expression"),
    ],
    ids=["part", "key", "list", "section", "number", "regex"],
)
def test_a_mistake_inside_is_named_by_its_dotted_key(tree: dict[str, Any], expected: str) -> None:
    assert refusal(**tree).startswith(expected)
