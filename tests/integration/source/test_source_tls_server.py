"""TLS of the sources against servers of OpenSSL's own making, which say why they end a handshake: versions, curves, and proxies."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.aws import Aws, needs_openssl
from harness.programs import Run
from harness.reports import assert_failed
from harness.token_files import ProjectedToken

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init = Callable[..., Run]
NOT_XML = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def pair(aws: Aws) -> Callable[[str], tuple[str, str]]:
    """The files of a kind of certificate: chain and key."""
    def make(kind: str) -> tuple[str, str]:
        folder = Path(aws.emulator.serve("sts", kind)["ca_file"]).parent
        return str(folder / f"server-{kind}.pem"), str(folder / f"server-{kind}.key")
    return make


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """A server in a thread: takes each connection, does what it is given, closes."""
    servers: list[socket.socket] = []

    def start(each: Callable[[socket.socket], Any]) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            while True:
                try:
                    taken = server.accept()[0]
                except OSError:
                    return
                taken.settimeout(10)
                try:
                    each(taken)
                except OSError:
                    pass
                taken.close()
        threading.Thread(target=run, daemon=True).start()
        return server.getsockname()[1]
    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def answer(tls: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """Takes a request behind TLS, and answers with something that is not XML."""
    def each(taken: socket.socket) -> None:
        with tls.wrap_socket(taken, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(NOT_XML)
    return each


def context(files: tuple[str, str], *, minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> ssl.SSLContext:
    """What a server uses."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("DEFAULT:@SECLEVEL=0")
    made.minimum_version, made.maximum_version = minimum, maximum
    made.load_cert_chain(*files)
    return made


@pytest.mark.parametrize(("kind", "version", "says"), [
    ("good", ssl.TLSVersion.TLSv1_3, ("TLS 1.3 only", "speak TLS 1.2")),
    ("good", ssl.TLSVersion.TLSv1_1, ("no common cipher suite", "speak TLS 1.2")),
    ("good", ssl.TLSVersion.TLSv1, ("no common cipher suite", "speak TLS 1.2")),
    ("brainpool", ssl.TLSVersion.TLSv1_2, ("no common cipher suite or curve", "P-384")),
])
def test_what_a_server_says(run_init: Init, aws: Aws, web_token: ProjectedToken, serve: Callable[..., int], pair: Callable[..., tuple[str, str]],
                            kind: str, version: ssl.TLSVersion, says: tuple[str, ...]) -> None:
    port = serve(answer(context(pair(kind), minimum=version, maximum=version)))
    env = {**aws.irsa(web_token), "AWS_ENDPOINT_URL_STS": f"https://localhost:{port}"}
    text = assert_failed(run_init(env=env), "TLS_FAILED", *says)
    assert "NetworkPolic" not in text and "0x" not in text


def test_no_tls_at_all(run_init: Init, aws: Aws, web_token: ProjectedToken, serve: Callable[..., int]) -> None:
    def plain(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    env = {**aws.irsa(web_token), "AWS_ENDPOINT_URL_STS": f"https://localhost:{serve(plain)}"}
    assert_failed(run_init(env=env), "TLS_FAILED", "no TLS at all", "http://")


@pytest.mark.parametrize("curve", ["X25519", "P-256", "P-384", "P-521"])
def test_curves(run_init: Init, aws: Aws, web_token: ProjectedToken, pair: Callable[..., tuple[str, str]], curve: str) -> None:
    """Each is spoken: the handshake ends, and what follows is no XML."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    chain, key = pair("good")
    with subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", chain, "-key", key, "-groups", curve, "-tls1_2", "-naccept", "1"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        assert server.stdin and server.stdout
        for line in server.stdout:
            if line.startswith(b"ACCEPT"):
                break
        server.stdin.write(NOT_XML + b"\n")
        server.stdin.flush()
        env = {**aws.irsa(web_token), "AWS_ENDPOINT_URL_STS": f"https://localhost:{port}"}
        assert_failed(run_init(env=env), "BAD_RESPONSE", "XML")
        server.kill()


def test_an_address_is_checked_too(run_init: Init, aws: Aws, web_token: ProjectedToken) -> None:
    """By the addresses among the names; a name that reads like the address does not count."""
    good = aws.irsa(web_token)
    url = good["AWS_ENDPOINT_URL_STS"].replace("localhost", "127.0.0.1")
    assert run_init(env={**good, "AWS_ENDPOINT_URL_STS": url}).exit_code == 0
    only = aws.irsa(web_token, "ip-only")
    assert run_init(env={**only, "AWS_ENDPOINT_URL_STS": only["AWS_ENDPOINT_URL_STS"].replace("localhost", "127.0.0.1")}).exit_code == 0
    other = aws.irsa(web_token, "address-as-name")
    assert_failed(run_init(env={**other, "AWS_ENDPOINT_URL_STS": other["AWS_ENDPOINT_URL_STS"].replace("localhost", "127.0.0.1")}),
                  "TLS_FAILED", "another host", "subjectAltName")


@pytest.mark.parametrize(("lengths", "reason"), [((2, 2), "BAD_RESPONSE"), ((2, 3), "BAD_RESPONSE")])
def test_two_lengths(run_init: Init, aws: Aws, web_token: ProjectedToken, serve: Callable[..., int], pair: Callable[..., tuple[str, str]],
                     lengths: tuple[int, ...], reason: str) -> None:
    tls = context(pair("good"), minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_2)

    def each(taken: socket.socket) -> None:
        with tls.wrap_socket(taken, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"Content-Length: %d\r\n" % one for one in lengths) + b"\r\n{}x")
    env = {**aws.irsa(web_token), "AWS_ENDPOINT_URL_STS": f"https://localhost:{serve(each)}"}
    assert_failed(run_init(env=env), reason, "not valid HTTP")


def test_headers_of_a_proxy_are_not_the_servers(run_init: Init, aws: Aws, web_token: ProjectedToken, serve: Callable[..., int],
                                                pair: Callable[..., tuple[str, str]]) -> None:
    """Its Retry-After held the next attempt back, and its Date told a clock that was off."""
    tls = context(pair("good"), minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_2)
    attempts: list[int] = []

    def each(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(b"HTTP/1.1 200 Connection established\r\nRetry-After: 3600\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")
        with tls.wrap_socket(taken, server_side=True) as secure:
            attempts.append(len(secure.recv(65536)))
            secure.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")
    port = serve(each)
    env = {**aws.irsa(web_token), "AWS_ENDPOINT_URL_STS": "https://sts.localhost:443", "HTTPS_PROXY": f"http://127.0.0.1:{port}"}
    text = assert_failed(run_init("--wait=3s", env=env), "THROTTLED", "503")
    assert len(attempts) >= 2, "the proxy's Retry-After is nobody's"
    assert "clock" not in text
