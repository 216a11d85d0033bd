"""What run_tuning.sh and run_benchmark.sh do: their flags, turned into a command line of run_glue_tune.py."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from topologies import TOPOLOGIES, Topology

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> None:
    """Run `tune` or `benchmark` with its flags; a mistake in them ends it with one message."""
    command, *flags = sys.argv[1:] if argv is None else argv
    options = {"tune": tuning_options, "benchmark": benchmark_options}[command](flags)
    print("run_glue_tune.py", shlex.join(options), flush=True)
    import run_glue_tune  # here, because it takes seconds that a mistaken flag need not wait for

    run_glue_tune.main(options)


def tuning_options(flags: Sequence[str]) -> list[str]:
    """The options of run_glue_tune.py that tune a checkpoint."""
    parser = _parser("run_tuning.sh", "Tune the fine-tuned checkpoint of a topology to int8.")
    parser.add_argument("--output_model", default="saved_results", metavar="DIR", help="default: ./saved_results")
    parser.add_argument(
        "--tuning_config",
        type=_file,
        default=HERE / "conf.yaml",
        metavar="FILE",
        help="goal and budget; default: conf.yaml beside the script",
    )
    args = parser.parse_args(flags)
    _check(args.topology, args.input_model)
    options = [*_common(args, args.input_model, args.topology.max_seq_length), "--output_dir", args.output_model]
    return [*options, "--do_train", "--tune", "--tuning_config", str(args.tuning_config)]


def benchmark_options(flags: Sequence[str]) -> list[str]:
    """The options of run_glue_tune.py that measure a checkpoint or a tuned model."""
    parser = _parser("run_benchmark.sh", "Measure a checkpoint of a topology, or the int8 model it was tuned to.")
    parser.add_argument("--mode", choices=("accuracy", "benchmark"), required=True)
    parser.add_argument("--int8", choices=("true", "false"), default="false", help="whether the model is a tuned one")
    parser.add_argument(
        "--config",
        type=_directory,
        metavar="DIR",
        help="the tuned model, for --int8=true; default: --input_model",
    )
    parser.add_argument("--iters", type=_count, default=100, metavar="N", help="batches to time; default: 100")
    parser.add_argument("--output_log", default="output_log", metavar="DIR", help="default: ./output_log")
    args = parser.parse_args(flags)
    int8 = args.int8 == "true"
    if args.config and not int8:
        raise SystemExit("error: --config names a tuned model; give --int8=true with it")
    model = args.config or args.input_model
    _check(args.topology, model)
    times = args.mode == "benchmark"
    length = args.topology.benchmark_seq_length if times else args.topology.max_seq_length
    options = [*_common(args, model, length), "--output_dir", args.output_log]
    options += ["--benchmark", "--benchmark_iters", str(args.iters)] if times else ["--accuracy_only"]
    return [*options, "--int8"] if int8 else options


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        name, description=description, allow_abbrev=False, epilog=f"topologies: {', '.join(TOPOLOGIES)}"
    )
    parser.add_argument("--topology", type=_topology, required=True, metavar="NAME", help="see below")
    parser.add_argument(
        "--dataset_location",
        type=_directory,
        required=True,
        metavar="DIR",
        help="where the GLUE folders (MRPC/, WNLI/) are",
    )
    parser.add_argument(
        "--input_model",
        type=_directory,
        required=True,
        metavar="DIR",
        help="the fine-tuned checkpoint with its tokenizer",
    )
    parser.add_argument("--batch_size", type=_count, default=16, metavar="N", help="default: 16")
    return parser


def _common(args: argparse.Namespace, model: Path, max_seq_length: int) -> list[str]:
    options = {
        "--model_name_or_path": model,
        "--task_name": args.topology.task,
        "--dataset_location": args.dataset_location,
        "--max_seq_length": max_seq_length,
        "--per_device_eval_batch_size": args.batch_size,
    }
    flags = ["--do_eval", "--no_cuda", "--overwrite_output_dir"]
    return [*(str(part) for option in options.items() for part in option), *flags]


def _check(topology: Topology, model: Path) -> None:
    try:
        topology.check_available()
        topology.check_model(model)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"error: {sys.executable} has no package '{error.name}'. Install nc_trainer there, or name a Python that "
            "has it: PYTHON=.venv/bin/python sh run_tuning.sh ..."
        ) from error


def _topology(name: str) -> Topology:
    try:
        return TOPOLOGIES[name]
    except KeyError:
        raise argparse.ArgumentTypeError(
            f"unknown topology '{name}'; expected one of {', '.join(TOPOLOGIES)}"
        ) from None


def _directory(path: str) -> Path:
    if not Path(path).is_dir():
        raise argparse.ArgumentTypeError(f"'{path}' is not a directory")
    return Path(path)


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"'{path}' is not a file")
    return Path(path)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return int(text)


if __name__ == "__main__":
    main()
