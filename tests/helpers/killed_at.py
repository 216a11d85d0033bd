"""Doing something to files in a process that is killed at a chosen step."""

import os
import signal
import sys
from collections.abc import Callable

STEPS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate")


def killed_at(step: int, action: Callable[[], None]) -> bool:
    """Do `action` in a fork that kills itself with SIGKILL before its `step`-th use of the file system.

    Returns:
        Whether it was killed; False if it came to its end before.
    """
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: object) -> None:
            nonlocal left
            if event in STEPS:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        action()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False
