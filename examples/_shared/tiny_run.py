"""What a script does without options: all of its modes, on a tiny model and rows that are made up."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from _shared.modes import run_script

TRAINING = "--do_train --do_eval --num_train_epochs 15 --learning_rate 2e-3 --per_device_train_batch_size 16"


def run_tiny(run: Callable[[Sequence[str] | None], None], write_tiny: Callable[[Path], None], output: str) -> None:
    """Train, tune and benchmark.

    Args:
        run: of the script.
        write_tiny: writes `model`, `train.csv` and `validation.csv` into a directory.
        output: where the int8 model is saved.
    """
    with tempfile.TemporaryDirectory() as directory:
        write_tiny(Path(directory))
        for options in _steps(Path(directory), output):
            run_script(run, options)


def _steps(directory: Path, output: str) -> Iterator[list[str]]:
    """The options of one run after the other."""
    train = ["--train_file", f"{directory}/train.csv"]
    common = ["--validation_file", f"{directory}/validation.csv", "--no_cuda", "--report_to", "none"]
    start, trained = f"{directory}/model", f"{directory}/float"
    yield ["--model_name_or_path", start, *TRAINING.split(), *train, *common, "--output_dir", trained]
    yield [
        "--model_name_or_path",
        trained,
        "--tune",
        "--do_train",
        "--do_eval",
        *train,
        *common,
        "--output_dir",
        output,
    ]
    measured = ["--int8", "--benchmark", "--benchmark_baseline", trained]
    yield ["--model_name_or_path", output, *measured, *common, "--output_dir", f"{output}_log"]
