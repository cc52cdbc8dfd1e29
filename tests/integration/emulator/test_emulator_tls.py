"""The emulator's TLS and its proxy: each kind of certificate is what its name says, as OpenSSL sees it."""

from __future__ import annotations

import shutil
import socket
import ssl
from typing import Any

import pytest

from harness.emulator import Emulator

pytestmark = [pytest.mark.place("loopback"),
              pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command (make setup-test)")]
KINDS = {
    "good": None, "good-ec": None, "good-p384": None, "good-rsa4096": None, "good-many-names": None, "good-intermediate": None,
    "good-tls1.2": None,
    "expired": "certificate has expired", "not-yet-valid": "certificate is not yet valid",
    "wrong-host": "Hostname mismatch", "self-signed": "self-signed certificate",
    "unknown-ca": "unable to get local issuer certificate", "client-only": "unsuitable certificate purpose",
    "wrong-usage": "unsuitable certificate purpose", "not-a-ca": "invalid CA certificate",
    "intermediate-missing": "unable to get local issuer certificate", "sha1": "CA signature digest algorithm too weak",
    "small-key": "EE certificate key too weak", "no-san": "Hostname mismatch", "ip-only": "Hostname mismatch",
}


def handshake(listener: dict[str, Any], name: str = "localhost", via: int | None = None) -> ssl.SSLSocket:
    """A verified TLS connection that trusts the run's CA alone; through a proxy's port if one is given."""
    context = ssl.create_default_context(cafile=listener["ca_file"])
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13's default; it finds another fault first
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    context.hostname_checks_common_name = False
    sock = socket.create_connection((listener["host"], via or listener["port"]), 20)
    try:
        if via:
            sock.sendall(f"CONNECT 127.0.0.1:{listener['port']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                part = sock.recv(1)
                assert part, head
                head += part
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise ConnectionError(head.split(b"\r\n")[0].decode())
        return context.wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise


def handshake_as_bearssl(listener: dict[str, Any]) -> str | None:
    """The version of a handshake that offers TLS 1.2 at most, as BearSSL does."""
    context = ssl.create_default_context(cafile=listener["ca_file"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((listener["host"], listener["port"]), 20) as sock:
        with context.wrap_socket(sock, server_hostname="localhost") as secured:
            return secured.version()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_kinds(emulator: Emulator, kind: str) -> None:
    listener = emulator.serve("sts", kind)
    expected = KINDS[kind]
    if expected is None:
        handshake(listener).close()
        return
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(listener).close()
    assert any(words in str(caught.value) for words in expected.split("|")), str(caught.value)


def test_ip_address(emulator: Emulator) -> None:
    handshake(emulator.serve("sts", "ip-only"), "127.0.0.1").close()


def test_tls_1_2(emulator: Emulator) -> None:
    assert handshake_as_bearssl(emulator.serve("sts", "good")) == "TLSv1.2"


@pytest.mark.parametrize(("mode", "wrong", "words"), [
    ("hangup", (ssl.SSLError, ConnectionError), "."), ("noise", ssl.SSLError, "(?i)wrong.version"), ("mute", TimeoutError, "."),
    ("alert-version", ssl.SSLError, "(?i)alert.protocol.version"), ("alert-handshake", ssl.SSLError, "(?i)alert.handshake.failure"),
    ("closed", ConnectionRefusedError, ".")])
def test_servers_that_are_not_well(emulator: Emulator, mode: str, wrong: Any, words: str) -> None:
    listener = emulator.serve("iam", "good")
    emulator.listen(mode, service="iam")
    context = ssl.create_default_context(cafile=listener["ca_file"])
    with pytest.raises(wrong, match=words):
        with socket.create_connection((listener["host"], listener["port"]), 0.5) as sock:
            context.wrap_socket(sock, server_hostname="localhost").close()
    emulator.listen("open", service="iam")
    handshake(listener).close()


def test_proxy(emulator: Emulator) -> None:
    listener, proxy = emulator.serve("sts", "good"), emulator.serve("proxy")
    before = len(emulator.proxied())
    with handshake(listener, via=proxy["port"]) as secured:
        secured.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := secured.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert emulator.proxied()[before:] == [f"127.0.0.1:{listener['port']}"]


@pytest.mark.parametrize("status", [403, 407, 502])
def test_proxy_that_refuses(emulator: Emulator, status: int) -> None:
    listener, proxy = emulator.serve("sts", "good"), emulator.serve("proxy")
    emulator.fault("answer", service="proxy", status=status)
    with pytest.raises(ConnectionError, match=str(status)):
        handshake(listener, via=proxy["port"])


def test_proxy_that_cannot_connect(emulator: Emulator) -> None:
    proxy = emulator.serve("proxy")
    listener = {**emulator.serve("sts", "good"), "port": 1}
    with pytest.raises(ConnectionError, match="502"):
        handshake(listener, via=proxy["port"])


def test_unknown_kind(emulator: Emulator) -> None:
    with pytest.raises(Exception, match="unknown certificate 'best'"):
        emulator.serve("sts", "best")
