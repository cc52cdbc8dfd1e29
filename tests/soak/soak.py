"""The soak: an upstream and clients that misbehave, new tokens, signals, and all the time readers who check what they get."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from harness.emulator import Emulator
from harness.served import issued, temporaries
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

from . import clients
from .check import Checker
from .clients import Repeated, Soaked
from .upstream import Upstream

# What the end may have more than the most of the first minute (of a short run: of its first third).
# Clients have used all their places before the first sample. What happens once in many minutes, such as an answer of the upstream that
# is too large, still uses code and storage for the first time after the first minute: a run of 3 minutes came to rest at 700 KiB of
# storage (anonymous), 60 KiB above its first 20 s and 40 above its first minute.
TOLERATED_RSS_KIB = 192
TOLERATED_ANONYMOUS_KIB = 96
TOLERATED_DESCRIPTORS = 2  # a request to the upstream that is under way
END_S = 2.0  # "at once", on a busy machine
SAMPLE_S = 5.0


@dataclass
class Cost:
    """What the process holds at one moment."""

    after_s: float
    rss_kib: int
    anonymous_kib: int
    descriptors: int


@dataclass
class Report:
    """What was seen."""

    seed: int
    seconds: float
    quiet_descriptors: int = 0
    samples: list[Cost] = field(default_factory=list)
    end: Cost | None = None
    exit_code: int | None = None
    end_s: float = 0.0
    issues: int = 0
    upstream_requests: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        lines = [f"seed {self.seed}, {self.seconds:g} s: {self.upstream_requests} requests upstream, {self.issues} issues served"]
        lines += [f"  {name}: {count}" for name, count in sorted(self.counts.items())]
        step = max(1, len(self.samples) // 10)
        for one in [*self.samples[::step], *([self.end] if self.end else [])]:
            lines.append(f"  after {one.after_s:.0f} s: resident {one.rss_kib} KiB, of that anonymous {one.anonymous_kib} KiB, "
                         f"{one.descriptors} descriptors")
        lines.append(f"  SIGTERM: exit {self.exit_code} after {self.end_s:.3f} s")
        return "\n".join([*lines, *(f"FAULT {one}" for one in self.faults)])


def cost(sidecar: Sidecar, began: float) -> Cost:
    """smaps_rollup is exact, but root's only; VmRSS is rounded by what each CPU has not yet told."""
    sizes = sidecar.memory_kib()
    rss_kib, anonymous_kib = sizes["VmRSS"], sizes["RssAnon"]
    try:
        rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{sidecar.pid}/smaps_rollup").read_text(), re.M))
        rss_kib, anonymous_kib = int(rollup["Rss"]), int(rollup["Anonymous"])
    except PermissionError:
        pass
    return Cost(time.monotonic() - began, rss_kib, anonymous_kib, sidecar.open_files())


def judge_cost(samples: list[Cost], end: Cost, quiet_descriptors: int, first_s: float) -> list[str]:
    """What has grown since the first minute."""
    first = [one for one in samples if one.after_s <= first_s]
    assert first, "no sample of the first minute"
    found = []
    for name, now, then, tolerated in (
        ("resident KiB", end.rss_kib, max(one.rss_kib for one in first), TOLERATED_RSS_KIB),
        ("anonymous KiB", end.anonymous_kib, max(one.anonymous_kib for one in first), TOLERATED_ANONYMOUS_KIB),
        ("descriptors", end.descriptors, quiet_descriptors, TOLERATED_DESCRIPTORS),
    ):
        if now > then + tolerated:
            found.append(f"{name}: {now} at the end, {then} at first, tolerated {tolerated} more")
    return found


def start(start_sidecar: Callable[..., Sidecar], folder: Path, emulator: Emulator) -> Soaked:
    """All interfaces in use; on the Unix socket only root, and whoever runs the test, may ask."""
    files = folder / "credentials", folder / "process.json"
    files[0].write_text(clients.OTHERS)
    ports = {name: emulator.place.free_port() for name in ("imds", "metrics")}
    sidecar = start_sidecar(*(f"--{name}=127.0.0.1:{port}" for name, port in ports.items()), "--allow-uid=1", "--socket-mode=0666",
                            f"--credentials-file={files[0]}", f"--process-file={files[1]}")
    assert sidecar.port
    return Soaked(sidecar, {"http": sidecar.port, **ports}, *files)


def disturb(soaked: Soaked, checker: Checker, chance: random.Random, emulator: Emulator, token: ProjectedToken) -> None:
    """A new token, or a signal."""
    what = chance.choice(("rotation", "rotation", "SIGUSR1", "SIGUSR1", "SIGHUP"))
    checker.count(what)
    if what == "rotation":
        token.rotate(emulator.token(expires_in_s=chance.choice((60, 3600, 86400))))
    else:
        soaked.sidecar.send_signal(getattr(signal, what))


def soak(soaked: Soaked, emulator: Emulator, token: ProjectedToken, seconds: float, seed: int,
         say: Callable[[str], Any] = lambda text: None) -> Report:
    """Runs for so long, and ends the sidecar. The report's faults are what is wrong."""
    sidecar, report = soaked.sidecar, Report(seed, seconds)
    checker = Checker(lambda: issued(emulator))
    quiet_over, loud_over = threading.Event(), threading.Event()
    report.quiet_descriptors = sidecar.open_files()
    clients.use_all_places(soaked)
    upstream = Upstream(emulator, seed)
    loud = [Repeated(f"rude {number}", checker, 0.2, lambda chance=random.Random(f"{seed} rude {number}"):
                     clients.be_rude(soaked, checker, chance, loud_over), loud_over) for number in range(3)]
    for name, pause_s, act in (
        ("hog", 4.0, lambda chance=random.Random(f"{seed} hog"): clients.send_hog(soaked, checker, chance)),
        ("disturber", 3.0, lambda chance=random.Random(f"{seed} disturber"): disturb(soaked, checker, chance, emulator, token)),
    ):
        loud.append(Repeated(name, checker, pause_s, act, loud_over))
    quiet = clients.readers(soaked, checker, seed, quiet_over)
    began = time.monotonic()
    for thread in [upstream, *quiet, *loud]:
        thread.start()
    while time.monotonic() < began + seconds and sidecar.process.poll() is None:
        report.samples.append(cost(sidecar, began))
        if len(report.samples) % 12 == 1:
            one = report.samples[-1]
            say(f"after {one.after_s:.0f} s: resident {one.rss_kib} KiB, {one.descriptors} descriptors, "
                f"{checker.issues()} issues served, {checker.counts['faults']} faults")
        quiet_over.wait(min(SAMPLE_S, seconds / 10))
    _finish(sidecar, checker, report, [(loud_over, loud), (quiet_over, quiet)], began)
    upstream.end()
    report.upstream_requests = emulator.count()
    report.issues, report.counts = checker.issues(), dict(checker.counts)
    report.faults += checker.faults
    if sorted(temporaries(soaked.credentials.parent)):
        report.faults.append("a half-written file was left")
    return report


def _finish(sidecar: Sidecar, checker: Checker, report: Report, groups: list[tuple[threading.Event, list[Repeated]]], began: float) -> None:
    """The rude ones go first, then the readers; what is held then is compared; then SIGTERM, with connections still open and the
    upstream as bad as before."""
    for over, threads in groups:
        over.set()
        for thread in threads:
            thread.join(90)
            if thread.is_alive():
                report.faults.append(f"{thread.name}: still busy 90 s after it was told to end")
    if sidecar.process.poll() is not None:
        report.exit_code = sidecar.wait()
        report.faults.append(f"the sidecar ended by itself with {report.exit_code}: {sidecar.stderr[-500:]}")
        return
    try:
        eventually(lambda: sidecar.open_files() <= report.quiet_descriptors + TOLERATED_DESCRIPTORS, 30, "descriptors are free again")
    except AssertionError:
        pass  # judged below, with the numbers
    report.end = cost(sidecar, began)
    report.faults += judge_cost(report.samples, report.end, report.quiet_descriptors, min(60.0, report.seconds / 3))
    with sidecar.connect_unix(), sidecar.connect_http():
        sidecar.send_signal(signal.SIGUSR1)
        asked = time.monotonic()
        report.exit_code = sidecar.stop(30)
        report.end_s = time.monotonic() - asked
    if report.exit_code != 0 or report.end_s > END_S:
        report.faults.append(f"SIGTERM: exit {report.exit_code} after {report.end_s:.3f} s")
    for path in (sidecar.socket_path, sidecar.token_path):
        if path.exists():
            report.faults.append(f"{path.name} is left")
