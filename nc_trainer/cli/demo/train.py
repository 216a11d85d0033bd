"""The demo's float model: a WordPiece tokenizer and a small BERT classifier, both trained from scratch."""

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from nc_trainer.cli.demo import grammar
from nc_trainer.cli.demo.generate import Message
from nc_trainer.hub.transformers_versions import batches_of_similar_length

MAX_TOKENS = 64
BATCH_SIZE = 32
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Size:
    """Dimensions of the model, and for how long it trains."""

    layers: int = 3
    hidden: int = 256
    heads: int = 4
    intermediate: int = 1024
    epochs: int = 4


def build_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """A lower-casing BERT tokenizer with the WordPiece vocabulary of `texts`; the padding id is 0."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_text("\n".join(vocabulary(texts)) + "\n", encoding="utf-8")
        return BertTokenizerFast.from_pretrained(folder, model_max_length=MAX_TOKENS)


def vocabulary(texts: Sequence[str]) -> list[str]:
    """Special tokens, all characters (alone and as `##` continuation), and every word seen more than once.

    Not `tokenizers.trainers.WordPieceTrainer`: it settles ties differently in every process, and the
    demo is to be the same each time.
    """
    words = Counter(word for text in texts for word, _ in BertPreTokenizer().pre_tokenize_str(text.lower()))
    characters = sorted({character for word in words for character in word})
    pieces = [*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)]
    return list(dict.fromkeys([*pieces, *(word for word in sorted(words) if words[word] > 1)]))


def encode(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """The tokenizer's columns, truncated but not padded, and `label`, an index into `grammar.INTENTS`."""
    encoded = tokenizer([message.text for message in messages], truncation=True)
    labels = [grammar.INTENTS.index(message.intent) for message in messages]
    return Dataset.from_dict({**encoded, "label": labels})


def build_model(size: Size, tokenizer: PreTrainedTokenizerBase) -> BertForSequenceClassification:
    """A classifier over `grammar.INTENTS`, initialised from torch's global random state."""
    names = dict(enumerate(grammar.INTENTS))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate,
        max_position_embeddings=MAX_TOKENS,
        pad_token_id=tokenizer.pad_token_id,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    return BertForSequenceClassification(config)


def train(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    output_dir: Path,
    epochs: int,
) -> None:
    """Train `model` in place (AdamW, linear warm-up and decay); save it and the tokenizer in `output_dir`."""
    args = TrainingArguments(
        output_dir=str(output_dir),
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=5e-4,
        warmup_steps=100,
        weight_decay=0.01,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=not sys.stderr.isatty(),
        **batches_of_similar_length(),
    )
    trainer = Trainer(model=model, args=args, train_dataset=dataset, processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(output_dir)
    tokenizer.save_pretrained(output_dir)
