"""The demo's last steps on a classifier and rows of the user's own: quantize, load again, time."""

from dataclasses import replace

from nc_trainer.cli.demo.reload import check_in_new_process
from nc_trainer.cli.text_job import Job, make_trainer
from nc_trainer.config import TuningConfig
from nc_trainer.report.report_files import PAGE_NAME
from nc_trainer.trainer.batches import evaluation_batches


def run_yours(job: Job) -> int:
    """Run it, printing each step.

    Returns:
        0; 1 when the criterion is not met, or the saved model does not give the same logits in a new process.

    Raises:
        NCTrainerError: the model or the data is not usable.
    """
    print(f"1. Quantizing {job.model_dir}, judged on {job.data}", flush=True)
    trainer = make_trainer(replace(job, search=TuningConfig()))
    result = trainer.quantize()
    print(result.table())
    if result.outcome == "baseline":
        return 1
    print("\n2. Timing it beside the float model, batch by batch in turn", flush=True)
    report = trainer.benchmark()
    report.save(job.output_dir.parent / "benchmark.json")
    print(report)
    trainer.save_model()
    print("\n3. Loading it in a new process with AutoModelForSequenceClassification.from_pretrained", flush=True)
    same = check_in_new_process(trainer.model, job.output_dir, evaluation_batches(trainer, None, 4))
    print("   The logits are the same, bit for bit." if same else "   THE LOGITS DIFFER from those before saving.")
    print(f"\nThe int8 model is in {job.output_dir}, and what was found out in {job.output_dir / PAGE_NAME}.")
    print(f"Where it was not trained: `import nc_trainer`, then `from_pretrained({str(job.output_dir)!r})`.")
    return 0 if same and result.outcome == "met" else 1
