"""pod-identity-sidecar whoami: what AWS says of the credentials that are served, or that could be had."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.programs import Run
from harness.sidecar import Sidecar

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Once = Callable[..., Run]


@pytest.fixture
def env(emulator: Emulator, injected: dict[str, str]) -> dict[str, str]:
    """Pod Identity, and the way to STS."""
    emulator.role(TARGET, trust(ROLE_ARN))
    return {**injected, **Aws(emulator).sts()}


def lines(run: Run) -> dict[str, str]:
    """Its output, by name."""
    return dict(line.split(":", 1) for line in run.stdout.splitlines())


def test_without_a_sidecar(run_sidecar: Once, env: dict[str, str]) -> None:
    run = run_sidecar("whoami", "--unix-socket=/nonexistent/s", env=env)
    assert run.exit_code == 0 and run.stderr == "", run.stderr
    said = {name: value.strip() for name, value in lines(run).items()}
    assert (said["account"], said["role"]) == (ACCOUNT, "demo-app") and said["credentials"] == "fetched now, from pod-identity"
    assert said["arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/demo-app/{said['session']}")


def test_of_the_sidecar(run_sidecar: Once, start_sidecar: Callable[..., Sidecar], env: dict[str, str]) -> None:
    """What is served, although whoami's own options would lead elsewhere."""
    sidecar = start_sidecar(f"--assume-role={TARGET}", "--role-session-name=cart", env=env)
    run = run_sidecar("whoami", f"--unix-socket={sidecar.socket_path}", env=env)
    assert "444455556666" in run.stdout and "cart" in run.stdout and f"served by the sidecar on {sidecar.socket_path}" in run.stdout


@pytest.mark.parametrize(("options", "code"), [
    (["--expect-role=demo-app", f"--expect-account={ACCOUNT}"], 0), (["--expect-role=other"], 30), (["--expect-account=999999999999"], 30),
    (["--expect-account=1"], 64)])
def test_expectations(run_sidecar: Once, env: dict[str, Any], options: list[str], code: int) -> None:
    run = run_sidecar("whoami", "--unix-socket=off", *options, env=env)
    assert run.exit_code == code, run.stderr
    assert ("UNEXPECTED_IDENTITY" in run.stderr) == (code == 30)


def test_failures(run_sidecar: Once, emulator: Emulator, env: dict[str, Any]) -> None:
    assert run_sidecar("whoami", "--unix-socket=off", env={"AWS_REGION": "eu-central-1"}).exit_code == 10
    assert "AWS_REGION" in run_sidecar("whoami", env={}).stderr
    emulator.fault("aws_error", service="sts", code="InternalFailure", status=500, times=None)
    run = run_sidecar("whoami", "--unix-socket=off", env=env)
    assert run.exit_code == 22 and "GetCallerIdentity" in run.stderr and run.stdout == ""
