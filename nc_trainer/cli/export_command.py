"""`nc-trainer export`: for other runtimes, judged on the user's rows before it is done."""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nc_trainer.cli.data_options import add_data, job_of
from nc_trainer.cli.exported_model import evaluate_exported, time_exported
from nc_trainer.cli.gate_command import add_criterion, as_text, check_kinds, criterion_of, evaluation_of
from nc_trainer.cli.text_job import Job, make_trainer
from nc_trainer.config.tuning_section import AccuracyCriterion
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import recipe_of
from nc_trainer.hub.export import FORMATS, ExportSource, export_model
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.gate import Verdict, judge
from nc_trainer.search.metric import choose_metric
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import calibration_batches

CALIBRATION_ROWS = 256
VERDICT = "nc_trainer_export.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, and what runs them."""
    parser.add_argument("model", type=Path, help="directory of the float model")
    parser.add_argument("int8_model", type=Path, help="directory of the int8 model, whose recipe is used")
    parser.add_argument("output", type=Path, help="where the exported model goes; a new directory")
    parser.add_argument("--format", choices=FORMATS, required=True, help="the runtime that is exported to")
    parser.add_argument("--calibration_data", type=Path, help="a csv or json file; OpenVINO calibrates on its rows")
    add_criterion(parser)
    add_data(parser)
    parser.set_defaults(run=_export)


def export(job: Job, int8_dir: Path, output: Path, export_format: str, rule: AccuracyCriterion) -> int:
    """Export a model, evaluate what was exported by its own runtime, and keep it if it meets the criterion.

    Args:
        job: the float model and the rows.
        int8_dir: the int8 model.
        output: a directory that does not exist yet, or is empty.
        export_format: one of `FORMATS`.
        rule: how much of the float model's metric may be lost.

    Returns:
        0 if `output` holds the exported model, else 1: it was outside the criterion, and nothing was written.

    Raises:
        NCTrainerError: a directory or the data is not usable, a package is missing, or the model cannot be exported.
    """
    _check_output(output)
    with TemporaryDirectory(dir=output.absolute().parent, prefix=f".{output.name}-") as scratch:
        stage = Path(scratch) / "exported"
        stage.mkdir(mode=0o755)
        job = replace(job, output_dir=Path(scratch) / "trainer")
        trainer, int8_trainer = make_trainer(job), make_trainer(replace(job, model_dir=int8_dir))
        check_kinds(job.model_dir, trainer.model, int8_dir, int8_trainer.model)
        run = export_model(_source(trainer, int8_trainer, job), export_format, stage)
        baseline, int8 = evaluation_of(trainer), evaluation_of(int8_trainer)
        exported = evaluate_exported(trainer, run, baseline)
        metric = choose_metric(exported.metrics, job.metric, rule.higher_is_better)
        verdicts = {
            name: judge(
                Criterion(metric, rule.relative, rule.absolute),
                baseline,
                found,
                per_label=rule.per_label,
                label_names=trainer.model.config.id2label,
            )
            for name, found in {"torch": int8, export_format: exported}.items()
        }
        print("\n\n".join(f"{name}: {as_text(verdict)}" for name, verdict in verdicts.items()), end="\n\n")
        print(time_exported(export_format, trainer, int8_trainer, run))
        if not verdicts[export_format].passed:
            print(f"{output} was not written: what {export_format} computes is outside the criterion.")
            return 1
        _finish(stage, trainer, verdicts[export_format])
        os.replace(stage, output)
    print(f"Exported to {output}.")
    return 0


def _export(options: argparse.Namespace) -> int:
    job = job_of(options, options.output)
    return export(job, options.int8_model, options.output, options.format, criterion_of(options))


def _check_output(output: Path) -> None:
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists():
        raise NCTrainerError(f"{output} exists already: name a new directory for the exported model.")
    if not output.absolute().parent.is_dir():
        raise NCTrainerError(f"{output.absolute().parent} is not a directory.")


def _source(trainer: QuantizationTrainer, int8_trainer: QuantizationTrainer, job: Job) -> ExportSource:
    recipe = recipe_of(int8_trainer.model)
    if recipe is None:
        raise NCTrainerError("The int8 model has no recipe.")
    rows = trainer.train_dataset if trainer.train_dataset is not None else trainer.eval_dataset
    return ExportSource(
        float_model=trainer.model,
        int8_model=int8_trainer.model,
        recipe=recipe,
        calibration=calibration_batches(trainer, rows, CALIBRATION_ROWS, trainer.args.seed),
        max_length=job.max_length,
    )


def _finish(stage: Path, trainer: QuantizationTrainer, verdict: Verdict) -> None:
    """Beside the model what a program needs to prepare inputs and read answers, and the verdict."""
    trainer.model.config.save_pretrained(stage)
    tokenizer: Any = trainer.processing_class
    tokenizer.save_pretrained(stage)
    (stage / VERDICT).write_text(json.dumps(verdict.to_dict(), indent=2) + "\n", encoding="utf-8")
