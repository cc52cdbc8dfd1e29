"""pod-identity-sidecar: HTTP clients that are broken, slow, many or hostile. The others notice nothing."""

from __future__ import annotations

import contextlib
import random
import resource
import select
import socket
import threading
import time
from typing import Any, Callable, Iterator

import pytest

from harness import http
from harness.emulator import Emulator
from harness.served import check_container, check_error, limit
from harness.sidecar import Sidecar
from harness.waiting import eventually

GOOD = b"GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
QUICK_S = 2.0  # a served answer comes from memory


@pytest.fixture
def sidecar(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> Sidecar:
    return start_sidecar()


@pytest.fixture(autouse=True)
def others_notice_nothing(sidecar: Sidecar, emulator: Emulator) -> Iterator[None]:
    """After each of these tests it serves as before, and has not asked the agent again."""
    before = sidecar.get().raw
    yield
    assert sidecar.process.poll() is None, sidecar.stderr
    started = time.monotonic()
    assert sidecar.get().raw == before
    check_container(sidecar.get_http())
    assert time.monotonic() - started < QUICK_S
    assert emulator.count() == 1


def split_answers(raw: bytes) -> list[http.Answer]:
    """Answers that came one behind the other."""
    found = []
    while raw:
        answer = http.parse_answer(raw)
        length = int(answer.header("Content-Length") or 0)
        assert len(answer.body) >= length, "torn"
        size = len(raw) - len(answer.body) + length
        found.append(http.parse_answer(raw[:size]))
        raw = raw[size:]
    return found


def headers(*lines: bytes) -> bytes:
    return b"GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


REFUSED: dict[str, tuple[bytes, set[int]]] = {
    "bare LF": (GOOD.replace(b"\r\n", b"\n"), {400}),
    "bare LF in a header": (b"GET /v1/credentials HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", {400}),
    "bare CR": (b"GET /v1/credentials HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n", {400}),
    "folded header": (headers(b"X: a", b" b"), {400}),
    "folded with a tab": (headers(b"X: a", b"\tb"), {400}),
    "folded first": (b"GET /v1/credentials HTTP/1.1\r\n Host: localhost\r\n\r\n", {400}),
    "blank before the colon": (headers(b"X : a"), {400}),
    "header without a colon": (headers(b"nonsense"), {400}),
    "header without a name": (headers(b": a"), {400}),
    "both lengths": (headers(b"Content-Length: 5", b"Transfer-Encoding: chunked"), {400, 413}),
    "both lengths, other order": (headers(b"Transfer-Encoding: chunked", b"Content-Length: 5"), {400, 501}),
    "length 0 and chunked": (headers(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", {400}),
    "a chunk": (headers(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", {413}),
    "chunks twice": (headers(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", {400}),
    "a trailer": (headers(b"Transfer-Encoding: chunked") + b"0\r\nX: y\r\n\r\n", {400}),
    "another coding": (headers(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", {501}),
    "odd coding": (headers(b"transfer-encoding: \x0b, identity"), {400, 501}),
    "a body": (headers(b"Content-Length: 5") + b"hello", {413}),
    "two lengths": (headers(b"Content-Length: 0", b"Content-Length: 0"), {400}),
    "negative length": (headers(b"Content-Length: -1"), {400}),
    "signed length": (headers(b"Content-Length: +0"), {400}),
    "length list": (headers(b"Content-Length: 0, 0"), {400}),
    "hexadecimal length": (headers(b"Content-Length: 0x0"), {400}),
    "empty length": (headers(b"Content-Length:"), {400}),
    "endless length": (headers(b"Content-Length: " + b"9" * 1000), {400, 413}),
    "20,000 headers": (headers(*[b"X-%d: y" % number for number in range(20_000)]), {431}),
    "101 headers": (headers(*[b"X: y"] * 100), {431}),
    "endless header": (headers(b"X: " + b"y" * 100_000), {431}),
    "endless name": (headers(b"y" * 100_000), {431}),
    "huge target": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {414}),
    "target of a megabyte": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {414}),
    "huge query": (b"GET /v1/credentials?" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {414}),
    "no path": (b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "absolute target": (b"GET http://localhost/v1/credentials HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404}),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 405}),
    "CONNECT": (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 405}),
    "tab in the request line": (b"GET\t/v1/credentials HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "two blanks": (b"GET /v1/credentials  HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "method of odd characters": (b"G(T /v1/credentials HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "endless method": (b"G" * 100_000, {400}),
    "NUL in the target": (b"GET /v1/cred\x00entials HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "NUL behind the target": (b"GET /v1/credentials\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "NUL in a header": (headers(b"X: a\x00b"), {400}),
    "only NULs": (b"\x00" * 5000, {400}),
    "control characters": (headers(b"X: \x01\x1b[2J"), {400}),
    "no Host": (b"GET /v1/credentials HTTP/1.1\r\n\r\n", {400}),
    "two Hosts": (headers(b"Host: localhost"), {400}),
    "HTTP/0.9": (b"GET /v1/credentials\r\n\r\n", {400}),
    "HTTP/0.9, simplest": (b"GET /v1/credentials\r\n", {400}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", {400, 505}),
    "HTTP/2.0": (b"GET /v1/credentials HTTP/2.0\r\nHost: localhost\r\n\r\n", {505}),
    "HTTP/1.2": (b"GET /v1/credentials HTTP/1.2\r\nHost: localhost\r\n\r\n", {505}),
    "HTTP/11": (b"GET /v1/credentials HTTP/11\r\nHost: localhost\r\n\r\n", {400}),
    "lower-case protocol": (b"GET /v1/credentials http/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "TLS hello": (bytes.fromhex("1603010200010001fc0303") + bytes(range(256)) + b"\r\n\r\n", {400}),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", {400}),
    "many empty lines": (b"\r\n" * 50 + GOOD, {400}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(sidecar: Sidecar, name: str) -> None:
    """With an answer that says so, then closed; by socket and loopback alike; nothing behind it is served."""
    data, statuses = REFUSED[name]
    for exchange in (sidecar.raw, sidecar.raw_http):
        raw = exchange(data + LAST)
        answers = split_answers(raw)
        assert len(answers) == 1, f"{len(answers)} answers: {[answer.status for answer in answers]}"
        assert answers[0].status in statuses
        assert answers[0].header("Connection") == "close"
        check_error(answers[0], answers[0].status)
        assert b"SecretAccessKey" not in raw


@pytest.mark.parametrize("data", [
    b"\r\n" + LAST,
    LAST.replace(b"HTTP/1.1", b"HTTP/1.0"),
    b"GET /v1/credentials HTTP/1.0\r\n\r\n",
    LAST.replace(b"Host:", b"hOsT:\t "),
    LAST.replace(b"Connection: close", b"Connection: keep-alive, Close"),
    headers(*[b"X: y"] * 98, b"Connection: close"),
    headers(b"Content-Length: 0", b"Connection: close"),
    headers(b"X:", b"Connection: close"),
    headers(b"X: \xff\xe4", b"Connection: close"),
    headers(b"X: " + b"y" * 16000, b"Connection: close"),
    LAST.replace(b"credentials", b"credentials?" + b"a" * 1000),
], ids=range(11))
def test_odd_but_served(sidecar: Sidecar, data: bytes) -> None:
    [answer] = split_answers(sidecar.raw(data))
    check_container(answer)


def test_100_requests_in_one_write(sidecar: Sidecar) -> None:
    paths = [b"/v1/credentials", b"/healthz", b"/nothing", b"/v1/credential-process"] * 25
    data = b"".join(GOOD.replace(b"/v1/credentials", path) for path in paths[:-1]) + LAST.replace(b"/v1/credentials", paths[-1])
    answers = split_answers(sidecar.raw(data))
    assert [answer.status for answer in answers] == [200, 200, 404, 200] * 25
    assert len({answer.raw for answer in answers[0:99:4]}) == 1
    assert answers[-1].header("Connection") == "close" and answers[0].header("Connection") is None


def test_what_comes_behind_the_last_request_is_not_read(sidecar: Sidecar) -> None:
    assert len(split_answers(sidecar.raw(LAST + GOOD * 50))) == 1


@pytest.mark.parametrize("listener", ["unix", "http"])
@pytest.mark.parametrize("when", ["at once", "after the answer"])
def test_a_client_that_asks_on_after_asking_for_the_end(sidecar: Sidecar, listener: str, when: str) -> None:
    """Whenever its next request comes: it has its one answer whole, then the end (or a reset), and no second answer."""
    connect = getattr(sidecar, f"connect_{listener}")
    bearer = f"Host: 127.0.0.1\r\nAuthorization: {sidecar.bearer}".encode()
    last, more = (data.replace(b"Host: localhost", bearer) for data in (LAST, GOOD))
    for turn in range(100):
        with connect() as sock:
            sock.sendall(last)
            early = b"" if when == "at once" else sock.recv(1)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(turn % 4 + 1):
                    sock.sendall(more)
            answers = split_answers(early + http.read_all(sock))
        assert len(answers) == 1, f"{len(answers)} answers"
        check_container(answers[0])
        assert answers[0].header("Connection") == "close"


def test_head_is_followed_by_the_next_answer(sidecar: Sidecar) -> None:
    raw = sidecar.raw(GOOD.replace(b"GET", b"HEAD") + LAST)
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"200" in head.split(b"\r\n")[0]
    check_container(http.parse_answer(rest))


def test_a_client_that_closes_its_side_is_still_answered(sidecar: Sidecar) -> None:
    check_container(http.parse_answer(sidecar.raw(LAST, half_close=True)))


def test_split_at_every_byte(sidecar: Sidecar) -> None:
    """Two requests, cut once anywhere, and cut everywhere."""
    data = GOOD + LAST
    whole = sidecar.raw(data)
    for cut in range(1, len(data)):
        with sidecar.connect_unix() as sock:
            sock.sendall(data[:cut])
            time.sleep(0.001)  # so that most cuts are seen as cuts; those that are not, do no harm
            sock.sendall(data[cut:])
            assert http.read_all(sock) == whole, cut
    with sidecar.connect_http() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in http.request_bytes("GET", "/v1/credentials", {"Host": "127.0.0.1", "Authorization": sidecar.bearer}):
            sock.sendall(bytes([byte]))
            time.sleep(0.0005)
        check_container(http.parse_answer(http.read_all(sock)))


def test_cut_off_anywhere(sidecar: Sidecar) -> None:
    """Clients that go away within a request leave nothing behind."""
    before = sidecar.open_files()
    for cut in range(0, len(GOOD), 3):
        sidecar.connect_unix().close()
        with sidecar.connect_unix() as sock:
            sock.sendall(GOOD[:cut])
    eventually(lambda: sidecar.open_files() <= before, 5, "all descriptors are closed")


def test_clients_that_reset(sidecar: Sidecar) -> None:
    before = sidecar.open_files()
    for data in (b"", GOOD[:20], GOOD, GOOD * 100):
        sock = sidecar.connect_http()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.sendall(data)
        sock.close()
    eventually(lambda: sidecar.open_files() <= before, 5, "all descriptors are closed")


def test_slow_clients_delay_nobody(sidecar: Sidecar) -> None:
    over = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError), sidecar.connect_unix() as sock:
            for byte in GOOD * 3:
                if over.wait(0.02):
                    return
                sock.sendall(bytes([byte]))
    threads = [threading.Thread(target=drip) for _ in range(40)]
    for thread in threads:
        thread.start()
    slowest = 0.0
    ends = time.monotonic() + 1.5
    try:
        while time.monotonic() < ends:
            started = time.monotonic()
            check_container(sidecar.get())
            slowest = max(slowest, time.monotonic() - started)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert slowest < QUICK_S, slowest


def test_more_slow_clients_than_it_remembers(sidecar: Sidecar) -> None:
    """The request that began first gives way: it had the longest."""
    count = limit("sidecar/doors.h", "DOORS_PARTIALS") + 10
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(sidecar.connect_unix()) for _ in range(count)]
        for sock in socks:
            sock.sendall(LAST[:10])
            check_container(sidecar.get())
        for sock in socks[-20:]:
            sock.sendall(LAST[10:])
            check_container(http.parse_answer(http.read_all(sock)))
        assert socks[0].recv(1) == b"", "the oldest gave way"


def idle(sock: socket.socket) -> bool:
    """Nothing has come, not even the end."""
    poll = select.poll()  # select() knows only 1,024 descriptors
    poll.register(sock, select.POLLIN)
    return not poll.poll(0)


def test_1100_idle_connections(sidecar: Sidecar) -> None:
    """More than it holds: the oldest idle ones are closed first, and new ones are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip(f"only {hard} file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    before = sidecar.open_files()
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        socks: list[socket.socket] = []
        for number in range(1100):
            socks.append(stack.enter_context(sidecar.connect_unix() if number % 2 else sidecar.connect_http()))
            if number % 100 == 99:
                started = time.monotonic()
                check_container(sidecar.get())
                assert time.monotonic() - started < QUICK_S
        open_ones = [idle(sock) for sock in socks]
        closed = open_ones.count(False)
        for of_one_listener in (open_ones[0::2], open_ones[1::2]):  # between the two the order of accepting is the kernel's
            assert of_one_listener == sorted(of_one_listener), "the oldest ones"
        assert 1100 - closed >= 900 and sidecar.open_files() - before <= limit("sidecar/doors.h", "DOORS_PLACES")
        socks[-1].sendall(LAST)
        check_container(http.parse_answer(http.read_all(socks[-1])))
    eventually(lambda: sidecar.open_files() <= before, 5, "all closed")


def flood(sock: socket.socket) -> int:
    """Sends requests and reads nothing until no more can be sent; how many bytes went."""
    sock.settimeout(0.3)
    sent = 0
    with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
        while sent < 64 * 1024 * 1024:
            sent += sock.send(GOOD * 200)
    return sent


def test_deadlines(sidecar: Sidecar) -> None:
    """A request without an end, dripped bytes, and answers that are never read: each is closed after its 10 s, no matter what it sends."""
    request_s, write_s = limit("common/serve/connections.h", "CONNECTIONS_REQUEST_MS") / 1000, limit("common/serve/connections.h", "CONNECTIONS_WRITE_MS") / 1000
    memory = sidecar.memory_kib()["VmRSS"]
    began = time.monotonic()
    closed: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        endless, dripping, deaf = (stack.enter_context(sidecar.connect_unix()) for _ in range(3))
        endless.sendall(GOOD[:-2])
        flooded = time.monotonic()
        assert 0 < flood(deaf) < 16 * 1024 * 1024, "it reads on although its answers are not taken"

        def watch(name: str, sock: socket.socket, since: float, drip: bytes | None = None) -> None:
            ends = time.monotonic() + 20
            try:
                while time.monotonic() < ends:
                    if drip is not None:
                        sock.sendall(drip)
                    elif name == "deaf":  # the other side is gone as soon as a send fails for good
                        sock.settimeout(0.2)
                        with contextlib.suppress(TimeoutError):
                            sock.send(b"G")
                    elif sock.recv(4096) == b"":
                        break
                    time.sleep(0.1)
            except OSError:
                pass
            closed[name] = time.monotonic() - since
        threads = [threading.Thread(target=watch, args=arguments) for arguments in (
            ("endless", endless, began), ("dripping", dripping, time.monotonic(), b"G"), ("deaf", deaf, flooded))]
        dripping.sendall(b"GET /?")
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            started = time.monotonic()
            check_container(sidecar.get())
            assert time.monotonic() - started < QUICK_S, "others are delayed"
            threads[0].join(0.05)
    assert request_s - 1 <= closed["endless"] <= request_s + 2
    assert request_s - 1 <= closed["dripping"] <= request_s + 2
    assert write_s - 1 <= closed["deaf"] <= write_s + 3
    assert sidecar.memory_kib()["VmRSS"] - memory < 256


def test_random_bytes(sidecar: Sidecar) -> None:
    chance = random.Random(1)
    for _ in range(200):
        raw = sidecar.raw(bytes(chance.choices(range(256), k=chance.randrange(1, 400))), half_close=True)
        assert b"SecretAccessKey" not in raw
        assert not raw or http.parse_answer(raw).status >= 400


def test_mutated_requests(sidecar: Sidecar) -> None:
    """One byte changed: served whole, refused whole, or closed."""
    chance = random.Random(2)
    for _ in range(300):
        data = bytearray(LAST)
        data[chance.randrange(len(data))] = chance.randrange(256)
        raw: Any = sidecar.raw(bytes(data), half_close=True)
        if raw:
            answer = split_answers(raw)[0]
            assert answer.status in (200, 400, 404, 405, 414, 431, 501, 505)
