"""--assume-role: other accounts and chains, over any source, in init and the sidecar; identity; clocks that are off."""

from __future__ import annotations

import json
import signal
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.both_agents import OURS
from harness.aws import LAST, TARGET, Aws, needs_openssl, trust
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.programs import Run
from harness.reports import assert_failed
from harness.served import check_container, check_error, expires_at
from harness.sidecar import Sidecar
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    """STS behind TLS; the target trusts the pod's role, and the last one the target."""
    emulator.role(TARGET, trust(ROLE_ARN))
    emulator.role(LAST, trust(TARGET))
    return Aws(emulator)


@pytest.fixture
def env(aws: Aws, injected: dict[str, str]) -> dict[str, str]:
    """Pod Identity, and the way to STS."""
    return {**injected, **aws.sts()}


def identity_of(run: Run) -> str:
    """What the identity check said."""
    return next(check["message"] for check in run.checks("pass") if check["id"] == "identity.caller")


@pytest.mark.parametrize("place", ["loopback", OURS], indirect=True)
def test_one_role(run_init: Init, start_sidecar: Start, env: dict[str, str]) -> None:
    run = run_init(f"--assume-role={TARGET}", "--role-session-name=cart", "--verify=identity", "--expect-account=444455556666",
                   f"--expect-role={TARGET}", env=env)
    assert run.exit_code == 0, run.stdout
    assert identity_of(run) == 'account 444455556666, role "target", session "cart"'
    body = check_container(start_sidecar(f"--assume-role={TARGET}", env=env).get("/v1/credentials"))
    assert body["AccountId"] == "444455556666"
    assert 3500 < expires_at(body["Expiration"]) - time.time() <= 3601


@pytest.mark.parametrize("place", ["loopback", OURS], indirect=True)
def test_chain(run_init: Init, env: dict[str, str]) -> None:
    run = run_init(f"--assume-role={TARGET}", f"--assume-role={LAST}", "--expect-role=last", env=env)
    assert run.exit_code == 0, run.stdout
    assert identity_of(run).startswith('account 777788889999, role "last"')


def test_chain_from_the_environment(run_init: Init, env: dict[str, str]) -> None:
    run = run_init("--expect-role=last", env={**env, "POD_IDENTITY_ASSUME_ROLE": f"{TARGET} {LAST}"})
    assert run.exit_code == 0, run.stdout


def test_external_id_tags_and_the_rest(run_init: Init, aws: Aws, env: dict[str, str], folder: Path) -> None:
    aws.emulator.role(TARGET, trust(ROLE_ARN, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", StringEquals={
        "sts:ExternalId": "right/1", "aws:RequestTag/team": "a b & c", "sts:SourceIdentity": "deployer"}))
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}) + "\n")
    good = ["--external-id=right/1", "--session-tag=team=a b & c", "--source-identity=deployer", "--session-tag=empty=",
            "--transitive-tag-key=team", f"--session-policy-file={policy}", "--session-duration=15m"]
    run = run_init(f"--assume-role={TARGET}", *good, env=env)
    assert run.exit_code == 0, run.stdout
    for index, other in ((0, "--external-id=wrong"), (1, "--session-tag=team=b"), (2, "--source-identity=other")):
        bad = [*good[:index], other, *good[index + 1:]]
        assert_failed(run_init(f"--assume-role={TARGET}", *bad, env=env), "ACCESS_DENIED", "AccessDenied", TARGET, "external id")


@pytest.mark.parametrize(("options", "says"), [
    (["--assume-role=target"], "not the ARN of a role"), ([f"--assume-role={TARGET}", "--session-duration=2h"], "1h at most"),
    ([f"--assume-role={TARGET}", "--session-duration=5m"], "15m"), (["--external-id=abc"], "need --assume-role"),
    ([f"--assume-role={TARGET}", "--external-id=a b"], "external id"), ([f"--assume-role={TARGET}", "--session-tag=x"], "KEY=VALUE"),
    ([f"--assume-role={TARGET}", "--session-tag=A=1", "--session-tag=a=2"], "twice"),
    ([f"--assume-role={TARGET}", "--session-tag=aws:x=2"], "aws:"), ([f"--assume-role={TARGET}"] * 6, "more than 5"),
    ([f"--assume-role={TARGET}", "--role-session-name=a b"], "session name"),
    ([f"--assume-role={TARGET}", "--session-policy-file=/nonexistent"], "No such file"),
    ([f"--assume-role={TARGET}", "--session-policy-file=/dev/zero"], "no JSON policy"),
    (["--source=eks-auth"], "--cluster-name"), (["--cluster-name=x"], "--source=eks-auth"), (["--expect-role=arn:aws:iam::1:user/x"], "role"),
    (["--source=pod-identity", "--session-duration=1h"], "association"), (["--ca-bundle=ca.pem"], "absolute"),
])
def test_options_that_cannot_be(run_init: Init, run_sidecar: Callable[..., Run], env: dict[str, str], options: list[str], says: str) -> None:
    run = run_init(*options, env=env)
    assert run.exit_code == 64 and says in run.stderr, run.stderr
    if not options[0].startswith("--expect"):
        sidecar = run_sidecar("serve", *options, env=env)
        assert sidecar.exit_code == 64 and says in sidecar.stderr, sidecar.stderr


def test_no_tag_session_in_the_trust(run_init: Init, aws: Aws, env: dict[str, str]) -> None:
    """Pod Identity's own tags are transitive, so AssumeRole alone is not enough: the remedy says so."""
    aws.emulator.role(TARGET, trust(ROLE_ARN, "sts:AssumeRole"))
    assert_failed(run_init(f"--assume-role={TARGET}", env=env), "ACCESS_DENIED", "sts:TagSession", TARGET)


@pytest.mark.parametrize(("code", "status", "reason", "says"), [
    ("PackedPolicyTooLarge", 400, "ACCESS_DENIED", "--session-policy-file"), ("RegionDisabledException", 403, "ACCESS_DENIED", "activate STS"),
    ("MalformedPolicyDocument", 400, "ACCESS_DENIED", "option"), ("ExpiredToken", 403, "ACCESS_DENIED", "have ended"),
    ("InvalidClientTokenId", 403, "ACCESS_DENIED", "partition"), ("Throttling", 400, "THROTTLED", "wait"),
    ("InternalFailure", 500, "THROTTLED", "wait"), ("ServiceUnavailable", 503, "THROTTLED", "wait"),
    ("SignatureDoesNotMatch", 403, "ACCESS_DENIED", "clock"), ("NoSuchThing", 400, "ACCESS_DENIED", "STS itself")])
def test_errors_by_name(run_init: Init, aws: Aws, env: dict[str, str], code: str, status: int, reason: str, says: str) -> None:
    aws.emulator.fault("aws_error", service="sts", code=code, status=status, message="words of STS", times=None)
    assert_failed(run_init(f"--assume-role={TARGET}", env=env), reason, code, "words of STS", says, "AssumeRole")


def test_a_refresh_asks_only_what_is_due(start_sidecar: Start, aws: Aws, env: dict[str, str]) -> None:
    """The first hop's credentials last hours: refreshing the role costs one call of STS, and none of the agent."""
    sidecar = start_sidecar(f"--assume-role={TARGET}", f"--assume-role={LAST}", env=env)
    first = check_container(sidecar.get("/v1/credentials"))
    aws.emulator.forget_requests()
    sidecar.send_signal(signal.SIGUSR1)  # a person asks: every hop anew
    eventually(lambda: check_container(sidecar.get("/v1/credentials")) != first, 10, "new credentials")
    assert (len(aws.emulator.requests()), len(aws.requests("sts"))) == (1, 2)


def test_hops_are_kept(start_sidecar: Start, aws: Aws, env: dict[str, str]) -> None:
    """The role's sessions are short here, so it is refreshed within seconds; what the agent gave lasts."""
    soon = datetime.fromtimestamp(time.time() + 6, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    aws.emulator.fault("replace", service="sts", pattern="<Expiration>[^<]*", text=f"<Expiration>{soon}", times=1)
    sidecar = start_sidecar(f"--assume-role={TARGET}", env=env)
    first = check_container(sidecar.get("/v1/credentials"))
    aws.emulator.forget_requests()
    eventually(lambda: check_container(sidecar.get("/v1/credentials")) != first, 20, "a refresh")
    assert (len(aws.emulator.requests()), len(aws.requests("sts"))) == (0, 1)


def test_a_failing_hop_leaves_what_was_served(start_sidecar: Start, aws: Aws, env: dict[str, str]) -> None:
    sidecar = start_sidecar(f"--assume-role={TARGET}", env=env)
    first = check_container(sidecar.get("/v1/credentials"))
    aws.emulator.fault("aws_error", service="sts", code="Throttling", status=400, message="Rate exceeded", times=None)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "refresh failed" in sidecar.stderr, 10, "a refresh that fails")
    assert check_container(sidecar.get("/v1/credentials")) == first
    aws.emulator.clear_faults()
    eventually(lambda: check_container(sidecar.get("/v1/credentials")) != first, 20, "new credentials")


def test_the_agent_fails_and_the_chain_goes_on(start_sidecar: Start, aws: Aws, env: dict[str, str]) -> None:
    """What the first hop brought last is still good, so the role is assumed with it."""
    sidecar = start_sidecar(f"--assume-role={TARGET}", env=env)
    first = check_container(sidecar.get("/v1/credentials"))
    aws.emulator.fault("answer", status=500, body="oops", times=None)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: check_container(sidecar.get("/v1/credentials")) != first, 20, "new credentials")
    assert "a hop of the chain was not renewed" in sidecar.stderr


def test_denied_from_the_start(start_sidecar: Start, aws: Aws, env: dict[str, str]) -> None:
    aws.emulator.role(TARGET, trust(f"arn:aws:iam::{ACCOUNT}:role/someone"))
    sidecar = start_sidecar(f"--assume-role={TARGET}", env=env, ready=False).wait_serving()
    eventually(lambda: "AccessDenied" in sidecar.stderr, 10, "a denial in the log")
    assert TARGET in check_error(sidecar.get("/v1/credentials"), 503)


@pytest.mark.parametrize("skew_s", [-7200, 7200])
def test_skew_is_corrected_once(run_init: Init, aws: Aws, env: dict[str, str], skew_s: int) -> None:
    """Our clock is off by hours, seen from STS: its Date says so, and the second signature is good."""
    aws.emulator.settings(clock_skew_s=skew_s, lifetime_s=6 * 3600.0)
    run = run_init(f"--assume-role={TARGET}", "--min-ttl=0", "--verify=identity", env={**env, "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.emulator.url})
    if skew_s > 0:
        assert run.exit_code == 0, run.stdout
        assert "signed by the server's" in run.stderr and "ahead of this container's" in identity_of(run)
    else:  # sessions of an hour that began two hours ago have ended by our clock, which may be right
        assert run.reason in ("BAD_RESPONSE", "TOKEN_INVALID") and ("expired" in run.stdout or "not valid yet" in run.stdout)


@pytest.mark.parametrize(("options", "says"), [
    (["--expect-role=other"], "other"), ([f"--expect-role=arn:aws:iam::999999999999:role/{ROLE_ARN.rsplit('/', 1)[1]}"], "999999999999"),
    (["--expect-role=arn:aws-cn:iam::111122223333:role/demo-app"], "aws-cn"), (["--verify=identity", "--expect-account=999999999999"], "999999999999")])
def test_unexpected(run_init: Init, env: dict[str, str], options: list[str], says: str) -> None:
    assert_failed(run_init(*options, env=env), "UNEXPECTED_IDENTITY", says, "111122223333")


def test_identity_of_the_pods_role(run_init: Init, env: dict[str, str]) -> None:
    run = run_init("--verify=identity", f"--expect-role={ROLE_ARN}", f"--expect-account={ACCOUNT}", env=env)
    assert run.exit_code == 0 and 'role "demo-app", session "eks-demo-' in identity_of(run)


def test_expectation_without_credentials(run_init: Init, env: dict[str, Any]) -> None:
    assert run_init("--expect-role=x", "--verify=injection", env=env).exit_code == 64
