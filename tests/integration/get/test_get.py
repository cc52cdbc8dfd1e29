"""pod-identity-get: JSON on stdout and silence on stderr, or the reason on stderr and nothing on stdout."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import check_process_members, issued, triple
from harness.sidecar import Sidecar

Get = Callable[..., Run]
TIMEOUT_S = 5
BODY = b'{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"s","SessionToken":"t","Expiration":"2099-01-01T00:00:00Z"}'


def check_failed(run: Run, *shown: str) -> None:
    assert run.exit_code == 1, run
    assert run.stdout == ""
    assert run.stderr.startswith("pod-identity-get: ") and run.stderr.count("\n") == 1
    for part in shown:
        assert part.lower() in run.stderr.lower(), run.stderr


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_prints_the_credentials_and_nothing_else(start_sidecar: Callable[..., Sidecar], run_get: Get, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    for options, env in (([f"--socket={sidecar.socket_path}"], {}), (["--socket", str(sidecar.socket_path)], {}),
                         ([], {"POD_IDENTITY_UNIX_SOCKET": str(sidecar.socket_path)}),
                         ([f"--socket={sidecar.socket_path}"], {"POD_IDENTITY_UNIX_SOCKET": "/nowhere"})):
        run = run_get(*options, env=env)
        assert (run.exit_code, run.stderr) == (0, ""), run
        assert triple(check_process_members(json.loads(run.stdout))) == issued(emulator)[-1]
        assert run.stdout.endswith("}\n")
    assert emulator.count() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_works_for_any_user_that_may_connect(start_sidecar: Callable[..., Sidecar], run_get: Get, emulator: Emulator) -> None:
    sidecar = start_sidecar("--socket-mode=0666")
    assert run_get(f"--socket={sidecar.socket_path}", uid=54321).exit_code == 0


def test_permission(start_sidecar: Callable[..., Sidecar], run_get: Get, emulator: Emulator) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to be another user")
    sidecar = start_sidecar()
    check_failed(run_get(f"--socket={sidecar.socket_path}", uid=54321), str(sidecar.socket_path), "permission")


def test_no_socket(run_get: Get, folder: Path) -> None:
    check_failed(run_get(f"--socket={folder}/none.sock"), f"{folder}/none.sock")


def test_default_socket(run_get: Get) -> None:
    if os.path.exists("/run/pod-identity"):
        pytest.skip("/run/pod-identity is there")
    check_failed(run_get(), "/run/pod-identity/credentials.sock")


def test_refused(start_sidecar: Callable[..., Sidecar], run_get: Get, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    sidecar.kill()
    check_failed(run_get(f"--socket={sidecar.socket_path}"), str(sidecar.socket_path))


def test_a_file_instead_of_a_socket(run_get: Get, folder: Path) -> None:
    (folder / "file").write_text("x")
    check_failed(run_get(f"--socket={folder}/file"), f"{folder}/file")


def test_not_yet(start_sidecar: Callable[..., Sidecar], run_get: Get, emulator: Emulator) -> None:
    """503: the sidecar's own reason is passed on."""
    emulator.dissociate()
    sidecar = start_sidecar(ready=False).wait_serving()
    emulator.wait_for_requests(2)
    check_failed(run_get(f"--socket={sidecar.socket_path}"), "ResourceNotFoundException")


def test_full_standard_output(start_sidecar: Callable[..., Sidecar], runner: Runner, binaries: Binaries, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    line = f"exec {binaries.get} --socket={sidecar.socket_path} >/dev/full"
    run = runner.run(["/bin/sh", "-c", line], {})
    assert run.exit_code == 1 and "standard output" in run.stderr


def test_closed_standard_output(start_sidecar: Callable[..., Sidecar], runner: Runner, binaries: Binaries, emulator: Emulator) -> None:
    """Nothing may go where standard output would have been: the first descriptor that is free could be the socket's."""
    sidecar = start_sidecar()
    run = runner.run(["/bin/sh", "-c", f"exec {binaries.get} --socket={sidecar.socket_path} >&-"], {})
    assert run.exit_code in (0, 1) and run.stdout == ""
    assert run.exit_code == 1 or run.stderr == ""


# --- servers that are no sidecar


@pytest.fixture
def fake(folder: Path) -> Iterator[Callable[..., Path]]:
    """fake(serve, name) listens and calls serve(connection) for each connection; returns the socket's path."""
    with contextlib.ExitStack() as stack:
        def make(serve: Callable[[socket.socket], Any], name: str = "fake.sock") -> Path:
            path = folder / name
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(str(path))
            listener.listen(5)

            def loop() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection = listener.accept()[0]
                        with connection, contextlib.suppress(OSError):
                            serve(connection)
            thread = threading.Thread(target=loop, daemon=True)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return path
        yield make


def answering(data: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)
    return serve


def head(length: int, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length


WHOLE = head(len(BODY)) + BODY


def test_the_fake_is_a_fair_one(fake: Callable[..., Path], run_get: Get) -> None:
    run = run_get(f"--socket={fake(answering(WHOLE))}")
    assert run.exit_code == 0 and run.stdout.encode().strip() == BODY


@pytest.mark.parametrize("data", [
    b"", b"\0", b"garbage", b"\xff" * 3000, BODY, b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    WHOLE[:-1], WHOLE + b"x", head(0), head(2) + b"{}", head(5) + b"hello", head(len(BODY) - 1) + BODY[:-1],
    head(18446744073709551616 + len(BODY)) + BODY, head(len(BODY), b"2000 OK") + BODY, head(len(BODY), b"-1 OK") + BODY,
    head(len(BODY), b"x") + BODY, head(len(BODY), b"204 OK") + BODY, head(len(BODY), b"301 OK") + BODY, head(20000) + b"x" * 20000, b"x" * 100_000,
    WHOLE.replace(b"{", b"\0", 1),
], ids=range(23))
def test_garbage(fake: Callable[..., Path], run_get: Get, data: bytes) -> None:
    path = fake(answering(data))
    check_failed(run_get(f"--socket={path}"))


@pytest.mark.parametrize("cut", range(1, len(WHOLE), 7))
def test_torn_anywhere(fake: Callable[..., Path], run_get: Get, cut: int) -> None:
    check_failed(run_get(f"--socket={fake(answering(WHOLE[:cut]))}"))


def test_error_texts_cannot_spoil_the_terminal(fake: Callable[..., Path], run_get: Get) -> None:
    body = b'{"message":"a\x1b[2J\\n\\u001b' + b"x" * 5000 + b'"}'
    run = run_get(f"--socket={fake(answering(head(len(body), b'503 Unavailable') + body))}")
    check_failed(run)
    assert "\x1b" not in run.stderr and len(run.stderr) < 4096


def test_servers_that_stall(fake: Callable[..., Path], run_get: Get, folder: Path) -> None:
    """One that never answers, one that never accepts, and one that drips: 5 s for the whole answer, since SDKs wait for this program."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        for at in range(len(WHOLE)):
            connection.sendall(WHOLE[at : at + 1])
            if over.wait(0.2):
                return
    full = folder / "full.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
        listener.bind(str(full))
        listener.listen(0)
        first.connect(str(full))
        paths = {"silent": fake(lambda connection: over.wait(20) and None, "silent.sock"), "dripping": fake(drip, "dripping.sock"), "full": full}
        with ThreadPoolExecutor(len(paths)) as pool:
            runs = {name: pool.submit(run_get, f"--socket={path}", timeout_s=20) for name, path in paths.items()}
            try:
                done = {name: run.result(30) for name, run in runs.items()}
            finally:
                over.set()
    for name, run in done.items():
        check_failed(run, str(paths[name]))
        assert TIMEOUT_S - 1 <= run.seconds <= TIMEOUT_S + 6, (name, run.seconds)


# --- usage


@pytest.mark.parametrize("words", [["--no-such"], ["word"], ["--socket"], ["--socket="], ["--socket=/" + "x" * 200], ["-s"]])
def test_usage_error(run_get: Get, words: list[str]) -> None:
    run = run_get(*words)
    assert run.exit_code == 64 and run.stdout == "" and run.stderr.count("\n") == 1


def test_help(run_get: Get) -> None:
    run = run_get("--help")
    assert run.exit_code == 0 and run.stderr == "" and "--unix-socket" in run.stdout and "credential_process" in run.stdout
