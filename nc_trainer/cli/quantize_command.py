"""`nc-trainer quantize`"""

from dataclasses import replace
from pathlib import Path

from nc_trainer.cli.text_job import Job, make_trainer
from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.adapters import merge_beside


def with_merged_adapters(job: Job, base: str | None) -> Job:
    """The job on the model that the adapters in its directory make; it is saved beside the output, in OUTPUT-float.

    Args:
        job: whose model directory holds adapters.
        base: the model that they are merged into; None is what they name.

    Raises:
        NCTrainerError: there are no adapters, or they cannot be merged.
    """
    merged = merge_beside(job.model_dir, job.output_dir, base)
    print(f"Merged the adapters of {job.model_dir} into {merged}")
    return replace(job, model_dir=merged)


def quantize(
    job: Job, tuning_config: Path | None, embeddings: bool, report: bool = True, save_format: str = "nc_int8"
) -> int:
    """Quantize the job's model into its output directory and print the table of trials.

    Returns:
        0 when the criterion was met, 1 when the model is a best effort or still float.

    Raises:
        NCTrainerError: the output would replace the model, or the model or the data is not usable.
    """
    if job.output_dir.resolve() == job.model_dir.resolve():
        raise NCTrainerError(
            f"The output directory is the model's own, {job.model_dir}: its float weights would be lost."
        )
    config = load_tuning_config(tuning_config) if tuning_config else TuningConfig()
    trainer = make_trainer(replace(job, search=config))
    trainer.args.int8_embeddings = embeddings
    trainer.args.report = report
    trainer.args.save_format = save_format
    result = trainer.quantize(config)
    print(result.table())
    trainer.save_model()
    print(
        f"\nSaved in {job.output_dir}; compare it with\n  nc-trainer benchmark {job.model_dir} {job.output_dir} "
        f"--data {job.data}"
    )
    return 0 if result.outcome == "met" else 1
