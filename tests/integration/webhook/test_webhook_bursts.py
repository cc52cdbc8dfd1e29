"""Bursts: more clients at once than there are places, connections that are kept, readers that are slow, and a Secret that changes meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.burst import burst
from harness.reviews import ASK, Webhook, pod, review
from harness.sizes import resident_kib
from harness.waiting import eventually
from harness.webhook_process import Authority, WebhookProcess

RESIDENT_KIB = 1536
PEAK_KIB = 4608  # 4 MiB, and what the kernel's high-water mark, an estimate, may be off
CLIENTS, REQUESTS = 200, 5
PLACES, KEPT = 128, 100
SLOW = 16

Start = Callable[..., WebhookProcess]


def usual() -> dict[str, Any]:
    """A pod as they are, of some 10 KB."""
    return pod(labels=ASK, annotations={"x": "y" * 9000})


def patch_of(server: WebhookProcess, obj: dict[str, Any]) -> str:
    """What everyone has to get, in Base64."""
    patch: str = server.ask(obj).response["patch"]
    return patch


@pytest.mark.alone
def test_bursts(start: Start) -> None:
    """One, and another behind it, whose clients keep their connections: every answer is right, no connection is reset, and the memory is given back."""
    server = start()
    patch = patch_of(server, usual())
    for keep in (False, True):
        found = burst(server, usual(), CLIENTS, REQUESTS, patch, keep)
        assert not found.wrong and found.answers == CLIENTS * REQUESTS, (keep, found)
    assert server.metric('tls_handshakes_total{result="failed"}') == 0
    eventually(lambda: resident_kib(server.process.pid) < RESIDENT_KIB, 20, "the memory is given back")
    assert server.memory_kib()["VmHWM"] < PEAK_KIB


def test_a_silent_crowd(start: Start) -> None:
    """Who says nothing has a place for a second, and then others have it, also who comes behind all of them."""
    server = start()
    with contextlib.ExitStack() as crowd:
        for _ in range(300):
            crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        eventually(lambda: server.metric("connections") == PLACES + 1, 20, "all places are taken, and one of the metrics is")
        assert server.ask(usual()).patch
        assert server.metric("connections") <= PLACES + 1
    assert server.ask(usual()).patch


@pytest.mark.alone
def test_kept_connections(start: Start) -> None:
    """Between requests they take next to nothing, and they go on as if nothing had happened."""
    server = start()
    patch, text = patch_of(server, usual()), json.dumps(review(usual()))
    connections = [server.connect() for _ in range(KEPT)]

    def ask(connection: http.client.HTTPSConnection) -> bool:
        status, content = server.post(text, connection=connection)
        return status == 200 and json.loads(content)["response"]["patch"] == patch

    limit_kib = min(RESIDENT_KIB, resident_kib(server.process.pid) + 8 * KEPT + 200)
    for _ in range(2):
        assert all(map(ask, connections))
        eventually(lambda: resident_kib(server.process.pid) < limit_kib, 20, "idle connections give their memory back")
    assert server.metric("connections") == KEPT + 1  # and the one that asks for this
    assert sum(server.metric(f'tls_handshakes_total{{result="{result}"}}') for result in ("full", "resumed")) == KEPT + 1


@pytest.mark.alone
def test_client_certificates_and_kept_connections(start: Start, authority: Authority, tmp_path: Path) -> None:
    """What is known of a client's certificate goes as well."""
    clients = Authority(tmp_path / "clients", "clients")
    server = start(f"--client-ca={clients.file}", identity_of_client=clients.pair("api-server"))
    connections = [server.connect() for _ in range(30)]
    for each in connections:
        assert server.ask(pod(labels=ASK), connection=each).patch
    before = resident_kib(server.process.pid)
    eventually(lambda: resident_kib(server.process.pid) < before - 30 * 4, 20, "idle connections give their memory back")
    for each in connections:
        assert server.ask(pod(labels=ASK), connection=each).patch


def test_the_secret_changes_in_a_burst(start: Start, authority: Authority) -> None:
    """As cert-manager does it: nobody notices, and afterwards the newest certificate is there."""
    server = start()
    patch = patch_of(server, usual())
    pairs = [authority.pair(f"burst-{number}", "2048" if number % 2 else "ec") for number in range(4)]

    def rotate() -> None:
        for pair in pairs:
            server.secret.put_pair(pair)
            wanted = ssl.PEM_cert_to_DER_cert(pair[0].read_text())
            eventually(lambda: ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port))) == wanted, 60,  # pylint: disable=cell-var-from-loop
                       "new connections get the new certificate")

    with ThreadPoolExecutor(1) as pool:
        rotation = pool.submit(rotate)
        while not rotation.done():
            found = burst(server, usual(), 40, REQUESTS, patch)
            assert not found.wrong and found.answers == 40 * REQUESTS, found
        rotation.result()
    assert server.metric('reload_failures_total{file="certificate"}') == 0


def slow_reader(server: WebhookProcess, body: bytes) -> ssl.SSLSocket:
    """It has asked, and takes nothing of the answer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.settimeout(60)
    raw.connect(("127.0.0.1", server.port))
    connection = server.context().wrap_socket(raw, server_hostname="127.0.0.1")
    connection.sendall(b"POST /mutate HTTP/1.1\r\nHost: webhook\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return connection


@pytest.mark.alone
def test_slow_readers(start: Start) -> None:
    """Some who take their large answers slowly get them whole, whatever others ask meanwhile; and their memory is given back."""
    server = start()
    large = pod({"containers": [{"name": f"c-{i}", "image": "app:1"} for i in range(150)]}, labels=ASK)
    body, patch = json.dumps(review(large)).encode(), patch_of(server, large)
    assert len(patch) > 120_000  # more than the kernel takes of it
    readers = [slow_reader(server, body) for _ in range(SLOW)]
    answered = server.metric('reviews_total{result="patched"}')
    eventually(lambda: server.metric('reviews_total{result="patched"}') == 1 + SLOW, 20, f"all have their answers ({answered} at first)")
    for _ in range(5 * SLOW):
        assert server.ask(usual()).patch
    for each in readers:
        content = b""
        while piece := each.recv(65536):
            content += piece
        assert json.loads(content.partition(b"\r\n\r\n")[2])["response"]["patch"] == patch
        each.close()
    assert server.ask(usual()).patch
    eventually(lambda: resident_kib(server.process.pid) < RESIDENT_KIB, 20, "the memory is given back")
