"""What a local directory holds, as its file names and its config.json say. Nothing in it is loaded to find out."""

import json
import zipfile
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from nc_trainer.errors import CheckpointError
from nc_trainer.hub.compressed_tensors.scheme import METHOD, why_not_w8a8

QUANT_METHODS = {
    "aqlm": "an AQLM model",
    "auto-round": "an AutoRound model",
    "awq": "an AWQ model",
    "bitsandbytes": "a bitsandbytes model",
    "eetq": "an EETQ model",
    "fp8": "an FP8 model",
    "gptq": "a GPTQ model",
    "hqq": "an HQQ model",
    "mxfp4": "an MXFP4 model",
    "quanto": "a Quanto model",
    "torchao": "a torchao model",
}
STATE_FILES = ("best_model_weights.pt", "best_model.pt", "pytorch_model.bin")
FROM_FLOAT = "quantization starts from a float model: give the one that it was made from to `nc-trainer quantize`"


class Kind(Enum):
    """What can be loaded here; everything else is a `CheckpointError` with the reason."""

    OURS = "an int8 directory of nc_trainer"
    NEURAL_COMPRESSOR = "a model that Neural Compressor wrote"
    COMPRESSED_TENSORS = "a W8A8 model in the format of compressed-tensors"
    FLOAT = "a float model"


class _Files(NamedTuple):
    """The files of a directory, by the names that tell kinds apart."""

    directory: Path
    names: tuple[str, ...]
    config: dict[str, Any]

    def has(self, *names: str) -> bool:
        return any(name in self.names for name in names)

    def ends(self, *suffixes: str) -> bool:
        return any(name.endswith(suffixes) for name in self.names)

    def has_weights(self) -> bool:
        return any(
            name.startswith(("model", "pytorch_model")) and name.endswith((".safetensors", ".bin"))
            for name in self.names
        )


Test = Callable[[_Files], bool]

# In this order: a directory may hold its model twice, and what loads here comes first.
FOREIGN: tuple[tuple[Test, str], ...] = (
    (lambda files: not files.names, "is empty: give the directory that a model was saved to"),
    (
        lambda files: files.has("model_index.json"),
        "is a diffusers pipeline: its parts lie in subdirectories, and none of them is a text classifier",
    ),
    (
        lambda files: files.has("quantized_weight.pt"),
        f"is a model of Neural Compressor 3, whose weights are not int8 of 2.x: {FROM_FLOAT}",
    ),
    (lambda files: files.has("quanto_qmap.json"), f"is a Quanto model: {FROM_FLOAT}"),
    (
        lambda files: files.has("adapter_config.json") and not files.has_weights(),
        "holds PEFT adapters without their model: merge them, with `nc-trainer quantize --merge_adapters` or "
        "`nc_trainer.hub.merge_adapters(directory, target)`, or with `--merge_adapters` of an example script",
    ),
    (
        lambda files: files.ends(".gguf") and not files.has_weights(),
        "is a GGUF model, which llama.cpp runs: save it as safetensors with transformers "
        "(`from_pretrained(directory, gguf_file=...)`), and quantize that",
    ),
    (
        lambda files: files.ends(".xml") and files.ends(".bin") and not files.has_weights(),
        f"is an OpenVINO IR, which optimum-intel's OVModel classes run; {FROM_FLOAT}",
    ),
    (
        lambda files: files.ends(".onnx") and not files.has_weights(),
        f"is an ONNX model, which optimum's ORTModel classes run; {FROM_FLOAT}",
    ),
    (
        lambda files: files.has("tf_model.h5", "saved_model.pb") and not files.has_weights(),
        "is a TensorFlow model: load it with transformers 4 and `from_tf=True`, save it, and quantize that",
    ),
    (
        lambda files: files.has("flax_model.msgpack") and not files.has_weights(),
        "is a Flax model: load it with transformers 4 and `from_flax=True`, save it, and quantize that",
    ),
    (
        lambda files: files.has("zero_to_fp32.py"),
        "is a DeepSpeed checkpoint: run its zero_to_fp32.py, which writes the weights in one piece",
    ),
    (
        lambda files: files.ends(".distcp"),
        "is a checkpoint in distributed shards: merge them with `accelerate merge-weights`",
    ),
    (
        lambda files: "quantization" in files.config and "quantization_config" not in files.config,
        f"is an MLX model: {FROM_FLOAT}",
    ),
    (
        lambda files: files.has("model.bin") and files.has("vocabulary.json", "shared_vocabulary.json"),
        f"is a CTranslate2 model: {FROM_FLOAT}",
    ),
    (
        lambda files: not files.has("config.json") and any(name.startswith("checkpoint-") for name in files.names),
        "is the output of a training: give one of the checkpoint-* directories in it",
    ),
    (
        lambda files: not files.has("config.json") and files.has_weights(),
        "holds weights without a config.json, which says what they belong to: put the model's beside them",
    ),
    (lambda files: not files.has("config.json"), "is not a model directory: it has no config.json"),
    (lambda files: not files.has_weights(), "has a config.json and no weights: it was not copied completely"),
)


def kind_of(directory: Path) -> Kind:
    """What a local directory holds.

    Raises:
        CheckpointError: nothing that can be loaded here; the message says what it is and what to do.
    """
    files = _Files(directory, tuple(sorted(path.name for path in directory.iterdir())), _config(directory))
    quantization = files.config.get("quantization_config")
    if quantization is not None:
        return _kind_of_quantization(directory, quantization)
    if _is_neural_compressor(files):
        return Kind.NEURAL_COMPRESSOR
    for test, message in FOREIGN:
        if test(files):
            raise refuse(directory, message)
    return Kind.FLOAT


def refuse(directory: Path, message: str) -> CheckpointError:
    """The error for a directory that cannot be loaded: one line."""
    return CheckpointError(f"{directory} {message}.")


def state_file(directory: Path) -> Path | None:
    """The file of Neural Compressor's state dict, where a directory has a file of its names."""
    return next((directory / name for name in STATE_FILES if (directory / name).is_file()), None)


def _kind_of_quantization(directory: Path, quantization: Any) -> Kind:
    method = str(quantization.get("quant_method", "")) if isinstance(quantization, dict) else ""
    if method == "nc_int8":
        return Kind.OURS
    if not method and isinstance(quantization, dict) and {"load_in_4bit", "load_in_8bit"} & set(quantization):
        method = "bitsandbytes"
    if method == METHOD:
        reason = why_not_w8a8(quantization)
        if reason is None:
            return Kind.COMPRESSED_TENSORS
        raise refuse(directory, f"is a compressed-tensors model that does not run here, {reason}: {FROM_FLOAT}")
    name = QUANT_METHODS.get(method, f"a model quantized by {method!r}")
    raise refuse(directory, f"is {name}: {FROM_FLOAT}")


def _is_neural_compressor(files: _Files) -> bool:
    if files.has("best_model.pt", "best_model_weights.pt"):
        return True
    path = files.directory / "pytorch_model.bin"
    return path.is_file() and not files.ends(".safetensors") and _holds_quantized_tensors(path)


def _holds_quantized_tensors(path: Path) -> bool:
    """Whether a file of torch names its quantized tensors, or is a program; told from its bytes."""
    if not zipfile.is_zipfile(path):  # torch before 1.6
        return b"_rebuild_qtensor" in path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith((".pkl", "/data.pkl"))]
        is_program = any(name.endswith("constants.pkl") for name in pickles)
        return is_program or any(b"_rebuild_qtensor" in archive.read(name) for name in pickles)


def _config(directory: Path) -> dict[str, Any]:
    try:
        content = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # where it is needed, transformers says what is wrong with it
    return content if isinstance(content, dict) else {}
