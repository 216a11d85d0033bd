"""Small models of sentence-transformers, made from nothing, in directories that its own classes load."""

from pathlib import Path
from typing import Any

from helpers.tokenizer_files import write_tokenizer
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel, BertTokenizer, set_seed

SIZES = ("big", "small", "old", "new")
ANIMALS = ("cat", "dog", "bird", "fish")
FOODS = ("food", "bread and cheese", "meat of some other animal")
TEXTS = [f"the {size} {animal} eats {food}" for size in SIZES for animal in ANIMALS for food in FOODS]
PAIRS = [(text, TEXTS[(7 * number + 3) % len(TEXTS)]) for number, text in enumerate(TEXTS)]


def write_bert(directory: Path, kind: type[Any] = BertModel, **changes: Any) -> str:
    """A BERT of this class with its tokenizer, always the same one; the path of `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    write_tokenizer(directory, "bert", TEXTS, 32)
    tokenizer = BertTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    set_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), initializer_range=0.4, max_position_embeddings=64, **sizes, **changes
    )
    kind(config).save_pretrained(directory)
    return str(directory)


def cross_encoder(directory: Path, num_labels: int = 1) -> Any:
    """A CrossEncoder."""
    from sentence_transformers import CrossEncoder

    return CrossEncoder(write_bert(directory, BertForSequenceClassification, num_labels=num_labels), device="cpu")


def sentence_transformer(directory: Path) -> Any:
    """A SentenceTransformer: BERT, mean pooling, a dense layer, normalization."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    modules = [Transformer(write_bert(directory)), Pooling(32), Dense(32, 16), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu")


def sparse_encoder(directory: Path) -> Any:
    """A SparseEncoder as SPLADE is one: a masked language model and its pooling."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    transformer = Transformer(write_bert(directory, BertForMaskedLM), transformer_task="fill-mask")
    return SparseEncoder(modules=[transformer, SpladePooling()], device="cpu")
