"""run_glue_tune_with_shap.py, run in this process on a tiny BERT: it steers, or reports where it cannot."""

import json
import re
from pathlib import Path

import pytest
from helpers.example_scripts import Run, example, write, write_model
from helpers.shap_package import needs_shap

pytestmark = [pytest.mark.slow, needs_shap]

ROWS = [("a good film", "plot", 1), ("great plots", "the film", 1), ("the bad film", "a", 0), ("awful", "plot", 0)] * 2
TUNE = (
    "--model_name_or_path model --do_eval --max_seq_length 16 --no_cuda --output_dir int8 --tune --shap_rows 2 "
    "--shap_max_evals 40"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model")
    rows = "".join(f"{text}\t{label}\n" for text, _, label in ROWS)
    write(tmp_path / "glue/SST-2/dev.tsv", f"sentence\tlabel\n{rows}")
    write(tmp_path / "pairs.csv", "title,body,label\n" + "".join(f"{a},{b},{label}\n" for a, b, label in ROWS))
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "glue"))
    return example("text-classification", "run_glue_tune_with_shap")


def explanations(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "int8" / "nc_trainer_report.json").read_text())["explanations"]


def test_it_steers_by_default(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(f"{TUNE} --task_name sst2 --shap_original false")
    printed = capsys.readouterr().out
    assert re.search(r"best in shapley_mse of the \d+ that do", printed)
    assert "shapley_mse" in printed.splitlines()[0]
    assert "Shapley MSE of trial" in printed
    assert (tmp_path / "int8" / "model.safetensors").exists()
    found = explanations(tmp_path)
    assert (found["max_evals"], found["seed"], len(found["rows"])) == (40, 9527, 2)  # type: ignore[arg-type]


def test_without_a_timeout_it_reports(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "conf.yaml", "tuning:\n  exit_policy:\n    timeout: 0\n")
    run(f"{TUNE} --task_name sst2 --shap_original false --shap_seed 5 --tuning_config conf.yaml")
    assert "shapley_mse" not in capsys.readouterr().out.splitlines()[0]
    assert "only reported" in caplog.text
    assert explanations(tmp_path)["seed"] == 5


def test_one_text_of_a_pair_of_ones_own_files(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "conf.yaml", "tuning:\n  exit_policy:\n    timeout: 0\n")
    files = "--train_file pairs.csv --validation_file pairs.csv"
    run(f"{TUNE} {files} --shap_column body --shap_original false --tuning_config conf.yaml")
    rows = explanations(tmp_path)["rows"]
    bodies = [body.split() for _, body, _ in ROWS]
    assert isinstance(rows, list)
    for row in rows:
        assert row["players"] == bodies[row["row"]]


def test_a_mistake_ends_the_script_with_one_message(run: Run) -> None:
    with pytest.raises(
        SystemExit, match=r"error: `tuning\.shapley\.max_evals`: found 3, expected a whole number of 16"
    ):
        run(f"{TUNE} --task_name sst2 --shap_max_evals 3")


def test_several_objectives_of_the_configuration_are_kept(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = "tuning:\n  multi_objectives:\n    objective: [modelsize]\n"
    write(tmp_path / "conf.yaml", several)
    run(f"{TUNE} --task_name sst2 --shap_original false --tuning_config conf.yaml")
    assert "modelsize" in capsys.readouterr().out.splitlines()[0]
    assert explanations(tmp_path)["trial"] == 1
