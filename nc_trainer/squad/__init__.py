"""Extractive question answering: SQuAD data, features, answers, metrics and a trainer. Works offline."""

from nc_trainer.squad.answers import Answer, AnswerFinder
from nc_trainer.squad.trainer import QuantizationQuestionAnsweringTrainer

__all__ = ["Answer", "AnswerFinder", "QuantizationQuestionAnsweringTrainer"]
