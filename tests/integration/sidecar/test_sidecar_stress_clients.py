"""pod-identity-sidecar: streams of requests, cut anywhere, on every listener; the answer does not depend on the cuts."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator

import pytest

from harness import http
from harness.emulator import Emulator
from harness.programs import Run
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.waiting import eventually

Connect = Callable[[], socket.socket]
STATUSES = {200, 400, 401, 403, 404, 405, 413, 414, 417, 431, 501, 503, 505}
BEARER = "a-bearer-for-streams-of-requests-0123456789"
HOST = b"Host: 127.0.0.1\r\nAuthorization: " + BEARER.encode() + b"\r\n"


def request(line: bytes, headers: bytes = b"") -> bytes:
    return line + b"\r\n" + HOST + headers + b"\r\n"


GET = request(b"GET /v1/credentials HTTP/1.1")
LAST = request(b"GET /v1/credentials HTTP/1.1", b"Connection: close\r\n")
STREAMS = {
    "two requests": GET + LAST,
    "HEAD and the next": GET.replace(b"GET", b"HEAD") + LAST,
    "HTTP/1.0": GET.replace(b"/1.1", b"/1.0"),
    "an empty line first": b"\r\n" + LAST,
    "another path, then the right one": request(b"GET /nothing HTTP/1.1") + LAST,
    "a query": request(b"GET /v1/credentials?x=y%20z HTTP/1.1", b"Connection: close\r\n"),
    "a bare LF": b"GET /v1/credentials HTTP/1.1\n" + HOST + b"\r\n" + LAST,
    "a good one, then a bad one": GET + request(b"GET /v1/credentials HTTP/1.1", b"X : y\r\n") + LAST,
    "a body": request(b"POST /v1/credentials HTTP/1.1", b"Content-Length: 5\r\n") + b"hello" + LAST,
    "chunked": request(b"POST /v1/credentials HTTP/1.1", b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n" + LAST,
    "a folded header": request(b"GET /v1/credentials HTTP/1.1", b"X: a\r\n b\r\n") + LAST,
    "two hosts": request(b"GET /v1/credentials HTTP/1.1", b"Host: localhost\r\n") + LAST,
    "no bearer": LAST.replace(b"Authorization: " + BEARER.encode() + b"\r\n", b""),
    "no HTTP": b"\x16\x03\x01\x02\x00" + LAST,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + LAST,
}


@pytest.fixture
def sidecar(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> Sidecar:
    return start_sidecar(bearer=BEARER)


@pytest.fixture
def listeners(start_sidecar: Callable[..., Sidecar], run_sidecar: Callable[..., Run], emulator: Emulator) -> Iterator[dict[str, Connect]]:
    """How to connect to each listener that this sidecar has."""
    options = []
    found: dict[str, Connect] = {}
    words = run_sidecar("--help").stdout
    for name in ("imds", "metrics"):
        if f"--{name}" in words:
            port = emulator.place.free_port()
            options.append(f"--{name}=127.0.0.1:{port}")
            found[name] = lambda port=port: emulator.place.connect("127.0.0.1", port)
    sidecar = start_sidecar(*options, bearer=BEARER)
    yield {"socket": sidecar.connect_unix, "http": sidecar.connect_http, **found}
    assert sidecar.process.poll() is None, sidecar.stderr
    check_container(sidecar.get())
    check_container(sidecar.get_http())


def answers_to(sock: socket.socket, parts: list[bytes]) -> bytes:
    """All that comes back for a stream that is sent in these parts, then ended."""
    with sock:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                sock.sendall(part)
                if len(parts) > 1:
                    time.sleep(0.001)  # so that most cuts are seen as cuts; those that are not, do no harm
            sock.shutdown(socket.SHUT_WR)
        return http.read_all(sock)


@pytest.mark.parametrize("name", STREAMS)
def test_cut_at_every_byte(listeners: dict[str, Connect], name: str) -> None:
    stream = STREAMS[name]
    with ThreadPoolExecutor(16) as pool:
        for listener, connect in listeners.items():
            whole = answers_to(connect(), [stream])
            assert http.parse_answer(whole).status in STATUSES
            cuts = [[stream[:cut], stream[cut:]] for cut in range(1, len(stream))]
            for parts, raw in zip(cuts, pool.map(lambda parts: answers_to(connect(), parts), cuts)):
                assert raw == whole, (listener, len(parts[0]))
            assert answers_to(connect(), [stream[at:at + 1] for at in range(len(stream))]) == whole, f"{listener}: byte by byte"


PIECES = [
    GET, GET, GET, LAST, GET[:-2], GET[:17], b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b":", b"\0", b"\xff", b"GET ", b"/v1/credentials", b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n", b"Host: 127.0.0.1\r\n", b"Content-Length: 0\r\n", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n", b"X: " + b"y" * 3000 + b"\r\n", b"Authorization: wrong\r\n",
    request(b"GET /healthz HTTP/1.1"), request(b"DELETE /v1/credentials HTTP/1.1"), request(b"GET /" + b"a" * 3000 + b" HTTP/1.1"),
]


def test_random_streams(listeners: dict[str, Connect]) -> None:
    """Pipelined, made of good and bad pieces, always the same ones: however they are cut, the answers are the same, whole, and end with a refusal."""
    chance = random.Random(41)
    for turn in range(150):
        stream = b"".join(chance.choices(PIECES, k=chance.randrange(1, 14)))
        cuts = sorted({0, len(stream), *(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(1, 8)))})
        parts = [stream[start:end] for start, end in zip(cuts, cuts[1:])]
        for listener, connect in listeners.items():
            whole = answers_to(connect(), [stream])
            assert answers_to(connect(), parts) == whole, (turn, listener, stream)
            while whole:
                answer = http.parse_answer(whole)
                length = int(answer.header("Content-Length") or 0)
                body = answer.body[:length]
                assert answer.status in STATUSES and len(body) == length, (turn, listener, stream)
                assert (b"SecretAccessKey" in body) <= (answer.status == 200)
                whole = answer.body[length:]
                assert not whole or answer.header("Connection") != "close", "something behind the last answer"


# --- a process that is killed


def test_killed_while_clients_are_connected(sidecar: Sidecar, run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    """The next one takes the path over, and nobody else can while it answers: they are told who has it, and exit 73."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(sidecar.connect_unix()) for _ in range(20)]
        sidecar.kill()
        assert sidecar.socket_path.exists(), "a stale socket"
        assert all(http.read_all(sock) == b"" for sock in socks)
    sidecar.restart().wait_ready()
    inode = sidecar.socket_path.stat().st_ino
    sidecar.send_signal(signal.SIGSTOP)  # even one that is slow keeps what it has
    try:
        second = run_sidecar("serve", f"--unix-socket={sidecar.socket_path}", timeout_s=10)
    finally:
        sidecar.send_signal(signal.SIGCONT)
    assert second.exit_code == 73 and f"pid {sidecar.pid}" in second.stderr, second
    assert sidecar.socket_path.stat().st_ino == inode
    check_container(sidecar.get())


def test_killed_while_it_lingers(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> None:
    """Ended by force before its grace is over: the next one starts as after any other death."""
    sidecar = start_sidecar("--linger=60s", with_http=False)
    sidecar.send_signal(signal.SIGTERM)
    eventually(lambda: "msg=ending" in sidecar.stderr, 5, "the signal has come")
    check_container(sidecar.get())
    sidecar.kill()
    check_container(sidecar.restart().wait_ready().get())
    sidecar.kill()
