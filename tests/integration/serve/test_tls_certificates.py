"""Certificates in TLS as common/serve speaks it: those of clients, and new ones of the server."""

from __future__ import annotations

import re
import ssl
import threading
from pathlib import Path
from typing import Iterator

import pytest

from harness.https_server import DEADLINE_S, HttpsServer, Pki, ask, client_hello, curl
from harness.waiting import eventually

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
EMPTY = (200, b"0 kept -\n")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def guarded(pki: Pki) -> Iterator[HttpsServer]:
    """A server whose clients need a certificate."""
    pki.authority("authority")
    with HttpsServer(*pki.pair("guarded"), client_ca=pki.folder / "authority.crt") as s:
        yield s


# ---- clients' certificates ----


def alert_of(server: HttpsServer, context: ssl.SSLContext) -> str:
    with pytest.raises((ssl.SSLError, ConnectionError)) as error:
        with server.tls(context) as s:
            ask(s, GET)
    return str(error.value)


@pytest.mark.parametrize("kind", ["ec", "rsa", "rsa4096"])
def test_a_client_with_a_certificate(guarded: HttpsServer, pki: Pki, kind: str) -> None:
    client = pki.pair(f"client-{kind}", kind, "authority", extensions="extendedKeyUsage=clientAuth\n")
    context = guarded.context(*client)
    with guarded.tls(context) as s:
        assert ask(s, GET) == EMPTY
        session = s.session
    with guarded.tls(context, session) as s:
        assert ask(s, GET) == EMPTY and s.session_reused


def test_a_client_with_an_intermediate_authority(guarded: HttpsServer, pki: Pki) -> None:
    pki.certificate("between", pki.key("between"), "authority", extensions="basicConstraints=critical,CA:TRUE\n")
    certificate, key = pki.pair("below", issuer="between")
    both = pki.folder / "both.crt"
    both.write_text(certificate.read_text() + (pki.folder / "between.crt").read_text())
    with guarded.tls(guarded.context(both, key)) as s:
        assert ask(s, GET) == EMPTY


def test_a_client_without_a_certificate_is_refused(guarded: HttpsServer) -> None:
    failed = guarded.counts()[2]
    assert "ALERT_HANDSHAKE_FAILURE" in alert_of(guarded, guarded.context())
    assert guarded.counts()[2] == failed + 1


@pytest.mark.parametrize("case", ["of another authority", "signed by itself", "ended", "not yet valid", "for servers", "of an authority that is none", "P-384", "a chain of many"])
def test_wrong_certificates_of_clients_are_refused(guarded: HttpsServer, pki: Pki, case: str) -> None:
    name = "wrong-" + re.sub(r"\W", "", case)
    more: dict[str, object] = {}
    kind, issuer = "ec", "authority"
    if case == "of another authority":
        issuer = "stranger"
        pki.authority(issuer)
    elif case == "ended":
        more["times"] = ("20200101000000Z", "20210101000000Z")
    elif case == "not yet valid":
        more["times"] = ("20900101000000Z", "20910101000000Z")
    elif case == "for servers":
        more["extensions"] = "extendedKeyUsage=serverAuth\n"
    elif case == "of an authority that is none":
        issuer = "no-authority"
        pki.pair(issuer, issuer="authority")
    elif case == "P-384":
        kind = "secp384r1"
    certificate, key = pki.pair(name, kind, None if case == "signed by itself" else issuer, **more)
    if case in ("of an authority that is none", "a chain of many"):
        below = pki.folder / f"{issuer}.crt"
        certificate.write_text(certificate.read_text() + below.read_text() * (5 if case == "a chain of many" else 1))
    failed = guarded.counts()[2]
    context = guarded.context(certificate, key)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    wanted = {"of another authority": "UNKNOWN_CA", "ended": "CERTIFICATE_EXPIRED", "not yet valid": "CERTIFICATE_EXPIRED"}.get(case, "ALERT_")
    assert wanted in alert_of(guarded, context)
    assert guarded.counts()[2] == failed + 1


def test_a_session_does_not_outlive_its_authority(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    for name in ("first", "second"):
        pki.authority(name)
    given = tmp_path / "ca.crt"
    given.write_text((pki.folder / "first.crt").read_text())
    client = pki.pair("client", issuer="first")
    with HttpsServer(*pki.pair("server"), client_ca=given) as server:
        context = server.context(*client)
        with server.tls(context) as s:
            ask(s, GET)
            session = s.session
        given.write_text((pki.folder / "second.crt").read_text())
        assert server.reload() == "loaded"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with server.tls(context, session) as s:
                ask(s, GET)


# ---- new certificates ----


def test_new_certificates_are_used_and_old_connections_go_on(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    pairs = [pki.pair(f"pair-{i}", "rsa" if i % 2 else "ec") for i in range(5)]
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def give(i: int) -> None:
        certificate.write_bytes(pairs[i][0].read_bytes())
        key.write_bytes(pairs[i][1].read_bytes())

    give(0)
    with HttpsServer(certificate, key) as server:
        connections = [server.tls()]
        half = [server.connect()]
        half[0].sendall(client_hello(server))
        half[0].recv(5)
        for i in range(1, 5):
            give(i)
            assert eventually(lambda: server.reload() == "loaded", timeout_s=60)
            connections.append(server.tls())
            for s in connections:
                assert ask(s, GET) == EMPTY
            half.append(server.connect())
            half[-1].sendall(client_hello(server))
            half[-1].recv(5)
        certificate.write_text("no certificate")
        assert eventually(lambda: server.reload() == "refused", timeout_s=60) and "no certificate in PEM" in server.refusal
        for s in connections:
            assert ask(s, GET) == EMPTY
        server.certificate = pairs[4][0]
        assert curl(server).stdout == "0 kept -\n"
        for s in (*connections, *half):
            s.close()


def test_reloading_under_load_drops_no_connection(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    pairs = [pki.pair("even"), pki.pair("odd", "rsa")]
    both = tmp_path / "both.crt"
    both.write_text(pairs[0][0].read_text() + pairs[1][0].read_text())
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    faults: list[BaseException] = []
    done = [0]
    stop = threading.Event()

    def give(i: int) -> None:
        certificate.write_bytes(pairs[i % 2][0].read_bytes())
        key.write_bytes(pairs[i % 2][1].read_bytes())

    def work(server: HttpsServer, context: ssl.SSLContext) -> None:
        try:
            while not stop.is_set():
                with server.tls(context) as s:
                    for _ in range(3):
                        assert ask(s, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")[0] == 200
                done[0] += 1
        except BaseException as error:
            faults.append(error)

    give(0)
    with HttpsServer(certificate, key) as server:
        server.certificate = both
        workers = [threading.Thread(target=work, args=(server, server.context())) for _ in range(4)]
        for w in workers:
            w.start()
        loaded = 0
        for i in range(1, 30):
            give(i)
            loaded += server.reload() == "loaded"
            before = done[0]
            eventually(lambda: faults or done[0] > before, timeout_s=DEADLINE_S)
        stop.set()
        for w in workers:
            w.join()
    assert not faults, faults
    assert loaded > 3  # others came "later": handshakes of two earlier ones were under way
