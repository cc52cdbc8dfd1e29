"""Who does not answer, and how far the connection came: TCP, the proxy's CONNECT, TLS, the request. And answers that are no HTTP."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
from typing import Any, Callable, Iterator

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.emulator import ROLE_ARN, Emulator
from harness.programs import Run
from harness.reports import assert_failed
from harness.served import check_container, check_error
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("netns"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]
CONNECTING, CONNECT, TLS, WHOLE = ("timed out while connecting", "timed out while waiting for its answer to CONNECT",
                                   "timed out while waiting for the TLS answer", "timed out while waiting for the whole answer")


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    """STS behind TLS."""
    emulator.role(TARGET, trust(ROLE_ARN))
    return Aws(emulator)


@pytest.fixture
def irsa(aws: Aws, write_token: Callable[..., ProjectedToken]) -> dict[str, str]:
    """What the webhook injects for IRSA, and the way to STS."""
    return aws.irsa(write_token(aws.emulator.token(audience="sts.amazonaws.com")))


@pytest.fixture
def proxied(aws: Aws, irsa: dict[str, str]) -> dict[str, str]:
    """The same through a proxy; localhost itself is never proxied."""
    port = irsa["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    return {**irsa, "AWS_ENDPOINT_URL_STS": f"https://sts.localhost:{port}", "HTTPS_PROXY": f"http://127.0.0.1:{aws.emulator.serve('proxy')['port']}"}


def check(run: Run, phase: str, *says: str) -> str:
    """It says how far it came, and nothing of the other ways."""
    text = assert_failed(run, "AWS_UNREACHABLE", phase, *says)
    assert [other for other in (CONNECTING, CONNECT, TLS, WHOLE) if other in text] == [phase]
    assert ("TCP reached 127.0.0.1" in text) == (phase in (CONNECT, TLS)), text
    assert ("NetworkPolicies" in text) == (phase == CONNECTING), text
    assert re.search(r"after [5-9]", text) or phase == WHOLE  # 5 s, on a busy machine more
    return text


def test_no_answer_to_tcp(run_init: Init, aws: Aws, irsa: dict[str, str]) -> None:
    aws.emulator.listen("deaf", service="sts")
    check(run_init(env=irsa), CONNECTING, "security groups")


def test_packets_that_vanish(run_init: Init, aws: Aws, irsa: dict[str, str]) -> None:
    """Into a cable that nobody is at."""
    place: Any = aws.emulator.place
    place.ip("link", "add", "cable2", "type", "veth", "peer", "name", "cable3")
    try:
        for end in ("cable2", "cable3"):
            place.ip("link", "set", end, "up")
        place.ip("addr", "add", "10.9.8.1/24", "dev", "cable2")
        place.ip("neigh", "add", "10.9.8.7", "lladdr", "02:00:00:00:00:99", "dev", "cable2")
        check(run_init(env={**irsa, "AWS_ENDPOINT_URL_STS": "https://10.9.8.7"}), CONNECTING, "security groups")
    finally:
        place.ip("link", "del", "cable2")


def test_no_answer_in_tls(run_init: Init, aws: Aws, irsa: dict[str, str]) -> None:
    """A URL of ours may have the wrong port; that of AWS has not, which the unit tests hold."""
    aws.emulator.listen("mute", service="sts")
    check(run_init(env=irsa), TLS, "takes connections and drops what follows", "path MTU", "AWS_ENDPOINT_URL_STS led to this host",
          "http://, or has the wrong port")


def test_no_answer_to_the_request(run_init: Init, aws: Aws, irsa: dict[str, str]) -> None:
    aws.emulator.fault("hang", service="sts", times=None)
    check(run_init(env=irsa), WHOLE, "what answers at localhost port")


def test_no_answer_to_connect(run_init: Init, aws: Aws, proxied: dict[str, str]) -> None:
    """Of a proxy that waits for the server itself, as a rule."""
    aws.emulator.fault("hang", service="proxy", times=None)
    text = check(run_init(env=proxied), CONNECT, "through HTTPS_PROXY, 127.0.0.1 port", "way out to sts.localhost port", "port of an HTTP proxy", "NO_PROXY")
    assert "led to this host" not in text


def test_no_answer_to_connect_of_no_proxy(run_init: Init, aws: Aws, proxied: dict[str, str]) -> None:
    aws.emulator.listen("mute", service="proxy")
    check(run_init(env=proxied), CONNECT, "port of an HTTP proxy")


def test_no_answer_in_tls_behind_a_proxy(run_init: Init, aws: Aws, proxied: dict[str, str]) -> None:
    """The proxy let it through: it is not to blame alone."""
    aws.emulator.listen("mute", service="sts")
    check(run_init(env=proxied), TLS, "through HTTPS_PROXY, 127.0.0.1 port", "firewall or proxy on the way to sts.localhost")
    assert aws.emulator.proxied()


def test_a_proxy_that_cannot_be_reached(run_init: Init, aws: Aws, proxied: dict[str, str]) -> None:
    aws.emulator.listen("deaf", service="proxy")
    check(run_init(env=proxied), CONNECTING, "check HTTPS_PROXY")


def test_sidecar(start_sidecar: Start, aws: Aws, injected: dict[str, str]) -> None:
    """Inside its sandbox, driven by its loop: in the log while it serves on, and in the answer if there is nothing to serve."""
    env = {**injected, **aws.sts()}
    sidecar = start_sidecar(f"--assume-role={TARGET}", env=env)
    first = check_container(sidecar.get())
    aws.emulator.listen("mute", service="sts")
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "refresh failed" in sidecar.stderr, 20, "a refresh that fails")
    assert TLS in sidecar.stderr and "TCP reached 127.0.0.1" in sidecar.stderr and CONNECTING not in sidecar.stderr
    assert check_container(sidecar.get()) == first
    later = start_sidecar(f"--assume-role={TARGET}", env=env, ready=False).wait_serving()
    eventually(lambda: TLS in later.get().json["message"], 20, "a fetch that fails")
    check_error(later.get(), 503, "AWS_UNREACHABLE")


# --- answers that are none


@pytest.fixture
def banner() -> Iterator[Callable[[bytes], int]]:
    """A server on loopback of this namespace that says this to each, whatever it is asked."""
    servers: list[socket.socket] = []

    def start(words: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            while True:
                try:
                    taken = server.accept()[0]
                except OSError:
                    return
                with taken, contextlib.suppress(OSError):
                    taken.sendall(words)
                    taken.settimeout(5)
                    while taken.recv(4096):
                        pass
        threading.Thread(target=run, daemon=True).start()
        return int(server.getsockname()[1])
    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.place("loopback")
def test_a_proxy_that_speaks_something_else(run_init: Init, proxied: dict[str, str], banner: Callable[[bytes], int]) -> None:
    for words in (b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"):
        text = assert_failed(run_init(env={**proxied, "HTTPS_PROXY": f"http://127.0.0.1:{banner(words)}"}), "AWS_UNREACHABLE",
                             "was not let through by the proxy", "its answer to CONNECT is not HTTP", "its port")
        assert "closed" not in text


BODY = '{"AccessKeyId":"ASIAZ","SecretAccessKey":"s","Token":"t","Expiration":"2035-01-01T00:00:00Z"}'
CHUNKED = f"Transfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"


@pytest.mark.parametrize(("answer", "says"), [
    (f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n{CHUNKED}", "Transfer-Encoding: chunked"),
    (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "Content-Length"),
    (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n{CHUNKED}", "Transfer-Encoding: gzip"),
    (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{CHUNKED}", "not its only one"),
    (f"HTTP/1.1 2000 OK\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "HTTP/1.1 2000 OK"),
    (f"HTTP/1.1 20\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "HTTP/1.1 20"),
    (f"HTTP/1.1 2OO OK\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "HTTP/1.1 2OO OK"),
    (f"http/1.1 503 Slow\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "http/1.1 503 Slow"),
    (f"HTTP/2 x\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "HTTP/2 x"),
    (BODY, "AccessKeyId"),  # HTTP/0.9
    (f"HTTP/1.1 200 OK\r\nServer: x\r\n folded\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", "folded"),
    (f"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{BODY}", "Content-Length : 2"),
    (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n", "its chunks are malformed"),
    (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n", "its chunks are malformed"),
])
def test_malformed(run_init: Init, emulator: Emulator, answer: str, says: str) -> None:
    """From the agent; by libcurl alone some of these would be credentials."""
    emulator.fault("raw", data=answer, times=None)
    text = assert_failed(run_init(), "BAD_RESPONSE", "an answer that is not valid HTTP", says)
    assert "answered 200" not in text


def test_well_formed(run_init: Init, emulator: Emulator) -> None:
    """The same body, each way that it may be framed."""
    for answer in (f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}", f"HTTP/1.1 200 OK\r\n{CHUNKED}", f"HTTP/1.1 200\r\n\r\n{BODY}",
                   f"HTTP/1.0 200 OK\nContent-Length: {len(BODY)}\n\n{BODY}", f"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n{CHUNKED}"):
        emulator.fault("raw", data=answer, times=None)
        assert run_init().exit_code == 0, answer
