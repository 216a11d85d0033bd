import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from helpers.tiny import tiny_bert
from torch import Tensor

from nc_trainer.benchmark import Footprint, ModelSource, footprint
from nc_trainer.benchmark.footprint_process import answers, resident_mb
from nc_trainer.benchmark.instances import time_together
from nc_trainer.benchmark.processes import Child
from nc_trainer.benchmark.sources import read_batches, weights_mb, write_batches
from nc_trainer.errors import NCTrainerError

pytestmark = pytest.mark.slow

SCRIPT = """\
import json, torch
from nc_trainer.benchmark import BenchmarkOptions, ModelSource, benchmark_instances, place_instances

print("started", flush=True)
ids = torch.arange(1, 17).reshape(2, 8)
batches = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}, {"input_ids": ids + 1}]
sources = {"fp32": ModelSource("model"), "bf16": ModelSource("model", "bfloat16")}
report = benchmark_instances(sources, batches, place_instances(1, 1), BenchmarkOptions(warmup=1, iterations=3))
print(json.dumps(report.to_dict()))
"""


class FakeChild:
    """Notes what it is asked, in a log that all children share; a call of the n-th child takes n seconds."""

    def __init__(self, number: int, log: list[Any]) -> None:
        self.number, self.log = number, log

    def send(self, request: Mapping[str, Any]) -> None:
        self.log.append((self.number, request["model"], request["batch"]))

    def receive(self) -> dict[str, float]:
        self.log.append(self.number)
        return {"seconds": float(self.number)}


def test_all_instances_compute_the_same_model_and_batch_at_a_time() -> None:
    log: list[Any] = []
    children = [cast(Child, FakeChild(number, log)) for number in (1, 2)]
    series = time_together(children, ["fp32", "int8"], batches=2, warmup=1, iterations=2)
    assert series == {"fp32": [[1.0, 1.0], [2.0, 2.0]], "int8": [[1.0, 1.0], [2.0, 2.0]]}
    asked = [("fp32", 0), ("int8", 0), ("fp32", 0), ("int8", 0), ("int8", 1), ("fp32", 1)]
    assert log == [item for model, batch in asked for item in ((1, model, batch), (2, model, batch), 1, 2)]


def test_batches_are_what_they_were(tmp_path: Path) -> None:
    batches: list[dict[str, Tensor]] = [
        {"a.b": torch.arange(6).reshape(2, 3).t(), "mask": torch.tensor([True, False])} for _ in range(11)
    ]
    batches[10]["mask"] = torch.tensor([False])
    write_batches(batches, tmp_path / "batches.safetensors")
    read = read_batches(tmp_path / "batches.safetensors")
    assert [sorted(batch) for batch in read] == [["a.b", "mask"]] * 11
    assert all(torch.equal(new[key], old[key]) for new, old in zip(read, batches, strict=True) for key in old)


def test_batches_that_hold_more_than_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"Batch 0\.labels is a list"):
        write_batches([{"labels": [1]}], tmp_path / "batches.safetensors")  # type: ignore[dict-item]


def test_a_source_is_a_model_directory_and_a_known_dtype(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"no config\.json"):
        ModelSource(str(tmp_path))
    with pytest.raises(NCTrainerError, match="'float16' is not a dtype to time"):
        ModelSource(str(tmp_path), "float16")


def test_the_size_is_that_of_the_files_that_weights_are_read_from(tmp_path: Path) -> None:
    for name, size in {"model-1.safetensors": 3000, "model-2.safetensors": 2000, "pytorch_model.bin": 9000}.items():
        (tmp_path / name).write_bytes(bytes(size))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weights_mb(tmp_path) == 0.005


def test_memory_of_this_process() -> None:
    assert 10 < resident_mb("VmRSS") <= resident_mb("VmHWM") * 1.001


def test_a_process_loads_one_model_and_says_what_that_took(tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path)
    write_batches([{"input_ids": torch.ones(2, 4, dtype=torch.long)}], tmp_path / "batch.safetensors")
    source = ModelSource(str(tmp_path)).to_dict()
    (answer,) = answers({"model": source, "batches": str(tmp_path / "batch.safetensors"), "threads": 1})
    assert set(answer) == {"imported_mb", "loaded_mb", "peak_mb", "load_s", "first_batch_s"}
    assert all(value > 0 for value in answer.values())
    assert answer["peak_mb"] * 1.001 >= answer["loaded_mb"]


def test_a_footprint_is_of_several_processes_and_the_largest_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_bert().save_pretrained(tmp_path)
    jobs: list[Mapping[str, Any]] = []

    def answer(job: Mapping[str, Any]) -> dict[str, float]:
        (batch,) = read_batches(Path(job["batches"]))
        assert batch["input_ids"].shape == (3, 4)
        jobs.append(job)
        number = float(len(jobs))
        return {"imported_mb": 1.0, "loaded_mb": 2.0, "peak_mb": number, "load_s": number, "first_batch_s": 0.5}

    monkeypatch.setattr(footprint, "_answer", answer)
    batches = [{"input_ids": torch.ones(rows, 4, dtype=torch.long)} for rows in (2, 3, 1)]
    found = footprint.measure_footprint(ModelSource(str(tmp_path), "bfloat16"), batches, threads=2)
    assert found == Footprint(1.0, 2.0, 2.0, load_s=(1.0, 2.0, 3.0), first_batch_s=(0.5, 0.5, 0.5))
    assert (jobs[0]["model"]["dtype"], jobs[0]["threads"]) == ("bfloat16", 2)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes")
def test_a_script_without_a_main_guard_measures_in_processes(tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path / "model")
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    report = json.loads(last)
    assert first == "started"
    assert [(model["name"], len(model["latencies_s"])) for model in report["models"]] == [("fp32", 3), ("bf16", 3)]
    assert len(report["settings"]["instances"]) == 1
    assert report["machine"]["threads"] == len(report["settings"]["instances"][0]) == 1
