"""Trainers of sentence-transformers: their model contains the one that becomes int8, their evaluators judge it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sentence_models import PAIRS, TEXTS, cross_encoder, sentence_transformer, sparse_encoder, write_bert
from helpers.tiny import config
from numpy.typing import NDArray

from nc_trainer import ConfigError, QuantizationError, QuantizationMixin, TrainingRefusedError
from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.quantize import is_int8

pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")

from datasets import Dataset
from sentence_transformers import CrossEncoder, SentenceTransformer, SparseEncoder
from sentence_transformers.base.evaluation import SequentialEvaluator
from sentence_transformers.base.modules import Router
from sentence_transformers.cross_encoder.evaluation import (
    CrossEncoderCorrelationEvaluator,
    CrossEncoderRerankingEvaluator,
)
from sentence_transformers.cross_encoder.trainer import CrossEncoderTrainer
from sentence_transformers.cross_encoder.training_args import CrossEncoderTrainingArguments
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.sentence_transformer.trainer import SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments
from sentence_transformers.sparse_encoder.evaluation import SparseEmbeddingSimilarityEvaluator
from sentence_transformers.sparse_encoder.trainer import SparseEncoderTrainer
from sentence_transformers.sparse_encoder.training_args import SparseEncoderTrainingArguments

FIRST_AND_SECOND = [pair[0] for pair in PAIRS], [pair[1] for pair in PAIRS]


class QuantizationCrossEncoderTrainer(QuantizationMixin, CrossEncoderTrainer):
    """As a user writes it."""


class QuantizationSentenceTransformerTrainer(QuantizationMixin, SentenceTransformerTrainer):
    """As a user writes it."""


class QuantizationSparseEncoderTrainer(QuantizationMixin, SparseEncoderTrainer):
    """As a user writes it."""


def scores(model: CrossEncoder) -> NDArray[np.float32]:
    return np.asarray(model.predict(PAIRS))


def embeddings(model: SentenceTransformer) -> NDArray[np.float32]:
    return np.asarray(model.encode(TEXTS))


def sparse_embeddings(model: SparseEncoder) -> NDArray[np.float32]:
    return np.asarray(model.encode(TEXTS, convert_to_sparse_tensor=False))


def as_float_scores(model: CrossEncoder) -> CrossEncoderCorrelationEvaluator:
    """Labelled by the float model: its Spearman correlation is 1."""
    return CrossEncoderCorrelationEvaluator(PAIRS, scores(model).tolist(), name="dev")


def similarities(kind: type[Any]) -> Callable[[SentenceTransformer | SparseEncoder], Any]:
    """Labelled by the float model: its Spearman correlation is 1."""

    def evaluator(model: SentenceTransformer | SparseEncoder) -> Any:
        first, second = FIRST_AND_SECOND
        found = model.similarity_pairwise(model.encode(first), model.encode(second))
        return kind(first, second, found.tolist(), name="dev", main_similarity="cosine")

    return evaluator


@dataclass(frozen=True)
class Kind:
    """A trainer with what belongs to it; the metric that its evaluator calls its primary one."""

    trainer: type[Any]
    arguments: type[Any]
    model: Callable[[Path], Any]
    evaluator: Callable[[Any], Any]
    answers: Callable[[Any], NDArray[np.float32]]
    metric: str


KINDS = {
    "CrossEncoder": Kind(
        QuantizationCrossEncoderTrainer,
        CrossEncoderTrainingArguments,
        cross_encoder,
        as_float_scores,
        scores,
        "dev_spearman",
    ),
    "SentenceTransformer": Kind(
        QuantizationSentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        sentence_transformer,
        similarities(EmbeddingSimilarityEvaluator),
        embeddings,
        "dev_spearman_cosine",
    ),
    "SparseEncoder": Kind(
        QuantizationSparseEncoderTrainer,
        SparseEncoderTrainingArguments,
        sparse_encoder,
        similarities(SparseEmbeddingSimilarityEvaluator),
        sparse_embeddings,
        "dev_spearman_cosine",
    ),
}


def made(kind: str, tmp_path: Path, **changes: Any) -> Any:
    """A trainer whose evaluator is its only evaluation data."""
    chosen = KINDS[kind]
    model = changes.pop("model", None) or chosen.model(tmp_path / "float")
    args = chosen.arguments(
        output_dir=str(tmp_path / "out"), report_to="none", disable_tqdm=True, use_cpu=True, **changes.pop("args", {})
    )
    options = {"evaluator": chosen.evaluator(model)} if "eval_dataset" not in changes else {}
    return chosen.trainer(model=model, args=args, **(options | changes))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_loads_by_its_own_class_with_the_same_bits(tmp_path: Path, kind: str) -> None:
    trainer = made(kind, tmp_path)
    modules = [type(module) for module in trainer.model]
    result = trainer.quantize(config())
    assert result.outcome == "met"
    assert result.metric.name == KINDS[kind].metric
    assert result.model is trainer.model
    assert is_int8(trainer.model)
    trainer.save_model()
    again = type(trainer.model)(str(tmp_path / "out"), device="cpu")
    assert [type(module) for module in again] == modules
    assert any(isinstance(module, Int8Linear) for module in again.modules())
    assert np.array_equal(KINDS[kind].answers(again), KINDS[kind].answers(trainer.model))


@pytest.mark.parametrize("kind", KINDS)
def test_saving_over_an_earlier_one_replaces_all_of_its_modules(tmp_path: Path, kind: str) -> None:
    trainer = made(kind, tmp_path)
    trainer.save_model()
    trainer.quantize(config())
    trainer.save_model()
    again = type(trainer.model)(str(tmp_path / "out"), device="cpu")
    assert np.array_equal(KINDS[kind].answers(again), KINDS[kind].answers(trainer.model))


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_untouched_after_an_error(tmp_path: Path, kind: str) -> None:
    trainer = made(kind, tmp_path)
    before = KINDS[kind].answers(trainer.model)
    with pytest.raises(QuantizationError, match="`precision` was not computed"):
        trainer.quantize(config(), metric_name="precision")
    assert not is_int8(trainer.model)
    assert "forward" not in vars(trainer.model[0].model)
    assert np.array_equal(KINDS[kind].answers(trainer.model), before)


@pytest.mark.parametrize("kind", KINDS)
def test_modules_are_ranked_by_what_the_evaluator_calls_the_model_with(tmp_path: Path, kind: str) -> None:
    result = made(kind, tmp_path).quantize(
        config(absolute=0, strategy={"name": "mse"}, exit_policy={"max_trials": 3}, report={"ranking": True})
    )
    assert result.report is not None
    assert result.report.sensitivity.damage is not None
    assert set(result.report.sensitivity.damage) == set(result.recipe.modules)
    assert len(result.trials) == 3
    assert all(trial.error is None for trial in result.trials)


@pytest.mark.parametrize("kind", KINDS)
def test_float_and_int8_are_timed_and_scored(tmp_path: Path, kind: str) -> None:
    trainer = made(kind, tmp_path)
    result = trainer.quantize(config())
    timed = trainer.benchmark()
    assert [model.name for model in timed.models] == ["fp32", "int8"]
    assert [model.metric_value for model in timed.models] == [result.baseline.value, result.chosen.value]


def test_the_loss_is_judged_where_there_is_no_evaluator(tmp_path: Path) -> None:
    first, second = FIRST_AND_SECOND
    rows = Dataset.from_dict({"query": first, "answer": second, "label": [0.0, 1.0] * (len(PAIRS) // 2)})
    result = made("CrossEncoder", tmp_path, eval_dataset=rows).quantize(config())
    assert (result.metric.name, result.metric.higher_is_better) == ("loss", False)


def test_the_metric_that_is_asked_for_is_judged(tmp_path: Path) -> None:
    result = made("SentenceTransformer", tmp_path).quantize(config(), metric_name="dev_pearson_cosine")
    assert result.metric.name == "dev_pearson_cosine"


def test_of_several_evaluators_their_common_score_is_judged(tmp_path: Path) -> None:
    model = cross_encoder(tmp_path / "float")
    samples = [{"query": TEXTS[0], "positive": TEXTS[1:3], "negative": TEXTS[3:9]}]
    ranking = CrossEncoderRerankingEvaluator(samples, at_k=5, name="rank")
    result = made(
        "CrossEncoder", tmp_path, model=model, evaluator=SequentialEvaluator([as_float_scores(model), ranking])
    ).quantize(config())
    assert result.metric.name == "sequential_score"
    assert result.baseline.value == result.baseline.metrics["rank_ndcg@5"]


def test_trials_reach_neither_the_csv_of_an_evaluator_nor_the_model_card(tmp_path: Path) -> None:
    trainer = made("CrossEncoder", tmp_path)
    trainer.evaluate()
    lines = (tmp_path / "out" / "eval").rglob("*.csv")
    before = {path: path.read_text() for path in lines}
    card = trainer.model.model_card_data
    known = dict(card.eval_results_dict)
    trainer.quantize(config())
    assert {path: path.read_text() for path in before} == before
    assert len(before) == 1
    assert card.eval_results_dict == known
    trainer.evaluate()
    assert {path: path.read_text() for path in before} != before


def test_the_model_card_is_theirs_with_our_block_in_it(tmp_path: Path) -> None:
    trainer = made("SentenceTransformer", tmp_path)
    trainer.quantize(config())
    trainer.save_model()
    trainer.save_model()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "library_name: sentence-transformers" in card
    assert card.count("in int8\n") == card.count("As above, after `import nc_trainer`") == 1


def test_padding_is_skipped_in_what_sentence_transformers_computes(tmp_path: Path) -> None:
    trainer = made("CrossEncoder", tmp_path)
    trainer.quantize(config())
    skipped: list[int] = []
    layer = trainer.model[0].model.bert.encoder.layer[0].intermediate.dense
    assert layer.token_wise
    original = layer.batch.rows_of

    def rows_of(x: torch.Tensor, *args: Any) -> Any:
        found = original(x, *args)
        skipped.append(0 if found is None else x.shape[0] * x.shape[1] - len(found))
        return found

    layer.batch.rows_of = rows_of
    trainer.model.predict([("the cat", "eats"), ("the old cat eats some other animal", "the bird eats bread")])
    assert max(skipped) > 0


def test_a_model_of_several_is_refused(tmp_path: Path) -> None:
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    sides = {side: [Transformer(write_bert(tmp_path / side)), Pooling(32)] for side in ("query", "document")}
    router = Router.for_query_document(sides["query"], sides["document"])
    trainer = made(
        "SentenceTransformer",
        tmp_path,
        model=SentenceTransformer(modules=[router], device="cpu"),
        args={"router_mapping": {"first": "query", "second": "document"}},
    )
    with pytest.raises(
        QuantizationError, match=r"contains 2 transformers models \(BertModel, BertModel\), expected one"
    ):
        trainer.quantize(config())


def test_bfloat16_is_refused_where_a_dense_layer_follows_the_model(tmp_path: Path) -> None:
    asked = config(quantization={"float_dtype": "bfloat16"})
    with pytest.raises(ConfigError, match="found bfloat16, expected float32 or auto"):
        made("SentenceTransformer", tmp_path).quantize(asked)


def test_a_hessian_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="computes its loss outside of the model"):
        made("CrossEncoder", tmp_path).quantize(config(absolute=0, strategy={"name": "hawq_v2"}))


def test_training_an_int8_model_is_refused(tmp_path: Path) -> None:
    trainer = made("CrossEncoder", tmp_path)
    trainer.quantize(config())
    with pytest.raises(TrainingRefusedError, match="is int8"):
        trainer.train()


def test_a_half_precision_model_is_judged_in_float32(tmp_path: Path) -> None:
    model = cross_encoder(tmp_path / "float").to(torch.bfloat16)
    result = made("CrossEncoder", tmp_path, model=model).quantize(config())
    assert result.outcome == "met"
