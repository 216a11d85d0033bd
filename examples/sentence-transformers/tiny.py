"""A small model and a few pairs of sentences, made from nothing, so that the example runs without a download."""

from itertools import product
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import BertProcessing
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SUBJECTS, VERBS, OBJECTS = ("a cat", "a dog", "a girl"), ("eats", "likes"), ("fish", "bread")

Pair = tuple[str, str, float]


def pairs() -> list[Pair]:
    """Two sentences and how alike they are, the share of their three parts that are the same: 144 of them."""
    sentences = list(product(SUBJECTS, VERBS, OBJECTS))
    return [
        (" ".join(one), " ".join(other), sum(a == b for a, b in zip(one, other, strict=True)) / 3)
        for one, other in product(sentences, sentences)
    ]


def write_tiny_model(directory: Path, kind: str) -> str:
    """An untrained BERT with a tokenizer of the words of `pairs`; the path that both are in."""
    words = sorted({word for part in (SUBJECTS, VERBS, OBJECTS) for text in part for word in text.split()})
    ids = {word: number for number, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    ).save_pretrained(directory)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    config = BertConfig(vocab_size=len(ids), max_position_embeddings=32, num_labels=1, **sizes)
    (BertForSequenceClassification if kind == "cross-encoder" else BertModel)(config).save_pretrained(directory)
    return str(directory)
