"""IRSA: credentials from STS with a web identity token, over TLS, for init and the sidecar."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import REGION, Aws, needs_openssl, web_trust
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.leaks import Leaks
from harness.programs import Run
from harness.reports import assert_failed, check_shape
from harness.served import check_container, expires_at
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init = Callable[..., Run]


@pytest.fixture
def web_token(emulator: Emulator, folder: Path, leaks: Leaks) -> ProjectedToken:
    """The token that the webhook mounts for IRSA."""
    text = emulator.token(audience="sts.amazonaws.com")
    leaks.add_secret("service_account_token", text)
    return ProjectedToken(folder / "web", text, "token", on_write=lambda value: leaks.add_secret("service_account_token", value))


def test_init(run_init: Init, aws: Aws, web_token: ProjectedToken) -> None:
    run = run_init(env=aws.irsa(web_token))
    assert run.exit_code == 0, run.stdout
    check_shape(run.report)
    assert run.report["source"] == "web-identity" and run.stderr == ""
    passed = {check["id"]: check["message"] for check in run.checks("pass")}
    assert ROLE_ARN in passed["injection.pair"] and "IRSA" in passed["injection.pair"]
    assert "AWS_ENDPOINT_URL_STS" in passed["injection.uri"] and "sts.amazonaws.com" in passed["token.audience"]
    assert "STS" in passed["agent.clock"]


@pytest.mark.parametrize("source", ["auto", "web-identity"])
def test_serves(start_sidecar: Callable[..., Sidecar], aws: Aws, web_token: ProjectedToken, source: str) -> None:
    sidecar = start_sidecar(f"--source={source}", "--session-duration=2h", env=aws.irsa(web_token))
    body = check_container(sidecar.get("/v1/credentials"))
    assert body["AccountId"] == ACCOUNT
    assert 7100 < expires_at(body["Expiration"]) - time.time() <= 7201
    assert "source=web-identity" in sidecar.stderr and "upstream=https://localhost" in sidecar.stderr


def test_pod_identity_wins(run_init: Init, aws: Aws, injected: dict[str, str], web_token: ProjectedToken) -> None:
    """auto takes what DESIGN calls the successor, as the webhook does."""
    assert run_init(env={**aws.irsa(web_token), **injected}).report["source"] == "pod-identity"


@pytest.mark.parametrize(("env", "name"), [
    ({"AWS_ROLE_SESSION_NAME": "from-env"}, "from-env"), ({"HOSTNAME": "cart-7f/x"}, "cart-7f-x"), ({"HOSTNAME": "a" * 80}, "a" * 64),
    ({}, "pod-identity")])
def test_session_name(run_init: Init, aws: Aws, web_token: ProjectedToken, env: dict[str, str], name: str) -> None:
    run = run_init("--verify=identity", env={**aws.irsa(web_token), **env})
    identity = next(check for check in run.checks("pass") if check["id"] == "identity.caller")
    assert f'session "{name}"' in identity["message"] and ACCOUNT in identity["message"]


@pytest.mark.parametrize(("token", "reason", "says"), [
    ({"forged": True}, "TOKEN_INVALID", "InvalidIdentityToken"),
    ({"service_account": "other"}, "ACCESS_DENIED", "sts:AssumeRoleWithWebIdentity"),
])
def test_refused(run_init: Init, aws: Aws, write_token: Callable[..., ProjectedToken], token: dict[str, Any], reason: str, says: str) -> None:
    mounted = write_token(aws.emulator.token(**{"audience": "sts.amazonaws.com", **token}))
    assert_failed(run_init(env=aws.irsa(mounted)), reason, says, "AssumeRoleWithWebIdentity", ROLE_ARN)


def test_other_audience_is_a_warning(run_init: Init, aws: Aws, write_token: Callable[..., ProjectedToken]) -> None:
    """A provider in IAM may know it; this one does not. An STS that is not of AWS decides for itself."""
    env = aws.irsa(write_token(aws.emulator.token(audience="company")))
    run = run_init("--verify=injection", env={**env, "AWS_ENDPOINT_URL_STS": ""})
    warned = {check["id"]: check for check in run.checks("warn")}
    assert "company" in warned["token.audience"]["message"] and run.exit_code == 0
    run = run_init(env=env)
    passed = {check["id"]: check for check in run.checks("pass")}
    assert "localhost" in passed["token.audience"]["message"] and run.reason == "TOKEN_INVALID"


def test_a_role_of_another_maker(run_init: Init, run_sidecar: Callable[..., Run], aws: Aws, web_token: ProjectedToken) -> None:
    """It is sent where an STS of one's own is named. The emulator, which is AWS's, has no such role."""
    role = "arn:minio:iam:::role/idmp-pods"
    env = {**aws.irsa(web_token), "AWS_ROLE_ARN": role}
    assert run_init(env=env).reason in ("ACCESS_DENIED", "BAD_RESPONSE") and aws.requests("sts") != []
    run = run_sidecar("once", "--process-file=/nonexistent/x", "--wait=0", f"--assume-role={role}", env={**env, "AWS_ENDPOINT_URL_STS": ""})
    assert run.exit_code == 11 and "AWS_ENDPOINT_URL_STS" in run.stderr


@pytest.mark.parametrize(("change", "reason", "says"), [
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": ""}, "INJECTION_INVALID", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ({"AWS_ROLE_ARN": ""}, "INJECTION_INVALID", "AWS_ROLE_ARN"),
    ({"AWS_ROLE_ARN": "demo-app"}, "INJECTION_INVALID", "not the ARN"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "token"}, "INJECTION_INVALID", "absolute"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token"}, "TOKEN_UNREADABLE", "/nonexistent/token"),
    ({"AWS_REGION": "", "AWS_ENDPOINT_URL_STS": ""}, "SETTING_INVALID", "AWS_REGION"),
    ({"AWS_REGION": "eu-central-1.example.com/"}, "SETTING_INVALID", "not a region name"),
    ({"AWS_ENDPOINT_URL_STS": "http://10.0.0.1"}, "SETTING_INVALID", "not https"),
    ({"AWS_USE_FIPS_ENDPOINT": "yes"}, "SETTING_INVALID", "AWS_USE_FIPS_ENDPOINT"),
    ({"AWS_USE_FIPS_ENDPOINT": "true\n"}, "SETTING_INVALID", 'AWS_USE_FIPS_ENDPOINT="true\\n" ends in a line break'),
    ({"AWS_REGION": "eu-central-1a"}, "SETTING_INVALID", 'AWS_REGION="eu-central-1a" is a zone'),
    ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-central-1 "}, "SETTING_INVALID", 'AWS_DEFAULT_REGION="eu-central-1 " ends in a blank'),
    ({"AWS_REGION": '"eu-central-1"'}, "SETTING_INVALID", "quotes"),
    ({"AWS_REGION": "\u201ceu-central-1\u201d"}, "SETTING_INVALID", "typographic quotes"),
    ({"AWS_REGION": "${AWS_REGION}"}, "SETTING_INVALID", "not expanded"),
    ({"AWS_STS_REGIONAL_ENDPOINTS": "regional ", "AWS_ENDPOINT_URL_STS": ""}, "SETTING_INVALID", "AWS_STS_REGIONAL_ENDPOINTS"),
    ({"AWS_ENDPOINT_URL_STS": "https://localhost\n"}, "SETTING_INVALID", "ends in a line break"),
    ({"AWS_ENDPOINT_URL_STS": "$(STS_URL)"}, "SETTING_INVALID", 'AWS_ENDPOINT_URL_STS="$(STS_URL)" holds a reference'),
    ({"HTTPS_PROXY": "http://user:secret-of-proxy@proxy:3128 ", "AWS_ENDPOINT_URL_STS": ""}, "SETTING_INVALID", "HTTPS_PROXY ends in a blank"),
    ({"https_proxy": "'http://proxy:3128'", "AWS_ENDPOINT_URL_STS": ""}, "SETTING_INVALID", "https_proxy stands in quotes"),
    ({"AWS_CA_BUNDLE": "${CA}"}, "SETTING_INVALID", 'AWS_CA_BUNDLE="${CA}"'),
    ({"AWS_ROLE_ARN": "arn:aws:iam::11112222333:role/demo"}, "INJECTION_INVALID", "11 digits"),
    ({"AWS_ROLE_ARN": "arn:aws:iam::$(ACCOUNT):role/demo"}, "INJECTION_INVALID", "not expanded"),
    ({"AWS_ROLE_ARN": "arn:minio:iam:::role/x", "AWS_ENDPOINT_URL_STS": ""}, "INJECTION_INVALID", "AWS_ENDPOINT_URL_STS"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token\n"}, "INJECTION_INVALID", "ends in a line break"),
])
def test_bad_environment(run_init: Init, run_sidecar: Callable[..., Run], aws: Aws, web_token: ProjectedToken, change: dict[str, str],
                         reason: str, says: str) -> None:
    env = {**aws.irsa(web_token), **change}
    assert_failed(run_init("--source=web-identity", env=env), reason, says)
    once = run_sidecar("once", "--source=web-identity", "--wait=0", "--process-file=/nonexistent/x", env=env)
    assert once.exit_code != 0 and reason in once.stderr and says in once.stderr and "secret-of-proxy" not in once.stderr
    assert aws.requests("sts") == [], "nothing is sent"


def test_issuer_unreachable_passes(run_init: Init, aws: Aws, web_token: ProjectedToken) -> None:
    """IDPCommunicationError is tried again, as SDKs do."""
    env = aws.irsa(web_token)
    aws.emulator.fault("aws_error", service="sts", code="IDPCommunicationError", status=400, message="no route", times=1)
    run = run_init(env=env, wait="20s")
    assert run.exit_code == 0 and "IDPCommunicationError" in run.stderr
    aws.emulator.fault("aws_error", service="sts", code="IDPCommunicationError", status=400, message="no route", times=None)
    assert_failed(run_init(env=env), "THROTTLED", "IDPCommunicationError")


def test_rotated_token(start_sidecar: Callable[..., Sidecar], aws: Aws, web_token: ProjectedToken) -> None:
    """It is read afresh for each fetch."""
    sidecar = start_sidecar(env=aws.irsa(web_token))
    before = check_container(sidecar.get("/v1/credentials"))
    web_token.rotate("not a token")
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "refresh failed" in sidecar.stderr, 10, "a refresh that fails")
    assert check_container(sidecar.get("/v1/credentials")) == before
    web_token.rotate(aws.emulator.token(audience="sts.amazonaws.com"))
    eventually(lambda: check_container(sidecar.get("/v1/credentials")) != before, 10, "new credentials")


def test_trust_of_another_service_account(run_init: Init, aws: Aws, web_token: ProjectedToken) -> None:
    env = aws.irsa(web_token)
    aws.emulator.role(ROLE_ARN, web_trust(aws.issuer, "system:serviceaccount:demo:someone-else"))
    assert_failed(run_init(env=env), "ACCESS_DENIED", "AccessDenied", "trust policy", "OIDC")


def test_once(run_sidecar: Callable[..., Run], aws: Aws, web_token: ProjectedToken, folder: Path) -> None:
    run = run_sidecar("once", f"--process-file={folder}/process.json", env={**aws.irsa(web_token), "AWS_REGION": REGION})
    assert run.exit_code == 0, run.stderr
    assert os.stat(folder / "process.json").st_size > 100


@pytest.mark.parametrize(("status", "headers"), [
    (401, {"WWW-Authenticate": 'Basic realm="x"'}), (407, {"Proxy-Authenticate": 'Basic realm="x"'}), (417, {}),
    (307, {"Location": "/elsewhere"}), (503, {"Connection": "close"}),
])
def test_an_attempt_is_one_request(run_init: Init, aws: Aws, web_token: ProjectedToken, status: int, headers: dict[str, str]) -> None:
    """Whatever is answered: the policy of waiting alone decides on another one. Its body comes with it, in one piece."""
    env = aws.irsa(web_token)
    aws.emulator.fault("answer", service="sts", times=None, status=status, headers=headers, body="")
    run = run_init("--wait=0", env=env)
    assert run.exit_code != 0 and str(status) in run.stdout
    [request] = aws.requests("sts")
    sent = {name.lower() for name, _ in request["headers"]}
    assert "content-length" in sent and not sent & {"expect", "transfer-encoding", "authorization", "proxy-authorization"}
