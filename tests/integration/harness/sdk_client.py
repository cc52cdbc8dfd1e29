"""A client of tests/interop that runs: its lines, as they come."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Mapping, Sequence

from .places import Place


@dataclasses.dataclass(frozen=True)
class Look:
    """One resolution: what came, when its line was read (wall time), and how long it took."""

    read_at: float
    took_s: float
    triple: tuple[str, str | None, str] | None
    error: str | None


class SdkClient:
    """Starts it, and reads its lines until it ends or is stopped."""

    def __init__(self, place: Place, argv: Sequence[str | Path], env: Mapping[str, str], folder: Path, times: int, interval_ms: int) -> None:
        words = [*map(str, argv), str(times), str(interval_ms)]
        self.looks: list[Look] = []
        self._interval_s = interval_ms / 1000
        self._changed = threading.Condition()
        self._stderr = open(folder / "client.stderr", "w+b")
        self.process = subprocess.Popen(place.command(words), env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr,
                                        cwd=folder, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for text in self.process.stdout:
            now = time.time()
            try:
                line = json.loads(text)
                took_s = line["ms"] / 1000
                found = None if "err" in line else (line["ak"], line.get("sk"), line["st"])
            except (ValueError, KeyError, TypeError):
                continue  # what the SDK itself prints
            with self._changed:
                self.looks.append(Look(now, took_s, found, line.get("err")))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def began(self, number: int) -> float:
        """When that look began, or a little later: a line that was read late, on a busy machine, is corrected by those that follow."""
        since, latest = 0.0, float("inf")
        for look in self.looks[number:]:
            since += look.took_s
            latest = min(latest, look.read_at - since)
            since += self._interval_s
        return latest

    def ended(self) -> bool:
        """Nothing more will come."""
        return not self._reader.is_alive()

    def wait(self, enough: Callable[[list[Look]], bool], timeout_s: float) -> bool:
        """True as soon as there are enough looks; false once the client has ended without, or after the timeout."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not enough(self.looks):
                left = deadline - time.monotonic()
                if left <= 0 or self.ended():
                    return enough(self.looks)
                self._changed.wait(min(left, 0.5))
        return True

    def stop(self) -> None:
        """Ends it and what it started: all of its session."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        if self.process.stdout and self.ended():
            self.process.stdout.close()
        self._stderr.close()
