"""The vocabulary files that checkpoints of each architecture bring, trained on the texts of a test."""

import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import ByteLevelBPETokenizer, CharBPETokenizer

SIZE = 1500
BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FUNNEL = ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>")
XLM = ("<s>", "</s>", "<pad>", "<unk>", "<special0>", "<special1>")

Texts = Sequence[str]


def write_tokenizer(directory: Path, model_type: str, texts: Texts, model_max_length: int) -> None:
    """Write the files into `directory`, from which `AutoTokenizer` makes the tokenizer of the model's own class."""
    WRITERS[model_type](directory, texts)
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": model_max_length}))


def _words(texts: Texts) -> list[str]:
    return [word for word, _ in Counter(" ".join(texts).split()).most_common(SIZE)]


def _word_pieces(special: Sequence[str]) -> Callable[[Path, Texts], None]:
    def write(directory: Path, texts: Texts) -> None:
        words = _words([text.lower() for text in texts])
        pieces = dict.fromkeys(
            [*special, *words, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789")]
        )
        (directory / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")

    return write


def _byte_pairs(special: Sequence[str]) -> Callable[[Path, Texts], None]:
    def write(directory: Path, texts: Texts) -> None:
        tokenizer = ByteLevelBPETokenizer()
        tokenizer.train_from_iterator(texts, vocab_size=SIZE, special_tokens=list(special), show_progress=False)
        tokenizer.save_model(str(directory))

    return write


def _sentence_pieces(file: str, **pieces: Any) -> Callable[[Path, Texts], None]:
    def write(directory: Path, texts: Texts) -> None:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=SIZE,
            hard_vocab_limit=False,
            minloglevel=2,
            **pieces,
        )
        (directory / file).write_bytes(model.getvalue())

    return write


def _character_pairs(directory: Path, texts: Texts, special: Sequence[str]) -> dict[str, int]:
    """`vocab.json` and `merges.txt` with a first line for the version; words end in `</w>`."""
    tokenizer = CharBPETokenizer(lowercase=False)
    tokenizer.train_from_iterator(texts, vocab_size=SIZE, special_tokens=list(special), show_progress=False)
    tokenizer.save_model(str(directory))
    return json.loads((directory / "vocab.json").read_text(encoding="utf-8"))


def _xlm(directory: Path, texts: Texts) -> None:
    _character_pairs(directory, [text.lower() for text in texts], XLM)
    merges = (directory / "merges.txt").read_text(encoding="utf-8").split("\n")
    (directory / "merges.txt").write_text("\n".join(merges[1:]), encoding="utf-8")


def _ctrl(directory: Path, texts: Texts) -> None:
    pieces = _character_pairs(directory, texts, ["<unk>"])
    renamed = {_ctrl_piece(piece): number for piece, number in pieces.items()}
    (directory / "vocab.json").write_text(json.dumps(renamed), encoding="utf-8")


def _ctrl_piece(piece: str) -> str:
    """CTRL marks the pieces that do not end a word."""
    if piece == "<unk>":
        return piece
    return piece.removesuffix("</w>") if piece.endswith("</w>") else f"{piece}@@"


def _transfo_xl(directory: Path, texts: Texts) -> None:
    (directory / "vocab.txt").write_text("\n".join(["<eos>", "<unk>", *_words(texts)]), encoding="utf-8")


FAIRSEQ = {"bos_id": 1, "eos_id": 2, "unk_id": 0}
WRITERS: dict[str, Callable[[Path, Texts], None]] = {
    "bert": _word_pieces(BERT),
    "distilbert": _word_pieces(BERT),
    "albert": _sentence_pieces(
        "spiece.model",
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]"],
        user_defined_symbols=["[MASK]"],
    ),
    "funnel": _word_pieces(FUNNEL),
    "bart": _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
    "mbart": _sentence_pieces("sentencepiece.bpe.model", **FAIRSEQ),
    "xlm-roberta": _sentence_pieces("sentencepiece.bpe.model", **FAIRSEQ),
    "gpt2": _byte_pairs(["<|endoftext|>"]),
    "xlnet": _sentence_pieces(
        "spiece.model", **FAIRSEQ, control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"]
    ),
    "transfo-xl": _transfo_xl,
    "ctrl": _ctrl,
    "xlm": _xlm,
}
