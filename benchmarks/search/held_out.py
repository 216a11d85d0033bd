"""Whether what a search accepts on 300 rows holds on the others, with and without `accuracy_criterion.agreement`.

python benchmarks/search/held_out.py --glue_dir DIR --output held_out.json [--model DIR]

A case is a classifier of SST-2 in which int8 was made coarse in some modules, by a random factor each, and a random
choice of the rows that trials are judged on. The float model's function stays as it is, but for rounding.
"""

import argparse
import copy
import json
import random
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from problems import encoded, harden, sst2, trained_classifier, word_tokenizer
from run import Problem, Setting, accuracy_of, search
from transformers import AutoTokenizer, BertForSequenceClassification
from transformers.utils import logging as transformers_logging

from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.config.tuning_section import DEFAULT_AGREEMENT
from nc_trainer.report.result import QuantizationResult

SETTINGS = {"agreement": DEFAULT_AGREEMENT, "metric alone": 0.0}
FACTORS = range(3, 12)
"""Powers of two."""


def case(base: BertForSequenceClassification, seed: int) -> Problem:
    """A copy with some modules made hard."""
    drawn = random.Random(seed)
    model = copy.deepcopy(base)
    layers = drawn.sample(range(model.config.num_hidden_layers), drawn.choice([0, 1, 2, 4, 4, 6]))
    names = [
        harden(model, layer, drawn.randrange(model.config.hidden_size), 2.0 ** drawn.choice(FACTORS))
        for layer in layers
    ]
    return Problem(model, tuple(names))


def split(setting: Setting, rows: list[tuple[str, int]], judged: int, seed: int) -> Setting:
    """So many of the rows to judge trials on, the others held out; each sorted by length."""
    order = random.Random(seed).sample(rows, len(rows))
    halves = [sorted(part, key=lambda row: len(row[0])) for part in (order[:judged], order[judged:])]
    first, second = (encoded(setting.tokenizer, part) for part in halves)
    return replace(setting, judged=first, held_out=second)


def record(problem: Problem, setting: Setting, name: str, float_dtype: str) -> dict[str, Any]:
    """What one search accepted, and whether that holds."""
    result, _ = search(problem, setting, "basic", SETTINGS[name], float_dtype)
    before = accuracy_of(problem.model, setting, setting.held_out)
    after = accuracy_of(result.model, setting, setting.held_out)
    return {
        "setting": name,
        "hard": len(problem.sensitive),
        "outcome": result.outcome,
        "by_luck": result.chosen.lucky,
        "trials": len(result.trials),
        "evaluations": sum(trial.share for trial in result.trials),
        "int8_share": len(result.recipe.quantized) / len(result.recipe.modules),
        "flips": result.chosen.flips,
        "accuracy": result.chosen.value,
        "float_accuracy": result.baseline.value,
        "held_out_accuracy": after,
        "held_out_float_accuracy": before,
        "holds": after >= before * (1 - setting.relative) - 1e-9,
        **_first(result),
    }


def _first(result: QuantizationResult) -> dict[str, Any]:
    """How everything in int8 did."""
    trial = result.trials[0]
    return {"first_flips": trial.flips, "first_lucky": trial.lucky}


def summary(records: list[dict[str, Any]]) -> str:
    """The table of the README."""
    lines = [
        "| | cases | met | of these hold on held-out rows | modules in int8, median (least) | evaluations, mean "
        "(most) |",
        "|" + "---|" * 6,
    ]
    for name in SETTINGS:
        own = [entry for entry in records if entry["setting"] == name]
        met = [entry for entry in own if entry["outcome"] == "met"]
        holds, shares = sum(entry["holds"] for entry in met), [entry["int8_share"] for entry in met]
        costs = [entry["evaluations"] for entry in own]
        lines.append(
            f"| {name} | {len(own)} | {len(met)} | {holds} ({holds / max(1, len(met)):.0%}) "
            f"| {statistics.median(shares):.0%} ({min(shares):.0%}) "
            f"| {statistics.mean(costs):.1f} ({max(costs):.1f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Every case under every setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--glue_dir", type=Path, required=True, help="with SST-2/train.tsv and SST-2/dev.tsv")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a fine-tuned BERT classifier instead of one trained here")
    parser.add_argument("--layers", type=int, default=6, help="of the one trained here")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    parser.add_argument("--rows", type=int, default=300, help="of the development set, that trials are judged on")
    parser.add_argument("--relative", type=float, default=0.01)
    parser.add_argument("--float_dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers_logging.disable_progress_bar()
    train, dev = sst2(args.glue_dir, "train"), sst2(args.glue_dir, "dev")
    words = [text for text, _ in train]
    tokenizer = AutoTokenizer.from_pretrained(args.model) if args.model else word_tokenizer(words)
    rows = encoded(tokenizer, train[:20000] if args.model else train)
    empty = rows.select([])
    setting = Setting(tokenizer, rows, empty, empty, args.relative)
    if args.model:
        base = BertForSequenceClassification.from_pretrained(args.model).eval()
    else:
        base = trained_classifier(args.layers, tokenizer, rows, 400)
    records = []
    for seed in range(args.first, args.first + args.cases):
        problem, drawn = case(base, seed), split(setting, dev, args.rows, seed)
        for name in SETTINGS:
            records.append({"seed": seed} | record(problem, drawn, name, args.float_dtype))
            print(json.dumps(records[-1]), flush=True)
            content = {"machine": asdict(describe_machine()), "relative": args.relative, "records": records}
            args.output.write_text(json.dumps(content, indent=1) + "\n")
    print(summary(records))


if __name__ == "__main__":
    main()
