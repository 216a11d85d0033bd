"""One `OptimizedModel` for each task: the class comes from the task, and a directory of another task is an error."""

from collections.abc import Mapping
from typing import Any, ClassVar

import transformers
from transformers import PretrainedConfig, PreTrainedModel

from nc_trainer.errors import CheckpointError
from nc_trainer.hub.optimized_model import OptimizedModel


class _OptimizedModelForTask(OptimizedModel):
    """What the tasks share. `classes` gives the model class of each config, as transformers' Auto classes know it."""

    classes: ClassVar[Mapping[Any, Any]]

    @classmethod
    def model_class(cls, config: PretrainedConfig) -> type[PreTrainedModel]:
        """The class that this task has for the config, also where config.json names none.

        Raises:
            CheckpointError: the task has no class for such a config, or config.json names another one.
        """
        found = cls.classes.get(type(config), None)
        if found is None:
            kind = type(config).__name__
            raise CheckpointError(f"{cls.__name__}: transformers has no class for this task with {kind}.")
        names = config.architectures or [found.__name__]
        if found.__name__ not in names:
            raise CheckpointError(
                f"{cls.__name__} loads {found.__name__}, but config.json names {', '.join(names)}, whose weights do "
                "not fit it. OptimizedModel loads whatever config.json names."
            )
        return found


class OptimizedModelForSequenceClassification(_OptimizedModelForTask):
    """`OptimizedModel` for one label, several labels or a number for each text or pair of texts."""

    classes = transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


class OptimizedModelForTokenClassification(_OptimizedModelForTask):
    """`OptimizedModel` for a label of each token."""

    classes = transformers.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING


class OptimizedModelForQuestionAnswering(_OptimizedModelForTask):
    """`OptimizedModel` for the start and the end of an answer in a context."""

    classes = transformers.MODEL_FOR_QUESTION_ANSWERING_MAPPING


class OptimizedModelForMultipleChoice(_OptimizedModelForTask):
    """`OptimizedModel` for one of several endings."""

    classes = transformers.MODEL_FOR_MULTIPLE_CHOICE_MAPPING


class OptimizedModelForSeq2SeqLM(_OptimizedModelForTask):
    """`OptimizedModel` for encoder-decoders that generate text."""

    classes = transformers.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING


class OptimizedModelForImageClassification(_OptimizedModelForTask):
    """`OptimizedModel` for the label of a picture."""

    classes = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING


class OptimizedModelForAudioClassification(_OptimizedModelForTask):
    """`OptimizedModel` for the label of a sound."""

    classes = transformers.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING
