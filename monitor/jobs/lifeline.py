"""How processes of calwatch end with it: their stdin is a pipe that it holds, watched before anything else is imported.

A daemon that is killed cannot tell anybody; the kernel closes its end of the pipe, on every system, at whatever moment, and
what reads the other end notices. Importing what a refit needs takes seconds, so the watch begins before that.
"""

import os
import runpy
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from monitor.model.own_python import own_python

_ending: list[Callable[[], None]] = []  # what to do at the end, once there is something to clear away


def lead_module() -> None:
    """Run the module that the first argument names as the program of this process, which ends when its stdin does."""
    threading.Thread(target=_watch, daemon=True).start()
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def call_at_end(clear_away: Callable[[], None]) -> None:
    """Have this called, in a thread of its own, when stdin ends; until then the process just ends."""
    _ending.append(clear_away)


def command_line(module: str, *arguments: str) -> list[str]:
    """The command that leads the module, with its arguments."""
    return own_python("-c", "from monitor.jobs.lifeline import lead_module; lead_module()", module, *arguments)


def _watch() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    for clear_away in _ending:
        clear_away()
    os._exit(1)
