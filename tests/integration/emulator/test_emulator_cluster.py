"""The emulator for real clusters and real nodes: tokens of an API server, the agent's attempts, what stands in EKS Auth's stead."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness.agent import ask, eks_auth_answer, is_text
from harness.aws import needs_openssl
from harness.emulator import NAMESPACE, SERVICE_ACCOUNT, Emulator
from harness.places import Place
from harness.programs import Run
from harness.reports import assert_failed, assert_ok

ISSUER = "https://kubernetes.default.svc.cluster.local"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words: str | Path, data: bytes | None = None) -> bytes:
    """What that command of it prints."""
    return subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, check=True).stdout


def raw_signature(der: bytes) -> bytes:
    """r and s of an ECDSA signature, 32 bytes each."""
    size = der[3]
    r, s = der[4:4 + size], der[6 + size:]
    return b"".join(number.lstrip(b"\x00").rjust(32, b"\x00") for number in (r, s))


class Signer:
    """An API server's key."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.key, self.public = kind, folder / f"{kind}.key", folder / f"{kind}.pub"
        made = ["genrsa", "-out", self.key, "2048"] if kind == "RS256" else ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key]
        openssl(*made)
        openssl("pkey", "-in", self.key, "-pubout", "-out", self.public)

    def token(self, alg: str | None = None, **claims: Any) -> str:
        """A token as the API server makes it."""
        now = int(time.time())
        content = {"aud": ["pods.eks.amazonaws.com"], "exp": now + 3600, "iat": now, "nbf": now, "iss": ISSUER,
                   "sub": f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}",
                   "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": SERVICE_ACCOUNT, "uid": "u"}, "pod": {"name": "p", "uid": "v"}}, **claims}
        signed = f"{b64(json.dumps({'alg': alg or self.kind, 'kid': 'k'}).encode())}.{b64(json.dumps(content).encode())}"
        signature = openssl("dgst", "-sha256", "-sign", self.key, data=signed.encode())
        return f"{signed}.{b64(signature if self.kind == 'RS256' else raw_signature(signature))}"


@pytest.fixture(params=["RS256", "ES256"])
def signer(request: pytest.FixtureRequest, folder: Path) -> Signer:
    """A key of each kind."""
    return Signer(folder, request.param)


@pytest.fixture
def clustered(place: Place, signer: Signer) -> Iterator[Emulator]:
    """An emulator that trusts it, on loopback."""
    one = Emulator(place, "--trust-key", str(signer.public), "--issuer", ISSUER)
    yield one
    assert not one.stop()


@needs_openssl
@pytest.mark.place("loopback")
def test_tokens_of_a_real_api_server(clustered: Emulator, signer: Signer) -> None:
    good = signer.token()
    assert ask(clustered, good).status == 200
    assert ask(clustered, clustered.token()).status == 200, "its own stay good"
    header, payload, signature = good.split(".")
    other = b64(json.dumps({**json.loads(base64.urlsafe_b64decode(payload + "==")), "sub": "system:serviceaccount:kube-system:admin"}).encode())
    altered = ("A" if signature[9] != "A" else "B")
    for bad in (f"{header}.{other}.{signature}", f"{header}.{payload}.{signature[:9]}{altered}{signature[10:]}", f"{header}.{payload}.",
                signer.token(iss="https://elsewhere"), signer.token(alg="ES256" if signer.kind == "RS256" else "RS256")):
        assert eks_auth_answer(ask(clustered, bad))[1] in ("InvalidTokenException", "InvalidParameterException"), bad


@needs_openssl
@pytest.mark.place("loopback")
def test_keys_as_the_api_server_serves_them(place: Place, folder: Path) -> None:
    signer = Signer(folder, "RS256")
    modulus = openssl("rsa", "-pubin", "-in", signer.public, "-noout", "-modulus").decode().strip().split("=")[1]
    keys = folder / "jwks.json"
    keys.write_text(json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}]}))
    one = Emulator(place, "--trust-key", str(keys), "--issuer", ISSUER)
    assert ask(one, signer.token()).status == 200
    assert ask(one, Signer(folder, "ES256").token()).status == 400
    assert not one.stop()


@pytest.mark.parametrize(("status", "request_id"), [(200, ""), (403, "3c5a77b1-e68d-44fe-8b54-4a6c9bbcb057"), (502, "")])
def test_what_is_not_eks_auth(emulator: Emulator, run_init: Any, status: int, request_id: str) -> None:
    emulator.fault("unreadable", service="eks-auth", status=status, request_id=request_id, times=None)
    is_text(ask(emulator, emulator.token()), status, f"[{request_id}]")
    assert_failed(run_init(), "THROTTLED" if status >= 500 else "BAD_RESPONSE", f"answered {status}", "the agent is well", "TLS inspection")


def test_the_agent_tries_again(emulator: Emulator) -> None:
    emulator.settings(attempts=3)
    for code in ("ThrottlingException", "InternalServerException"):
        emulator.eks_auth_error(code, "passes", times=2)
        assert ask(emulator, emulator.token(), timeout_s=20).status == 200
        emulator.eks_auth_error(code, "stays", times=3)
        assert eks_auth_answer(ask(emulator, emulator.token(), timeout_s=20))[1] == code
    emulator.eks_auth_error("AccessDeniedException", "not again", times=1)
    assert eks_auth_answer(ask(emulator, emulator.token()))[1] == "AccessDeniedException"


def test_a_slow_metadata_service_of_the_node(emulator: Emulator, run_init: Any) -> None:
    """The agent's answer may take 15 s then; init waits for it."""
    emulator.fault("pass", service="eks-auth", delay_s=15.0, times=1)
    run: Run = run_init()
    assert_ok(run)
    assert run.seconds >= 15


def test_an_agent_that_goes_away(emulator: Emulator, run_init: Any) -> None:
    emulator.fault("close", times=None)
    assert_failed(run_init(), "AGENT_UNREACHABLE", "closed without an answer", "agent's log")
    emulator.clear_faults()
    emulator.fault("truncate", keep=0, times=None)
    assert_failed(run_init(), "BAD_RESPONSE", "cut short", "agent's log")


@needs_openssl
def test_names_of_its_own(place: Place) -> None:
    """For clients that reach its services by names and addresses of theirs, and ask for a cluster by its name."""
    one = Emulator(place, "--certificate-name", "DNS:sts.eu-central-1.amazonaws.com", "--certificate-name", "IP:192.0.2.1", "--cluster-name", "CLUSTER",
                   as_agent=False)
    try:
        served = one.serve("sts", "good")
        context = ssl.create_default_context(cafile=served["ca_file"])
        for name in ("sts.eu-central-1.amazonaws.com", "192.0.2.1", "localhost"):
            with place.connect("127.0.0.1", served["port"]) as sock, context.wrap_socket(sock, server_hostname=name) as tls:
                assert tls.getpeercert()
        with place.connect("127.0.0.1", served["port"]) as sock, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(sock, server_hostname="eks-auth.eu-central-1.api.aws")
        assert one.call("GET", "/settings")["cluster_name"] == "CLUSTER"
    finally:
        one.stop()
