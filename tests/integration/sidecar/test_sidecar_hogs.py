"""pod-identity-sidecar: a neighbour without rights costs the others nothing, however many connections it has and however it uses
them: no place, no failure, and hardly any memory."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

import pytest

from harness import http
from harness.emulator import Emulator
from harness.neighbours import COUNT, LISTENERS, rude
from harness.sidecar import Sidecar
from harness.waiting import eventually

SECONDS = 4


class Others(threading.Thread):
    """A client that asks again and again, with a new connection each time or over a kept one, until it is told to end."""

    def __init__(self, ask: Callable[[], int]) -> None:
        super().__init__()
        self.ask, self.answered, self.failures, self.ending = ask, 0, list[str](), threading.Event()

    def run(self) -> None:
        while not self.ending.wait(0.01):
            try:
                status = self.ask()
                self.answered += 1
                if status != 200:
                    self.failures.append(f"status {status}")
            except (OSError, AssertionError, ValueError) as error:
                self.failures.append(repr(error))


def kept(sidecar: Sidecar) -> Callable[[], int]:
    """Asks over one connection, as an SDK with a pool does; when it was closed while it was idle, over a new one."""
    state: dict[str, object] = {}

    def ask() -> int:
        sock = state.get("sock")
        if sock is None or http.closed(sock):
            sock = state["sock"] = sidecar.connect_http()
        sock.sendall(http.request_bytes("GET", "/v1/credentials", {
            "Host": f"127.0.0.1:{sidecar.port}", "Authorization": sidecar.bearer, "Connection": None}))
        return http.read_one(sock).status
    return ask


def memory_of_sockets(sidecar: Sidecar, ports: list[int]) -> int:
    """Bytes that the kernel holds for TCP connections of these ports that the process has or had, as `ss -m` counts them. Those
    that wait to be accepted do not count as its memory."""
    done = subprocess.run(sidecar.runner.place.command(["ss", "-tmnOHp", "state", "all"]), capture_output=True, text=True, check=True)
    total = 0
    for line in done.stdout.splitlines():
        local = line.split()[3] if len(line.split()) > 3 else ""
        waits = line.startswith(("ESTAB", "CLOSE-WAIT")) and "users:" not in line
        if local.rpartition(":")[2] in map(str, ports) and not waits:
            fields = dict(re.findall(r"\b(r|w|f|o|bl|t)(\d+)", line.partition("skmem:(")[2]))
            total += sum(int(fields.get(name, 0)) for name in ("r", "w", "o", "bl"))
    return total


@pytest.fixture
def sidecar(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> Sidecar:
    """All listeners, and a Unix socket that only root and user 1 may ask on."""
    place = emulator.place
    ports = {name: place.free_port() for name in ("imds", "metrics")}
    one = start_sidecar(*(f"--{name}=127.0.0.1:{port}" for name, port in ports.items()), "--allow-uid=1", "--socket-mode=0666")
    one.ports = {"http": one.port, **ports}  # type: ignore[attr-defined]
    return one


def hogs(sidecar: Sidecar, listener: str, manner: str, count: int = COUNT) -> subprocess.Popen[str]:
    """One rude neighbour, under way."""
    return rude(sidecar, sidecar.ports, listener, manner, count, SECONDS)  # type: ignore[attr-defined]


def without_failures(sidecar: Sidecar, neighbours: list[subprocess.Popen[str]]) -> int:
    """What others get meanwhile; the most memory that the kernel held for connections."""
    others = [Others(ask) for ask in (
        lambda: sidecar.get().status, lambda: sidecar.get_http().status, kept(sidecar), kept(sidecar),
        lambda: sidecar.get("/readyz").status,
    )]
    most = 0
    for one in others:
        one.start()
    for neighbour in neighbours:
        while neighbour.poll() is None:
            most = max(most, memory_of_sockets(sidecar, list(sidecar.ports.values())))
            time.sleep(0.2)  # between two looks
    for one in others:
        one.ending.set()
    for one in others:
        one.join()
        assert one.failures == [], f"{len(one.failures)} of {one.answered + len(one.failures)} failed"
        assert one.answered > 5
    for neighbour in neighbours:
        assert neighbour.returncode == 0 and int(neighbour.communicate()[0]) >= 100, "it did what it was to do"
    assert sidecar.process.poll() is None
    return most


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize("manner", ["idle", "part", "refused", "churn"])
def test_on_every_listener_at_once(sidecar: Sidecar, manner: str) -> None:
    """Others' failures are none. What the kernel and the process hold stays under 8 MiB."""
    neighbours = [hogs(sidecar, listener, manner) for listener in LISTENERS]
    sockets = without_failures(sidecar, neighbours)
    resident = sidecar.memory_kib()["VmHWM"] * 1024
    assert sockets + resident < 8 * 1024 * 1024, (sockets, resident)
    descriptors = sidecar.open_files
    eventually(lambda: descriptors() < 20, 15, "all places are free again")


MIXTURES = {"mostly parts": ("part", "churn"), "mostly idle": ("idle", "refused"), "all": ("idle", "part", "refused", "churn")}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize("mixture", MIXTURES)
def test_mixtures(sidecar: Sidecar, mixture: str) -> None:
    """Several manners at once at each listener, in another order at each: what one of them borrows, others want back."""
    manners = MIXTURES[mixture]
    neighbours = [hogs(sidecar, listener, manners[(index + turn) % len(manners)], COUNT // 2)
                  for index, listener in enumerate(LISTENERS) for turn in range(2)]
    without_failures(sidecar, neighbours)
    eventually(lambda: sidecar.open_files() < 20, 15, "all places are free again")


def test_half_requests_leave_no_memory_behind(sidecar: Sidecar) -> None:
    """What a flood of them has touched is given back when the last one is gone."""
    before = sidecar.memory_kib()["VmRSS"]
    neighbour = hogs(sidecar, "http", "part")
    assert neighbour.wait(SECONDS + 20) == 0
    eventually(lambda: sidecar.open_files() < 20, 15, "they are gone")
    places = 456 * 160 // 1024
    eventually(lambda: sidecar.memory_kib()["VmRSS"] <= before + places + 64, 5, f"resident, {before} KiB before")


def test_metrics_cannot_touch_the_apps_places(sidecar: Sidecar) -> None:
    """The port that is open to the network has a few places of its own, and no more."""
    neighbour = hogs(sidecar, "metrics", "idle")
    eventually(lambda: "pod_identity_connections" in sidecar.get("/metrics").body.decode(), 5, "metrics")
    seen = 0
    while neighbour.poll() is None:
        counted = re.search(r"^pod_identity_connections (\d+)", sidecar.get("/metrics").body.decode(), re.M)
        seen = max(seen, int(counted[1]) if counted else 0)
    assert 10 < seen < 60, seen


def test_kept_connections_outlive_a_flood(sidecar: Sidecar) -> None:
    """Who was served before keeps the connection, and so do half as many as there are places."""
    socks = [sidecar.connect_http() for _ in range(100)]
    request = http.request_bytes("GET", "/v1/credentials", {
        "Host": f"127.0.0.1:{sidecar.port}", "Authorization": sidecar.bearer, "Connection": None})
    try:
        for sock in socks:
            sock.sendall(request)
            assert http.read_one(sock).status == 200
        neighbour = hogs(sidecar, "http", "idle")
        assert neighbour.wait(SECONDS + 20) == 0
        for sock in socks:
            sock.sendall(request)
            assert http.read_one(sock).status == 200
    finally:
        for sock in socks:
            sock.close()
