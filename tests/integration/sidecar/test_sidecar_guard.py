"""pod-identity-sidecar: --expect-account and --expect-role guard what serve and once hand out."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Callable

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.both_agents import EMULATORS
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.programs import Run
from harness.served import check_container, check_error
from harness.sidecar import Sidecar
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
OTHER = "arn:aws:iam::999988887777:role/other"
Start = Callable[..., Sidecar]


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    return Aws(emulator)


@pytest.fixture
def env(aws: Aws, emulator: Emulator, injected: dict[str, str]) -> dict[str, str]:
    """Pod Identity, and the way to STS."""
    emulator.role(TARGET, trust(ROLE_ARN))
    return {**injected, **aws.sts()}


@pytest.mark.parametrize("options", [
    [f"--expect-account={ACCOUNT}"], ["--expect-role=demo-app"], [f"--expect-role={ROLE_ARN}", f"--expect-account={ACCOUNT}"],
    [f"--assume-role={TARGET}", "--expect-role=target", "--expect-account=444455556666"]])
def test_who_is_expected_is_served(start_sidecar: Start, env: dict[str, str], options: list[str]) -> None:
    assert check_container(start_sidecar(*options, env=env).get("/v1/credentials"))["AccountId"] == options[-1].split("=")[1] or "role" in options[-1]


@pytest.mark.parametrize(("options", "says"), [
    (["--expect-account=999988887777"], "account 111122223333"), (["--expect-role=other"], "assumed-role/demo-app"),
    ([f"--expect-role={OTHER}"], "assumed-role/demo-app"), ([f"--assume-role={TARGET}", "--expect-role=demo-app"], "assumed-role/target")])
def test_nobody_else_is(start_sidecar: Start, run_sidecar: Callable[..., Run], env: dict[str, str], folder: Path, options: list[str], says: str) -> None:
    """Not by any way, nor in a file; the answer and once have reason 30."""
    process, credentials = folder / "process.json", folder / "credentials"
    files = [f"--process-file={process}", f"--credentials-file={credentials}"]
    sidecar = start_sidecar(*options, *files, env=env, ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "UNEXPECTED_IDENTITY", 10, "the refusal")
    for path in ("/v1/credentials", "/v1/credential-process"):
        check_error(sidecar.get(path), 503, "UNEXPECTED_IDENTITY")
    assert says in sidecar.get().json["message"] and sidecar.get("/readyz").status == 503
    assert 'reason="UNEXPECTED_IDENTITY"} 1' in sidecar.get("/metrics").body.decode()
    assert not process.exists() and not credentials.exists()
    once = run_sidecar("once", *options, *files, env=env)
    assert once.exit_code == 30 and says in once.stderr and not process.exists()


@pytest.mark.parametrize("option", [f"--expect-account={ACCOUNT}", "--expect-role=demo-app"])
@EMULATORS
def test_it_holds_at_each_refresh(start_sidecar: Start, emulator: Emulator, env: dict[str, str], folder: Path, option: str) -> None:
    """The association is changed: what was served stays until its end, and nothing of the other role comes."""
    process = folder / "process.json"
    sidecar = start_sidecar(option, f"--process-file={process}", env=env)
    before = check_container(sidecar.get("/v1/credentials"))
    emulator.associate(role_arn=OTHER)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "UNEXPECTED_IDENTITY" in sidecar.stderr, 10, "the refusal")
    assert check_container(sidecar.get("/v1/credentials")) == before
    assert json.loads(process.read_text())["AccessKeyId"] == before["AccessKeyId"]
    emulator.associate(role_arn=ROLE_ARN)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: check_container(sidecar.get("/v1/credentials")) != before, 20, "the expected one again")


def test_sts_that_does_not_answer_is_no_leave(start_sidecar: Start, emulator: Emulator, env: dict[str, str]) -> None:
    emulator.fault("aws_error", service="sts", code="InternalFailure", status=500, times=None)
    sidecar = start_sidecar("--expect-role=demo-app", env=env, ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "THROTTLED", 10, "the failure")
    emulator.clear_faults()
    eventually(lambda: sidecar.get().status == 200, 20, "served")


def test_an_agent_that_does_not_tell(start_sidecar: Start, emulator: Emulator, env: dict[str, str]) -> None:
    body = json.dumps({"AccessKeyId": "ASIAEXAMPLEEXAMPLE01", "SecretAccessKey": "s" * 40, "Token": "t" * 600, "Expiration": "2099-01-01T00:00:00Z"})
    emulator.fault("answer", body=body, status=200, times=None)
    sidecar = start_sidecar(f"--expect-account={ACCOUNT}", env=env, ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "UNEXPECTED_IDENTITY", 10, "the refusal")
    assert "does not tell the account" in sidecar.get().json["message"]


def test_of_every_profile(start_sidecar: Start, env: dict[str, str], folder: Path) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({"expect-account": ACCOUNT, "profiles": [{"name": "a"}, {"name": "b", "assume-role": TARGET}]}))
    sidecar = start_sidecar(f"--config={file}", env=env, ready=False).wait_serving()
    eventually(lambda: sidecar.get("/v1/credentials/a").status == 200, 10, "the first")
    eventually(lambda: sidecar.get("/v1/credentials/b").json.get("code") == "UNEXPECTED_IDENTITY", 10, "the second")
