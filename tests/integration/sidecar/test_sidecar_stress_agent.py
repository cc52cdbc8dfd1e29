"""pod-identity-sidecar with an agent that flaps, throttles or drips, and with a token that goes away and comes back."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from email.utils import formatdate
from typing import Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.served import check_container, check_error, issued, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]
FLOOR_S = 1.0  # the least time between two attempts


def gaps(emulator: Emulator) -> list[float]:
    """Seconds between the starts of the attempts that the agent saw."""
    starts = [one["monotonic"] for one in emulator.requests()]
    return [later - earlier for earlier, later in zip(starts, starts[1:])]


def refresh(sidecar: Sidecar, emulator: Emulator) -> None:
    """Forces one, and waits until the agent is asked."""
    count = emulator.count()
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(count + 1, 10)


@EMULATORS
def test_an_agent_that_flaps(start_sidecar: Start, emulator: Emulator) -> None:
    """Every answer is whole and the newest that was had; it never asks oftener than the floor allows."""
    emulator.settings(lifetime_s=6.0)
    sidecar = start_sidecar("--log-level=debug", with_http=False)
    chance = random.Random(5)
    ends = time.monotonic() + 6
    while time.monotonic() < ends:
        emulator.listen(chance.choice(["closed", "open", "open"]))
        if chance.random() < 0.3:
            emulator.fault(chance.choice(["reset", "close", "garbage"]))
        turn = time.monotonic() + chance.uniform(0.05, 0.4)
        while time.monotonic() < turn:
            answer = sidecar.get()
            if answer.status == 200:
                assert triple(check_container(answer)) in issued(emulator)
            else:
                check_error(answer, 503)
    emulator.clear_faults()
    emulator.listen("open")
    eventually(lambda: sidecar.get("/readyz").status == 200, 20, "it recovers")
    assert min(gaps(emulator)) >= FLOOR_S - 0.05
    assert triple(check_container(sidecar.get())) == issued(emulator)[-1]


@pytest.mark.parametrize("form", ["seconds", "date"])
@EMULATORS
def test_a_storm_of_429(start_sidecar: Start, emulator: Emulator, form: str) -> None:
    """Each Retry-After is honoured, however often it comes, and clients are served meanwhile, without asking for more."""
    sidecar = start_sidecar(with_http=False)
    wait_s = 3
    emulator.forget_requests()
    if form == "seconds":
        emulator.fault("answer", status=429, headers={"Retry-After": str(wait_s)}, body="Too Many Requests", times=3)
    else:
        until = int(time.time()) + 5
        emulator.fault("answer", status=429, headers={"Retry-After": formatdate(until, usegmt=True)}, body="Too Many Requests")
    sidecar.send_signal(signal.SIGUSR1)
    while emulator.count() < (4 if form == "seconds" else 2):
        check_container(sidecar.get())
        time.sleep(0.02)
    seen = emulator.requests()
    if form == "seconds":
        assert min(gaps(emulator)) >= wait_s - 0.05
    else:
        assert seen[1]["monotonic"] - seen[0]["monotonic"] >= 3.0, "not before that date"
    eventually(lambda: triple(check_container(sidecar.get())) == issued(emulator)[-1], 5, "new ones")


@EMULATORS
def test_an_agent_that_drips(start_sidecar: Start, emulator: Emulator) -> None:
    """Too slow to end within its time limit: clients are served at once meanwhile, and it is told as what it is."""
    sidecar = start_sidecar("--log-level=debug", with_http=False)
    old = check_container(sidecar.get())
    emulator.fault("drip", bytes_per_s=40.0)
    refresh(sidecar, emulator)
    slowest = 0.0
    while "refresh failed" not in sidecar.stderr:
        started = time.monotonic()
        assert check_container(sidecar.get()) == old
        slowest = max(slowest, time.monotonic() - started)
        assert time.monotonic() - started < 30
        time.sleep(0.01)
    assert slowest < 2, f"a client waited {slowest:.3f} s"
    assert emulator.count() == 2, "one fetch at a time"
    eventually(lambda: check_container(sidecar.get()) != old, 10, "the next attempt works")


@EMULATORS
def test_a_drip_that_ends_in_time_is_taken(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(with_http=False)
    old = check_container(sidecar.get())
    emulator.fault("drip", bytes_per_s=1000.0)
    refresh(sidecar, emulator)
    eventually(lambda: check_container(sidecar.get()) != old, 15, "it came, slowly")
    assert emulator.count() == 2


def test_the_token_is_missing_for_a_while(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    """As if the volume were torn down and made again: served on, told once, and mended as soon as the token is back."""
    sidecar = start_sidecar(with_http=False)
    old = check_container(sidecar.get())
    text = token.path.read_text()
    data = token.folder / "..data"
    shutil.rmtree(token.folder / os.readlink(data))
    data.unlink()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "TOKEN_UNREADABLE" in sidecar.stderr, 5, "it says so")
    assert check_container(sidecar.get()) == old and emulator.count() == 1
    token.rotate(text)
    eventually(lambda: check_container(sidecar.get()) != old, 5, "new ones")
    assert emulator.count() == 2 and sidecar.stderr.count("TOKEN_UNREADABLE") == 1


@EMULATORS
def test_rotated_under_it_all_the_time(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    """The kubelet's way, as fast as it goes: each fetch sends one whole token, the one of its moment."""
    tokens = [emulator.token() for _ in range(5)]
    emulator.settings(lifetime_s=2.0)
    sidecar = start_sidecar(with_http=False)
    ends = time.monotonic() + 5
    turn = 0
    while time.monotonic() < ends:
        token.rotate(tokens[turn % len(tokens)])
        turn += 1
        assert sidecar.get().status == 200
    sent = [dict(one["headers"])["Authorization"] for one in emulator.requests(with_secrets=True)]
    assert len(sent) >= 4 and set(sent[1:]) <= set(tokens)
