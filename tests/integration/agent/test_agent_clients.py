"""init and the sidecar with our agent, at its real address: what they say of it is what they say of the real one."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from agent.test_agent_node import NO_KEYS
from harness.aws import needs_openssl
from harness.cluster import openssl
from harness.emulator import NAMESPACE, ROLE_ARN, SERVICE_ACCOUNT, Emulator
from harness.our_agent import OurAgent
from harness.places import Place
from harness.programs import Run
from harness.reports import assert_failed, assert_ok
from harness.served import check_container, check_error, issued, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Init = Callable[..., Run]
Start = Callable[..., Sidecar]


@pytest.fixture
def place(node_place: Place) -> Place:
    """Where these tests run."""
    return node_place


@pytest.fixture
def emulator(node: Emulator) -> Emulator:
    """The one that our agent asks."""
    return node


@pytest.fixture(autouse=True)
def uncached(start_agent: Callable[..., OurAgent]) -> Iterator[OurAgent]:
    """An agent that asks EKS Auth each time."""
    yield start_agent("--max-credential-retention-before-renewal", "0")


@pytest.fixture
def injected(uncached: OurAgent, token: ProjectedToken) -> dict[str, str]:
    """What the webhook puts into the environment."""
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uncached.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}


def test_init_is_content(run_init: Init) -> None:
    assert_ok(run_init())


def test_init_over_ipv6(run_init: Init, injected: dict[str, str]) -> None:
    assert_ok(run_init(env={**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/v1/credentials"}))


def test_init_without_an_association(emulator: Emulator, run_init: Init) -> None:
    emulator.dissociate()
    assert_failed(run_init(), "ACCESS_DENIED", "ResourceNotFoundException", NAMESPACE, SERVICE_ACCOUNT)


def test_init_waits_for_a_new_association(emulator: Emulator, run_init: Init) -> None:
    """What is remembered of a denial does not outlast init's patience."""
    emulator.eks_auth_error("ResourceNotFoundException", times=2)
    assert_ok(run_init(wait="60s"))


def test_init_without_trust(emulator: Emulator, run_init: Init) -> None:
    emulator.associate(assumable=False)
    assert_failed(run_init(), "ACCESS_DENIED", "AccessDeniedException")


@pytest.mark.parametrize(("code", "reason"), [
    ("ThrottlingException", "THROTTLED"), ("ServiceUnavailableException", "THROTTLED"), ("InternalServerException", "THROTTLED"),
    ("ExpiredTokenException", "TOKEN_INVALID"), ("InvalidTokenException", "TOKEN_INVALID")])
def test_init_with_errors_of_eks_auth(emulator: Emulator, run_init: Init, code: str, reason: str) -> None:
    emulator.eks_auth_error(code, "words of the service")
    assert_failed(run_init(), reason, code, "words of the service")


def test_init_without_eks_auth(emulator: Emulator, uncached: OurAgent, run_init: Init) -> None:
    """What it advises is about the node's way, as behind the real agent."""
    emulator.listen("closed", service="eks-auth-api")
    assert_failed(run_init(), "THROTTLED", "500", "was refused", "com.amazonaws.REGION.eks-auth")


@needs_openssl
def test_init_with_somebody_elses_certificate(uncached: OurAgent, start_agent: Callable[..., OurAgent], run_init: Init, folder: Path) -> None:
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "other.key", "-out", folder / "other.crt", "-days", "2", "-subj", "/CN=other",
            "-addext", "basicConstraints=critical,CA:TRUE")
    uncached.stop()
    start_agent(env={"AWS_CA_BUNDLE": str(folder / "other.crt"), "SSL_CERT_FILE": None})
    assert_failed(run_init(), "THROTTLED", "a certificate that no trusted authority signed", "inspects TLS between the node and eks-auth")


def test_init_on_a_node_without_a_role(emulator: Emulator, uncached: OurAgent, start_agent: Callable[..., OurAgent], run_init: Init) -> None:
    uncached.stop()
    emulator.node(None)
    start_agent(env={**NO_KEYS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{emulator.serve('imds')['port']}"})
    assert_failed(run_init(), "THROTTLED", "security-credentials/ answered 404", "check that the node has an instance profile")


def test_sidecar_serves_what_eks_auth_gave(emulator: Emulator, start_sidecar: Start) -> None:
    sidecar = start_sidecar(with_http=False)
    assert triple(check_container(sidecar.get())) == issued(emulator)[-1]


def test_sidecar_after_the_association_is_gone(emulator: Emulator, start_sidecar: Start) -> None:
    """It serves until the credentials expire, then says why there are no others."""
    emulator.associate(lifetime_s=8.0)
    sidecar = start_sidecar(with_http=False)
    emulator.dissociate()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "ResourceNotFoundException" in sidecar.stderr, 10, "the refresh is refused")
    eventually(lambda: sidecar.get().status == 503, 20, "expired")
    assert "ResourceNotFoundException" in check_error(sidecar.get(), 503, "ACCESS_DENIED")
    emulator.associate()
    sidecar.wait_ready(60)


def test_sidecar_with_another_role_at_the_next_refresh(emulator: Emulator, start_sidecar: Start) -> None:
    sidecar = start_sidecar(with_http=False)
    emulator.associate(role_arn=ROLE_ARN.replace("111122223333", "444455556666"))
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get().json["AccountId"] == "444455556666", 10, "the other role")


def test_sidecar_with_an_expired_token(emulator: Emulator, token: ProjectedToken, start_sidecar: Start) -> None:
    token.rotate(emulator.token(expires_in_s=-60))
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: "expired" in sidecar.get().json["message"], 10, "refused")
    check_error(sidecar.get(), 503, "TOKEN_INVALID")


def test_sidecar_when_the_agent_is_gone_for_a_while(uncached: OurAgent, start_agent: Callable[..., Any], emulator: Emulator,
                                                    start_sidecar: Start) -> None:
    """An update of the DaemonSet: what there is is served, and the next agent is asked."""
    sidecar = start_sidecar(with_http=False)
    first = triple(check_container(sidecar.get()))
    uncached.stop()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "AGENT_UNREACHABLE" in sidecar.stderr, 10, "it notices")
    assert triple(check_container(sidecar.get())) == first
    start_agent()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: triple(check_container(sidecar.get())) != first, 30, "refreshed")
