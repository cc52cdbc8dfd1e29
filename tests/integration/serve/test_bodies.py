"""Bodies of requests as common/serve takes them, on a plain listener and through TLS."""

from __future__ import annotations

import hashlib
import socket
import time
from typing import Iterator

import pytest

from harness.https_server import DEADLINE_S, KEPT, READ, HttpsServer, Pki, ask, ended, read_answer
from harness.waiting import eventually

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
ROOMS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with HttpsServer(*Pki(tmp_path_factory.mktemp("pki")).pair("server")) as s:
        yield s


@pytest.fixture(params=["plain", "tls"])
def client(request: pytest.FixtureRequest, server: HttpsServer) -> Iterator[socket.socket]:
    with server.plain() if request.param == "plain" else server.tls() as s:
        yield s


def said(body: bytes, dropped: bool = False) -> bytes:
    kept = body[:512] if dropped else body
    return f"{len(kept)} {'dropped' if dropped else 'kept'} {hashlib.sha256(kept).hexdigest()}\n".encode()


def with_length(body: bytes, more: bytes = b"") -> bytes:
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, size: int, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n"


def some(n: int) -> bytes:
    return (b"0123456789abcdef-" * (n // 17 + 1))[:n]


@pytest.mark.parametrize("size", [0, 1, 511, 4096, 16384, 100_000, KEPT - 1, KEPT])
def test_a_body_is_kept(client: socket.socket, size: int) -> None:
    expected = said(some(size)) if size else b"0 kept -\n"
    assert ask(client, with_length(some(size))) == (200, expected)
    if size:
        assert ask(client, chunked(some(size), 1000)) == (200, expected)


@pytest.mark.parametrize("size", [KEPT + 1, 1_000_000, READ])
def test_a_large_body_is_read_and_dropped_but_for_its_beginning(client: socket.socket, size: int) -> None:
    assert ask(client, with_length(some(size))) == (200, said(some(size), dropped=True))
    assert ask(client, chunked(some(size), 30_000)) == (200, said(some(size), dropped=True))
    assert ask(client, with_length(b"and then")) == (200, said(b"and then"))


def test_more_is_refused(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (READ + 1))
    assert read_answer(client)[0] == 413
    assert ended(client)


@pytest.mark.parametrize("length", [b"99999999999999999999999999", b"4294967296", b"18446744073709551617"])
def test_a_number_beyond_all_is_refused(client: socket.socket, length: bytes) -> None:
    assert ask(client, HEAD + b"Content-Length: " + length + b"\r\n\r\n")[0] == 413


def test_more_in_chunks_is_refused_when_that_is_known(client: socket.socket) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n300000\r\n" + bytes(0x300000) + b"\r\n1\r\n")
    assert read_answer(client)[0] == 413


def test_byte_by_byte(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for request in (with_length(some(40)), chunked(some(40), 7, b";a=b", b"X-Trailer: y\r\n")):
        for i in range(len(request)):
            client.send(request[i : i + 1])
        assert read_answer(client) == (200, said(some(40)))


def test_requests_behind_a_body_are_answered_in_order(client: socket.socket) -> None:
    bodies = [some(n) for n in (10, 5000, 3, 70_000, 0, 300_000, 20)]
    client.sendall(b"".join(with_length(b) if i % 2 else chunked(b, 999) for i, b in enumerate(bodies)))
    buffer = bytearray()
    for body in bodies:
        expected = said(body, len(body) > KEPT) if body else b"0 kept "
        assert read_answer(client, buffer)[1].startswith(expected)


def test_a_client_that_waits_for_100_continue(client: socket.socket) -> None:
    for body in (some(10), some(KEPT + 5)):
        client.sendall(HEAD + b"Expect: 100-Continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        buffer = bytearray()
        assert read_answer(client, buffer) == (100, b"") and not buffer
        client.sendall(body)
        assert read_answer(client) == (200, said(body, len(body) > KEPT))
    client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (READ + 1))
    assert read_answer(client)[0] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: +5\r\n", 400),
        (b"Content-Length: 0x5\r\n", 400),
        (b"Content-Length: 5, 5\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n", 501),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: chunked, chunked\r\n", 501),
        (b"Transfer-Encoding: " + b"x" * 100 + b"\r\n", 501),
    ],
)
def test_lengths_that_others_could_read_differently_are_refused(client: socket.socket, headers: bytes, status: int) -> None:
    assert ask(client, HEAD + headers + b"\r\nhello")[0] == status
    assert ended(client)


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"g\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\rX",
        b"5 \x01\r\n",
        b"5;" + b"x" * 300 + b"\r\n",
        b"0" * 300 + b"5\r\n",
        b"-5\r\n",
        b"0\r\nX: \x01\r\n\r\n",
        b"0\r\n\rX",
    ],
)
def test_chunks_that_are_none_are_refused(client: socket.socket, body: bytes) -> None:
    assert ask(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body)[0] == 400
    assert ended(client)


@pytest.mark.parametrize("size", [b"ffffffff", b"fffffffffffffffff", b"300001"])
def test_chunks_beyond_all_are_refused(client: socket.socket, size: bytes) -> None:
    assert ask(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")[0] == 413


def test_trailers_count_with_the_head(client: socket.socket) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 500) for i in range(40))
    assert ask(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + lines)[0] == 431


def test_http_1_0_has_no_chunks(client: socket.socket) -> None:
    assert ask(client, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")[0] == 400


def test_http_1_0_has_bodies(client: socket.socket) -> None:
    assert ask(client, b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello") == (200, said(b"hello"))
    assert ended(client)


def begun(server: HttpsServer, tls: bool) -> socket.socket:
    s: socket.socket = server.tls() if tls else server.plain()
    s.sendall(HEAD + b"Content-Length: 10\r\n\r\nhello")
    return s


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_who_is_slow_gives_its_room_to_who_waits(server: HttpsServer, tls: bool) -> None:
    slow = [begun(server, tls) for _ in range(ROOMS)]
    with server.tls() if tls else server.plain() as s:
        assert ask(s, with_length(some(50_000))) == (200, said(some(50_000)))
    first = slow.pop(0)
    assert read_answer(first) == (503, b"refused\n")
    assert ended(first)
    for s in slow:  # one had to go, and no more
        s.sendall(b"world")
        assert read_answer(s) == (200, said(b"helloworld"))
        s.close()
    first.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_who_waits_is_served_when_a_room_is_free(server: HttpsServer, tls: bool) -> None:
    fast = [begun(server, tls) for _ in range(ROOMS)]
    late = server.tls() if tls else server.plain()
    late.sendall(with_length(some(3000)) + with_length(b"next"))
    fast[2].sendall(b"world")
    buffer = bytearray()
    assert read_answer(fast[2])[0] in (200, 503)
    assert read_answer(late, buffer) == (200, said(some(3000)))
    assert read_answer(late, buffer) == (200, said(b"next"))
    for s in (*fast, late):
        s.close()


def test_who_waits_with_expect_is_asked_when_its_turn_comes(server: HttpsServer) -> None:
    fast = [begun(server, False) for _ in range(ROOMS)]
    late = server.plain()
    late.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    fast[0].close()
    assert read_answer(late) == (100, b"")
    assert ask(late, b"hello") == (200, said(b"hello"))
    for s in (*fast[1:], late):
        s.close()


def test_a_crowd_of_bodies_is_answered_each_one(server: HttpsServer) -> None:
    crowd = [server.plain() for _ in range(20)]
    for i, s in enumerate(crowd):
        s.sendall(HEAD + b"Content-Length: 20000\r\n\r\n" + some(i * 100))
    for i, s in enumerate(crowd):
        s.sendall(some(20_000 + i * 100)[i * 100 :][: 20_000 - i * 100])
    answers = [read_answer(s)[0] for s in crowd]
    assert set(answers) <= {200, 503} and answers.count(200) > 0
    for s in crowd:
        s.close()
    with server.plain() as s:
        assert ask(s, with_length(b"later")) == (200, said(b"later"))


def test_a_body_that_is_cut_off_takes_no_room_with_it(server: HttpsServer) -> None:
    for _ in range(3 * ROOMS):
        begun(server, False).close()
    with server.plain() as s:
        start = time.monotonic()
        assert ask(s, with_length(b"hello")) == (200, said(b"hello"))
        assert time.monotonic() - start < DEADLINE_S


def test_a_body_that_does_not_end_is_cut_off(server: HttpsServer) -> None:
    with begun(server, False) as s:
        assert ended(s)


def test_rooms_give_their_memory_back(server: HttpsServer) -> None:
    with server.plain() as s:
        ask(s, with_length(some(10)))
        before = server.memory_kib()
        for _ in range(5):
            ask(s, with_length(some(KEPT)))
        eventually(lambda: server.memory_kib() < before + KEPT // 1024 // 2, what="the memory is given back")
