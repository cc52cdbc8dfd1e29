"""Whoever reads a program's output may stop to read: a log collector that hangs, a disk that is full behind it. No program waits for him."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import http
from harness.programs import Binaries, Runner
from harness.waiting import eventually

WITHIN_S = 20.0


class Unread:
    """A pipe that nobody reads, full or about to be."""

    def __init__(self, full: bool) -> None:
        self.reader, self.writer = os.pipe()
        if full:
            flags = fcntl.fcntl(self.writer, fcntl.F_GETFL)
            fcntl.fcntl(self.writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
            for size in (4096, 1):
                try:
                    while True:
                        os.write(self.writer, b"x" * size)
                except BlockingIOError:
                    pass
            fcntl.fcntl(self.writer, fcntl.F_SETFL, flags)

    def read(self) -> bytes:
        """What is in it."""
        os.set_blocking(self.reader, False)
        data = b""
        try:
            while part := os.read(self.reader, 1 << 20):
                data += part
        except BlockingIOError:
            pass
        return data

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def unread(request: pytest.FixtureRequest) -> Iterator[Unread]:
    pipe = Unread(full=getattr(request, "param", True))
    yield pipe
    pipe.close()


def ask(path: Path, target: str, timeout_s: float = 5.0) -> http.Answer:
    import socket
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout_s)
    sock.connect(str(path))
    return http.parse_answer(http.exchange(sock, http.request_bytes("GET", target, {"Host": "x"}), timeout_s))


@pytest.mark.parametrize("unread", [False], indirect=True)
def test_the_sidecar_serves_on_and_tells_what_was_lost(unread: Unread, runner: Runner, binaries: Binaries, folder: Path, injected: dict[str, str]) -> None:
    """Far more lines than the pipe takes; then it is read, and the log says how many are missing."""
    socket_path = folder / "s"
    process = subprocess.Popen(runner.command([binaries.sidecar, f"--unix-socket={socket_path}", "--log-level=debug"]), env=injected, stderr=unread.writer,
                               stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: ask(socket_path, "/readyz").status == 200, 10, "ready")
        asked = 1500
        for _ in range(asked):
            assert ask(socket_path, "/healthz").status == 200
        lines = unread.read().decode().splitlines()
        shown = sum("path=/healthz" in line for line in lines)
        assert 0 < shown < asked, "the pipe was not full"
        ask(socket_path, "/v1/credential-process")
        text = eventually(lambda: unread.read().decode(), 5, "the log flows again")
        found = re.search(r'msg="lines of the log were dropped: nobody read them" lines=(\d+)', text)
        assert found and int(found[1]) >= asked - shown
        assert "path=/v1/credential-process" in text
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0


def test_the_sidecar_ends_with_a_full_pipe(unread: Unread, runner: Runner, binaries: Binaries, folder: Path, injected: dict[str, str]) -> None:
    """SIGTERM works, and so does the way out with a complaint that nobody reads."""
    process = subprocess.Popen(runner.command([binaries.sidecar, f"--unix-socket={folder}/s"]), env=injected, stderr=unread.writer, stdin=subprocess.DEVNULL)
    eventually(lambda: ask(folder / "s", "/readyz").status == 200, 10, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WITHIN_S) == 0
    usage = subprocess.Popen(runner.command([binaries.sidecar, "--no-such-option"]), env=injected, stderr=unread.writer, stdin=subprocess.DEVNULL)
    assert usage.wait(WITHIN_S) == 64


@pytest.mark.parametrize("good", [True, False])
def test_init_ends_with_its_status(unread: Unread, runner: Runner, binaries: Binaries, termination_log: Path, injected: dict[str, str], good: bool) -> None:
    """A pod's start does not hang on a report that nobody reads; the status and the termination log say it."""
    env = injected if good else {**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.1.2.3/"}
    process = subprocess.Popen(runner.command([binaries.init, "--wait=0", f"--termination-log={termination_log}"]), env=env, stdout=unread.writer,
                               stderr=unread.writer, stdin=subprocess.DEVNULL)
    assert process.wait(WITHIN_S) == (0 if good else 11)
    assert termination_log.read_text().startswith("" if good else "INJECTION_INVALID")
    assert good == (termination_log.read_text() == "")


def test_init_ends_by_a_signal(unread: Unread, runner: Runner, binaries: Binaries, injected: dict[str, str], folder: Path) -> None:
    env = {**injected, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "none")}
    process = subprocess.Popen(runner.command([binaries.init, "--wait=1h"]), env=env, stdout=unread.writer, stderr=unread.writer, stdin=subprocess.DEVNULL)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WITHIN_S) == 128 + signal.SIGTERM
