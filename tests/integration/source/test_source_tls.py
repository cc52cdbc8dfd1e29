"""TLS of the sources: every wrong certificate by name, authorities; and what STS may answer."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import Aws, needs_openssl
from harness.programs import Binaries, Run, Runner
from harness.reports import assert_failed
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]
KINDS = {
    "good": None, "good-ec": None, "good-intermediate": None,
    "good-p384": None, "good-p521": None, "good-rsa4096": None, "good-rsa4096-chain": None, "good-tls1.2": None,
    "good-out-of-order": None, "good-many-names": None,
    "expired": "not valid at this time: it has expired", "not-yet-valid": "not valid at this time: not yet", "wrong-host": "another host",
    "self-signed": "no trusted authority", "unknown-ca": "no trusted authority", "intermediate-missing": "no trusted authority",
    "not-a-ca": "no authority has signed", "sha1": "SHA-1", "ip-only": "another host", "no-san": "another host",
    "brainpool-ca": "curve other than P-256",
    "rsa-pss": "RSA-PSS", "small-key": "less than 2048 bits", "large-key": "more than 4096 bits", "name-constraints": "name constraints",
    "client-only": "without serverAuth", "client-ca": "without serverAuth", "wrong-usage": "not for a server",
}
# What is to be done about it.
REMEDIES = {
    "expired": "chronyc tracking", "not-yet-valid": "chronyc tracking", "wrong-host": "subjectAltName", "unknown-ca": "--ca-bundle",
    "sha1": "SHA-256", "name-constraints": "without such an extension",
    "client-only": "serverAuth", "small-key": "2048 to 4096",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_certificates(run_init: Init, aws: Aws, web_token: ProjectedToken, kind: str) -> None:
    run = run_init(env=aws.irsa(web_token, kind))
    expected = KINDS[kind]
    if expected is None:
        assert run.exit_code == 0, run.stdout
    else:
        text = assert_failed(run, "TLS_FAILED", expected, "https://localhost:", "AssumeRoleWithWebIdentity")
        assert "NetworkPolic" not in text and "0x" not in text and REMEDIES.get(kind, "") in text
        assert aws.emulator.secrets() == [] or "SecretAccessKey" not in run.stdout


def test_order_of_authorities(run_init: Init, aws: Aws, web_token: ProjectedToken, folder: Path) -> None:
    """--ca-bundle, AWS_CA_BUNDLE, SSL_CERT_FILE: the first that is given counts, even if it cannot be used."""
    env = aws.irsa(web_token)
    good, none = env.pop("AWS_CA_BUNDLE"), str(folder / "none.pem")
    assert run_init(f"--ca-bundle={good}", env={**env, "AWS_CA_BUNDLE": none}).exit_code == 0
    assert run_init(env={**env, "AWS_CA_BUNDLE": good, "SSL_CERT_FILE": none}).exit_code == 0
    assert run_init(env={**env, "SSL_CERT_FILE": good}).exit_code == 0
    for bad in ({"AWS_CA_BUNDLE": none, "SSL_CERT_FILE": good}, {"SSL_CERT_FILE": none}):
        assert_failed(run_init(env={**env, **bad}), "SETTING_INVALID", "no trusted certificates", none, "--ca-bundle")


@pytest.mark.parametrize("content", [b"", b"\0\xff binary", b"-----BEGIN CERTIFICATE-----\nno base64 !\n-----END CERTIFICATE-----\n",
                                     b"-----BEGIN CERTIFICATE-----\nMIIB\n", b"x" * 1_000_000])
def test_unusable_authorities(run_init: Init, aws: Aws, web_token: ProjectedToken, folder: Path, content: bytes) -> None:
    bundle = folder / "ca.pem"
    bundle.write_bytes(content)
    run = run_init(f"--ca-bundle={bundle}", env=aws.irsa(web_token))
    assert run.reason == "SETTING_INVALID" and ("no trusted" in run.failure["message"]), run.failure


def test_sidecar_survives_a_bad_certificate(start_sidecar: Start, aws: Aws, web_token: ProjectedToken) -> None:
    """Under the sandbox too: the authorities can be read then."""
    sidecar = start_sidecar(env=aws.irsa(web_token, "unknown-ca"), ready=False).wait_serving()
    deadline = time.monotonic() + 10
    while "no trusted authority" not in sidecar.stderr:
        assert time.monotonic() < deadline, sidecar.stderr
        time.sleep(0.05)
    assert sidecar.get("/v1/credentials").status == 503


# --- what may be answered


@pytest.mark.parametrize(("fault", "says"), [
    ({"kind": "truncate"}, "cut short"), ({"kind": "close"}, "without an answer"), ({"kind": "empty"}, "XML"),
    ({"kind": "xml_nested"}, "16384"), ({"kind": "xml_nested", "depth": 100}, "wrong type"), ({"kind": "xml_namespace"}, "wrong type"),
    ({"kind": "xml_namespace", "namespace": ""}, "wrong type"), ({"kind": "xml_huge"}, "16384"), ({"kind": "xml_huge", "bytes": 16000}, None),
    ({"kind": "charset"}, "XML"), ({"kind": "answer", "status": 200, "body": "{}"}, "XML"),
    ({"kind": "answer", "status": 200, "body": "<html><body>Sign in</body></html>"}, "XML"),
    ({"kind": "answer", "status": 302, "body": ""}, "302"), ({"kind": "answer", "status": 403, "body": "<html>blocked</html>"}, "403"),
])
def test_answers(run_init: Init, aws: Aws, web_token: ProjectedToken, fault: dict[str, Any], says: str | None) -> None:
    env = aws.irsa(web_token)
    aws.emulator.fault(**fault, service="sts", times=None)
    run = run_init(env=env)
    if says is None:
        assert run.exit_code == 0, run.stdout
        return
    assert run.exit_code in (21, 23, 24), run.stdout
    text = run.failure["message"] + run.failure["remedy"]
    assert says in text, text


def test_every_partition_is_asked_at_its_own_name(run_init: Init, aws: Aws, web_token: ProjectedToken) -> None:
    env = aws.irsa(web_token)
    del env["AWS_ENDPOINT_URL_STS"]
    for region, host in (("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"), ("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov")):
        run = run_init("--verify=injection", env={**env, "AWS_REGION": region})
        assert any(f"https://{host}" in check["message"] for check in run.checks("pass")), run.stdout


def test_no_ca_at_the_usual_place(aws: Aws, web_token: ProjectedToken, binaries: Binaries, runner: Runner, folder: Path) -> None:
    """In an image from scratch: one's own certificate file is missing, and the message says where it is looked for."""
    env = aws.irsa(web_token)
    del env["AWS_CA_BUNDLE"]
    root = folder / "root"
    for path in (binaries.init, web_token.real()):
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    chroot = shutil.which("chroot")
    if not chroot or os.geteuid() != 0:
        pytest.skip("needs root and chroot")
    env["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(web_token.real())
    run = runner.run([chroot, root, binaries.init, "--format=json", "--wait=0"], env)
    assert_failed(run, "TLS_FAILED", "/etc/ssl/certs/ca-certificates.crt", "--ca-bundle")
