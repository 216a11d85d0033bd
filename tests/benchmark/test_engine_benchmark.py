"""benchmarks/engine without the peers' libraries: workloads, the record of a run, tables and arguments."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import tiny_bert
from torch import Tensor

from nc_trainer.int8.quantize import is_int8

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks" / "engine"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


@pytest.fixture
def run(load: Callable[[str], Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs peers, given as functions of (model, batch), on a tiny model and returns the workload's record."""

    def run(peers: dict[str, Any], rounds: int = 6) -> Any:
        model = tiny_bert()
        ids = torch.arange(1, 41).reshape(4, 10)
        batches = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}]
        interface, runner, workloads = (
            load(f"{name}") for name in ("peers.interface", "harness.runner", "harness.workloads")
        )
        task = interface.Task("tiny", model, batches, batches, tmp_path, 1)

        def build(name: str, task: Any) -> Any:
            return interface.Peer(lambda batch: peers[name](task.model, batch))

        workload = workloads.Workload("tiny", 4, text="none")
        return runner.run_workload(workload, task, list(peers), rounds=rounds, seconds=1.0, build=build)

    return run


def logits(model: Any, batch: Any) -> Tensor:
    return model(**batch).logits


def no_such_library(model: Any, batch: Any) -> Tensor:
    raise ModuleNotFoundError("No module named 'peer'")


def mean_answer(model: Any, batch: Any) -> Tensor:
    found = logits(model, batch)
    return found.mean(dim=0).expand_as(found)


def test_a_peer_that_fails_is_recorded_and_the_others_are_timed(run: Callable[..., Any]) -> None:
    record = run({"fp32": logits, "missing": no_such_library})
    good, bad = record["peers"]
    assert (len(good["seconds"]), good["failure"], good["error"]) == (6, None, 0.0)
    assert (bad["seconds"], bad["failure"]) == ([], "ModuleNotFoundError: No module named 'peer'")


def test_a_peer_that_is_far_slower_than_fp32_is_not_timed(
    run: Callable[..., Any], load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    durations = iter([2.0, 2.0, 21.0])
    monkeypatch.setattr(load("harness.runner"), "trial_milliseconds", lambda forward, batches: next(durations))
    record = run({"fp32": logits, "slow": logits})
    assert record["peers"][1]["failure"] == "RuntimeError: 21 ms, more than 10 times fp32's 2 ms: not timed further"


def test_all_peers_failing_leaves_a_record(run: Callable[..., Any]) -> None:
    assert [peer["seconds"] for peer in run({"missing": no_such_library})["peers"]] == [[]]


def test_a_peer_that_answers_with_the_mean_is_marked_broken(
    run: Callable[..., Any], load: Callable[[str], Any]
) -> None:
    record = run({"fp32": logits, "constant": mean_answer})
    assert record["peers"][1]["error"] == pytest.approx(1.0)
    assert "| 1.000 **broken** |" in load("harness.report").workload_text(record, "ours", None)


def test_ours_is_built_and_run_inside_inference_mode(load: Callable[[str], Any]) -> None:
    model = tiny_bert()
    ids = torch.arange(1, 41).reshape(4, 10)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        ours = load("peers.ours").quantized(model, batch)
        error = load("harness.runner").relative_error(logits(ours, batch).float(), logits(model, batch))
    assert is_int8(ours)
    assert not is_int8(model)
    assert 0 < error < 0.2


def test_operations_are_those_of_the_linear_modules(load: Callable[[str], Any]) -> None:
    ids = torch.arange(1, 41).reshape(4, 10)
    layer = 4 * 32 * 32 + 2 * 32 * 64
    expected = 2 * (40 * 2 * layer + 4 * 32 * 32 + 4 * 32 * 3)
    operations = load("harness.workloads").linear_operations(tiny_bert(), [{"input_ids": ids}])
    assert operations == expected


@pytest.mark.parametrize(
    ("name", "rows", "hidden", "layers"),
    [
        pytest.param("bert-16x128", (16, 128), 768, 12, id="BERT-base"),
        pytest.param("minilm-1x32", (1, 32), 384, 6, id="MiniLM"),
    ],
)
def test_workloads_have_the_sizes_of_their_names(
    name: str, rows: tuple[int, int], hidden: int, layers: int, load: Callable[[str], Any]
) -> None:
    workloads = load("harness.workloads")
    workload = workloads.WORKLOADS[name]
    with torch.device("meta"):
        config = load("harness.models").make_model(workload.model).config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (hidden, layers, 12)
    timed = workloads.timed_batches(workload, None, None)
    assert [tuple(batch["input_ids"].shape) for batch in timed] == [rows]
    checked = workloads.check_batches(workload, timed)
    assert sum(len(batch["input_ids"]) for batch in checked) >= 8
    assert not torch.equal(checked[0]["input_ids"], timed[0]["input_ids"])


def test_text_without_its_data_says_what_is_missing(load: Callable[[str], Any]) -> None:
    workloads = load("harness.workloads")
    from nc_trainer.errors import NCTrainerError

    with pytest.raises(NCTrainerError, match=r"--glue .* and --tokenizer"):
        workloads.timed_batches(workloads.WORKLOADS["bert-mrpc"], None, None)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("bert", 109.5), ("distilbert", 67.0), ("minilm", 22.7), ("xlm-roberta", 278.0), ("modernbert", 149.6),
        ("deberta-v3", 184.4), ("qwen2", 494.0),
    ],
)  # fmt: skip
def test_models_have_as_many_parameters_as_published_ones(
    name: str, millions: float, load: Callable[[str], Any]
) -> None:
    with torch.device("meta"):
        model = load("harness.models").make_model(name)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=2e-3)


def test_every_workload_has_its_model(load: Callable[[str], Any]) -> None:
    models = load("harness.models").MODELS
    assert {workload.model for workload in load("harness.workloads").WORKLOADS.values()} == set(models)


def test_a_served_row_is_a_call_and_another_one_comes_before_it(load: Callable[[str], Any]) -> None:
    seen: list[int] = []
    calls = load("harness.runner").served_calls({"one": seen.append}, [0, 1, 2, 3])["one"]
    for _ in range(5):
        calls.before()
        calls.run()
    assert seen == [2, 0, 3, 1, 0, 2, 1, 3, 2, 0]
    assert calls.share == 0.25


@pytest.mark.parametrize(
    ("share", "milliseconds", "expected"), [(1.0, 1.0, 60), (1.0, 1000.0, 8), (0.01, 5.0, 100), (0.01, 0.5, 1000)]
)
def test_rounds_fit_into_the_time_and_are_whole_passes(
    share: float, milliseconds: float, expected: int, load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = load("harness.runner")
    monkeypatch.setattr(runner, "time_interleaved", lambda runs, **options: {"one": [milliseconds / 1e3] * 3})
    calls = {"one": runner.Calls(lambda: None, lambda: None, share)}
    assert runner.rounds_within(1.0, calls) == expected


def test_the_slowest_of_a_hundred_rows_is_shown_of_what_is_served(
    workload: dict[str, Any], load: Callable[[str], Any]
) -> None:
    workload |= {"served": True, "batches": 1}
    workload["peers"] = [workload["peers"][2] | {"seconds": [0.004] * 98 + [0.1] * 2}]
    lines = load("harness.report").workload_text(workload, "ours", 1.0).splitlines()
    assert lines[2].startswith("| peer | median, ms | p99, ms |")
    assert lines[4] == "| ours | 4.00 | 100.00 |  |  | 0.125 |"


def test_ours_without_leaving_rows_out_gives_the_same_bits(load: Callable[[str], Any]) -> None:
    model, ids = tiny_bert(), torch.arange(1, 41).reshape(4, 10)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    batch = {"input_ids": ids, "attention_mask": mask}
    with torch.inference_mode():
        answers = [logits(load("peers.ours").quantized(model, batch, every_row), batch) for every_row in (False, True)]
    assert torch.equal(*answers)


@pytest.fixture
def workload() -> dict[str, Any]:
    """Two batches in a call: ours takes 2 ms for a batch, fp32 6 ms, and one peer failed."""
    return {
        "name": "two",
        "batches": 2,
        "linear_operations": 2_000_000_000,
        "peers": [
            {"name": "fp32", "setting": "", "failure": None, "error": 0.0, "seconds": [0.012] * 10},
            {"name": "gone", "setting": "", "failure": "ValueError: a\nb", "error": None, "seconds": []},
            {"name": "ours", "setting": "", "failure": None, "error": 0.125, "seconds": [0.004] * 10},
        ],
    }


def test_the_table_of_a_workload(workload: dict[str, Any], load: Callable[[str], Any]) -> None:
    text = load("harness.report").workload_text(workload, "ours", 1.0)
    assert text.splitlines() == [
        "### two (10 rounds)",
        "",
        "| peer | median, ms | p90, ms | ours is faster by | of int8 peak | error of logits |",
        "| --- | --- | --- | --- | --- | --- |",
        "| fp32 | 6.00 | 6.00 | 3.00 (3.00-3.00) | 17% | 0.000 |",
        "| gone | failed |  |  |  |  |",
        "| ours | 2.00 | 2.00 |  | 50% | 0.125 |",
        "",
        "- gone: ValueError: a b",
    ]


def test_the_overview_has_a_row_for_each_peer(workload: dict[str, Any], load: Callable[[str], Any]) -> None:
    skipped = {"name": "text", "skipped": "no data", "peers": []}
    text = load("harness.report").overview({"workloads": [workload, skipped]})
    assert text.splitlines()[2:] == [
        "| peer | two | text |",
        "| --- | --- | --- |",
        "| fp32 | 6.0 |  |",
        "| gone | failed |  |",
        "| ours | 2.0 |  |",
    ]


def test_an_error_that_is_not_a_number_is_broken(workload: dict[str, Any], load: Callable[[str], Any]) -> None:
    workload["peers"][0]["error"] = float("nan")
    assert "nan **broken**" in load("harness.report").workload_text(workload, "ours", None)


def test_the_fastest_setting_is_chosen_and_named(load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    interface = load("peers.interface")
    milliseconds = {1: 5.0, 2: 3.0}
    monkeypatch.setattr(interface, "trial_milliseconds", lambda forward, batches: milliseconds[forward])
    peer = interface.fastest({"a": lambda: 1, "b": lambda: 2}, [])
    assert peer == interface.Peer(2, "b (tried: a 5.0 ms, b 3.0 ms)")


def test_arguments(load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    parse = load("compare_peers").parse
    options = parse(["--only", "fp32", "ours", "--shapes", "bert-1x32", "--rounds", "7", "--threads", "1"])
    assert (options.only, options.shapes, options.rounds, options.threads) == (["fp32", "ours"], ["bert-1x32"], 7, 1)
    assert parse([]).only == list(load("peers").PEERS)
    with pytest.raises(SystemExit):
        parse(["--only", "gpu"])
    assert "invalid choice: 'gpu'" in capsys.readouterr().err


def test_every_peer_has_its_file(load: Callable[[str], Any]) -> None:
    modules = {module for module, _ in load("peers").PEERS.values()}
    assert {module for module in modules if not (FOLDER / "peers" / f"{module}.py").exists()} == set()


def test_only_missing_allocator_settings_are_added(load: Callable[[str], Any]) -> None:
    process = load("harness.process")
    assert set(process.missing_settings({})) == {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}
    assert set(process.missing_settings({"MALLOC_TRIM_THRESHOLD_": "1"})) == {"MALLOC_MMAP_THRESHOLD_"}
    assert process.missing_settings(dict(process.ALLOCATOR)) == {}


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        pytest.param("avx2 avx512_vnni amx_int8", "amx", id="AMX first"),
        pytest.param("avx2 avx512_vnni", "avx512_vnni", id="VNNI"),
        pytest.param("sse2", None, id="none"),
    ],
)
def test_the_peak_is_measured_with_the_best_instructions(
    flags: str, level: str | None, load: Callable[[str], Any]
) -> None:
    assert load("harness.int8_peak").best_level(flags.split()) == level


def test_no_peak_without_a_compiler(load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    peak = load("harness.int8_peak")
    monkeypatch.setattr(peak.shutil, "which", lambda name: None)
    peak.compiled_program.cache_clear()
    assert peak.int8_peak_tops() is None
    peak.compiled_program.cache_clear()
