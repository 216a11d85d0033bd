"""Shapley MSE through `quantize()`: what is explained, what it costs, what it says and what it chooses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from helpers.shap_package import needs_shap
from helpers.tiny import sensitive_bert, tiny_bert, tiny_tokenizer, tiny_trainer, token_rows, with_labels_of

import nc_trainer.search.objectives.shapley_mse
from nc_trainer import ConfigError, QuantizationError, QuantizationTrainer, TuningConfig
from nc_trainer.compat.loader_search import loader_search
from nc_trainer.errors import NCTrainerError
from nc_trainer.explain import Explanations, inc_shapley_mse, mean_magnitudes
from nc_trainer.int8.quantize import is_int8
from nc_trainer.report.reported_search import run_reported
from nc_trainer.search.objectives.objective import Reading
from nc_trainer.search.objectives.shapley_mse import ShapleyMSE
from nc_trainer.search.strategies import STRATEGIES, Proposals, SearchSpace

pytestmark = needs_shap

BUDGET = {"rows": 3, "max_evals": 100}


class EverythingThenPooler:
    """Two recipes, both accepted: everything in int8, and the pooler in float."""

    finishes_itself = False

    def proposals(self, space: SearchSpace) -> Proposals:
        yield space.recipe
        yield space.recipe.with_fallbacks(["bert.pooler.dense"])

    def expected_trials(self, modules: int) -> int:
        return 2


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "two", EverythingThenPooler)


def config(timeout: float = 0, shapley: dict[str, Any] | None = None, **tuning: Any) -> TuningConfig:
    return TuningConfig.from_dict(
        {
            "quantization": {"float_dtype": "float32"},
            "tuning": {
                "accuracy_criterion": {"absolute": 1.0},
                "exit_policy": {"timeout": timeout},
                "shapley": BUDGET | (shapley or {}),
            }
            | tuning,
        }
    )


LABELLED = with_labels_of(tiny_bert(), token_rows())


def explained(trainer: QuantizationTrainer, **shapley: Any) -> Explanations:
    """What `quantize()` explains when it is asked for a report."""
    found = trainer.quantize(config(shapley={"report": True} | shapley)).explanations
    assert found is not None
    return found


def text_trainer(tmp_path: Path, model: torch.nn.Module, texts: list[dict[str, Any]], **options: Any) -> Any:
    """A trainer on rows with their raw text, as the GLUE example has them."""
    tokenizer = tiny_tokenizer()
    columns = [name for name in texts[0] if name != "label"]
    rows = Dataset.from_list(texts)
    rows = rows.map(lambda row: dict(tokenizer(" ".join(row[name] for name in columns))))
    return tiny_trainer(tmp_path, model, eval_dataset=rows, **options)


SENTENCES: list[dict[str, Any]] = [{"sentence": f"w{n} w{n + 1} w{n + 2} w7", "label": n % 3} for n in range(12)]


def test_the_chosen_model_is_explained_beside_the_float_model(tmp_path: Path) -> None:
    model = tiny_bert()
    rows = with_labels_of(model, token_rows())
    result = tiny_trainer(tmp_path, model).quantize(config(shapley={"report": True}))
    found = result.explanations
    assert found is not None
    assert (found.trial, found.models, len(found.rows)) == (1, 2, 3)
    assert 0 < found.passes <= 3 + 2 * 3 * 100
    for row in found.rows:
        ids = rows[row.row]["input_ids"]
        assert row.players == tuple(tiny_tokenizer().convert_ids_to_tokens(ids))
        assert row.label == f"LABEL_{rows[row.row]['labels']}"
        assert row.float_base + sum(row.float_values) == pytest.approx(row.float_output, abs=1e-6)
        assert row.int8_base + sum(row.int8_values) == pytest.approx(row.int8_output, abs=1e-6)
        with torch.no_grad():
            logits = result.model(torch.tensor([ids])).logits[0]
        assert row.int8_output == pytest.approx(float(logits[rows[row.row]["labels"]]), abs=1e-3)
    assert 0 < found.comparison.mse < found.comparison.high
    assert "Shapley MSE of trial 1" in result.table()
    assert is_int8(result.model)


def test_nothing_is_explained_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        nc_trainer.search.objectives.shapley_mse, "shapley_values", lambda *args: pytest.fail("explained")
    )
    result = tiny_trainer(tmp_path).quantize(config())
    assert result.explanations is None
    assert "Shapley" not in result.table()


def test_the_objective_chooses_the_recipe_that_explains_like_the_float_model(tmp_path: Path, two: None) -> None:
    """Where one module alone spoils int8, leaving it in float is better though less is in int8."""
    trainer = text_trainer(tmp_path, sensitive_bert(), SENTENCES)
    result = trainer.quantize(config(600, strategy={"name": "two"}, objective="shapley_mse"))
    errors = [trial.objectives["shapley_mse"] for trial in result.trials]
    assert errors[1] < errors[0]
    assert result.baseline.objectives == {"shapley_mse": 0.0}
    assert result.chosen.number == 2
    assert result.reason.endswith("best in shapley_mse of the 2 that do")
    assert "shapley_mse" in result.table().splitlines()[0]
    assert result.explanations is not None
    assert result.explanations.trial == 2
    assert result.explanations.models == 3
    assert result.explanations.comparison.mse == errors[1]


def test_it_can_be_weighed_against_other_objectives(tmp_path: Path, two: None) -> None:
    for weight, chosen in ([1, 0], 1), ([0, 1], 2):
        several = {"objective": ["modelsize", "shapley_mse"], "weight": weight, "higher_is_better": [False, False]}
        trainer = text_trainer(tmp_path / str(chosen), sensitive_bert(), SENTENCES)
        result = trainer.quantize(config(600, strategy={"name": "two"}, multi_objectives=several))
        assert set(result.chosen.objectives) - {"shapley_mse_error"} == {"modelsize", "shapley_mse"}
        assert result.chosen.number == chosen


def test_differences_within_the_error_of_permutations_do_not_choose(
    tmp_path: Path, two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = {1: Reading(0.05, 0.02), 2: Reading(0.03, 0.02)}
    monkeypatch.setattr(ShapleyMSE, "__call__", lambda self, trial: readings.get(trial.number, Reading(0.0)))
    result = tiny_trainer(tmp_path).quantize(config(600, strategy={"name": "two"}, objective="shapley_mse"))
    assert result.chosen.number == 1
    assert "0.05 ±0.02" in result.table()


def test_without_a_timeout_the_objective_only_reports(tmp_path: Path, two: None) -> None:
    result = tiny_trainer(tmp_path, sensitive_bert()).quantize(
        config(strategy={"name": "two"}, objective="shapley_mse")
    )
    assert [dict(trial.objectives) for trial in result.trials] == [{}]
    assert result.explanations is not None
    assert result.explanations.models == 2


def test_the_same_seed_explains_the_same_rows_the_same_way(tmp_path: Path) -> None:
    found = [explained(tiny_trainer(tmp_path / str(number)), seed=seed) for number, seed in enumerate((1, 1, 2))]
    assert found[0].rows == found[1].rows
    assert found[0].comparison == found[1].comparison
    assert [row.row for row in found[0].rows] != [row.row for row in found[2].rows]


def test_a_regression_is_explained_by_its_output(tmp_path: Path) -> None:
    model = tiny_bert(num_labels=1)
    rows = token_rows().add_column("labels", np.linspace(0, 1, 24).tolist())
    trainer = tiny_trainer(tmp_path, model, eval_dataset=rows, compute_metrics=lambda _: {"pearson": 1.0})
    assert [row.label for row in explained(trainer).rows] == ["", "", ""]


def test_inc_shapley_mse_is_computed_from_the_raw_texts(tmp_path: Path) -> None:
    model = tiny_bert(num_labels=2, max_position_embeddings=128)
    texts = [str(row["sentence"]) for row in SENTENCES[:2]]
    before, passes = mean_magnitudes(model, tiny_tokenizer(), texts)
    trainer = text_trainer(tmp_path, model, [row | {"label": row["label"] % 2} for row in SENTENCES[:2]])
    result = trainer.quantize(config(shapley={"report": True, "inc_shapley_mse": True}))
    after, _ = mean_magnitudes(result.model, tiny_tokenizer(), texts)
    assert result.explanations.inc_shapley_mse == pytest.approx(inc_shapley_mse(before, after), rel=1e-3)
    np.testing.assert_allclose(before[:, 0], before[:, 1], rtol=1e-3, err_msg="log-odds of two classes are opposite")
    assert passes > 0
    assert "Neural Compressor's number: " in result.table()


@pytest.mark.parametrize(
    "rows", [None, [{"sentence1": "w1 w2", "sentence2": "w3", "label": 0}] * 4], ids=["token ids only", "a pair"]
)
def test_why_there_is_no_inc_shapley_mse(tmp_path: Path, rows: list[dict[str, Any]] | None) -> None:
    trainer = text_trainer(tmp_path, tiny_bert(), rows) if rows else tiny_trainer(tmp_path)
    found = explained(trainer, inc_shapley_mse=True)
    assert found.inc_shapley_mse is None
    assert "needs the raw text of one column" in found.note


@pytest.mark.parametrize(
    ("options", "shapley", "error", "message"),
    [
        pytest.param(
            {"processing_class": None},
            {},
            QuantizationError,
            "hide tokens: give the trainer its tokenizer",
            id="no tokenizer",
        ),
        pytest.param(
            {},
            {"column": "title"},
            ConfigError,
            r"`tuning\.shapley\.column`: found 'title', expected a text column of the evaluation data \(sentence\)",
            id="no such column",
        ),
    ],
)
def test_what_cannot_be_explained_is_said_before_anything_is_evaluated(
    tmp_path: Path, options: dict[str, Any], shapley: dict[str, Any], error: type[NCTrainerError], message: str
) -> None:
    model = tiny_bert()
    trainer = text_trainer(tmp_path, model, SENTENCES, **options)
    trainer.compute_metrics = lambda prediction: pytest.fail("evaluated")
    with pytest.raises(error, match=message):
        trainer.quantize(config(shapley={"report": True} | shapley))
    assert not is_int8(model)
    assert not list((tmp_path / "out").glob("_tuning*"))


def test_a_search_without_a_trainer_says_what_it_would_need(tmp_path: Path) -> None:
    search = loader_search(
        tiny_bert(),
        config(objective="shapley_mse", workspace={"path": str(tmp_path)}),
        eval_func=lambda model: 1.0,
    )
    with pytest.raises(ConfigError, match="need a tokenizer and evaluation rows"):
        run_reported(search)


def test_a_model_in_training_mode_is_explained_without_dropout(tmp_path: Path) -> None:
    found = [
        explained(tiny_trainer(tmp_path / str(training), tiny_bert().train(training), eval_dataset=LABELLED))
        for training in (True, False)
    ]
    assert found[0].rows == found[1].rows
