"""A report as a search would leave it, built by hand so that every number in it is known."""

from dataclasses import replace
from typing import Any

from nc_trainer.benchmark import BenchmarkReport, Comparison, Machine, ModelTiming, Settings, Workload, compare
from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.report.report_data import (
    FlippedRow,
    FlippedRows,
    ModelFacts,
    ModuleFacts,
    ReportData,
    Sensitivity,
    Speed,
)
from nc_trainer.search import CompleteTrial, Metric, Trial

KINDS = ("attention.self.query", "attention.output.dense", "output.dense")
NAMES = (*(f"bert.encoder.layer.{layer}.{kind}" for layer in range(3) for kind in KINDS), "bert.pooler.dense")
RECIPE = Recipe(dict.fromkeys(NAMES, Precision.INT8_DYNAMIC)).with_rest_in("bfloat16")
MACHINE = Machine(
    cpu="A CPU (family 1, model 2)",
    physical_cores=2,
    logical_cores=4,
    threads=2,
    isa=("avx2", "avx512_vnni"),
    memory_bytes=24 * 2**30,
    allocator={},
    os="Linux",
    python="3.11.2",
    torch="2.13.0",
    transformers="5.23.0",
    nc_trainer="0.1.0",
    engine="native (avx512_vnni)",
)
MET = RECIPE.with_fallbacks([NAMES[-1]])
MET_IN_FLOAT32 = MET.with_rest_in("float32")
TRIALS = (
    CompleteTrial(0, RECIPE.in_float(), 0.9, True, 2.0, {"accuracy": 0.9}),
    CompleteTrial(1, RECIPE, 0.7, False, 1.0, flips=22, rows=100, better=1, worse=21, p_value=0.001),
    CompleteTrial(2, MET_IN_FLOAT32, 0.9, True, 1.2, flips=2, rows=100, better=1, worse=1, p_value=1.0),
    Trial(3, RECIPE.with_rest_in("float32"), None, False, 0.4, flips=9, rows=40, low=0.1, high=0.8, share=0.4),
    Trial(4, RECIPE.with_fallbacks(NAMES[:2]), None, False, 0.1, error="RuntimeError: it <broke>"),
    CompleteTrial(5, MET, 0.89, True, 0.9, flips=3, rows=100, better=1, worse=2, p_value=1.0),
)
EXAMPLES = (
    FlippedRow(7, ("a film <b>that</b> tries",), "positive", "positive", "negative", 0.53, 0.51),
    FlippedRow(12, ("first & second", "another sentence"), None, "negative", "positive", 0.6, None),
)


def comparison(number: int, ratio: float) -> Comparison:
    return Comparison("float", f"trial {number}", ratio, ratio - 0.1, ratio + 0.1, 8)


def report_data(**changes: Any) -> ReportData:
    """Five trials on a model of three layers: refused, accepted, stopped early, failed, chosen."""
    data = ReportData(
        created="2026-01-02 03:04 UTC",
        outcome="met",
        reason="trial 5 meets accuracy >= 0.8900",
        metric=Metric("accuracy", True),
        criterion="accuracy >= 0.8900 (absolute 0.01 of 0.9000)",
        threshold=0.89,
        recipe=RECIPE,
        trials=TRIALS,
        chosen=5,
        warnings=("The criterion tolerates less than one row.",),
        model=ModelFacts("my-model", "BertForSequenceClassification", ("negative", "positive"), 4_000_000, 1_200_000),
        modules={name: ModuleFacts("Linear", 1000) for name in NAMES},
        machine=MACHINE,
        sensitivity=Sensitivity({name: 10.0**-index for index, name in enumerate(reversed(NAMES))}),
        speed=Speed({number: comparison(number, ratio) for number, ratio in ((1, 2.5), (2, 1.8), (5, 2.4))}, 8),
        flipped=FlippedRows(EXAMPLES),
        seconds={"search": 12.5, "timing": 3.0},
    )
    return replace(data, **changes)


def benchmark_report() -> BenchmarkReport:
    """Twenty batches of four rows: 40 to 49.5 ms in float, 15 to 19.75 ms in int8."""
    latencies = {
        "float": tuple(0.040 + 0.0005 * number for number in range(20)),
        "int8": tuple(0.015 + 0.00025 * number for number in range(20)),
    }
    return BenchmarkReport(
        models=tuple(ModelTiming(name, 4, 80, seconds, file_size_mb=4.0) for name, seconds in latencies.items()),
        comparisons=(compare("float", latencies["float"], "int8", latencies["int8"]),),
        workload=Workload(80, 4, 4, 12, 16.0, 20, 1000, 200),
        machine=MACHINE,
        settings=Settings(2, 20),
    )
