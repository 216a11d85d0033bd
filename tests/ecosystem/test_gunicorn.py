"""The service as gunicorn runs it: preloaded, forked, warmed up, and asked by the load generator."""

import http.client
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.markdown_blocks import ROOT
from helpers.tiny import tiny_bert, tiny_tokenizer

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

pytest.importorskip("fastapi", reason="FastAPI is not installed")
pytest.importorskip("gunicorn", reason="gunicorn is not installed")
pytestmark = pytest.mark.slow

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_bert()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    place = tmp_path_factory.mktemp("int8")
    save_for_huggingface_upstream(model, tiny_tokenizer(), place)
    return place


@pytest.fixture(scope="module")
def modules() -> Iterator[Callable[[str], Any]]:
    folders = [str(ROOT / "benchmarks" / "serving"), str(ROOT / "examples" / "serving")]
    sys.path[:0] = folders
    yield importlib.import_module
    for folder in folders:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def port(modules: Callable[[str], Any], directory: Path) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with modules("load").served(str(directory), workers=2) as found:
            yield found


def connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def test_it_answers_what_the_model_answers(port: int, modules: Callable[[str], Any], directory: Path) -> None:
    classifier = modules("classifier").Classifier(directory)
    assert modules("load").ask(connection(port), TEXTS) == classifier.classify(TEXTS)


def test_clients_at_the_same_time_are_all_answered(port: int, modules: Callable[[str], Any]) -> None:
    load = modules("load")
    latencies = load.load(port, TEXTS, clients=8, seconds=1.0)
    assert len(latencies) >= 8
    found = load.summary([latencies], 1.0)
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["requests_per_second"] == len(latencies)


@pytest.mark.parametrize(
    "asked", [{}, {"texts": "w1"}, {"texts": ["w1"] * 65}], ids=["nothing", "no list", "too many"]
)
def test_what_does_not_fit_is_refused(port: int, asked: dict[str, Any]) -> None:
    client = connection(port)
    client.request("POST", "/classify", json.dumps(asked), {"Content-Type": "application/json"})
    assert client.getresponse().status == 422


def test_its_health_can_be_asked(port: int) -> None:
    client = connection(port)
    client.request("GET", "/health")
    assert json.loads(client.getresponse().read()) == {"status": "ok"}
