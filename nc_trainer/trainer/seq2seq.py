"""Encoder-decoders that generate: the trainer and its arguments."""

from dataclasses import dataclass, field

from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.trainer.mixin import QuantizationMixin


@dataclass
class QuantizationSeq2SeqTrainingArguments(QuantizationTrainingArguments, Seq2SeqTrainingArguments):
    """`Seq2SeqTrainingArguments` with the options of a quantization script.

    With `predict_with_generate` trials are judged on generated texts, otherwise on what the decoder predicts from the
    labels before each token. One default is not Trainer's: `use_cache`, without which generating takes much longer.
    """

    use_cache: bool = field(default=True, metadata={"help": "Generate with cached keys and values."})


class QuantizationSeq2SeqTrainer(QuantizationMixin, Seq2SeqTrainer):
    """`transformers.Seq2SeqTrainer` with `quantize()` and `benchmark()`.

    `benchmark()` times one forward pass of encoder and decoder over the labels, not the generation of a text.
    """
