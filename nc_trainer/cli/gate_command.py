"""`nc-trainer gate`: for pipelines that release models."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel

from nc_trainer.cli.data_options import add_data, job_of
from nc_trainer.cli.text_job import Job, make_trainer
from nc_trainer.config import load_tuning_config
from nc_trainer.config.tuning_section import AccuracyCriterion
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import recipe_of
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.gate import Slice, Verdict, judge
from nc_trainer.search.metric import choose_metric
from nc_trainer.search.statistics.flips import Flips, tolerance_in_words
from nc_trainer.search.trial import Evaluation
from nc_trainer.text_data.csv_and_json import read_rows
from nc_trainer.trainer import QuantizationTrainer


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, and what runs them."""
    parser.add_argument("model", type=Path, help="directory of the float model")
    parser.add_argument("int8_model", type=Path, help="directory of the int8 model")
    add_criterion(parser)
    parser.add_argument(
        "--slice", nargs="+", default=[], metavar="COLUMN", help="compare the rows of each value of these columns"
    )
    parser.add_argument("--output", type=Path, help="write the verdict here as JSON")
    add_data(parser)
    parser.set_defaults(run=_gate)


def add_criterion(parser: argparse.ArgumentParser) -> None:
    """How much of the metric may be lost."""
    loss = parser.add_mutually_exclusive_group()
    loss.add_argument("--relative", type=float, help="loss allowed as a share of the float model's metric; 0.01")
    loss.add_argument("--absolute", type=float, help="loss allowed in the metric's unit")
    loss.add_argument("--tuning_config", type=Path, help="YAML file; its `tuning.accuracy_criterion` is the criterion")
    parser.add_argument("--per_label", type=float, help="how much of its recall any label may lose, as a share")


def gate(
    job: Job,
    int8_dir: Path,
    rule: AccuracyCriterion,
    slices: Sequence[str],
    output: Path | None,
) -> int:
    """Judge an int8 model against its float model on the job's rows; print the verdict, and save it as JSON.

    Args:
        job: the float model and the rows.
        int8_dir: the int8 model.
        rule: how much of the metric, and of the recall of any label, may be lost.
        slices: columns of the data whose values are compared one by one.
        output: file for the verdict, JSON.

    Returns:
        0 if the int8 model may be released, else 1.

    Raises:
        NCTrainerError: a directory or the data is not usable, or the directories are not a float and an int8 model.
    """
    columns = _columns(job.data, slices)
    job = replace(job, slices=tuple(slices))
    trainer, int8_trainer = make_trainer(job), make_trainer(replace(job, model_dir=int8_dir))
    check_kinds(job.model_dir, trainer.model, int8_dir, int8_trainer.model)
    baseline, int8 = evaluation_of(trainer), evaluation_of(int8_trainer)
    metric = choose_metric(baseline.metrics, job.metric, rule.higher_is_better)
    verdict = judge(
        Criterion(metric, rule.relative, rule.absolute),
        baseline,
        int8,
        per_label=rule.per_label,
        label_names=trainer.model.config.id2label,
        columns=columns,
    )
    print(as_text(verdict))
    if output is not None:
        write_text_atomically(output, json.dumps(verdict.to_dict(), indent=2) + "\n")
    return 0 if verdict.passed else 1


def _gate(options: argparse.Namespace) -> int:
    job = job_of(options, options.model)
    return gate(job, options.int8_model, criterion_of(options), options.slice, options.output)


def criterion_of(options: argparse.Namespace) -> AccuracyCriterion:
    """What the options of `add_criterion` say; `--per_label` counts beside a file too."""
    if options.tuning_config is None:
        return AccuracyCriterion(relative=options.relative, absolute=options.absolute, per_label=options.per_label)
    rule = load_tuning_config(options.tuning_config).tuning.accuracy_criterion
    return rule if options.per_label is None else replace(rule, per_label=options.per_label)


def evaluation_of(trainer: QuantizationTrainer) -> Evaluation:
    """Predictions, labels and metrics of the trainer's model on its rows."""
    found = trainer.predict(trainer.eval_dataset, metric_key_prefix="gate")
    metrics = {name.removeprefix("gate_"): value for name, value in (found.metrics or {}).items()}
    return Evaluation(metrics, metrics.get("runtime", 0.0), found.predictions, found.label_ids)


def as_text(verdict: Verdict) -> str:
    """For people, several lines."""
    lines = [
        f"{verdict.metric}: float {verdict.before:.4f}, int8 {verdict.after:.4f}; criterion: {verdict.criterion}",
        f"predictions changed: {_flips(verdict.flips)}",
    ]
    for name, recall in verdict.labels.items():
        lines.append(f"  label {name}: recall {recall.before:.4f} -> {recall.after:.4f} ({recall.rows} rows)")
    lines += [f"  {_slice(each)}" for each in verdict.slices]
    lines += [f"FAILED: {failure}" for failure in verdict.failures] or ["PASSED"]
    return "\n".join(lines)


def _flips(flips: Flips | None) -> str:
    if flips is None:
        return "not counted, there is no answer for each row"
    said = f"{flips.changed} of {flips.rows}"
    if flips.tolerance is not None:
        said += f" by more than {tolerance_in_words(flips.tolerance)}"
    if flips.p_value is None:
        return said
    test = "McNemar's" if flips.tolerance is None else "sign test's"
    return f"{said} (+{flips.better} -{flips.worse}, {test} p = {flips.p_value:.3g})"


def _slice(part: Slice) -> str:
    share = "" if part.before is None else f"right {part.before:.4f} -> {part.after:.4f}, "
    return f"{part.column} = {part.value}: {share}changed {_flips(part.flips)}"


def _columns(data: Path, slices: Sequence[str]) -> dict[str, list[object]]:
    rows = read_rows(data) if slices else []
    for column in slices:
        if not all(column in row for row in rows):
            raise NCTrainerError(f"{data}: not every row has the column '{column}'; it has {', '.join(rows[0])}.")
    return {column: [row[column] for row in rows] for column in slices}


def check_kinds(float_dir: Path, model: PreTrainedModel, int8_dir: Path, int8_model: PreTrainedModel) -> None:
    """Raise an NCTrainerError unless the first is a float model and the second an int8 one of the same labels."""
    if recipe_of(model) is not None:
        raise NCTrainerError(f"{float_dir} is an int8 model; the first directory is the float one.")
    if recipe_of(int8_model) is None:
        raise NCTrainerError(f"{int8_dir} is a float model; the second directory is the int8 one.")
    if model.config.id2label != int8_model.config.id2label:
        raise NCTrainerError(f"{float_dir} and {int8_dir} do not have the same labels.")
