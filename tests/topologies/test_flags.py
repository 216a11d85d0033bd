"""The flags of run_tuning.sh and run_benchmark.sh: what they become, and what a mistake says."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import run_glue_tune
import run_topology
from topologies import TOPOLOGIES
from transformers import CONFIG_MAPPING

from nc_trainer.text_data.glue.tasks import GLUE_TASKS

TWELVE = {
    "bert_base_MRPC",
    "distilbert_base_MRPC",
    "albert_base_MRPC",
    "funnel_MRPC",
    "bart_WNLI",
    "mbart_WNLI",
    "xlm_roberta_MRPC",
    "gpt2_MRPC",
    "xlnet_base_MRPC",
    "transfo_xl_MRPC",
    "ctrl_MRPC",
    "xlm_MRPC",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with `data`, a BERT in `model` and its int8 model in `int8`."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "model", "int8"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text('{"model_type": "bert"}')
    return tmp_path


GIVEN = {"topology": "bert_base_MRPC", "dataset_location": "data", "input_model": "model"}


def flags(**changes: Any) -> list[str]:
    return [f"--{name}={value}" for name, value in (GIVEN | changes).items() if value is not None]


def options_of(argv: list[str]) -> dict[str, str | None]:
    """What the options are set to; None for switches."""
    pairs = zip(argv, [*argv[1:], "--"], strict=True)
    return {
        one.removeprefix("--"): None if value.startswith("--") else value
        for one, value in pairs
        if one.startswith("--")
    }


def test_the_twelve_names_of_the_original_are_known() -> None:
    assert set(TOPOLOGIES) == TWELVE
    for name, topology in TOPOLOGIES.items():
        assert topology.task in GLUE_TASKS
        assert name.endswith(f"_{topology.task.upper()}")


def test_all_architectures_but_transformer_xl_are_in_every_transformers() -> None:
    absent = {topology.model_type for topology in TOPOLOGIES.values()} - set(CONFIG_MAPPING)
    assert absent <= {"transfo-xl"}


@pytest.mark.usefixtures("here")
def test_tuning() -> None:
    options = options_of(run_topology.tuning_options(flags(output_model="out")))
    config = options.pop("tuning_config")
    assert options == {
        "model_name_or_path": "model",
        "task_name": "mrpc",
        "dataset_location": "data",
        "max_seq_length": "128",
        "per_device_eval_batch_size": "16",
        "output_dir": "out",
        **dict.fromkeys(("do_train", "do_eval", "no_cuda", "overwrite_output_dir", "tune")),
    }
    assert Path(str(config)).name == "conf.yaml"


@pytest.mark.usefixtures("here")
def test_defaults() -> None:
    assert options_of(run_topology.tuning_options(flags()))["output_dir"] == "saved_results"
    options = options_of(run_topology.benchmark_options(flags(mode="benchmark")))
    assert (options["output_dir"], options["benchmark_iters"]) == ("output_log", "100")
    assert "int8" not in options


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"mode": "accuracy"}, {"accuracy_only": None, "max_seq_length": "128"}, id="accuracy"),
        pytest.param({"mode": "benchmark", "iters": 7}, {"benchmark": None, "benchmark_iters": "7"}, id="benchmark"),
        pytest.param({"mode": "accuracy", "batch_size": 1}, {"per_device_eval_batch_size": "1"}, id="batch-size"),
        pytest.param({"mode": "accuracy", "int8": "true"}, {"int8": None, "model_name_or_path": "model"}, id="int8"),
        pytest.param(
            {"mode": "accuracy", "int8": "true", "config": "int8"},
            {"int8": None, "model_name_or_path": "int8"},
            id="the-tuned-model-as-the-original-names-it",
        ),
    ],
)
def test_benchmark(changes: dict[str, Any], expected: dict[str, str | None]) -> None:
    options = options_of(run_topology.benchmark_options(flags(**changes)))
    assert options | expected == options


@pytest.mark.parametrize(("mode", "length"), [("benchmark", "512"), ("accuracy", "128")])
def test_albert_is_timed_on_512_tokens(mode: str, length: str, here: Path) -> None:
    (here / "model/config.json").write_text('{"model_type": "albert"}')
    argv = run_topology.benchmark_options(flags(topology="albert_base_MRPC", mode=mode))
    assert options_of(argv)["max_seq_length"] == length


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"topology": "bert_base_mrpc"}, "unknown topology 'bert_base_mrpc'", id="unknown-topology"),
        pytest.param({"topology": "x"}, ", ".join(TOPOLOGIES), id="unknown-topology-lists-the-known"),
        pytest.param({"topology": None}, "required: --topology", id="no-topology"),
        pytest.param({"dataset_location": None}, "required: --dataset_location", id="no-data"),
        pytest.param({"input_model": None}, "required: --input_model", id="no-model"),
        pytest.param({"mode": None}, "required: --mode", id="no-mode"),
        pytest.param({"mode": "speed"}, "invalid choice: 'speed'", id="unknown-mode"),
        pytest.param({"dataset_location": "gone"}, "--dataset_location: 'gone' is not a directory", id="missing-data"),
        pytest.param({"input_model": "gone"}, "--input_model: 'gone' is not a directory", id="missing-model"),
        pytest.param({"batch_size": 0}, "--batch_size: '0' is not a number above 0", id="batch-size-0"),
        pytest.param({"iters": "many"}, "--iters: 'many' is not a number above 0", id="iters"),
        pytest.param({"int8": "yes"}, "--int8: invalid choice: 'yes'", id="int8"),
        pytest.param({"output_model": "x"}, "unrecognized arguments: --output_model=x", id="unknown-flag"),
        pytest.param({"topo": "x"}, "unrecognized arguments: --topo=x", id="abbreviation"),
    ],
)
def test_a_mistake_is_one_message(changes: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_topology.main(["benchmark", *flags(**({"mode": "accuracy"} | changes))])
    assert stopped.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert errors[0].startswith("run_benchmark.sh: error: ")
    assert message in errors[0]


@pytest.mark.usefixtures("here")
def test_a_tuned_model_is_not_measured_as_a_float_one() -> None:
    with pytest.raises(SystemExit, match="--config names a tuned model; give --int8=true"):
        run_topology.main(["benchmark", *flags(mode="accuracy", config="int8")])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(
            '{"model_type": "roberta"}', "is for 'bert' models; 'model' holds a 'roberta' model", id="another"
        ),
        pytest.param("{", "its config.json cannot be read", id="damaged"),
        pytest.param("[]", "its config.json cannot be read", id="a-list"),
        pytest.param(None, "its config.json cannot be read", id="absent"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(config: str | None, message: str, here: Path) -> None:
    (here / "model/config.json").unlink()
    if config is not None:
        (here / "model/config.json").write_text(config)
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        run_topology.main(["tune", *flags()])


@pytest.mark.skipif("transfo-xl" in CONFIG_MAPPING, reason="transformers 4.57 has Transformer-XL")
@pytest.mark.usefixtures("here")
def test_transformer_xl_says_where_it_lives() -> None:
    message = r"transformers 4\.57 .*pip install 'transformers>=4\.57,<5'.*make transformers4-env"
    with pytest.raises(SystemExit, match=message):
        run_topology.main(["tune", *flags(topology="transfo_xl_MRPC")])


@pytest.mark.skipif("transfo-xl" not in CONFIG_MAPPING, reason="transformers 5 has no Transformer-XL")
def test_the_pickle_of_transformer_xl_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUST_REMOTE_CODE", raising=False)
    (here / "model/config.json").write_text(json.dumps({"model_type": "transfo-xl"}))
    (here / "model/vocab.pkl").touch()
    with pytest.raises(SystemExit, match=r"vocab\.pkl' is a pickle, .*TRUST_REMOTE_CODE=1"):
        run_topology.main(["tune", *flags(topology="transfo_xl_MRPC")])


@pytest.mark.usefixtures("here")
def test_a_python_without_transformers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # an import of it raises
    message = f"{sys.executable} has no package 'transformers'.*PYTHON="
    with pytest.raises(SystemExit, match=message):
        run_topology.main(["tune", *flags()])


@pytest.mark.usefixtures("here")
def test_the_command_line_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be repeated with other options of run_glue_tune.py."""
    given: list[list[str]] = []
    monkeypatch.setattr(run_glue_tune, "main", given.append)
    run_topology.main(["tune", *flags(output_model="my model")])
    assert "run_glue_tune.py --model_name_or_path model" in capsys.readouterr().out
    assert "my model" in given[0]
