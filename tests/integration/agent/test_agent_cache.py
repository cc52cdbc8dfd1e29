"""One upstream request for a pod, however many ask and however often: the cache, flights, renewals, outages."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

from harness.agent import is_text
from harness.emulator import NAMESPACE, ROLE_ARN, Emulator
from harness.http import Answer
from harness.our_agent import NODE, OurAgent
from harness.served import issued, triple
from harness.waiting import eventually

Start = Callable[..., OurAgent]
SOON = ("--max-credential-retention-before-renewal", "2s")
UID = "0d5bd5b8-7d0c-4ac6-a9a5-6f6a8ff3f8a1"


def pod_token(node: Emulator, uid: str = UID, service_account: str = "app", **params: Any) -> str:
    """A token of that pod; each call makes another one."""
    claims = {"kubernetes.io": {"namespace": NAMESPACE, "pod": {"name": f"{service_account}-x", "uid": uid},
                                "serviceaccount": {"name": service_account, "uid": "1"}}}
    return node.token(service_account=service_account, claims=claims, **params)


def all_at_once(agent: OurAgent, tokens: list[str]) -> list[Answer]:
    """One request with each, all on their way before the first answer."""
    with ThreadPoolExecutor(len(tokens)) as pool:
        return list(pool.map(lambda token: agent.ask(token, timeout_s=60), tokens))


def slow(node: Emulator, seconds: float, times: int | None = None) -> None:
    """EKS Auth takes that long for each answer."""
    node.fault("pass", service="eks-auth", delay_s=seconds, times=times)


def test_the_second_request_costs_nothing(agent: OurAgent, node: Emulator) -> None:
    token = node.token()
    answers = [agent.ask(token) for _ in range(20)]
    assert {answer.body for answer in answers} == {answers[0].body}
    assert agent.upstream() == 1


def test_kept_connections(agent: OurAgent, node: Emulator) -> None:
    token = node.token()
    with agent.connect() as sock:
        first = agent.ask_on(sock, token)
        assert [agent.ask_on(sock, token).body for _ in range(50)] == [first.body] * 50
    assert agent.upstream() == 1


@pytest.mark.parametrize("retention", ["3h", "0"])
def test_twenty_callers_of_a_slow_eks_auth(start_agent: Start, node: Emulator, retention: str) -> None:
    """One request upstream, with a cache and without."""
    agent = start_agent("--max-credential-retention-before-renewal", retention)
    slow(node, 3.0)
    answers = all_at_once(agent, [node.token()] * 20)
    assert {answer.status for answer in answers} == {200} and len({answer.body for answer in answers}) == 1
    assert agent.upstream() == 1


def test_without_a_cache_each_request_is_asked(start_agent: Start, node: Emulator) -> None:
    for options in (("--max-cache-size", "0"), ("--max-credential-retention-before-renewal", "0")):
        agent = start_agent(*options)
        node.forget_requests()
        token = node.token()
        assert triple(agent.ask(token).json) != triple(agent.ask(token).json)
        assert agent.upstream() == 2
        agent.stop()


def test_a_pods_next_token_finds_its_entry(agent: OurAgent, node: Emulator) -> None:
    """Each token is taken by EKS Auth once; both lead to the newest credentials then."""
    old, new = pod_token(node), pod_token(node)
    first = agent.ask(old)
    second = agent.ask(new)
    assert agent.upstream() == 2 and triple(second.json) != triple(first.json)
    assert agent.ask(old).body == agent.ask(new).body == second.body
    assert agent.upstream() == 2
    assert agent.metric("pod_identity_agent_entries") == 1


def test_tokens_without_a_pod_have_entries_of_their_own(agent: OurAgent, node: Emulator) -> None:
    claims = {"kubernetes.io": None}
    first, second = node.token(claims=claims), node.token(claims=claims)
    assert agent.ask(first).body != agent.ask(second).body
    assert agent.upstream() == 2
    agent.ask(first), agent.ask(second)
    assert agent.upstream() == 2


# --- renewals


def test_what_is_asked_for_is_renewed(start_agent: Start, node: Emulator) -> None:
    agent = start_agent(*SOON)
    token = node.token()
    first = agent.ask(token)
    eventually(lambda: agent.ask(token).body != first.body, 15, "renewed")
    assert triple(agent.ask(token).json) == issued(node)[-1]
    assert agent.metric('pod_identity_cache_state{state="hit"}') >= 1


def test_a_pod_that_is_gone_is_not_renewed(start_agent: Start, node: Emulator) -> None:
    """The first fetch counts as asked for; after one renewal that nobody asked behind, there is no other."""
    agent = start_agent(*SOON)
    gone, here = pod_token(node), node.token()
    agent.ask(gone)
    for _ in range(40):
        agent.ask(here)
        time.sleep(0.25)
    of_gone = agent.upstream()
    assert agent.metric("pod_identity_agent_entries") == 2
    for _ in range(12):
        agent.ask(here)
        time.sleep(0.25)
    renewed = agent.upstream() - of_gone
    assert 1 <= renewed <= 3  # of the one that asks, every 2 s
    assert of_gone <= 2 + 6


def test_what_nobody_asks_for_ends_with_its_credentials(agent: OurAgent, node: Emulator) -> None:
    node.associate(lifetime_s=20.0)
    node.associate(service_account="other", lifetime_s=20.0)
    agent.ask(node.token())
    assert agent.metric("pod_identity_agent_entries") == 1
    eventually(lambda: agent.metric("pod_identity_agent_entries") == 0, 60, "the entry ends")
    assert agent.upstream() <= 3


def test_renewals_keep_their_rate(start_agent: Start, node: Emulator) -> None:
    """--max-service-qps is what it says: 2 a second, not 2 a minute, and not all at once."""
    agent = start_agent("--max-credential-retention-before-renewal", "3s", "--max-service-qps", "2")
    tokens = [node.token() for _ in range(12)]
    for token in tokens:
        assert agent.ask(token).status == 200
    node.forget_requests()
    begun = time.monotonic()
    eventually(lambda: [agent.ask(token) for token in tokens] and agent.upstream() >= 12, 40, "all are renewed")
    took = time.monotonic() - begun
    times = sorted(seen["monotonic"] for seen in node.call("GET", "/requests?service=eks-auth-api")["requests"])
    assert times[11] - times[0] >= 11 / 2 - 1.0, times
    assert took < 30


def test_first_fetches_go_before_renewals(start_agent: Start, node: Emulator) -> None:
    """Renewals that hang have at most half of the slots."""
    agent = start_agent(*SOON, "--max-concurrency", "2", "--max-service-qps", "100")
    tokens = [node.token() for _ in range(6)]
    for token in tokens:
        agent.ask(token)
    slow(node, 8.0, times=1)
    node.forget_requests()
    eventually(lambda: [agent.ask(token) for token in tokens] and agent.upstream() >= 1, 20, "a renewal hangs")
    begun = time.monotonic()
    assert agent.ask(node.token()).status == 200
    assert time.monotonic() - begun < 5


# --- outages


@pytest.mark.parametrize("outage", ["closed", "deaf", "hangup", "503", "throttled", "node denied", "node unknown", "not EKS Auth", "wrong cluster"])
def test_cached_pods_are_served_on(start_agent: Start, node: Emulator, outage: str) -> None:
    """Whatever fails about the way or the node, also its own 403."""
    agent = start_agent(*SOON)
    token = node.token()
    assert agent.ask(token).status == 200
    faults: dict[str, Callable[[], Any]] = {
        "503": lambda: node.eks_auth_error("ServiceUnavailableException"),
        "throttled": lambda: node.eks_auth_error("ThrottlingException"),
        "node denied": lambda: node.fault("eks_auth_error", service="eks-auth", code="AccessDeniedException", status=403, times=None,
                                          message=f"User: {NODE} is not authorized to perform: eks-auth:AssumeRoleForPodIdentity"),
        "node unknown": lambda: node.fault("eks_auth_error", service="eks-auth", code="UnrecognizedClientException", status=403, times=None,
                                           message="The security token included in the request is invalid."),
        "not EKS Auth": lambda: node.fault("answer", service="eks-auth-api", status=200, body="welcome", times=None),
        "wrong cluster": lambda: node.settings(cluster_name="another"),
    }
    faults.get(outage, lambda: node.listen(outage, service="eks-auth-api"))()
    failures = 'pod_identity_cache_errors{type="Recoverable"'
    eventually(lambda: agent.ask(token).status == 200 and failures in agent.page("/metrics", metrics=True).body.decode(), 40,
               "a renewal fails")
    kept = triple(agent.ask(token).json)
    assert kept in issued(node)  # the first, or that of a renewal just before
    for _ in range(20):
        assert triple(agent.ask(token).json) == kept
    assert agent.metric("pod_identity_agent_entries") == 1


@pytest.mark.parametrize("denial", ["association", "trust", "invalid"])
def test_a_denial_ends_its_entry_and_no_other(start_agent: Start, node: Emulator, denial: str) -> None:
    agent = start_agent(*SOON)
    node.associate(service_account="other")
    token, other = node.token(), node.token(service_account="other")
    agent.ask(token), agent.ask(other)
    if denial == "association":
        node.dissociate()
    elif denial == "trust":
        node.associate(assumable=False)
    else:
        node.eks_auth_error("InvalidTokenException")
    status = 404 if denial == "association" else 400
    eventually(lambda: agent.ask(token).status == status, 15, "denied")
    assert denial == "invalid" or agent.ask(other).status == 200
    node.clear_faults()
    node.associate()
    eventually(lambda: agent.ask(token).status == 200, 40, "given again")


def test_a_slow_eks_auth_delays_no_cached_answer(start_agent: Start, node: Emulator) -> None:
    agent = start_agent()
    token = node.token()
    first = agent.ask(token)
    node.listen("mute", service="eks-auth-api")
    waiting = [threading.Thread(target=agent.ask, args=(node.token(),), kwargs={"timeout_s": 60}) for _ in range(30)]
    for thread in waiting:
        thread.start()
    eventually(lambda: agent.metric("pod_identity_agent_waiting") >= 20, 10, "they wait")
    begun = time.monotonic()
    for _ in range(200):
        assert agent.ask(token).body == first.body
    assert time.monotonic() - begun < 10
    for thread in waiting:
        thread.join()


def test_nobody_waits_longer_than_20_seconds(agent: OurAgent, node: Emulator) -> None:
    node.listen("mute", service="eks-auth-api")
    begun = time.monotonic()
    answer = agent.ask(node.token(), timeout_s=60)
    took = time.monotonic() - begun
    assert 5 < took < 25
    assert answer.status in (500, 503)


def test_whoever_waits_is_told_to_ask_again(start_agent: Start, node: Emulator) -> None:
    """EKS Auth takes requests and is silent: who waits behind another gets no answer of it."""
    agent = start_agent("--max-concurrency", "1")
    slow(node, 60.0)
    said = {answer.status: answer for answer in all_at_once(agent, [node.token(), node.token()])}
    assert set(said) <= {500, 503}  # 500: the other, whose attempts end a little earlier
    is_text(said[503], 503, "no answer came within 20 seconds; ask again")
    assert said[503].header("Retry-After") == "1"


def test_a_token_ends_for_what_is_cached_as_well(agent: OurAgent, node: Emulator) -> None:
    """To the second: the checks of a token come before the cache, and have no leeway."""
    token = node.token(expires_in_s=10)
    ends = time.time() + 10
    assert agent.ask(token).status == 200
    eventually(lambda: agent.ask(token).status != 200, 60, "the token ends")
    assert ends - 1.5 < time.time()
    is_text(agent.ask(token), 400, "Service account token failed basic claim validations: token is expired")
    assert agent.upstream() == 1


def test_an_outage_is_logged_once_and_so_is_its_end(start_agent: Start, node: Emulator) -> None:
    agent = start_agent("--log-level", "info")
    node.eks_auth_error("ServiceUnavailableException", times=6)
    for _ in range(2):
        assert agent.ask(node.token()).status == 503
    assert agent.ask(node.token()).status == agent.ask(node.token()).status == 200
    lines = [json.loads(line) for line in agent.log.splitlines() if line.startswith("{")]
    assert [line["level"] for line in lines if line["msg"] == "credentials could not be fetched" and line["level"] != "debug"] == ["warn"]
    assert sum(line["msg"] == "credentials are fetched again" for line in lines) == 1


def test_a_caller_that_goes_away_takes_nothing_with_it(agent: OurAgent, node: Emulator) -> None:
    slow(node, 2.0, times=1)
    token = node.token()
    with agent.connect() as sock:
        sock.sendall(f"GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: {token}\r\n\r\n".encode())
        eventually(lambda: agent.upstream() == 1, 5, "asked")
    assert agent.ask(token).status == 200
    assert agent.upstream() == 1


def test_failures_are_remembered(agent: OurAgent, node: Emulator) -> None:
    """For a second, then two: who asks in a loop costs EKS Auth little."""
    token = node.token(service_account="nobody")
    first = agent.ask(token)
    begun = time.monotonic()
    asked = 0
    while time.monotonic() - begun < 2.5:
        assert agent.ask(token).status == 404
        asked += 1
        time.sleep(0.01)  # the limiter is not what is looked at here
    assert asked > 20 and first.status == 404
    assert agent.upstream() <= 4
    node.associate(service_account="nobody")
    eventually(lambda: agent.ask(token).status == 200, 40, "the association counts")


# --- the budget


def test_the_table_is_full(start_agent: Start, node: Emulator) -> None:
    agent = start_agent("--max-cache-size", "3")
    tokens = [node.token() for _ in range(5)]
    for token in tokens:
        agent.ask(token)
    assert agent.upstream() == 5
    for token in tokens[2:]:
        agent.ask(token)
    assert agent.upstream() == 5
    agent.ask(tokens[0])
    assert agent.upstream() == 6
    assert agent.metric("pod_identity_agent_entries") == 3
    assert agent.metric('pod_identity_cache_state{state="evicted"}') == 3


def test_a_namespace_pays_for_itself(start_agent: Start, node: Emulator) -> None:
    agent = start_agent("--max-cache-size", "3")
    node.associate(namespace="loud", role_arn=ROLE_ARN)
    quiet = node.token()
    agent.ask(quiet)
    for _ in range(10):
        agent.ask(node.token(namespace="loud"))
    before = agent.upstream()
    agent.ask(quiet)
    assert agent.upstream() == before
