"""The clock of the sidecar's test build (tests/clock/file_clock.c), which a test may set; the machine's own is never set."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from .programs import Binaries

LAYOUT = struct.Struct("=qqqq")  # struct offsets in file_clock.c


class MadeUpClock:
    """Offsets of both clocks from the real ones, and how fast they run (given once, at the start)."""

    def __init__(self, path: Path, speed: int = 1) -> None:
        self.path, self.speed = path, speed
        self.wall_s = self.mono_s = self.sync_s = 0.0
        path.write_bytes(self._bytes())

    def _bytes(self) -> bytes:
        return LAYOUT.pack(round(self.wall_s * 1000), round(self.mono_s * 1000), self.speed, round(self.sync_s * 1000))

    @property
    def env(self) -> dict[str, str]:
        """What tells the test build where to look."""
        return {"TEST_CLOCK_FILE": str(self.path)}

    def set_wall(self, wall_s: float, event: bool = True) -> None:
        """As if somebody set the clock, to so many seconds from the real one."""
        self._change(wall_s, self.mono_s, event)

    def suspend(self, seconds: float, event: bool = True) -> None:
        """As if the machine slept so long: both clocks go on, and the kernel says so; or the event is lost."""
        self._change(self.wall_s + seconds, self.mono_s + seconds, event)

    def slow_sync(self, seconds: float) -> None:
        """From now on each fsync takes so long."""
        self.sync_s = seconds
        self._change(self.wall_s, self.mono_s, event=False)

    def _change(self, wall_s: float, mono_s: float, event: bool) -> None:
        self.wall_s, self.mono_s = wall_s, mono_s
        with open(self.path, "r+b", buffering=0) as file:
            if event:
                os.pwrite(file.fileno(), self._bytes(), 0)
            else:
                with mmap.mmap(file.fileno(), LAYOUT.size) as mapped:
                    mapped[:] = self._bytes()


def with_clock(binaries: Binaries) -> Binaries:
    """The same programs, but the sidecar's test build."""
    changed = Binaries()
    changed.__dict__.update(binaries.__dict__, sidecar=binaries.folder / "test" / "pod-identity-sidecar-clock")
    return changed
