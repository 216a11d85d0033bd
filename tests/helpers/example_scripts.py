"""What the tests of the example scripts share: tiny models with a tokenizer, files, and the scripts themselves."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel, set_seed
from transformers import BertTokenizerFast as Tokenizer

EXAMPLES = Path(__file__).parents[2] / "examples"
WORDS = ["good", "great", "fine", "bad", "awful", "poor", "film", "plot", "##s", "a", "the"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]

Run = Callable[[str], None]


def example(folder: str, script: str) -> Run:
    """`examples/FOLDER/SCRIPT.py` as a function of its options, run in this process."""
    disable_progress_bars()
    if str(EXAMPLES / folder) not in sys.path:
        sys.path.insert(0, str(EXAMPLES / folder))
    main = importlib.import_module(script).main
    return lambda options: main([*options.split(), "--report_to", "none", "--disable_tqdm", "true"])


def run_in(directory: Path, run: Run, options: str) -> None:
    """Run a script in another directory, from a fixture that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        run(options)


def train(directory: Path, run: Run, options: str) -> None:
    """Train the model in `start` on the rows in rows.json, into `model`, all of it in `directory`."""
    files = "--train_file rows.json --validation_file rows.json"
    run_in(directory, run, f"--model_name_or_path start {files} {options} --output_dir model")


def tune_and_benchmark(run: Run, options: str, training: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Turn `model` into `int8` and benchmark that, in the working directory.

    `training` names the training rows. Returns the metrics after tuning, and the benchmark's record of the model.
    """
    run(f"--model_name_or_path model {options} {training} --do_train --do_eval --tune --output_dir int8")
    run(
        f"--model_name_or_path int8 {options} --int8 --benchmark --output_dir log --overwrite_output_dir "
        "--benchmark_iters 2 --benchmark_warmup 1 --per_device_eval_batch_size 3"
    )
    return results(Path("int8")), json.loads(Path("log/benchmark.json").read_text())["models"][0]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_model(
    directory: Path,
    kind: type[PreTrainedModel] = BertForSequenceClassification,
    words: list[str] = VOCABULARY,
    **changes: Any,
) -> Path:
    """A tiny BERT and its tokenizer; two labels unless `changes` says otherwise."""
    set_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(words), **(sizes | {"max_position_embeddings": 32} | changes))
    kind(config).save_pretrained(directory)
    ids = {word: number for number, word in enumerate(words)}
    length = config.max_position_embeddings
    Tokenizer(tokenizer_object=BertWordPieceTokenizer(ids), model_max_length=length).save_pretrained(directory)
    return directory


def results(directory: Path) -> dict[str, float]:
    return json.loads((directory / "all_results.json").read_text())
