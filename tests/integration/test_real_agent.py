"""Our programs against the real EKS Pod Identity Agent, which asks the emulator's EKS Auth: what the emulator says the agent does is
what it does. Left out, with the reason, where the agent's module cannot be had or there is no network namespace."""

from __future__ import annotations

import re
import signal
from typing import Any, Callable, Iterator

import pytest

from harness.emulator import NAMESPACE, ROLE_ARN, SERVICE_ACCOUNT, Emulator
from harness.http import Answer, exchange, parse_answer, request_bytes
from harness.places import Place
from harness.programs import Run
from harness.real_agent import RealAgent, real_agent
from harness.reports import assert_failed, assert_ok
from harness.served import check_container, check_error, issued, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

real_agent()
pytestmark = pytest.mark.xdist_group("real agent")  # one agent for all of them
Init = Callable[..., Run]
Start = Callable[..., Sidecar]
HALF_A_TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
REQUEST_ID = re.compile(rb"^\[[^\]]*\]")


@pytest.fixture(scope="module")
def agents_place(places: Any) -> Iterator[Place]:
    """A namespace whose agent is the real one."""
    with places.without_agent("-agent") as place:
        yield place


@pytest.fixture
def place(agents_place: Place) -> Place:
    """Where these tests run."""
    return agents_place


@pytest.fixture(scope="module")
def uncached(agents_place: Place, places: Any) -> Iterator[RealAgent]:
    """An agent that asks EKS Auth each time."""
    agent = RealAgent(agents_place, places.emulator(agents_place), "--max-credential-retention-before-renewal", "0")
    yield agent
    agent.stop()


@pytest.fixture
def agent(uncached: RealAgent, emulator: Emulator) -> RealAgent:
    """The agent, with an emulator that is as after its start."""
    return uncached


@pytest.fixture
def injected(agent: RealAgent, token: ProjectedToken) -> dict[str, str]:
    """What the webhook puts into the environment."""
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}


# --- the emulator's agent says the same


def emulated(emulator: Emulator, token: str | None, path: str, host: str) -> Answer:
    data = request_bytes("GET", path, {"Host": host, "Authorization": token})
    return parse_answer(exchange(emulator.place.connect(emulator.host, emulator.port), data, 30))


TOKENS: dict[str, dict[str, Any]] = {
    "good": {}, "expired": {"expires_in_s": -60}, "not yet": {"not_before_in_s": 600}, "forged": {"forged": True},
    "audience": {"audience": "sts.amazonaws.com"}, "nobody": {"service_account": "nobody"},
}


@pytest.mark.parametrize("name", [*TOKENS, "none", "no JWT", "other path", "other host", "throttled", "trust"])
def test_same_answer_as_the_emulators_agent(agent: RealAgent, emulator: Emulator, name: str) -> None:
    token: str | None = None if name == "none" else "abc" if name == "no JWT" else emulator.token(**TOKENS.get(name, {}))
    path = "/v2/credentials" if name == "other path" else "/v1/credentials"
    host = "localhost" if name == "other host" else "169.254.170.23"
    if name == "throttled":
        emulator.eks_auth_error("ThrottlingException", "slow down")
    if name == "trust":
        emulator.role(ROLE_ARN, HALF_A_TRUST)
    real, ours = agent.ask(token, path, host), emulated(emulator, token, path, host)
    assert (real.status, real.header("Content-Type")) == (ours.status, ours.header("Content-Type"))
    if real.status == 200:
        assert list(real.json) == list(ours.json)
    else:
        assert REQUEST_ID.sub(b"[]", real.body) == REQUEST_ID.sub(b"[]", ours.body)


# --- init


def test_init_is_content(agent: RealAgent, run_init: Init) -> None:
    assert_ok(run_init())


def test_init_over_ipv6(agent: RealAgent, run_init: Init, injected: dict[str, str]) -> None:
    assert_ok(run_init(env={**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/v1/credentials"}))


def test_init_without_an_association(agent: RealAgent, emulator: Emulator, run_init: Init) -> None:
    emulator.dissociate()
    assert_failed(run_init(), "ACCESS_DENIED", "ResourceNotFoundException", NAMESPACE, SERVICE_ACCOUNT)


def test_init_without_trust(agent: RealAgent, emulator: Emulator, run_init: Init) -> None:
    emulator.role(ROLE_ARN, HALF_A_TRUST)
    assert_failed(run_init(), "ACCESS_DENIED", "AccessDeniedException", "sts:TagSession")


@pytest.mark.parametrize(("code", "reason"), [
    ("ThrottlingException", "THROTTLED"), ("ServiceUnavailableException", "THROTTLED"), ("InternalServerException", "THROTTLED"),
    ("ExpiredTokenException", "TOKEN_INVALID"), ("InvalidTokenException", "TOKEN_INVALID")])
def test_init_with_errors_of_eks_auth(agent: RealAgent, emulator: Emulator, run_init: Init, code: str, reason: str) -> None:
    emulator.eks_auth_error(code, "words of the service")
    assert_failed(run_init(), reason, code, "words of the service")


def test_init_without_eks_auth(agent: RealAgent, emulator: Emulator, run_init: Init) -> None:
    emulator.call("PUT", "/listeners", {"service": "eks-auth-api", "mode": "closed"})
    assert_failed(run_init(), "THROTTLED", "500")


# --- the sidecar


def test_sidecar_serves_what_eks_auth_gave(agent: RealAgent, emulator: Emulator, start_sidecar: Start) -> None:
    sidecar = start_sidecar(with_http=False)
    assert triple(check_container(sidecar.get())) == issued(emulator)[-1]


def test_sidecar_after_the_association_is_gone(agent: RealAgent, emulator: Emulator, start_sidecar: Start) -> None:
    """It serves until the credentials expire, then says why there are no others."""
    emulator.associate(lifetime_s=8.0)
    sidecar = start_sidecar(with_http=False)
    emulator.dissociate()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "ResourceNotFoundException" in sidecar.stderr, 10, "the refresh is refused")
    assert sidecar.get("/readyz").status in (200, 503)
    eventually(lambda: sidecar.get().status == 503, 20, "expired")
    assert "ResourceNotFoundException" in check_error(sidecar.get(), 503, "ACCESS_DENIED")
    emulator.associate()
    sidecar.wait_ready(60)


def test_sidecar_with_another_role_at_the_next_refresh(agent: RealAgent, emulator: Emulator, start_sidecar: Start) -> None:
    sidecar = start_sidecar(with_http=False)
    emulator.associate(role_arn="arn:aws:iam::444455556666:role/other")
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get().json["AccountId"] == "444455556666", 10, "the other role")


def test_sidecar_with_an_expired_token(agent: RealAgent, emulator: Emulator, token: ProjectedToken, start_sidecar: Start) -> None:
    token.rotate(emulator.token(expires_in_s=-60))
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: "expired" in sidecar.get().json["message"], 10, "refused")
    check_error(sidecar.get(), 503, "TOKEN_INVALID")


def test_agents_own_cache(agent: RealAgent, emulator: Emulator, token: ProjectedToken, injected: dict[str, str], start_sidecar: Start) -> None:
    """As it runs on nodes: the same credentials for the same token, even after the association is gone."""
    caching = RealAgent(agent.place, emulator, port=8080, probe_port=2713)
    try:
        env = {**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": caching.url}
        sidecar = start_sidecar(with_http=False, env=env)
        first = triple(check_container(sidecar.get()))
        emulator.dissociate()
        again = caching.ask(token.path.read_text().strip())
        assert triple(again.json) == first
    finally:
        caching.stop()
