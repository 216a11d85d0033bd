"""The children here are small scripts of the test: they import no torch and start at once."""

import os
from pathlib import Path

import pytest

from nc_trainer.benchmark.processes import started
from nc_trainer.errors import NCTrainerError

ECHO = """
import json, os, sys
job = json.load(open(sys.argv[1]))
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
answer = {"job": job, "cores": cores, "variable": os.environ.get("SOME_VARIABLE"), "pid": os.getpid()}
print(json.dumps(answer), flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the module `child_of_test`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "child_of_test.py"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_answer_and_end_with_the_block(child: Path) -> None:
    child.write_text(ECHO)
    with started("child_of_test", [{"a": 1}, {"a": 2}], [None, None], {"SOME_VARIABLE": "x"}) as children:
        answers = [one.receive() for one in children]
        for one in children:
            one.send({"b": 3})
        assert [one.receive() for one in children] == [{"b": 3}] * 2
    assert [(answer["job"], answer["variable"]) for answer in answers] == [({"a": 1}, "x"), ({"a": 2}, "x")]
    assert not any(is_running(answer["pid"]) for answer in answers)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes")
def test_a_child_is_pinned_and_its_parent_is_not(child: Path) -> None:
    child.write_text(ECHO)
    before = os.sched_getaffinity(0)
    core = max(before)
    with started("child_of_test", [{}], [[core]], {}) as (one,):
        assert one.receive()["cores"] == [core]
    assert os.sched_getaffinity(0) == before


def test_no_child_is_left_when_the_block_raises(child: Path) -> None:
    child.write_text(ECHO)
    pids: list[int] = []

    def interrupted() -> None:
        with started("child_of_test", [{}, {}], [None, None], {}) as children:
            pids.extend(one.receive()["pid"] for one in children)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 2
    assert not any(map(is_running, pids))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("raise SystemExit('no such thing')", "ended with status 1.*no such thing", id="error"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL.*out of memory", id="killed"),
        pytest.param("raise SystemExit(3)", "ended with status 3.*It said nothing", id="silent"),
    ],
)
def test_a_child_that_dies_is_one_error(child: Path, script: str, message: str) -> None:
    child.write_text(script)
    with pytest.raises(NCTrainerError, match=message), started("child_of_test", [{}], [None], {}) as (one,):
        one.receive()


def test_one_that_dies_takes_the_others_along(child: Path) -> None:
    child.write_text(ECHO.replace("for line in sys.stdin:", "for line in sys.stdin if job else []:"))
    pids: list[int] = []

    def ask_both() -> None:
        with started("child_of_test", [{"lives": 1}, {}], [None, None], {}) as children:
            pids.extend(one.receive()["pid"] for one in children)
            for one in children:
                one.send({"b": 1})
            for one in children:
                one.receive()

    with pytest.raises(NCTrainerError, match="ended with status 0"):
        ask_both()
    assert len(pids) == 2
    assert not any(map(is_running, pids))


def test_an_error_that_a_child_reports(child: Path) -> None:
    child.write_text("""print('{"error": "the file is damaged"}', flush=True)""")
    with (
        pytest.raises(NCTrainerError, match="A benchmark process failed: the file is damaged"),
        started("child_of_test", [{}], [None], {}) as (one,),
    ):
        one.receive()
