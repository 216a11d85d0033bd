"""The block of text that a benchmark prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nc_trainer.benchmark.statistics import MINIMUM_ROUNDS, Comparison

if TYPE_CHECKING:
    from nc_trainer.benchmark.machine import Machine
    from nc_trainer.benchmark.report import BenchmarkReport, ModelTiming
    from nc_trainer.benchmark.workload import Workload


def report_text(report: BenchmarkReport) -> str:
    """Where and how it was measured, one block per model, one line per comparison."""
    blocks = ["\n".join(_aligned(_header(report)))]
    blocks += ["\n".join(_model_lines(timing, report.workload)) for timing in report.models]
    if report.comparisons:
        blocks.append("\n".join(comparison_text(one, report.settings.confidence) for one in report.comparisons))
    return "\n\n".join(blocks)


def comparison_text(comparison: Comparison, confidence: float) -> str:
    """One line that claims a difference only when the interval excludes 1."""
    low, high = comparison.low, comparison.high
    digits = 4 if 1 in (round(low, 2), round(high, 2)) else 2
    ratio = f"ratio {comparison.ratio:.{digits}f}"
    figures = f"{ratio}, {confidence * 100:g} % interval {low:.{digits}f}-{high:.{digits}f}"
    what = f"{comparison.candidate} against {comparison.baseline}: "
    if comparison.rounds < MINIMUM_ROUNDS:
        rounds = f"{comparison.rounds} rounds, at least {MINIMUM_ROUNDS} needed"
        return f"{what}too few rounds to tell ({rounds}; {ratio})"
    if comparison.verdict == "within noise":
        return f"{what}no difference beyond noise ({figures})"
    return f"{what}{comparison.verdict} ({figures})"


def _header(report: BenchmarkReport) -> dict[str, str]:
    machine, settings = report.machine, report.settings
    return {
        "CPU": _cpu(machine),
        "Threads": str(machine.threads),
        "Allocator": ", ".join(f"{name}={value}" for name, value in machine.allocator.items()) or "default",
        "Versions": _versions(machine),
        "Int8 engine": machine.engine or "none",
        "Sequence length": _sequence_length(report.workload),
        "Rounds": f"{settings.iterations}, interleaved, after {settings.warmup} to warm up",
    }


def _aligned(items: dict[str, str]) -> list[str]:
    width = max(map(len, items)) + 1
    return [f"{name + ':':<{width}} {value}" for name, value in items.items()]


def _cpu(machine: Machine) -> str:
    cores = f"{machine.physical_cores or '?'} cores ({machine.logical_cores or '?'} logical)"
    isa = "instruction sets unknown" if machine.isa is None else " ".join(machine.isa) or "no AVX2"
    return f"{machine.cpu}, {cores}, {isa}"


def _versions(machine: Machine) -> str:
    versions = {
        "python": machine.python,
        "torch": machine.torch,
        "transformers": machine.transformers,
        "nc_trainer": machine.nc_trainer,
    }
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _sequence_length(workload: Workload) -> str:
    low, middle, high = (
        workload.sequence_length_min,
        workload.sequence_length_median,
        workload.sequence_length_max,
    )
    if middle is None:
        return "unknown"
    text = f"{high}" if low == high else f"{low} to {high}, median {middle:g}"
    if workload.tokens_real is None or workload.tokens_padding is None:
        return text
    padding = workload.tokens_padding / (workload.tokens_real + workload.tokens_padding)
    return f"{text} ({padding * 100:.0f} % padding)"


def _model_lines(timing: ModelTiming, workload: Workload) -> list[str]:
    lines = []
    if timing.metric_name is not None and timing.metric_value is not None:
        lines.append(f"{_metric_label(timing.metric_name)}: {round(timing.metric_value, 5)}")
    smaller = workload.batch_size_min < workload.batch_size_max
    lines.append(f"Batch size = {timing.batch_size}" + smaller * f" (smallest {workload.batch_size_min})")
    lines.append(
        f"Latency: {timing.latency_ms_median:.3f} ms "
        f"(median of a batch; p90 {timing.latency_ms_p90:.3f}, p99 {timing.latency_ms_p99:.3f})"
    )
    lines.append(f"Throughput: {_rate(timing.throughput_samples_per_s)} samples/sec")
    if timing.file_size_mb is not None:
        lines.append(f"Size: {timing.file_size_mb:.1f} MB")
    return [timing.name, *(f"  {line}" for line in lines)]


def _rate(samples_per_s: float) -> str:
    return f"{samples_per_s:.1f}" if samples_per_s >= 100 else f"{samples_per_s:.3f}"


def _metric_label(name: str) -> str:
    label = name.removeprefix("eval_")
    return label[:1].upper() + label[1:]
