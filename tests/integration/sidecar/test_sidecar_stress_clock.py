"""pod-identity-sidecar when hours pass, when its clock is set back and forth, and when the machine sleeps.

The test build (tests/clock/file_clock.c) takes the time from a file; nobody sets the clock of the machine.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.emulator import Emulator
from harness.made_up_clock import MadeUpClock, with_clock
from harness.programs import Binaries, Runner
from harness.served import check_container, check_error, expires_at
from harness.sidecar import Sidecar
from harness.waiting import eventually

HOUR_S = 3600.0
QUICK = 600  # made-up seconds in a real one
RETRY_MAX_S = 60.0  # the longest back-off

Start = Callable[..., tuple[Sidecar, MadeUpClock]]


@pytest.fixture
def start(runner: Runner, binaries: Binaries, folder: Path, injected: dict[str, str]) -> Iterator[Start]:
    """start(speed) -> a ready sidecar and its clock."""
    started: list[Sidecar] = []

    def make(speed: int = 1) -> tuple[Sidecar, MadeUpClock]:
        clock = MadeUpClock(folder / "clock", speed)
        sidecar = Sidecar(runner, with_clock(binaries), folder, "--log-level=debug", env={**injected, **clock.env}, with_http=False)
        started.append(sidecar)
        return sidecar.wait_ready(), clock
    yield make
    for one in started:
        one.close()


def failures(sidecar: Sidecar) -> int:
    return sidecar.stderr.count("refresh failed")


def made_up_now(clock: MadeUpClock) -> float:
    """The sidecar's wall clock, which does not run faster than ours."""
    assert clock.speed == 1
    return time.time() + clock.wall_s


def test_an_agent_that_is_down_for_hours(start: Start, emulator: Emulator) -> None:
    """Served until they really end, then 503 with the cause; it knocks at least once a minute, one fetch at a time; then it recovers."""
    emulator.settings(lifetime_s=HOUR_S)
    sidecar, _ = start(QUICK)
    began = check_container(sidecar.get())
    emulator.fault("answer", status=500, body="oops", delay_s=0.03, times=None)
    emulator.forget_requests()
    real = time.monotonic()
    sidecar.send_signal(signal.SIGUSR1)
    while (answer := sidecar.get()).status == 200:
        assert check_container(answer) == began, "the last good ones"
        assert time.monotonic() - real < 60, "they never end"
        time.sleep(0.01)
    lasted = (time.monotonic() - real) * QUICK
    message = check_error(answer, 503)
    assert "expired at" in message and "500" in message, "names the cause"
    attempts = emulator.requests()
    # Each wait is at most a minute, and each attempt takes 0.03 s of ours; half of that number is left to a busy machine.
    assert len(attempts) >= lasted / (RETRY_MAX_S + 0.03 * QUICK) / 2, "it waits longer than it may"
    assert len(attempts) <= lasted / (0.03 * QUICK), "a storm"
    starts = [one["monotonic"] for one in attempts]
    assert min(later - earlier for earlier, later in zip(starts, starts[1:])) >= 0.03, "two fetches at a time"

    emulator.listen("closed")
    emulator.clear_faults()
    before = failures(sidecar)
    eventually(lambda: failures(sidecar) >= before + 30, 30, "it goes on trying while the agent is gone")
    eventually(lambda: "refused" in check_error(sidecar.get(), 503, "AGENT_UNREACHABLE"), 5, "the cause is the present one")
    emulator.settings(lifetime_s=HOUR_S * 24)  # its own hours have passed unknown to the emulator
    emulator.listen("open")
    eventually(lambda: sidecar.get().status == 200, 10, "it recovers")
    assert check_container(sidecar.get()) != began
    assert sidecar.stderr.count('msg="credentials expired"') == 1


def test_a_clock_set_forth_beyond_the_end(start: Start, emulator: Emulator) -> None:
    """What the clock says is expired is not served, not even once; set back again, it stays withdrawn, since it was wiped."""
    emulator.settings(lifetime_s=6 * HOUR_S)
    sidecar, clock = start()
    emulator.listen("closed")
    clock.set_wall(7 * HOUR_S)
    assert "expired at" in check_error(sidecar.get(), 503)
    eventually(lambda: "refused" in check_error(sidecar.get(), 503, "AGENT_UNREACHABLE"), 10, "an attempt was made at once")
    clock.set_wall(0)
    check_error(sidecar.get(), 503)
    emulator.listen("open")
    eventually(lambda: sidecar.get().status == 200, 10, "it recovers")
    assert sidecar.stderr.count('msg="the wall clock jumped"') == 2


def test_a_clock_set_back_stretches_no_life(start: Start, emulator: Emulator) -> None:
    """The monotonic clock ends them too."""
    emulator.settings(lifetime_s=6 * HOUR_S)
    sidecar, clock = start()
    clock.set_wall(-5 * HOUR_S)
    eventually(lambda: "the wall clock jumped" in sidecar.stderr, 5, "the event")
    check_container(sidecar.get())
    emulator.listen("closed")
    clock.suspend(6 * HOUR_S + 1)
    check_error(sidecar.get(), 503)


def test_back_and_forth_by_hours(start: Start, emulator: Emulator) -> None:
    """Never an answer that is over by the sidecar's own clock; few fetches; and it comes to rest."""
    emulator.settings(lifetime_s=HOUR_S)
    sidecar, clock = start()
    jumps = [3, -3, 12, -12, 0.5, -0.5, 0]
    for hours in jumps:
        emulator.settings(clock_skew_s=hours * HOUR_S)
        clock.set_wall(hours * HOUR_S)
        answer = sidecar.get()
        assert answer.status == 503 or expires_at(check_container(answer)["Expiration"]) > made_up_now(clock)
        eventually(lambda: sidecar.get("/readyz").status == 200, 10, f"ready after a jump to {hours} h")
        assert expires_at(check_container(sidecar.get())["Expiration"]) > made_up_now(clock)
    assert sidecar.stderr.count('msg="the wall clock jumped"') == len(jumps)
    assert emulator.count() <= 1 + 3 * len(jumps)


@pytest.mark.parametrize("event", [True, False], ids=["the kernel tells", "nobody tells"])
def test_a_suspend_beyond_the_end(start: Start, emulator: Emulator, event: bool) -> None:
    """On waking up nothing expired is served, even if no event came; and what is new comes at once."""
    emulator.settings(lifetime_s=6 * HOUR_S)
    sidecar, clock = start()
    old = check_container(sidecar.get())
    emulator.settings(clock_skew_s=8 * HOUR_S)
    emulator.fault("pass", delay_s=1.0)  # so that what is served meanwhile can be seen
    clock.suspend(8 * HOUR_S, event=event)
    check_error(sidecar.get(), 503)
    emulator.wait_for_requests(2, 5)
    assert sidecar.get().status == 503
    eventually(lambda: sidecar.get().status == 200, 20, "new credentials")
    new = check_container(sidecar.get())
    assert new != old and expires_at(new["Expiration"]) > made_up_now(clock)


def test_a_suspend_within_their_life(start: Start, emulator: Emulator) -> None:
    """The refresh that was slept through is made up for on waking, and clients are served meanwhile."""
    emulator.settings(lifetime_s=6 * HOUR_S)
    sidecar, clock = start()
    old = check_container(sidecar.get())
    emulator.settings(clock_skew_s=5 * HOUR_S)
    clock.suspend(5 * HOUR_S)
    assert sidecar.get().status == 200
    emulator.wait_for_requests(2, 5)
    eventually(lambda: check_container(sidecar.get()) != old, 5, "new ones")
    emulator.forget_requests()
    clock.suspend(60.0)  # a short sleep is no reason to ask
    eventually(lambda: sidecar.stderr.count("the wall clock jumped") == 2, 5, "the event")
    check_container(sidecar.get())
    assert emulator.count() == 0


# --- the kernel's word for it, with the shipped program: no clock is set, so its timer is fired by us, and the kernel's answer is put in


PIDFD_OPEN, PIDFD_GETFD = 434, 438


def fire_clock_timer(pid: int) -> None:
    """Makes the timer that waits for the clock to be set readable."""
    libc = ctypes.CDLL(None, use_errno=True)
    [number] = [int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(path) == "anon_inode:[timerfd]"]
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    copy = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    if copy < 0:
        pytest.skip(f"no descriptor of another process here: errno {ctypes.get_errno()}")
    at_once = (ctypes.c_long * 4)(0, 0, 0, 1)
    assert libc.timerfd_settime(copy, 0, at_once, None) == 0
    os.close(copy)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to reach into another process")
def test_what_the_kernel_says_of_a_clock_that_was_set(start_sidecar: Callable[..., Sidecar], emulator: Emulator, folder: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace (make setup-test)")
    # Without the sandbox: to strace an answer that is put in is a call of number -1, which seccomp does not like.
    sidecar, output = start_sidecar("--sandbox=off", with_http=False), folder / "strace"
    tracer = subprocess.Popen([strace, "-o", str(output), "-p", str(sidecar.pid), "-e", "trace=read,timerfd_settime",
                               "-e", "inject=read:error=ECANCELED"], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr
    try:
        line = tracer.stderr.readline()
        if "attached" not in line:
            pytest.skip(f"strace: {line.strip()}")
        fire_clock_timer(sidecar.pid)
        eventually(lambda: "the wall clock jumped" in sidecar.stderr, 10, "it is told")
        check_container(sidecar.get())
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()
    assert sidecar.stderr.count("the wall clock jumped") == 1, "it was armed anew, and does not spin"
    assert "TFD_TIMER_ABSTIME|TFD_TIMER_CANCEL_ON_SET" in output.read_text()
    fire_clock_timer(sidecar.pid)  # an end of the timer by itself means nothing
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2)
    assert sidecar.stderr.count("the wall clock jumped") == 1
    check_container(sidecar.get())


def test_the_shipped_programs_know_nothing_of_it(binaries: Binaries) -> None:
    mark = b"TEST_CLOCK_FILE"
    assert mark in with_clock(binaries).sidecar.read_bytes()
    assert not [path.name for path in (binaries.init, binaries.sidecar, binaries.get) if re.search(mark, path.read_bytes())]
