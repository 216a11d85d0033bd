"""A trainer whose evaluation compares answers, which are found in the windows of whole contexts."""

import math
import time
from typing import Any

from datasets import Dataset
from transformers import EvalPrediction, Trainer
from transformers.trainer_utils import speed_metrics

from _shared.squad.answers import Answer, AnswerFinder
from _shared.squad.squad_metrics import squad_metrics
from nc_trainer.errors import NCTrainerError
from nc_trainer.trainer import QuantizationMixin


class QuantizationQuestionAnsweringTrainer(QuantizationMixin, Trainer):
    """`evaluate()` gives exact match and F1 of answers, so that `quantize()` judges F1, not a loss.

    `eval_dataset` holds features, see `squad.features.Windows.evaluation`; `eval_examples` the questions, contexts and
    answers that they come from. `finder` chooses answers. `latest_answers` are those of the last evaluation.
    """

    compute_metrics: Any
    control: Any

    def __init__(
        self, *args: Any, eval_examples: Dataset | None = None, finder: AnswerFinder | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.eval_examples = eval_examples
        self.finder = finder or AnswerFinder()
        self.latest_answers: dict[str, Answer] = {}

    def evaluate(
        self,
        eval_dataset: Dataset | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        eval_examples: Dataset | None = None,
    ) -> dict[str, float]:
        """Metrics of the answers, in percent.

        Args:
            eval_dataset: features; None is the trainer's.
            ignore_keys: as in Trainer.
            metric_key_prefix: as in Trainer.
            eval_examples: what the features come from; None is the trainer's.

        Raises:
            NCTrainerError: there are no features or no examples.
        """
        started = time.time()
        answers = self.latest_answers = self.answers(eval_dataset, eval_examples, metric_key_prefix, ignore_keys)
        examples = self._examples(eval_examples)
        golds = {example["id"]: example["answers"]["text"] for example in examples}
        found = self._computed({key: answer.text for key, answer in answers.items()}, golds)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        steps = math.ceil(len(self._features(eval_dataset)) / self.args.eval_batch_size)
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(examples), num_steps=steps)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def answers(
        self,
        features: Dataset | None = None,
        examples: Dataset | None = None,
        prefix: str = "test",
        ignore_keys: list[str] | None = None,
    ) -> dict[str, Answer]:
        """The answer to each example, by its id; features and examples are the trainer's if they are not given."""
        dataloader = self.get_eval_dataloader(self._features(features))
        compute_metrics, self.compute_metrics = self.compute_metrics, None
        try:
            output = self.evaluation_loop(
                dataloader,
                description="Question answering",
                prediction_loss_only=False,
                ignore_keys=ignore_keys,
                metric_key_prefix=prefix,
            )
        finally:
            self.compute_metrics = compute_metrics
        return self.finder(
            self._examples(examples), self.evaluated_rows(self._features(features)), *output.predictions[:2]
        )

    def _computed(self, predicted: dict[str, str], golds: dict[str, list[str]]) -> dict[str, float]:
        """Of the trainer's `compute_metrics`, which is given both dictionaries, or SQuAD's."""
        if self.compute_metrics is None:
            return squad_metrics(predicted, golds, self.finder.unanswerable)
        return self.compute_metrics(EvalPrediction(predictions=predicted, label_ids=golds))

    def _features(self, features: Dataset | None) -> Dataset:
        found = self.eval_dataset if features is None else features
        if found is None:
            raise NCTrainerError("question answering is evaluated on features: give the trainer `eval_dataset`")
        return found

    def _examples(self, examples: Dataset | None) -> Dataset:
        found = self.eval_examples if examples is None else examples
        if found is None:
            raise NCTrainerError("answers are compared with those of examples: give the trainer `eval_examples`")
        return found
