"""The model of the serving example: bit-equal when threads share it, and in processes forked after loading."""

import importlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny import tiny_bert, tiny_tokenizer

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

EXAMPLE = Path(__file__).parents[2] / "examples" / "serving"
TEXTS = [" ".join(f"w{(7 * row + word) % 48}" for word in range(1 + row % 9)) for row in range(40)]
FORKED = """
import json, multiprocessing, sys
import torch
sys.path.insert(0, sys.argv[1])
from classifier import Classifier
torch.set_num_threads(1)
shared = Classifier(sys.argv[2])

def child(texts):
    torch.set_num_threads(1)
    shared.warm_up()
    return [shared.classify([text])[0]["score"] for text in texts]

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(json.dumps(pool.map(child, [json.loads(sys.argv[3])] * 2, chunksize=1)))
"""


@pytest.fixture(params=["float32", "bfloat16"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    model = tiny_bert()
    recipe = full_recipe(model).with_rest_in(request.param)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, tiny_tokenizer(), tmp_path)
    return tmp_path


@pytest.fixture
def classifier(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXAMPLE)
    return importlib.import_module("classifier").Classifier(directory)


def alone(classifier: Any) -> list[float]:
    """The score of each text, asked one after the other."""
    return [classifier.classify([text])[0]["score"] for text in TEXTS]


def test_eight_threads_get_the_bits_that_one_gets(classifier: Any) -> None:
    classifier.warm_up()
    expected = alone(classifier)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: alone(classifier), range(8)))
    assert found == [expected] * 8


@pytest.mark.slow
def test_processes_that_are_forked_after_loading_get_them_too(classifier: Any, directory: Path) -> None:
    command = [sys.executable, "-c", FORKED, str(EXAMPLE), str(directory), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == [alone(classifier)] * 2


def test_labels_have_the_names_of_the_model_and_no_texts_no_answers(classifier: Any) -> None:
    answers = classifier.classify(TEXTS[:3])
    assert {answer["label"] for answer in answers} <= set(classifier.model.config.id2label.values())
    assert all(1 / 3 <= answer["score"] <= 1 for answer in answers)
    assert classifier.classify([]) == []
