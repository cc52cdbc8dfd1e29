"""Waiting with a deadline instead of sleeping and hoping."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any, Callable, TypeVar

T = TypeVar("T")
SLOWNESS = float(os.environ.get("POD_IDENTITY_TEST_SLOWNESS", "1"))
"""How many times as slow as usual this machine is (tests/vm.sh): deadlines are so much later."""


def eventually(probe: Callable[[], T], timeout_s: float = 10.0, what: str = "") -> T:
    """Calls probe until it returns something true, and returns that; AssertionError after the deadline.

    An OSError of the probe counts as "not yet".
    """
    timeout_s *= SLOWNESS
    deadline = time.monotonic() + timeout_s
    pause_s = 0.002
    last: object = None
    while True:
        try:
            value = probe()
            if value:
                return value
            last = value
        except OSError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or probe}; last: {last!r}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.05)


def end(process: subprocess.Popen[Any], number: int = signal.SIGTERM, timeout_s: float = 10.0) -> None:
    """Asks a process to end, and kills it if it does not. Safe to call again."""
    process.send_signal(number)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
