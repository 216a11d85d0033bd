"""`nc-trainer convert`"""

import argparse
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig, PreTrainedTokenizerBase

from nc_trainer.cli.model_directory import load_tokenizer, loading
from nc_trainer.config.training_args import SAVE_FORMATS
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import OptimizedModel, recipe_of, save_for_huggingface_upstream
from nc_trainer.hub.foreign import Kind, kind_of

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, and what runs them."""
    parser.add_argument("source", type=Path, help="what Neural Compressor wrote, or an older int8 directory")
    parser.add_argument("output", type=Path, help="where the int8 model goes")
    parser.add_argument(
        "--model", type=Path, help="directory of the float model: its config and tokenizer, if the source has none"
    )
    parser.add_argument(
        "--int8_embeddings", action="store_true", help="quantize 8-bit embeddings again to int8, not to float"
    )
    parser.add_argument("--format", choices=SAVE_FORMATS, default=SAVE_FORMATS[0], help="the format to write")
    parser.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> int:
    return convert(options.source, options.output, options.model, options.int8_embeddings, options.format)


def convert(
    source: Path, output: Path, model_dir: Path | None, int8_embeddings: bool, save_format: str = SAVE_FORMATS[0]
) -> int:
    """Write the int8 model in `source` to `output` in our format or another, with its tokenizer if one is found.

    Args:
        source: a directory of Neural Compressor, a W8A8 one of compressed-tensors, or an int8 directory of ours in any
            version of the format.
        output: another directory.
        model_dir: of the float model, for the config and the tokenizer where `source` has none.
        int8_embeddings: whether 8-bit embeddings of Neural Compressor stay int8, see `load_neural_compressor`.
        save_format: `nc_int8` or `compressed-tensors`.

    Raises:
        NCTrainerError: `source` is something else or damaged, or `output` is the same directory.
    """
    _check_places(source, output)
    if kind_of(source) is Kind.FLOAT:
        raise NCTrainerError(f"{source} is a float model: `nc-trainer quantize` makes it int8, judged on your data.")
    config = _config(model_dir) if model_dir else None
    with loading("model", source):
        model = OptimizedModel.from_pretrained(source, config=config, int8_embeddings=int8_embeddings)
    save_for_huggingface_upstream(model, _tokenizer(source, model_dir), output, save_format=save_format)
    if recipe := recipe_of(model):
        print(
            f"Saved in {output}: {len(recipe.quantized)} modules in int8, {len(recipe.fallbacks)} fallbacks in float."
        )
    return 0


def _config(model_dir: Path) -> PretrainedConfig:
    with loading("config", model_dir):
        return AutoConfig.from_pretrained(model_dir)


def _check_places(source: Path, output: Path) -> None:
    if not source.is_dir():
        raise NCTrainerError(f"{source} is not a directory.")
    if output.resolve() == source.resolve():
        raise NCTrainerError(f"The output directory is the source's own, {source}: what it holds would be lost.")


def _tokenizer(*directories: Path | None) -> PreTrainedTokenizerBase | None:
    for directory in directories:
        if directory is not None and any((directory / name).is_file() for name in TOKENIZER_FILES):
            return load_tokenizer(directory)
    return None
