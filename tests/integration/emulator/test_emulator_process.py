"""The emulator as a process and as an HTTP server: its command line, connections, and requests that are none."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import http as plain
from harness.agent import ask, get, send
from harness.emulator import EMULATOR, ROLE_ARN, Emulator
from harness.waiting import eventually


def test_command_line(tmp_path: Path) -> None:
    """The ready file, the key file, --late, TCP control, two addresses, SIGTERM."""
    ready_file, key = tmp_path / "ready.json", tmp_path / "key"
    process = subprocess.Popen(
        [sys.executable, str(EMULATOR), "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
         "--ready-file", str(ready_file), "--key-file", str(key), "--late", "700ms", "--association", f"demo/app={ROLE_ARN}"],
        stdout=subprocess.PIPE, text=True)
    try:
        started = time.monotonic()
        eventually(ready_file.exists)
        ready = json.loads(ready_file.read_text())
        assert process.stdout and json.loads(process.stdout.readline()) == ready
        ports = [listener["port"] for listener in ready["listeners"]]
        assert len(set(ports)) == 2 and 0 not in ports
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[0]))
        eventually(lambda: socket.create_connection(("127.0.0.1", ports[0])).close() is None)
        assert time.monotonic() - started > 0.3
        token = subprocess.run(
            [sys.executable, str(EMULATOR), "token", "--key-file", str(key), "--namespace", "demo", "--service-account", "app"],
            capture_output=True, text=True, check=True).stdout.strip()
        client = http.client.HTTPConnection("127.0.0.1", ports[1])
        client.request("GET", "/v1/credentials", headers={"Authorization": token})
        assert client.getresponse().status == 200
        client.close()
        control = http.client.HTTPConnection(ready["control"].removeprefix("http://"))
        control.request("GET", "/requests")
        assert json.loads(control.getresponse().read())["count"] == 1
        control.close()
    finally:
        process.terminate()
        assert process.wait(10) == 0
        if process.stdout:
            process.stdout.close()
    assert not ready_file.exists()


@pytest.mark.parametrize("argv", [["--listen", "80"], ["--listen", "::1:80"], ["--late", "soon"], ["--association", "x"], ["token"]])
def test_command_line_errors(argv: list[str]) -> None:
    assert subprocess.run([sys.executable, str(EMULATOR), *argv], capture_output=True, check=False).returncode == 2


def test_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run([sys.executable, str(EMULATOR), "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
                              capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1
    assert "in use" in done.stderr and "Traceback" not in done.stderr


# --- HTTP


def test_keep_alive_and_pipelining(emulator: Emulator) -> None:
    one = plain.request_bytes("GET", "/v1/credentials", {"Host": emulator.host, "Connection": None})
    last = plain.request_bytes("GET", "/v1/credentials", {"Host": emulator.host})
    assert send(emulator, one * 4 + last).count(b"HTTP/1.1 400 Bad Request") == 5
    assert (emulator.count(), emulator.connections()) == (5, 1)


def test_head(emulator: Emulator) -> None:
    answer = ask(emulator, emulator.token(), method="HEAD")
    assert answer.status == 200 and answer.body == b"" and int(answer.header("content-length") or 0) > 900


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n"])
def test_bad_requests(emulator: Emulator, data: bytes) -> None:
    assert plain.parse_answer(send(emulator, data)).status in (400, 431)


def test_a_thousand_connections(emulator: Emulator) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"at most {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        request = get(emulator, emulator.token())
        socks = [emulator.place.connect(emulator.host, emulator.port, 30) for _ in range(1000)]
        started = time.monotonic()
        for sock in socks:
            sock.sendall(request)
        answers = [plain.parse_answer(plain.read_all(sock)) for sock in socks]
        seconds = time.monotonic() - started
        for sock in socks:
            sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [answer.status for answer in answers] == [200] * 1000
    assert len({answer.json["AccessKeyId"] for answer in answers}) == 1000
    assert seconds < 10, f"{1000 / seconds:.0f} requests a second"
