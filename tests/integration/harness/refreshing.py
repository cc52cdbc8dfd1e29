"""What tests of refreshing do and look at: forced attempts, failed attempts, and the tokens that were shown."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Iterator

from .emulator import Emulator
from .sidecar import Sidecar


def failures(sidecar: Sidecar) -> int:
    """How many attempts have failed, of a sidecar that logs at debug level."""
    return sidecar.stderr.count("refresh failed")


@contextlib.contextmanager
def hammering(sidecar: Sidecar, every_s: float) -> Iterator[None]:
    """Asks for refreshes all the time."""
    over = threading.Event()

    def hammer() -> None:
        while not over.wait(every_s):
            sidecar.send_signal(signal.SIGUSR1)
    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def authorizations(emulator: Emulator) -> list[str]:
    """The tokens that the agent was shown."""
    return [value for one in emulator.requests(with_secrets=True) for name, value in one["headers"] if name.lower() == "authorization"]
