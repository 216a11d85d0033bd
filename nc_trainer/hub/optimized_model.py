"""`OptimizedModel`: one call that loads int8 and float directories alike."""

import os
from typing import Any

import transformers
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

import nc_trainer.hub.quantizer  # noqa: F401 - registers the int8 format with transformers
from nc_trainer.errors import CheckpointError, NCTrainerError


class OptimizedModel:
    """Loads a model by the class named in its config, as `XForSequenceClassification.from_pretrained` would.

    The name and the call are those of Neural Compressor's `OptimizedModel`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NCTrainerError("OptimizedModel is not instantiated: call `OptimizedModel.from_pretrained(directory)`.")

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
        **kwargs: Any,
    ) -> PreTrainedModel:
        """Load an int8 directory of ours, or any float model, as the class its config names.

        Args:
            pretrained_model_name_or_path: a local directory or a hub id.
            config: the model's config, if it is at hand or differs from the directory's.
            cache_dir, revision, token: as in transformers; `use_auth_token` is the old name of `token`.
            **kwargs: passed on to the class's `from_pretrained`.

        Raises:
            CheckpointError: a tensor is missing, unexpected, truncated or of the wrong type, or the config names
                no class of transformers.
        """
        if token is not None and use_auth_token is not None:
            raise NCTrainerError("OptimizedModel: pass `token` or its old name `use_auth_token`, not both.")
        hub = {
            "cache_dir": cache_dir,
            "revision": revision,
            "token": use_auth_token if token is None else token,
        }
        if config is None:
            config = AutoConfig.from_pretrained(pretrained_model_name_or_path, **hub)
        model_class = _model_class(config)
        options: dict[str, Any] = {**hub, **kwargs, "config": config, "output_loading_info": True}
        loaded: Any = model_class.from_pretrained(pretrained_model_name_or_path, **options)
        model, info = loaded
        _check_loading(pretrained_model_name_or_path, info)
        return model


def _model_class(config: PretrainedConfig) -> type[PreTrainedModel]:
    names = config.architectures or []
    found = getattr(transformers, names[0], None) if len(names) == 1 else None
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel)):
        raise CheckpointError(
            f"config.json names the architectures {names}; expected exactly one model class of transformers "
            f"{transformers.__version__}. Load it with the Auto class of its task instead."
        )
    return found


def _check_loading(source: str | os.PathLike[str], info: dict[str, Any]) -> None:
    problems = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys") if info.get(key)}
    if problems:
        raise CheckpointError(
            f"{os.fspath(source)} does not fit its own config: {problems}. "
            "Random values would stand where trained ones belong, so the model is not returned."
        )
