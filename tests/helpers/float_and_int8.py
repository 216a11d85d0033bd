"""Directories of a model in float and in int8, and rows to compare them on."""

import csv
from pathlib import Path

from helpers.tiny import sensitive_bert, tiny_tokenizer, token_rows, with_labels_of

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

FALLBACK = "bert.pooler.dense"


def float_and_int8(place: Path) -> Path:
    """A model in `float`; in `int8` everywhere, which it does not stand; in `good` with the fallback that it needs.

    `dev.csv` has 60 rows, which the float model predicts all right: a text, the label, and a column `source`.
    """
    model = sensitive_bert()
    rows = with_labels_of(model, token_rows(60))
    model.save_pretrained(place / "float")
    tiny_tokenizer().save_pretrained(place / "float")
    swapper = ModuleSwapper(model)
    full = full_recipe(model)
    for name, recipe in {"int8": full, "good": full.with_fallbacks([FALLBACK])}.items():
        swapper.apply(recipe)
        attach(model, recipe)
        save_for_huggingface_upstream(model, tiny_tokenizer(), place / name)
        swapper.restore()
    with open(place / "dev.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence", "source", "label"])
        for number, (ids, label) in enumerate(zip(rows["input_ids"], rows["labels"], strict=True)):
            writer.writerow([" ".join(f"w{token - 1}" for token in ids), "ab"[number % 2], label])
    return place
