"""Extractive question answering: SQuAD data, features, answers, metrics and a trainer. Works offline."""

from _shared.squad.answers import Answer, AnswerFinder
from _shared.squad.squad_trainer import QuantizationQuestionAnsweringTrainer

__all__ = ["Answer", "AnswerFinder", "QuantizationQuestionAnsweringTrainer"]
