"""--source=eks-auth: EKS Auth asked directly, with the node's credentials from IMDS or from the environment."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from harness.aws import NODE, TARGET, Aws, needs_openssl, trust
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.programs import Run
from harness.reports import assert_failed
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
OPTIONS = ["--source=eks-auth", "--cluster-name=demo"]
Init = Callable[..., Run]


@pytest.fixture
def env(emulator: Emulator, injected: dict[str, str]) -> dict[str, str]:
    """The token of Pod Identity, EKS Auth behind TLS, and a node with a role; the agent's address leads nowhere."""
    return {**injected, **Aws(emulator).eks_auth(), "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/v1/credentials"}


def test_init(run_init: Init, env: dict[str, str]) -> None:
    run = run_init(*OPTIONS, env=env)
    assert run.exit_code == 0, run.stdout
    assert run.report["source"] == "eks-auth"
    assert any("AWS_ENDPOINT_URL_EKS_AUTH" in check["message"] for check in run.checks("pass"))


def test_serves(start_sidecar: Callable[..., Sidecar], env: dict[str, str]) -> None:
    body = check_container(start_sidecar(*OPTIONS, env=env).get("/v1/credentials"))
    assert body["AccountId"] == ACCOUNT


def test_from_the_environment(run_init: Init, emulator: Emulator, env: dict[str, str]) -> None:
    caller = emulator.caller(NODE)
    keys = {"AWS_ACCESS_KEY_ID": caller["access_key_id"], "AWS_SECRET_ACCESS_KEY": caller["secret_access_key"],
            "AWS_SESSION_TOKEN": caller["session_token"]}
    emulator.node(None)
    options = [*OPTIONS, "--node-credentials=environment"]
    assert run_init(*options, env={**env, **keys}).exit_code == 0
    assert_failed(run_init(*options, env={**env, **keys, "AWS_SECRET_ACCESS_KEY": ""}), "INJECTION_INVALID", "AWS_SECRET_ACCESS_KEY")
    wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "wrong" * 8}
    assert_failed(run_init(*options, env={**env, **wrong}), "ACCESS_DENIED", "InvalidSignatureException")
    assert_failed(run_init(*OPTIONS, env={**env, **keys}), "ACCESS_DENIED", "404", "no role")


def test_with_a_role_behind_it(run_init: Init, emulator: Emulator, env: dict[str, str]) -> None:
    emulator.role(TARGET, trust(ROLE_ARN))
    run = run_init(*OPTIONS, f"--assume-role={TARGET}", "--expect-role=target", env={**env, **Aws(emulator).sts()})
    assert run.exit_code == 0, run.stdout


@pytest.mark.parametrize(("token", "cluster", "reason", "says"), [
    ({"service_account": "nobody"}, "demo", "ACCESS_DENIED", "ResourceNotFoundException"),
    ({"forged": True}, "demo", "TOKEN_INVALID", "InvalidTokenException"), ({}, "other", "ACCESS_DENIED", "ResourceNotFoundException")])
def test_refused(run_init: Init, emulator: Emulator, env: dict[str, str], write_token: Callable[..., ProjectedToken], token: dict[str, Any],
                 cluster: str, reason: str, says: str) -> None:
    mounted = write_token(emulator.token(**token))
    run = run_init("--source=eks-auth", f"--cluster-name={cluster}", env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(mounted)})
    assert_failed(run, reason, says, "AssumeRoleForPodIdentity", cluster)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException", "ServiceUnavailableException", "AccessDeniedException"])
def test_scripted_errors(run_init: Init, emulator: Emulator, env: dict[str, str], code: str) -> None:
    emulator.eks_auth_error(code)
    assert_failed(run_init(*OPTIONS, env=env), "ACCESS_DENIED" if code.startswith("Access") else "THROTTLED", code)


def test_no_metadata_service(run_init: Init, env: dict[str, str]) -> None:
    for url, reason, says in (("http://127.0.0.1:1", "AWS_UNREACHABLE", "hop limit"), ("https://127.0.0.1", "SETTING_INVALID", "http://"),
                              ("http://127.0.0.1/latest", "SETTING_INVALID", "without a path"), ("http://imds", "SETTING_INVALID", "numeric")):
        assert_failed(run_init(*OPTIONS, env={**env, "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}), reason, says)


def test_auto_never_takes_the_nodes_role(run_init: Init, env: dict[str, str]) -> None:
    del env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert_failed(run_init(env=env), "NOT_INJECTED")


@pytest.mark.parametrize(("fault", "says"), [
    ({"kind": "truncate"}, "cut short"), ({"kind": "cut"}, "JSON"), ({"kind": "empty"}, "JSON"), ({"kind": "nested"}, "16384"),
    ({"kind": "nested", "depth": 100}, "JSON"), ({"kind": "huge"}, "16384"), ({"kind": "answer", "status": 200, "body": "[]"}, "credentials"),
    ({"kind": "answer", "status": 200, "body": '{"credentials":{"accessKeyId":1}}'}, "accessKeyId"),
    ({"kind": "replace", "pattern": '"expiration": ?[0-9.]+', "text": '"expiration": "soon"'}, "expiration"),
    ({"kind": "replace", "pattern": '"expiration": ?[0-9.]+', "text": '"expiration": 1'}, "expired at 1970"),
    ({"kind": "replace", "pattern": '"sessionToken": ?"', "text": '"sessionToken": "\\\\n'}, "sessionToken"),
    ({"kind": "answer", "status": 403, "body": "<html>blocked</html>"}, "blocked")])
def test_answers(run_init: Init, emulator: Emulator, env: dict[str, str], fault: dict[str, Any], says: str) -> None:
    emulator.fault(**fault, service="eks-auth-api", times=None)
    run = run_init(*OPTIONS, env=env)
    assert run.exit_code in (21, 23), run.stdout
    assert says in run.failure["message"], run.failure
