"""The block of text that a benchmark prints."""

from nc_trainer.benchmark.conditions import Conditions
from nc_trainer.benchmark.footprint import Footprint
from nc_trainer.benchmark.machine import Machine
from nc_trainer.benchmark.measurements import Measurements, Settings
from nc_trainer.benchmark.model_timing import ModelTiming
from nc_trainer.benchmark.notes import notes
from nc_trainer.benchmark.statistics import MINIMUM_ROUNDS, Comparison, median
from nc_trainer.benchmark.workload import AS_COLLATED, Workload


def report_text(report: Measurements) -> str:
    """Where and how it was measured, one block per model, one line per comparison, and what weakens them."""
    blocks = ["\n".join(_aligned(_header(report)))]
    blocks += ["\n".join(_model_lines(timing, report.workload)) for timing in report.models]
    if report.comparisons:
        blocks.append("\n".join(comparison_text(one, report.settings.confidence) for one in report.comparisons))
    blocks += [f"Note: {note}" for note in notes(report)]
    return "\n\n".join(blocks)


def comparison_text(comparison: Comparison, confidence: float) -> str:
    """One line that claims a difference only when the interval excludes 1."""
    low, high = comparison.low, comparison.high
    digits = 4 if 1 in (round(low, 2), round(high, 2)) else 2
    ratio = f"ratio {comparison.ratio:.{digits}f}"
    figures = f"{ratio}, {confidence * 100:g} % interval {low:.{digits}f}-{high:.{digits}f}{_rounds(comparison)}"
    what = f"{comparison.candidate} against {comparison.baseline}: "
    if not comparison.supported:
        return f"{what}too few rounds to tell ({_count(comparison)}, at least {MINIMUM_ROUNDS} needed; {ratio})"
    if comparison.verdict == "within noise":
        return f"{what}no difference beyond noise ({figures})"
    return f"{what}{comparison.verdict} ({figures})"


def _rounds(comparison: Comparison) -> str:
    return "" if comparison.block == 1 else f", {_count(comparison)}"


def _count(comparison: Comparison) -> str:
    effective = comparison.effective_rounds
    if effective is None or effective >= comparison.rounds:
        return f"{comparison.rounds} rounds"
    return f"{comparison.rounds} rounds worth {effective:.1f} independent ones"


def _header(report: Measurements) -> dict[str, str]:
    machine, settings = report.machine, report.settings
    header = {
        "CPU": _cpu(machine),
        "Threads": _threads(machine, settings),
        "Allocator": ", ".join(f"{name}={value}" for name, value in machine.allocator.items()) or "default",
        "Versions": _versions(machine),
        "Int8 engine": machine.engine or "none",
        "Sequence length": _sequence_length(report.workload),
        "Rounds": f"{settings.iterations}, interleaved, after {settings.warmup} to warm up",
    }
    return header | ({} if report.conditions is None else {"Load": _load(report.conditions)})


def _threads(machine: Machine, settings: Settings) -> str:
    if not settings.instances:
        return str(machine.threads)
    cores = "; ".join(" ".join(map(str, pinned)) for pinned in settings.instances)
    return f"{machine.threads} in each of {len(settings.instances)} instances, pinned to processors {cores}"


def _load(conditions: Conditions) -> str:
    if conditions.load_start is None or conditions.load_end is None:
        return "unknown"
    text = f"{conditions.load_start:.2f} at the start, {conditions.load_end:.2f} at the end"
    others = (
        "unknown" if conditions.others is None else f"{conditions.others:.2f} of {conditions.processors} processors"
    )
    return f"{text}; used by other programs: {others}"


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
    text += "" if workload.lengths == AS_COLLATED else f", {workload.lengths}"
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
    lines.append(f"Throughput: {_rate(timing.throughput_samples_per_s)} samples/sec{_tokens(timing)}")
    lines += _instance_lines(timing)
    if timing.file_size_mb is not None:
        lines.append(f"Size: {timing.file_size_mb:.1f} MB")
    if timing.footprint is not None:
        lines += _footprint_lines(timing.footprint)
    return [timing.name, *(f"  {line}" for line in lines)]


def _tokens(timing: ModelTiming) -> str:
    rate = timing.real_tokens_per_s
    return "" if rate is None else f", {rate:.0f} tokens/sec without padding"


def _instance_lines(timing: ModelTiming) -> list[str]:
    if timing.instances == 1:
        return []
    share = timing.samples / timing.instances
    return [
        f"  instance {number}: {median(seconds) * 1e3:.3f} ms, {_rate(share / sum(seconds))} samples/sec"
        for number, seconds in enumerate(timing.latencies_by_instance_s)
    ]


def _footprint_lines(footprint: Footprint) -> list[str]:
    return [
        f"Memory: {footprint.peak_mb:.0f} MB at most, {footprint.loaded_mb:.0f} MB when loaded, "
        f"{footprint.imported_mb:.0f} MB of it before (a process of its own, resident)",
        f"Loading: {footprint.load_s_median:.2f} s (median of {len(footprint.load_s)} processes, warm page cache)",
    ]


def _rate(samples_per_s: float) -> str:
    return f"{samples_per_s:.1f}" if samples_per_s >= 100 else f"{samples_per_s:.3f}"


def _metric_label(name: str) -> str:
    label = name.removeprefix("eval_")
    return label[:1].upper() + label[1:]
