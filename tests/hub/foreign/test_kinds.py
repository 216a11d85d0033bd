"""Every kind of directory is one line that says what it is and what to do, or is loaded."""

import json
from pathlib import Path

import pytest
from helpers.tiny import tiny_bert

from nc_trainer import CheckpointError, OptimizedModel
from nc_trainer.hub.foreign import Kind, kind_of

QUANTIZED = {
    "gptq": ({"quant_method": "gptq", "bits": 4}, "a GPTQ model"),
    "awq": ({"quant_method": "awq"}, "an AWQ model"),
    "bitsandbytes": ({"quant_method": "bitsandbytes"}, "a bitsandbytes model"),
    "old bitsandbytes": ({"load_in_8bit": True}, "a bitsandbytes model"),
    "torchao": ({"quant_method": "torchao"}, "a torchao model"),
    "quanto": ({"quant_method": "quanto"}, "a Quanto model"),
    "unknown": ({"quant_method": "tomorrow"}, "quantized by 'tomorrow'"),
}
FILES = {
    "empty": ([], "is empty"),
    "diffusers": (["model_index.json"], "is a diffusers pipeline"),
    "adapters": (["adapter_config.json", "adapter_model.safetensors"], "PEFT adapters without their model"),
    "gguf": (["model.gguf"], "is a GGUF model"),
    "openvino": (["config.json", "openvino_model.xml", "openvino_model.bin"], "is an OpenVINO IR"),
    "onnx": (["config.json", "model.onnx"], "is an ONNX model"),
    "tensorflow": (["config.json", "tf_model.h5"], "is a TensorFlow model"),
    "flax": (["config.json", "flax_model.msgpack"], "is a Flax model"),
    "neural compressor 3": (["quantized_weight.pt", "qconfig.json"], "is a model of Neural Compressor 3"),
    "optimum-quanto": (["quanto_qmap.json", "config.json", "model.safetensors"], "is a Quanto model"),
    "deepspeed": (["zero_to_fp32.py", "global_step3"], "is a DeepSpeed checkpoint"),
    "ctranslate2": (["config.json", "model.bin", "vocabulary.json"], "is a CTranslate2 model"),
    "a training": (["checkpoint-500", "runs"], "give one of the checkpoint-"),
    "weights only": (["model.safetensors"], "weights without a config.json"),
    "config only": (["config.json"], "no weights"),
    "something else": (["notes.txt"], "is not a model directory"),
}


def one_line(directory: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        OptimizedModel.from_pretrained(directory)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(directory))
    return str(error.value)


@pytest.mark.parametrize(("quantization", "message"), QUANTIZED.values(), ids=QUANTIZED)
def test_a_quantized_model_of_another_program_is_named(quantization: dict, message: str, tmp_path: Path) -> None:
    config = tiny_bert().config.to_dict() | {"quantization_config": quantization}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").touch()
    assert message in one_line(tmp_path)


@pytest.mark.parametrize(("names", "message"), FILES.values(), ids=FILES)
def test_files_tell_what_a_directory_is(names: list[str], message: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    assert message in one_line(tmp_path)


def test_a_float_model_is_loaded_as_one(tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path)
    assert kind_of(tmp_path) is Kind.FLOAT
    assert OptimizedModel.from_pretrained(tmp_path).classifier.weight.is_floating_point()
