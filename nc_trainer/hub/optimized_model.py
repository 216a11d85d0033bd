"""`OptimizedModel`: one call that loads int8 and float directories alike."""

import copy
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

import nc_trainer.hub.quantizer  # noqa: F401 - registers the int8 format with transformers
from nc_trainer.errors import CheckpointError, NCTrainerError
from nc_trainer.hub.compressed_tensors import METHOD, load_compressed_tensors
from nc_trainer.hub.directory_check import check_directory
from nc_trainer.hub.foreign import STATE_FILES, Kind, kind_of, load_neural_compressor


class OptimizedModel:
    """Loads a model by the class named in its config, as `XForSequenceClassification.from_pretrained` would.

    The name and the call are those of Neural Compressor's `OptimizedModel`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise NCTrainerError(f"{name} is not instantiated: call `{name}.from_pretrained(directory)`.")

    @classmethod
    def model_class(cls, config: PretrainedConfig) -> type[PreTrainedModel]:
        """The class of transformers that a directory with this config is loaded as.

        Raises:
            CheckpointError: the config does not name exactly one.
        """
        names = config.architectures or []
        found = getattr(transformers, names[0], None) if len(names) == 1 else None
        if not (isinstance(found, type) and issubclass(found, PreTrainedModel)):
            raise CheckpointError(
                f"config.json names the architectures {names}; expected exactly one model class of transformers "
                f"{transformers.__version__}. Load it with the Auto class of its task instead."
            )
        return found

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        config: PretrainedConfig | None = None,
        cache_dir: str | None = None,
        revision: str = "main",
        use_auth_token: str | bool | None = None,
        token: str | bool | None = None,
        int8_embeddings: bool = False,
        **kwargs: Any,
    ) -> PreTrainedModel:
        """Load an int8 directory of ours or of Neural Compressor, or any float model, as the class its config names.

        Args:
            pretrained_model_name_or_path: a local directory or a hub id.
            config: the model's config, if it is at hand, differs from the directory's, or is not in it.
            cache_dir, revision, token: as in transformers; `use_auth_token` is the old name of `token`.
            int8_embeddings: whether 8-bit embeddings of Neural Compressor become int8 here or float.
            **kwargs: passed on to the class's `from_pretrained`.

        Raises:
            CheckpointError: a tensor is missing, unexpected, truncated or of the wrong type, or the config names
                no class of transformers, or the directory is of a kind that cannot be loaded here.
        """
        if token is not None and use_auth_token is not None:
            raise NCTrainerError(f"{cls.__name__}: pass `token` or its old name `use_auth_token`, not both.")
        token = use_auth_token if token is None else token
        hub: dict[str, Any] = {"cache_dir": cache_dir, "revision": revision, "token": token}
        directory = Path(pretrained_model_name_or_path)
        check_directory(directory)
        kind = kind_of(directory) if directory.is_dir() else None
        if config is None:
            config = _config(pretrained_model_name_or_path, kind, hub)
        if kind is None and _is_written_by_others(config):
            patterns = ["*.json", "*.safetensors", *STATE_FILES]
            directory = Path(snapshot_download(str(directory), allow_patterns=patterns, **hub))
            kind = kind_of(directory)
        model_class = cls.model_class(config)
        if kind is Kind.NEURAL_COMPRESSOR:
            model = _untrained(model_class, config)
            return load_neural_compressor(directory, model, int8_embeddings=int8_embeddings)
        if kind is Kind.COMPRESSED_TENSORS:
            return load_compressed_tensors(directory, _untrained(model_class, config), _float_dtype(config))
        return _load(model_class, pretrained_model_name_or_path, {"config": config, **hub, **kwargs})


def _load(
    model_class: type[PreTrainedModel], source: str | os.PathLike[str], options: dict[str, Any]
) -> PreTrainedModel:
    """What transformers loads itself, our int8 directories among them."""
    loaded: Any = model_class.from_pretrained(source, **(options | {"output_loading_info": True}))
    model, info = loaded
    _check_loading(source, info)
    return model


def _config(source: str | os.PathLike[str], kind: Kind | None, hub: dict[str, Any]) -> PretrainedConfig:
    if kind is Kind.NEURAL_COMPRESSOR and not (Path(source) / "config.json").is_file():
        raise CheckpointError(
            f"{os.fspath(source)} was written by Neural Compressor, without a config.json: pass `config=` of the "
            "float model, or give its directory to `nc-trainer convert --model`."
        )
    return AutoConfig.from_pretrained(source, **hub)


def _untrained(model_class: type[PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    """A float32 model of this config, whose weights are yet to come."""
    own = copy.deepcopy(config)
    own.dtype = torch.float32  # Neural Compressor writes int8 there
    vars(own).pop("quantization_config", None)
    return model_class(own)


def _is_written_by_others(config: PretrainedConfig) -> bool:
    """Of a model on the hub: whether its config.json is one of Neural Compressor or of compressed-tensors."""
    quantization = getattr(config, "quantization_config", None) or {}
    method = quantization.get("quant_method") if isinstance(quantization, dict) else None
    return method == METHOD or (not quantization and getattr(config, "dtype", None) is torch.int8)


def _float_dtype(config: PretrainedConfig) -> str:
    return "bfloat16" if getattr(config, "dtype", None) is torch.bfloat16 else "float32"


def _check_loading(source: str | os.PathLike[str], info: dict[str, Any]) -> None:
    problems = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys") if info.get(key)}
    if problems:
        raise CheckpointError(
            f"{os.fspath(source)} does not fit its own config: {problems}. "
            "Random values would stand where trained ones belong, so the model is not returned."
        )
