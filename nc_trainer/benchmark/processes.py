"""Processes that measure: started, talked to in lines of JSON, and never left behind.

A child is `python -m MODULE JOB.json`. It does not import the user's script, so the script needs no
`if __name__ == "__main__"`. It reads requests from its standard input and ends when that is closed, so it ends with
its parent, however that ends.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from nc_trainer.errors import NCTrainerError

PACKAGE_PARENT = Path(__file__).parents[2]
LAST_LINES = 8
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Child:
    """A running child; use `started` to make one."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process = process
        self._errors = errors

    def send(self, request: Mapping[str, Any]) -> None:
        """Hand over a request; a child that is gone is noticed by `receive`."""
        with suppress(BrokenPipeError):
            _stream(self._process.stdin).write(json.dumps(request) + "\n")
            _stream(self._process.stdin).flush()

    def receive(self) -> dict[str, Any]:
        """Wait for the child's next answer.

        Raises:
            NCTrainerError: the child reported an error, or ended.
        """
        line = _stream(self._process.stdout).readline()
        if not line:
            raise NCTrainerError(self._obituary())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NCTrainerError(f"A benchmark process failed: {answer['error']}")
        return answer

    def _obituary(self) -> str:
        status = self._process.wait()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        self._errors.seek(0)
        said = "".join(self._errors.readlines()[-LAST_LINES:]).strip()
        advice = "The system may have run out of memory: use fewer instances." if status == -signal.SIGKILL else said
        return f"A benchmark process {how}; no result was kept. {advice or 'It said nothing.'}"


@contextmanager
def started(
    module: str, jobs: Sequence[Mapping[str, Any]], cores: Sequence[Sequence[int] | None], variables: Mapping[str, str]
) -> Iterator[list[Child]]:
    """A child for each job, all of which have ended when the block has, however it ends.

    Args:
        module: what runs in the children, see `serve`.
        jobs: what each is given, JSON types.
        cores: what each is pinned to from its first instruction on; None leaves it where its parent may run.
        variables: for their environment.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        children = []
        for number, (job, pinned) in enumerate(zip(jobs, cores, strict=True)):
            path = folder / f"{number}.json"
            path.write_text(json.dumps(job), encoding="utf-8")
            errors = stack.enter_context(open(folder / f"{number}.err", "w+", encoding="utf-8", errors="replace"))
            process = _start([sys.executable, "-m", module, str(path)], pinned, errors, variables)
            stack.callback(_end, process)
            children.append(Child(process, errors))
        yield children


def serve(answers: Callable[[Mapping[str, Any]], Iterator[dict[str, Any]]]) -> None:
    """The child's side: answer with what the generator made from the job yields.

    The generator reads further requests with `requests()`. What else is printed goes to standard error.
    """
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        for answer in answers(job):
            print(json.dumps(answer), file=channel, flush=True)
    except (NCTrainerError, OSError, ValueError) as error:
        print(json.dumps({"error": str(error)}), file=channel, flush=True)


def requests() -> Iterator[dict[str, Any]]:
    """What the parent sends, until it closes the child's standard input or is gone."""
    for line in sys.stdin:
        yield json.loads(line)


def _start(
    command: Sequence[str], cores: Sequence[int] | None, errors: IO[str], variables: Mapping[str, str]
) -> "subprocess.Popen[str]":
    paths = [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]
    quiet = {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONSAFEPATH": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    with _pinned_to(cores):
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **quiet, **variables},
        )


@contextmanager
def _pinned_to(cores: Sequence[int] | None) -> Iterator[None]:
    """A child inherits the affinity of the thread that starts it, before any library makes its threads."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):  # a request that it never read
            _stream(stream).close()


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise NCTrainerError("A benchmark process has no pipe.")
    return stream
