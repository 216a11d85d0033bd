"""Has transformers look at an int8 directory, and at the config of one on the hub, before anything is made of it.

A quantizer is asked when the config has become an object, which of a damaged one may raise anything or never end. All
ways to a model begin with the public `get_config_dict`: it is given a check in front and one behind.
"""

from functools import wraps
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig

from nc_trainer.hub.directory_check import check_directory, check_int8_config, is_int8_config


def check_before_reading() -> None:
    """Install the checks."""
    read = PretrainedConfig.get_config_dict.__func__

    @wraps(read)
    def get_config_dict(
        cls: type[PretrainedConfig], pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        directory = Path(str(pretrained_model_name_or_path), kwargs.get("subfolder") or "")
        if directory.is_dir():
            check_directory(directory)
        config, unused = read(cls, pretrained_model_name_or_path, **kwargs)
        if not directory.is_dir() and is_int8_config(config):
            check_int8_config(config)
        return config, unused

    setattr(PretrainedConfig, "get_config_dict", classmethod(get_config_dict))
