"""pod-identity-sidecar: what it costs a node to have one in each pod."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

from harness import http
from harness.emulator import Emulator
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.sizes import small_pages
from harness.waiting import eventually

pytestmark = pytest.mark.alone
RESIDENT_KIB, PEAK_KIB = 512, 768
SERVING = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "accept4", "recvfrom", "read", "sendto", "sendmsg", "write", "close",
           "shutdown", "setsockopt"}
KEPT = http.request_bytes("GET", "/v1/credentials", {"Connection": None})


def ask_many(sock: socket.socket, count: int, size: int) -> None:
    """That many requests on one connection, some at a time."""
    for start in range(0, count, 50):
        batch = min(50, count - start)
        sock.sendall(KEPT * batch)
        missing = batch * size
        while missing:
            part = sock.recv(min(missing, 1 << 20))
            assert part, "closed"
            missing -= len(part)


def test_memory(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> None:
    """Resident and peak, after 10,000 requests and with 200 clients at once; and no growth with more of them."""
    sidecar = start_sidecar()
    assert small_pages(sidecar.pid)
    with sidecar.connect_unix() as sock:
        sock.sendall(KEPT)
        size = len(sock.recv(65536))
        ask_many(sock, 9000, size)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(sidecar.connect_unix() if number % 2 else sidecar.connect_http()) for number in range(200)]
        over_http = http.request_bytes("GET", "/v1/credentials", {"Host": "127.0.0.1", "Authorization": sidecar.bearer, "Connection": None})
        for _ in range(5):
            for number, sock in enumerate(socks):
                sock.sendall(KEPT if number % 2 else over_http)
            for sock in socks:
                check_container(http.parse_answer(sock.recv(65536)))
        with_clients = sidecar.memory_kib()
    sizes = sidecar.memory_kib()
    exact = sidecar.resident_kib()
    said = f"resident {exact} KiB (VmRSS {sizes['VmRSS']}, with clients {with_clients['VmRSS']}), peak {sizes['VmHWM']} KiB"
    assert exact <= RESIDENT_KIB and sizes["VmHWM"] <= PEAK_KIB, said
    with sidecar.connect_unix() as sock:
        ask_many(sock, 20_000, size)
    assert sidecar.memory_kib()["VmRSS"] <= sizes["VmRSS"] + 16, "it grows with requests"
    assert emulator.count() == 1


def test_system_calls_of_served_requests(start_sidecar: Callable[..., Sidecar], emulator: Emulator, folder: Path) -> None:
    """No file, no memory, nothing but the sockets: by socket and loopback, in new connections and kept ones."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace (make setup-test)")
    sidecar = start_sidecar()
    request = http.request_bytes("GET", "/v1/credentials", {"Host": "127.0.0.1", "Authorization": sidecar.bearer})
    output = folder / "strace"
    process = subprocess.Popen([strace, "-f", "-o", str(output), "-p", str(sidecar.pid)], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        line = process.stderr.readline()
        if "attached" not in line:
            pytest.skip(f"strace: {line.strip()}")
        for _ in range(50):
            check_container(sidecar.get())
            check_container(http.parse_answer(sidecar.raw_http(request)))
        with sidecar.connect_unix() as sock:
            for _ in range(50):
                sock.sendall(KEPT)
                check_container(http.parse_answer(sock.recv(65536)))
        eventually(lambda: output.read_text().count("sendmsg(") + output.read_text().count("sendto(") >= 150, 5, "all is written down")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        process.stderr.close()
    calls = re.findall(r"^(?:\[pid +)?\d*\]? *([a-z0-9_]+)\(", output.read_text(), re.MULTILINE)
    assert set(calls) <= SERVING, set(calls) - SERVING
    answers = sum(calls.count(name) for name in ("sendmsg", "sendto", "write"))
    assert answers <= 151, f"{answers} writes for 150 answers"
    assert len(calls) <= 150 * 10, "calls per answer"


def test_idles(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> None:
    """With nothing to do it does not wake up."""
    sidecar = start_sidecar()

    def switches() -> int:
        return sum(int(count) for count in re.findall(r"ctxt_switches:\s+(\d+)", Path(f"/proc/{sidecar.pid}/status").read_text()))
    settled = [0, -1]

    def settle() -> bool:
        settled.append(switches())
        time.sleep(0.1)
        return settled[-1] == switches()
    eventually(settle, 5, "the work after the fetch is done")
    before = switches()
    time.sleep(2)  # the time that is looked at, not a wait for something
    assert switches() - before <= 1


def test_one_thread_few_descriptors(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> None:
    sidecar = start_sidecar()
    assert len(os.listdir(f"/proc/{sidecar.pid}/task")) == 1
    assert sidecar.open_files() <= 16
