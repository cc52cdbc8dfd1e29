"""pod-identity-init: what EKS Auth says, by name and with its remedy; whose token it was; and whose clock is wrong."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import NAMESPACE, SERVICE_ACCOUNT, Emulator
from harness.programs import Run
from harness.reports import assert_failed, assert_ok
from harness.token_files import ProjectedToken

HOUR = 3600


@pytest.mark.parametrize(("code", "message", "reason", "says"), [
    ("AccessDeniedException", None, "ACCESS_DENIED", ["pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"]),
    ("AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/node/i-0 is not authorized to perform: "
     "eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:eu-central-1:111122223333:cluster/demo", "ACCESS_DENIED",
     ["node's role", "AmazonEKSWorkerNodePolicy"]),
    ("ResourceNotFoundException", None, "ACCESS_DENIED", ["create-pod-identity-association", f"--namespace {NAMESPACE}", f"--service-account {SERVICE_ACCOUNT}"]),
    ("ExpiredTokenException", None, "TOKEN_INVALID", ["kubelet", "fresh token"]),
    ("InvalidTokenException", None, "TOKEN_INVALID", ["this very cluster"]),
    ("InvalidParameterException", None, "TOKEN_INVALID", ["update the add-on"]),
    ("InvalidRequestException", None, "TOKEN_INVALID", ["update the add-on"]),
    ("ThrottlingException", None, "THROTTLED", ["too many pods"]),
    ("InternalServerException", None, "THROTTLED", ["EKS Auth fails inside"]),
    ("ServiceUnavailableException", None, "THROTTLED", ["EKS Auth fails inside"]),
    ("InvalidRequestException", "PackedPolicyTooLarge: Packed size of session tags consumes 112% of allotted space.", "ACCESS_DENIED", ["disableSessionTags"]),
])
def test_error_by_name(run_init: Callable[..., Run], emulator: Emulator, code: str, message: str | None, reason: str, says: list[str]) -> None:
    emulator.eks_auth_error(code, message)
    run = run_init()
    assert_failed(run, reason, code, *says)
    assert emulator.count() == 1
    emulator.clear_faults()
    assert_ok(run_init())


def test_no_association_names_all_that_the_token_tells(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    cluster = emulator.describe()["issuer"].rsplit("/", 1)[1]
    text = assert_failed(run_init(), "ACCESS_DENIED", f'"{NAMESPACE}"', f'"{SERVICE_ACCOUNT}"', cluster, "aws eks describe-cluster")
    assert "%" not in text


def test_names_from_the_token_are_not_trusted(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    """They go into a command to type, if they are names."""
    token.rotate(emulator.token(namespace="a; rm -rf /", service_account="$(reboot)\u001b[31m%s"))
    run = run_init()
    text = assert_failed(run, "ACCESS_DENIED")
    assert "--namespace a; rm" not in text and "$(reboot)" not in run.failure["remedy"]
    assert "\u001b" not in run_init(text=True).stdout


@pytest.mark.parametrize(("fault", "reason", "says"), [
    ({"kind": "answer", "status": 429, "body": "Too Many Requests\n"}, "THROTTLED", "1,000 requests"),
    ({"kind": "no_node_credentials", "service": "eks-auth"}, "THROTTLED", "instance profile"),
    ({"kind": "unreachable", "service": "eks-auth"}, "THROTTLED", "com.amazonaws.REGION.eks-auth"),
    ({"kind": "eks_auth_error", "service": "eks-auth", "code": "ExpiredTokenException", "status": 403}, "ACCESS_DENIED", "node's clock"),
    ({"kind": "eks_auth_error", "service": "eks-auth", "code": "InvalidSignatureException", "status": 403}, "ACCESS_DENIED", "node's clock"),
    ({"kind": "answer", "status": 400, "body": "Service account token failed basic claim validations: token is expired\n"}, "TOKEN_INVALID", "kubelet"),
    ({"kind": "answer", "status": 400, "body": "Service account token cannot be parsed: x\n"}, "TOKEN_INVALID", "projected service account token"),
    ({"kind": "answer", "status": 401}, "ACCESS_DENIED", "proxy"),
])
@EMULATORS
def test_the_agents_own_errors(run_init: Callable[..., Run], emulator: Emulator, fault: dict[str, Any], reason: str, says: str) -> None:
    emulator.fault(**fault, times=None)
    assert_failed(run_init(), reason, says)


# --- clocks


@pytest.mark.parametrize(("skew_s", "direction"), [(-400, "ahead of"), (400, "behind")])
@EMULATORS
def test_skew_against_the_agent(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken, skew_s: int, direction: str) -> None:
    token.rotate(emulator.token(issued_ago_s=HOUR))
    emulator.settings(clock_skew_s=skew_s)
    run = run_init()
    assert_ok(run)
    clock = next(check for check in run.report["checks"] if check["id"] == "agent.clock")
    assert clock["status"] == "warn" and f" s {direction} that of the agent" in clock["message"]
    assert any(f" {seconds} s " in clock["message"] for seconds in (399, 400, 401)), clock["message"]
    assert "chronyc" in clock["remedy"]


@EMULATORS
def test_clocks_that_agree(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    token.rotate(emulator.token(issued_ago_s=HOUR))
    for skew_s in (0, 20, -20):
        emulator.settings(clock_skew_s=skew_s)
        clock = next(check for check in run_init().report["checks"] if check["id"] == "agent.clock")
        assert clock["status"] == "pass", clock


@EMULATORS
def test_no_date(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("raw", data='HTTP/1.1 200 OK\r\n\r\n{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"x","Token":"y","Expiration":"2099-01-01T00:00:00Z"}', times=None)
    clock = next(check for check in run_init().report["checks"] if check["id"] == "agent.clock")
    assert clock["status"] == "skip"


@EMULATORS
def test_skew_is_named_in_a_refusal(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    token.rotate(emulator.token(expires_in_s=HOUR))
    emulator.settings(clock_skew_s=24 * HOUR)
    assert_failed(run_init(), "TOKEN_INVALID", "token is expired", "clock is 86", "behind the server's")


# --- the token's own


def test_issuer(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    issuer = next(check for check in run_init().report["checks"] if check["id"] == "token.issuer")
    assert issuer["status"] == "pass" and emulator.describe()["issuer"] in issuer["message"]
    for claims in ({"iss": None}, {"iss": "kubernetes"}, {"sub": "alice"}):
        token.rotate(emulator.token(claims=claims))
        issuer = next(check for check in run_init("--verify=injection").report["checks"] if check["id"] == "token.issuer")
        assert issuer["status"] == "warn", claims


@pytest.mark.parametrize(("age", "life", "status"), [(0.5, 24 * HOUR, "pass"), (0.79, 24 * HOUR, "pass"), (0.85, 24 * HOUR, "warn"), (0.99, 600, "warn")])
def test_rotation(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken, age: float, life: int, status: str) -> None:
    token.rotate(emulator.token(issued_ago_s=life * age, expires_in_s=life * (1 - age)))
    times = next(check for check in run_init("--verify=injection").report["checks"] if check["id"] == "token.times")
    assert times["status"] == status
    assert ("rotation is stuck" in times["message"]) == (status == "warn")
