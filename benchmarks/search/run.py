"""How many evaluations `basic` and `sequential` need where the right answer is known.

python benchmarks/search/run.py --glue_dir DIR --output planted.json
"""

import argparse
import copy
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from problems import encoded, plant, sst2, trained_classifier, word_tokenizer
from transformers import AutoTokenizer, BertForSequenceClassification, EvalPrediction, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments, Recipe, TuningConfig
from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.config.tuning_section import DEFAULT_AGREEMENT
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.report.result import QuantizationResult
from nc_trainer.search.calibration import sensitivity

BATCH = 50
PROBLEMS: dict[int, tuple[int, ...]] = {6: (1, 2, 4, 6), 12: (1, 2, 4, 8), 24: (1, 4, 8)}
"""How many layers are planted, by the number of layers."""


@dataclass(frozen=True)
class Setting:
    """What all problems share."""

    tokenizer: PreTrainedTokenizerFast
    train: Dataset
    judged: Dataset
    held_out: Dataset
    relative: float


@dataclass(frozen=True)
class Problem:
    """A model and the modules that must stay in float."""

    model: BertForSequenceClassification
    sensitive: tuple[str, ...]


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """The objective."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


@torch.no_grad()
def accuracy_of(model: BertForSequenceClassification, setting: Setting, rows: Dataset) -> float:
    """The same, without a Trainer."""
    right = 0
    for start in range(0, len(rows), BATCH):
        batch = dict(setting.tokenizer.pad(rows[start : start + BATCH], return_tensors="pt"))
        right += int((model(**batch).logits.argmax(-1) == batch["labels"]).sum())
    return right / len(rows)


def loss_of(model: BertForSequenceClassification, setting: Setting, recipe: Recipe, float_accuracy: float) -> float:
    """What a recipe loses on the judged rows, in tolerated losses; the model is left in float."""
    swapper = ModuleSwapper(model)
    swapper.apply(recipe)
    lost = float_accuracy - accuracy_of(model, setting, setting.judged)
    swapper.restore()
    return lost / (setting.relative * float_accuracy)


def planted(base: BertForSequenceClassification, count: int, setting: Setting) -> Problem:
    """Plant layers in random order, each just so strongly that int8 in its module loses four times what is tolerated.

    Raises:
        RuntimeError: the answer is not the planted modules: one of them is not needed, or they are not enough.
    """
    model, names = base, []
    for layer in random.Random(count).sample(range(base.config.num_hidden_layers), base.config.num_hidden_layers):
        if len(names) < count:
            found = _planted(model, layer, setting)
            model, names = (found[0], [*names, found[1]]) if found else (model, names)
    recipe, before = full_recipe(model), accuracy_of(model, setting, setting.judged)
    needed = [loss_of(model, setting, recipe.only([name]), before) for name in names]
    enough = loss_of(model, setting, recipe.with_fallbacks(names), before)
    if len(names) < count or min(needed, default=2.0) <= 1 or enough > 1:
        raise RuntimeError(f"the planted answer does not hold: alone {needed}, together in float {enough}")
    return Problem(model, tuple(names))


def _planted(
    base: BertForSequenceClassification, layer: int, setting: Setting
) -> tuple[BertForSequenceClassification, str] | None:
    """None for a layer whose attention can be as wrong as it likes."""
    batch = dict(setting.tokenizer.pad(setting.train[:BATCH], return_tensors="pt"))
    before = accuracy_of(base, setting, setting.judged)
    for power in range(8, 21):
        model = copy.deepcopy(base)
        name = plant(model, layer, 2.0**power, batch)
        if loss_of(model, setting, full_recipe(model).only([name]), before) >= 4:
            return model, name
    return None


def search(
    problem: Problem,
    setting: Setting,
    strategy: str,
    agreement: float = DEFAULT_AGREEMENT,
    float_dtype: str = "float32",
) -> tuple[QuantizationResult, dict[str, Any]]:
    """One `quantize()`, with the seconds of its ranking, on a copy of the model."""
    config = {
        "quantization": {"float_dtype": float_dtype},
        "tuning": {
            "strategy": {"name": strategy},
            "accuracy_criterion": {"relative": setting.relative, "agreement": agreement},
            "exit_policy": {"max_trials": 1000},
        },
    }
    with tempfile.TemporaryDirectory() as directory:
        trainer = QuantizationTrainer(
            model=copy.deepcopy(problem.model),
            args=QuantizationTrainingArguments(
                output_dir=directory,
                per_device_eval_batch_size=BATCH,
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=setting.train,
            eval_dataset=setting.judged,
            compute_metrics=accuracy,
            processing_class=setting.tokenizer,
        )
        started = time.perf_counter()
        with timed_ranking() as ranking:
            result = trainer.quantize(TuningConfig.from_dict(config))
        return result, {"seconds": time.perf_counter() - started, "ranking_seconds": sum(ranking.seconds)}


class timed_ranking:
    """Seconds of each call of `sensitivities`, as the search space makes it."""

    def __enter__(self) -> "timed_ranking":
        from nc_trainer.search.calibration import space as search_space

        self.seconds: list[float] = []
        self.place = search_space

        def timed(*args: Any) -> dict[str, float]:
            started = time.perf_counter()
            found = sensitivity.sensitivities(*args)
            self.seconds.append(time.perf_counter() - started)
            return found

        self.place.sensitivities = timed  # type: ignore[assignment]
        return self

    def __exit__(self, *error: object) -> None:
        self.place.sensitivities = sensitivity.sensitivities


def record(problem: Problem, setting: Setting, strategy: str) -> dict[str, Any]:
    """What one search found and what it cost."""
    result, seconds = search(problem, setting, strategy)
    recipe = result.recipe
    before = accuracy_of(problem.model, setting, setting.held_out)
    after = accuracy_of(result.model, setting, setting.held_out)
    return {
        "strategy": strategy,
        "modules": len(recipe.modules),
        "planted": len(problem.sensitive),
        "outcome": result.outcome,
        "trials": len(result.trials),
        "evaluations": sum(trial.share for trial in result.trials),
        "pruned": sum(trial.state == "pruned" for trial in result.trials),
        "in_float": len(recipe.fallbacks),
        "with_columns_in_float": len(recipe.float_columns),
        "columns_in_float": sum(len(columns) for columns in recipe.float_columns.values()),
        "missed": sorted(set(problem.sensitive) - {*recipe.fallbacks, *recipe.float_columns}),
        "not_needed": sorted({*recipe.fallbacks, *recipe.float_columns} - set(problem.sensitive)),
        "float_accuracy": result.baseline.value,
        "accuracy": result.chosen.value,
        "held_out_float_accuracy": before,
        "held_out_accuracy": after,
        "holds_on_held_out_rows": after >= before * (1 - setting.relative) - 1e-9,
        "evaluation_seconds": result.baseline.seconds,
        **seconds,
    }


def main() -> None:
    """Train or load the classifiers, plant, search, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--glue_dir", type=Path, required=True, help="with SST-2/train.tsv and SST-2/dev.tsv")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="where trained classifiers are kept between runs")
    parser.add_argument("--model", type=Path, help="a fine-tuned BERT classifier of SST-2 instead of trained ones")
    parser.add_argument("--planted", type=int, nargs="+", default=[0, 2], help="layers, with --model")
    parser.add_argument("--rows", type=int, default=300, help="of the development set, that trials are judged on")
    parser.add_argument("--strategies", nargs="+", default=["basic", "sequential"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, nargs="+", default=list(PROBLEMS))
    parser.add_argument("--steps", type=int, default=400, help="of training, 64 rows each")
    parser.add_argument("--relative", type=float, default=0.02)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers_logging.disable_progress_bar()
    train, dev = sst2(args.glue_dir, "train"), sst2(args.glue_dir, "dev")
    tokenizer = (
        AutoTokenizer.from_pretrained(args.model) if args.model else word_tokenizer([text for text, _ in train])
    )
    halves = [sorted(rows, key=lambda row: len(row[0])) for rows in (dev[: args.rows], dev[args.rows :])]
    setting = Setting(
        tokenizer, encoded(tokenizer, train), *(encoded(tokenizer, rows) for rows in halves), args.relative
    )
    records = []
    for base, counts in _bases(setting, args):
        for count in counts:
            problem = planted(base, count, setting)
            for strategy in args.strategies:
                records.append(record(problem, setting, strategy))
                print(json.dumps(records[-1]), flush=True)
                content = {"machine": asdict(describe_machine()), "relative": args.relative, "records": records}
                args.output.write_text(json.dumps(content, indent=1) + "\n")
    if args.strategies == ["basic", "sequential"]:
        print(summary(records))


def _bases(
    setting: Setting, args: argparse.Namespace
) -> Iterator[tuple[BertForSequenceClassification, Sequence[int]]]:
    """Each model with the numbers of layers to plant."""
    if args.model:
        yield BertForSequenceClassification.from_pretrained(args.model).eval(), args.planted
        return
    for layers in args.layers:
        yield _classifier(layers, setting, args), PROBLEMS[layers]


def _classifier(layers: int, setting: Setting, args: argparse.Namespace) -> BertForSequenceClassification:
    kept = args.models / str(layers) if args.models else None
    if kept and kept.exists():
        return BertForSequenceClassification.from_pretrained(kept).eval()
    model = trained_classifier(layers, setting.tokenizer, setting.train, args.steps)
    if kept:
        model.save_pretrained(kept)
    return model


def summary(records: list[dict[str, Any]]) -> str:
    """The table of the README, from records of `basic` and `sequential` in turn."""
    lines = [
        "| modules | planted | evaluations, `basic` | `sequential` | ratio | in float, `basic` | `sequential` "
        "| holds on held-out rows, `basic` | `sequential` | ranking, in evaluations |",
        "|" + "---|" * 10,
    ]
    ratios = []
    for basic, other in zip(records[::2], records[1::2], strict=True):
        ratios.append(other["evaluations"] / basic["evaluations"])
        cost = basic["ranking_seconds"] / basic["evaluation_seconds"]
        lines.append(
            f"| {basic['modules']} | {basic['planted']} | {basic['evaluations']:.1f} ({basic['trials']}) "
            f"| {other['evaluations']:.0f} | {ratios[-1]:.0f}x | {_in_float(basic)} | {_in_float(other)} "
            f"| {_yes(basic)} | {_yes(other)} | {cost:.1f} |"
        )
    return "\n".join([*lines, "", f"Median ratio {statistics.median(ratios):.0f}x."])


def _in_float(entry: dict[str, Any]) -> str:
    return f"{entry['in_float']}" + ("" if entry["outcome"] == "met" else ", not met")


def _yes(entry: dict[str, Any]) -> str:
    return "yes" if entry["holds_on_held_out_rows"] else "no"


if __name__ == "__main__":
    main()
