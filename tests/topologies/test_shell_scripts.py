"""run_tuning.sh and run_benchmark.sh as a user runs them: with `sh`, from elsewhere, on paths with spaces."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.fine_tuned import FineTuned, fine_tuned
from safetensors import safe_open
from transformers import CONFIG_MAPPING

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "text-classification"
LAST = "transfo_xl_MRPC" if "transfo-xl" in CONFIG_MAPPING else "xlnet_base_MRPC"


def run(script: str, directory: Path, *flags: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHON": python,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TRUST_REMOTE_CODE": "1",  # the vocabulary that Transformer-XL has just saved is a pickle
    }
    command = ["sh", str(EXAMPLE / script), *flags]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def printed(script: str, checkpoint: FineTuned, *flags: str) -> str:
    """What a run that has to succeed prints."""
    done = run(script, checkpoint.model.parent, *checkpoint.flags, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "a b").mkdir()
    return tmp_path / "a b"


def test_tune_then_measure_both_models(directory: Path) -> None:
    """The commands that the original's README gives, one after the other."""
    before = {path: path.read_bytes() for path in EXAMPLE.iterdir() if path.is_file()}
    checkpoint = fine_tuned("bert_base_MRPC", directory)

    assert "Outcome: met" in printed("run_tuning.sh", checkpoint)
    saved = directory / "saved_results"
    with safe_open(saved / "model.safetensors", "pt") as tensors:
        assert tensors.get_slice("classifier.qweight").get_dtype() == "I8"

    accuracy = printed("run_benchmark.sh", checkpoint, "--mode=accuracy", "--int8=true", "--config=saved_results")
    assert "Accuracy: 1.00000 (f1)" in accuracy

    timed = printed("run_benchmark.sh", checkpoint, "--mode=benchmark", "--int8=false", "--iters=2", "--batch_size=4")
    for expected in ("F1: 1.0", "Batch size = 4", "Throughput: ", "Latency: "):
        assert expected in timed
    report = json.loads((directory / "output_log/benchmark.json").read_text())["models"][0]
    assert (report["name"], len(report["latencies_s"])) == ("float", 2)

    assert {path: path.read_bytes() for path in EXAMPLE.iterdir() if path.is_file()} == before


def test_the_tuned_model_as_input_model_is_timed(directory: Path) -> None:
    checkpoint = fine_tuned("gpt2_MRPC", directory)
    assert "Outcome: met" in printed("run_tuning.sh", checkpoint, "--output_model=int8 model")
    tuned = FineTuned(checkpoint.topology, directory / "int8 model", checkpoint.glue)
    assert "Throughput: " in printed("run_benchmark.sh", tuned, "--mode=benchmark", "--int8=true", "--iters=2")
    report = json.loads((directory / "output_log/benchmark.json").read_text())["models"][0]
    assert (report["name"], report["metric_value"]) == ("int8", 1.0)


def test_a_checkpoint_is_evaluated(directory: Path) -> None:
    checkpoint = fine_tuned(LAST, directory)
    assert "Outcome: met" in printed("run_tuning.sh", checkpoint)
    accuracy = printed("run_benchmark.sh", checkpoint, "--mode=accuracy", "--int8=false", "--output_log=log")
    assert "Accuracy: 1.00000 (f1)" in accuracy


@pytest.mark.parametrize("script", ["run_tuning.sh", "run_benchmark.sh"])
def test_python_that_fails_makes_the_script_fail(script: str, tmp_path: Path) -> None:
    assert run(script, tmp_path, python="false").returncode == 1


def test_a_mistake_makes_the_script_fail(tmp_path: Path) -> None:
    done = run("run_tuning.sh", tmp_path, "--topology=resnet")
    assert done.returncode == 2
    assert "unknown topology 'resnet'; expected one of bert_base_MRPC, " in done.stderr
    assert "Traceback" not in done.stderr
