"""Bundles of authorities as people have them, and what cannot be one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import Aws, needs_openssl
from harness.emulator import Emulator
from harness.programs import Run
from harness.reports import assert_failed
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]


@pytest.fixture
def env(emulator: Emulator, aws: Aws, write_token: Callable[..., ProjectedToken]) -> dict[str, str]:
    """IRSA, and an authority that signed for STS."""
    return aws.irsa(write_token(emulator.token(audience="sts.amazonaws.com")))


@pytest.fixture
def root(folder: Path) -> Callable[..., bytes]:
    """Another authority, with a key of some kind."""
    def make(*key: str, trust: bool = False) -> bytes:
        run: Any = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
        run("genpkey", *key, "-out", "other.key")
        run("req", "-x509", "-new", "-key", "other.key", "-subj", "/CN=Other", "-days", "30", "-out", "other.pem", "-addext", "basicConstraints=critical,CA:TRUE")
        if trust:
            run("x509", "-in", "other.pem", "-trustout", "-out", "other.pem")
        return (folder / "other.pem").read_bytes()
    return make


def rsa(bits: int) -> tuple[str, ...]:
    return ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")


SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda pem: pem,
    "no line break at the end": lambda pem: pem.rstrip(b"\n"),
    "CRLF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "CR": lambda pem: pem.replace(b"\n", b"\r"),
    "byte order mark": lambda pem: b"\xef\xbb\xbf" + pem,
    "indented, as in YAML": lambda pem: b"".join(b"    " + line + b"  \n" for line in pem.splitlines()),
    "comments between": lambda pem: b"# Corp\nsubject=/CN=Corp\n\n" + pem + b"\n\n# end",
    "a key and a request beside": lambda pem: b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n" + pem,
    "one cut off before": lambda pem: pem[:300] + b"\n" + pem,
    "one cut off behind": lambda pem: pem + pem[:300],
    "one that is no base64 before": lambda pem: b"-----BEGIN CERTIFICATE-----\nno base64 !\n-----END CERTIFICATE-----\n" + pem,
    "one that is no certificate before": lambda pem: b"-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n" + pem,
    "one that is too large before": lambda pem: b"-----BEGIN CERTIFICATE-----\n" + b"MIIB" * 20000 + b"\n-----END CERTIFICATE-----\n" + pem,
    "twice, and again": lambda pem: pem * 40,
    "one line of base64": lambda pem: b"-----BEGIN CERTIFICATE-----\n" + b"".join(pem.splitlines()[1:-1]) + b"\n-----END CERTIFICATE-----",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(run_init: Init, env: dict[str, str], folder: Path, shape: str) -> None:
    bundle = folder / "bundle.pem"
    bundle.write_bytes(SHAPES[shape](Path(env["AWS_CA_BUNDLE"]).read_bytes()))
    run = run_init(f"--ca-bundle={bundle}", env=env)
    assert run.exit_code == 0, run.stdout
    check = next(one for one in run.report["checks"] if one["id"] == "tls.authorities")
    odd = "one " in shape and "line" not in shape
    assert check["status"] == ("warn" if odd else "pass"), check
    assert not odd or "1 of 2 certificates cannot be used" in check["message"]


@pytest.mark.parametrize(("key", "says"), [
    (("-algorithm", "ED25519"), "a key other than RSA, P-256"), (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"), "a key other than RSA, P-256"),
    (rsa(1024), "less than 2048 bits"), (rsa(4608), "more than 4096 bits"), (rsa(5120), "more than 4096 bits"), (rsa(8192), "more than 4096 bits")])
def test_one_that_cannot_be_used(run_init: Init, start_sidecar: Start, env: dict[str, str], folder: Path, root: Callable[..., bytes], key: tuple[str, ...],
                                 says: str) -> None:
    """It is said, and the others count, whichever comes first. A large key ended both programs with SIGSEGV."""
    bundle, good, other = folder / "bundle.pem", Path(env["AWS_CA_BUNDLE"]).read_bytes(), root(*key)
    env = {**env, "AWS_CA_BUNDLE": str(bundle)}
    for content in (good + other, other + good):
        bundle.write_bytes(content)
        run = run_init(env=env)
        assert run.exit_code == 0, run.stdout
        check = next(one for one in run.report["checks"] if one["id"] == "tls.authorities")
        assert check["status"] == "warn"
        assert f"1 of 2 certificates cannot be used: 1 with {says if says.startswith('a') else 'an RSA key of ' + says}" in check["message"]
    sidecar = start_sidecar(env=env)
    check_container(sidecar.get())
    assert sidecar.stderr.count("authorities that cannot be used") == 1 and says in sidecar.stderr


def test_trusted_certificate(run_init: Init, env: dict[str, str], folder: Path) -> None:
    subprocess.run(["openssl", "x509", "-in", env["AWS_CA_BUNDLE"], "-trustout", "-addtrust", "serverAuth", "-out", str(folder / "t.pem")], check=True)
    assert run_init(f"--ca-bundle={folder / 't.pem'}", env=env).exit_code == 0


def test_what_is_no_bundle(run_init: Init, env: dict[str, str], folder: Path, root: Callable[..., bytes]) -> None:
    """Each says which setting, which path, and why; nothing is waited for and nothing is sent."""
    os.mkfifo(folder / "fifo")
    (folder / "empty").write_bytes(b"")
    (folder / "large").write_bytes(root(*rsa(5120)))
    (folder / "many").write_bytes(Path(env["AWS_CA_BUNDLE"]).read_bytes() * 1025)
    with open(folder / "long", "wb") as long:
        long.truncate(5 << 20)
    for name, why in {"fifo": "not a regular file", ".": "not a regular file", "empty": "BEGIN CERTIFICATE", "large": "1 of 1 certificates cannot be used", "many": "more than 1024",
                      "long": "4 MiB", "absent": "No such file"}.items():
        run = run_init(env={**env, "AWS_CA_BUNDLE": str(folder / name)})
        assert_failed(run, "SETTING_INVALID", "AWS_CA_BUNDLE=", str(folder / name), why, "no trusted certificates", "--ca-bundle")
        assert run.waited_ms == 0 if hasattr(run, "waited_ms") else run.report["waitedMs"] == 0


def test_serve_ends_where_waiting_cannot_help(env: dict[str, str], folder: Path, binaries: Any, runner: Any) -> None:
    for command in ("serve", "once", "whoami"):
        run = runner.run([binaries.sidecar, command, *([f"--unix-socket={folder}/s"] if command != "once" else [f"--process-file={folder}/p"])],
                         {**env, "SSL_CERT_FILE": "/etc", "AWS_CA_BUNDLE": ""}, timeout_s=20)
        assert run.exit_code == 14 and "SETTING_INVALID: SSL_CERT_FILE=/etc has no trusted certificates: it is not a regular file" in run.stderr, run


def test_a_new_bundle_is_read(start_sidecar: Start, env: dict[str, str], folder: Path, root: Callable[..., bytes]) -> None:
    """Authorities are renewed while the sidecar runs, by a file in the other's place or by writing over it."""
    bundle, good = folder / "bundle.pem", Path(env["AWS_CA_BUNDLE"]).read_bytes()
    bundle.write_bytes(root(*rsa(2048)))
    sidecar = start_sidecar(env={**env, "AWS_CA_BUNDLE": str(bundle)}, ready=False).wait_serving()
    eventually(lambda: "no trusted authority" in sidecar.stderr, 10, "it is not trusted")
    (folder / "new").write_bytes(good)
    (folder / "new").rename(bundle)
    eventually(lambda: sidecar.get("/v1/credentials").status == 200, 30, "it is trusted")
