"""TLS as common/serve speaks it, with openssl, curl and Python as clients, good ones and rude ones."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness.https_server import DEADLINE_S, LARGE, HttpsServer, Pki, ask, client_hello, curl, ended, read_answer
from harness.waiting import eventually

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
EMPTY = (200, b"0 kept -\n")
HANDSHAKE, ALERT = 22, 21


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module", params=["ec", "rsa"])
def server(request: pytest.FixtureRequest, pki: Pki) -> Iterator[HttpsServer]:
    with HttpsServer(*pki.pair(f"server-{request.param}", request.param)) as s:
        yield s


@pytest.fixture(scope="module")
def ec(pki: Pki) -> Iterator[HttpsServer]:
    with HttpsServer(*pki.pair("server")) as s:
        yield s


def s_client(server: HttpsServer, *words: str | Path, said: str = "") -> str:
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", server.certificate, *words]
    done = subprocess.run(list(map(str, argv)), input=said, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


# ---- what is spoken ----


def test_curl(server: HttpsServer) -> None:
    assert curl(server).stdout == "0 kept -\n"
    assert curl(server, "-d", "hello").stdout.startswith("5 kept 2cf24dba5fb0a30e")
    assert len(curl(server, path="/large").stdout) == LARGE


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
@pytest.mark.parametrize("group", ["P-256", "X25519:P-256"])
def test_each_suite_and_curve(server: HttpsServer, cipher: str, group: str) -> None:
    kind = "RSA" if "rsa" in server.certificate.name else "ECDSA"
    said = s_client(server, "-cipher", f"ECDHE-{kind}-{cipher}", "-groups", group)
    assert f" Temp Key: {'X25519' if 'X25519' in group else 'ECDH, prime256v1'}" in said  # "Server", or "Peer" since OpenSSL 3.5
    assert f"Cipher is ECDHE-{kind}-{cipher}" in said and "Verify return code: 0 (ok)" in said


@pytest.mark.parametrize("words", [("-tls1_1",), ("-tls1",)])
def test_older_versions_are_refused_and_told(ec: HttpsServer, words: tuple[str, ...]) -> None:
    assert "alert protocol version" in s_client(ec, *words, "-cipher", "ALL:@SECLEVEL=0")


def test_tls_1_3_alone_is_refused_and_told(ec: HttpsServer) -> None:
    assert "alert protocol version" in s_client(ec, "-tls1_3")
    assert "alert protocol version" in curl(ec, "--tlsv1.3").stderr


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-CCM", "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_suites_are_refused_and_told(server: HttpsServer, cipher: str) -> None:
    assert "alert handshake failure" in s_client(server, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")


def test_slow_curves_are_refused_and_told(ec: HttpsServer) -> None:
    assert "alert handshake failure" in s_client(ec, "-tls1_2", "-groups", "P-521:P-384")


def test_plain_http_is_told_so(ec: HttpsServer) -> None:
    with ec.connect() as s:
        s.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
        assert read_answer(s) == (400, b"This port speaks HTTPS, not HTTP.")
        assert ended(s)


def test_http_1_1_is_agreed_on(ec: HttpsServer) -> None:
    context = ec.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with ec.tls(context) as s:
        assert s.selected_alpn_protocol() == "http/1.1"
        assert ask(s, GET) == EMPTY


def test_sessions_are_resumed(server: HttpsServer) -> None:
    context = server.context()
    context.options |= ssl.OP_NO_TICKET
    with server.tls(context) as s:
        assert ask(s, GET) == EMPTY
        session = s.session
    before = server.counts()
    for _ in range(3):
        with server.tls(context, session) as s:
            assert ask(s, GET) == EMPTY and s.session_reused
    handshakes, resumed, _ = server.counts()
    assert (handshakes - before[0], resumed - before[1]) == (3, 3)


def test_renegotiation_is_refused(ec: HttpsServer) -> None:
    said = s_client(ec, "-tls1_2", "-no_ign_eof", said="R\n" + "\n" * 3)
    assert "RENEGOTIATING" in said and ("no renegotiation" in said or "no_renegotiation" in said or "unexpected eof" in said), said


# ---- records ----


def test_records_of_every_size(server: HttpsServer) -> None:
    body = os.urandom(150_000)
    with server.tls() as s:
        for size in (1, 17, 1000, 16_384):
            piece = body[: 300 if size < 20 else len(body)]
            s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(piece))
            for i in range(0, len(piece), size):
                s.sendall(piece[i : i + size])
            assert read_answer(s)[1].startswith(b"%d kept" % len(piece))


def test_many_requests_in_one_record(server: HttpsServer) -> None:
    with server.tls() as s:
        n = 16_384 // len(GET)
        s.sendall(GET * n)
        buffer = bytearray()
        for _ in range(n):
            assert read_answer(s, buffer) == EMPTY


def test_more_requests_than_answers_are_read(server: HttpsServer) -> None:
    """The answers fill every buffer on the way, and all come when they are read."""
    with server.tls() as s:
        large = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
        s.sendall(large * 30)
        time.sleep(0.2)
        buffer = bytearray()
        for _ in range(30):
            status, body = read_answer(s, buffer)
            assert status == 200 and len(body) == LARGE


def through(server: HttpsServer, size: int) -> tuple[socket.socket, threading.Thread]:
    """A client's end of a relay that hands on what the client says in pieces of that many bytes."""
    ours, theirs = socket.socketpair()
    upstream = server.connect()
    upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def back() -> None:
        while data := upstream.recv(65536):
            theirs.sendall(data)
        theirs.close()

    def forth() -> None:
        try:
            while data := theirs.recv(65536):
                for i in range(0, len(data), size):
                    upstream.sendall(data[i : i + size])
            upstream.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=back, daemon=True).start()
    thread = threading.Thread(target=forth, daemon=True)
    thread.start()
    ours.settimeout(DEADLINE_S)
    return ours, thread


@pytest.mark.parametrize("size", [1, 4, 5, 6, 100])
def test_a_client_whose_bytes_come_in_pieces(server: HttpsServer, size: int) -> None:
    inner, thread = through(server, size)
    with server.context().wrap_socket(inner, server_hostname="localhost") as s:
        assert ask(s, GET) == EMPTY
        assert ask(s, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n" + b"x" * 300)[1].startswith(b"300 kept")


def test_both_ends_say_goodbye(server: HttpsServer) -> None:
    with server.tls() as s:
        assert ask(s, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == EMPTY
        assert s.recv(1) == b""  # a close_notify: without it this is an error
    with server.tls() as s:
        assert ask(s, GET) == EMPTY
        raw = s.unwrap()  # waits for the server's close_notify
        assert raw.recv(1) == b""


def test_an_answer_of_many_records_before_the_end(server: HttpsServer) -> None:
    with server.tls() as s:
        status, body = ask(s, b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert status == 200 and len(body) == LARGE and s.recv(1) == b""


def test_half_a_request_is_not_answered(server: HttpsServer) -> None:
    """Cut off, by an attacker for example, which shows in that no close_notify came."""
    s = server.tls()
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
    os_level = socket.socket(fileno=s.detach())
    os_level.settimeout(DEADLINE_S)
    os_level.shutdown(socket.SHUT_WR)
    rest = b""
    while piece := os_level.recv(4096):
        rest += piece
    assert rest == b""
    os_level.close()


@pytest.mark.parametrize("at", [0, 5, 20, -1])
def test_a_record_that_was_changed_ends_the_connection(ec: HttpsServer, at: int) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ec.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with ec.connect() as s:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(outgoing.read())
                incoming.write(s.recv(65536))
        s.sendall(outgoing.read())
        client.write(GET)
        record = bytearray(outgoing.read())
        record[at] ^= 1
        s.sendall(record)
        assert ended(s)
    assert curl(ec).returncode == 0


# ---- rude clients ----


@pytest.mark.parametrize(
    "garbage",
    [b"\x16", b"\x16\x03\x01\x00", b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x05hello", bytes(100), b"\xff" * 20_000, b"\x80\x2e\x01\x00\x02", b"\x15\x03\x01\x00\x02\x02\x28", b"\x17\x03\x03\x00\x05hello", b"\x14\x03\x03\x00\x01\x01"],
    ids=range(10),
)
def test_garbage_ends_the_connection_and_nothing_else(ec: HttpsServer, garbage: bytes) -> None:
    with ec.connect() as s:
        s.sendall(garbage)
        s.shutdown(socket.SHUT_WR)
        assert ended(s)
    assert curl(ec).returncode == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["silent", "half", "whole"])
def test_a_crowd_that_does_not_end_its_handshakes_takes_nobodys_place(ec: HttpsServer, share: float) -> None:
    hello = client_hello(ec)
    crowd = []
    with ec.tls() as served:
        assert ask(served, GET) == EMPTY
        for _ in range(150):
            s = ec.connect()
            s.sendall(hello[: int(len(hello) * share)])
            crowd.append(s)
        assert ask(served, GET) == EMPTY  # who was served before keeps its place
        for _ in range(3):
            assert curl(ec).stdout == "0 kept -\n"
        assert ask(served, GET) == EMPTY
    for s in crowd:
        s.close()


def test_a_handshake_that_stalls_is_cut_off(ec: HttpsServer) -> None:
    with ec.connect() as s:
        s.sendall(client_hello(ec))
        assert ended(s)


def test_nothing_is_computed_for_who_has_left(ec: HttpsServer) -> None:
    """It has asked for a handshake, and gone before its turn came."""
    ec.process.send_signal(signal.SIGSTOP)
    try:
        gone = [ec.connect() for _ in range(3)]
        for s in gone:
            s.sendall(client_hello(ec))
            s.shutdown(socket.SHUT_WR)
    finally:
        ec.process.send_signal(signal.SIGCONT)
    for s in gone:
        with s, contextlib.suppress(ConnectionResetError):
            assert s.recv(1) == b""  # no answer to the hello
    assert curl(ec).stdout == "0 kept -\n"


def test_memory_of_a_crowd_is_given_back(ec: HttpsServer) -> None:
    curl(ec)
    before = ec.memory_kib()
    crowd = []
    for _ in range(20):
        crowd.append(ec.tls())
        assert ask(crowd[-1], b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16000\r\n\r\n" + bytes(16_000))[0] == 200
    assert ec.memory_kib() > before + 20 * 4  # a connection that says nothing for a second has two pages
    for s in crowd:
        s.close()
    eventually(lambda: ec.memory_kib() < before + 200, what="the memory is given back")
