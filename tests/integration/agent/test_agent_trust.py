"""Nobody touches what is another's: forged tokens, floods of them, limits."""

from __future__ import annotations

import base64
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

from harness.emulator import NAMESPACE, Emulator
from harness.http import read_one, request_bytes
from harness.our_agent import OurAgent
from harness.places import AGENT_IPV4
from harness.waiting import eventually

Start = Callable[..., OurAgent]
UID = "7a8a7c41-1f5e-4bd0-9f4c-3cf1f8a3b001"
CLIENT, OTHER = "127.0.0.7", "127.0.0.8"  # addresses of loopback stand for pods


def pod_token(node: Emulator, uid: str = UID, **params: Any) -> str:
    """A token of that pod."""
    claims = {"kubernetes.io": {"namespace": NAMESPACE, "pod": {"name": "app-x", "uid": uid}, "serviceaccount": {"name": "app", "uid": "1"}},
              **params.pop("claims", {})}
    return node.token(claims=claims, **params)


def altered(token: str, number: int) -> str:
    """The same token with another signature."""
    signed, _, _ = token.rpartition(".")
    return f"{signed}.{base64.urlsafe_b64encode(number.to_bytes(64, 'big')).decode().rstrip('=')}"


FORGERIES: dict[str, dict[str, Any]] = {
    "forged": {"forged": True}, "audience": {"audience": "sts.amazonaws.com"}, "no association": {"service_account": "nobody"},
    "another issuer": {"claims": {"iss": "https://example.com"}, "forged": True},
    "another node": {"claims": {"kubernetes.io": {"namespace": NAMESPACE, "pod": {"name": "app-x", "uid": UID}, "node": {"name": "node-2"},
                                                  "serviceaccount": {"name": "app", "uid": "1"}}}, "forged": True}}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_uid_reaches_nothing(agent: OurAgent, node: Emulator, name: str) -> None:
    """Not the cached credentials of the pod that it claims to be; and the pod's own entry stays."""
    good = pod_token(node)
    first = agent.ask(good)
    for number in range(3):
        answer = agent.ask(pod_token(node, **FORGERIES[name]) if number else altered(good, 1))
        assert answer.status in (400, 404) and b"AccessKeyId" not in answer.body
    before = agent.upstream()
    assert agent.ask(good).body == first.body
    assert agent.upstream() == before
    assert agent.metric("pod_identity_agent_entries") == 1


def test_a_long_token_that_ends_as_another_reaches_nothing(agent: OurAgent, node: Emulator) -> None:
    """Of a long token the last bytes tell where it is looked for; all of it tells whose it is."""
    good = pod_token(node, claims={"padding": "x" * 4500})
    first = agent.ask(good)
    assert first.status == 200
    for at in (1, 40, len(good) // 4):
        other = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:]
        answer = agent.ask(other)
        assert answer.status == 400 and b"AccessKeyId" not in answer.body
    before = agent.upstream()
    assert agent.ask(good).body == first.body
    assert agent.upstream() == before


def test_forged_tokens_join_no_flight(agent: OurAgent, node: Emulator) -> None:
    """While a pod's first fetch is under way, 40 with its UID come, from its address and another: each has its own answer."""
    node.fault("pass", service="eks-auth", delay_s=2.0, times=1)
    good = pod_token(node)
    forged = [altered(good, number) for number in range(40)]
    with ThreadPoolExecutor(41) as pool:
        first = pool.submit(agent.ask, good)
        eventually(lambda: agent.upstream() == 1, 5, "the pod's fetch is under way")
        answers = list(pool.map(lambda token: agent.ask(token, source=OTHER), forged))
        assert {answer.status for answer in answers} == {400}
        assert first.result().status == 200
    assert agent.ask(good).body == first.result().body


def test_a_denial_is_nobody_elses(agent: OurAgent, node: Emulator) -> None:
    """A failure is remembered for the token and the address that sent it: a stolen token that is denied elsewhere blocks no pod."""
    good = node.token()
    node.eks_auth_error("AccessDeniedException", times=1)
    assert agent.ask(good, source=OTHER).status == 400
    assert agent.ask(good, source=OTHER).status == 400  # remembered
    assert agent.upstream() == 1
    assert agent.ask(good, source=CLIENT).status == 200


def test_the_same_token_from_two_addresses_is_two_flights_until_it_is_taken(agent: OurAgent, node: Emulator) -> None:
    node.fault("pass", service="eks-auth", delay_s=1.5, times=2)
    good = node.token()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: agent.ask(good, source=CLIENT if number % 2 else OTHER), range(20)))
    assert {answer.status for answer in answers} == {200}
    assert agent.upstream() == 2
    agent.ask(good)
    assert agent.upstream() == 2


def test_ten_thousand_tokens(agent: OurAgent, node: Emulator) -> None:
    """With the UID of a pod, from its first fetch on: they join nothing and evict nothing; it remembers little, and does not grow."""
    node.fault("pass", service="eks-auth", delay_s=7.0, times=1)
    good = pod_token(node)

    def flood(part: int) -> set[int]:
        statuses = set()
        with agent.connect(source=f"127.0.1.{part + 1}", timeout_s=60) as sock:
            for number in range(2500):
                sock.sendall(request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Connection": None,
                                                                      "Authorization": altered(good, part * 10000 + number)}))
                statuses.add(read_one(sock).status)
        return statuses
    with ThreadPoolExecutor(5) as pool:
        fetch = pool.submit(agent.ask, good, timeout_s=60)
        eventually(lambda: agent.upstream() == 1, 5, "the pod's fetch is under way")
        before = agent.memory_kib()["VmRSS"]
        assert set().union(*pool.map(flood, range(4))) <= {400, 429}
        first = fetch.result()
    assert first.status == 200
    assert agent.ask(good).body == first.body
    assert agent.metric("pod_identity_agent_entries") == 1
    assert agent.memory_kib()["VmRSS"] - before < 1024


def test_ten_thousand_pods(start_agent: Start, node: Emulator) -> None:
    """Genuine tokens of as many pods in a table of 100: it evicts, and never grows beyond its budget."""
    agent = start_agent("--max-cache-size", "100", "--max-cache-bytes", "1048576", "--max-concurrency", "16", "--log-level", "error")

    def ask(part: int) -> None:
        with agent.connect(source=f"127.0.2.{part + 1}", timeout_s=60) as sock:
            for _ in range(10_000 // 16):
                token = node.token()
                eventually(lambda token=token: agent.ask_on(sock, token).status == 200, 60, "a busy emulator may be late")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    assert agent.metric("pod_identity_agent_entries") == 100
    assert agent.metric('pod_identity_cache_state{state="evicted"}') == 9_900
    assert agent.memory_kib()["VmHWM"] < 5 * 1024
    node.reset()  # else each later test of this worker looks for 10,000 secrets


def test_large_tokens_that_nobody_takes(agent: OurAgent, node: Emulator) -> None:
    """64 KiB each, 200 of them at once, while EKS Auth hangs: a bounded number waits, the others are told to come again, the cached
    pod is served, and others are asked for."""
    good = node.token()
    first = agent.ask(good)
    node.listen("mute", service="eks-auth-api")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256"}).encode()).decode().rstrip("=")
    socks: list[socket.socket] = []
    try:
        for number in range(200):
            sock = agent.connect(source=f"127.0.3.{number % 20 + 1}")
            socks.append(sock)
            token = f"{header}.e30.{'A' * 60000}{number:04d}"
            sock.sendall(request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": token}))
        eventually(lambda: agent.metric("pod_identity_agent_waiting") >= 5, 10, "they wait")
        for _ in range(20):
            assert agent.ask(good).body == first.body
        eventually(lambda: agent.metric("pod_identity_agent_upstream_in_flight") == 1, 10, "one of 8: the other places are for others")
        assert agent.metric("pod_identity_agent_upstream_queued") <= 4
        assert agent.metric('pod_identity_agent_limited_total{by="client"}') > 0
        refused = agent.ask(f"{header}.e30.{'A' * 60000}", source="127.0.3.250")
        assert refused.status == 503 and refused.header("Retry-After") == "1"
        with ThreadPoolExecutor(4) as pool:
            others = [pool.submit(agent.ask, pod_token(node, f"other-{number}"), source=f"127.0.4.{number + 1}") for number in range(4)]
            eventually(lambda: agent.metric("pod_identity_agent_upstream_in_flight") == 5, 10, "the others' fetches are under way")
            node.listen("open", service="eks-auth-api")
            assert {other.result().status for other in others} == {200}
        assert agent.memory_kib()["VmHWM"] < 5 * 1024
    finally:
        for sock in socks:
            sock.close()
    eventually(lambda: agent.metric("pod_identity_agent_waiting") == 0, 30, "they are forgotten")


# --- limits


def hammer(agent: OurAgent, token: str | None, source: str, seconds: float) -> dict[int, int]:
    """As many requests as fit, 50 at a time, on one connection after the other."""
    counts: dict[int, int] = {}
    end = time.monotonic() + seconds
    with agent.connect(source=source) as sock:
        data = request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": token, "Connection": None})
        while time.monotonic() < end:
            sock.sendall(data * 20)
            rest = b""
            for _ in range(20):
                while b"\r\n\r\n" not in rest or len(rest) < rest.index(b"\r\n\r\n") + 4 + length(rest):
                    rest += sock.recv(65536)
                counts[int(rest[9:12])] = counts.get(int(rest[9:12]), 0) + 1
                assert b"429" not in rest[:15] or b"Retry-After: 1" in rest
                rest = rest[rest.index(b"\r\n\r\n") + 4 + length(rest):]
    return counts


def length(data: bytes) -> int:
    """The Content-Length of the first answer."""
    return int(data.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


def test_one_loop_does_not_starve_the_node(agent: OurAgent, node: Emulator) -> None:
    token, other = node.token(), node.token()
    assert agent.ask(token, source=CLIENT).status == agent.ask(other, source=OTHER).status == 200
    counts = hammer(agent, token, CLIENT, 3.0)
    assert counts.get(429, 0) > 0 and 500 <= counts[200] <= 500 + 1000 * 4
    assert agent.ask(other, source=OTHER).status == 200


def test_the_limit_of_a_pod_holds_over_its_addresses(agent: OurAgent, node: Emulator) -> None:
    """A verified pod has one allowance, wherever its token is sent from."""
    token = node.token()
    assert agent.ask(token).status == 200
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda number: hammer(agent, token, f"127.0.4.{number + 1}", 2.0), range(4)))
    served = sum(count.get(200, 0) for count in counts)
    assert served <= 500 + 1000 * 3.5
    assert sum(count.get(429, 0) for count in counts) > 0


def test_other_paths_are_not_limited(agent: OurAgent) -> None:
    with agent.connect() as sock:
        for _ in range(1500):
            sock.sendall(request_bytes("GET", "/x", {"Host": "x", "Connection": None}))
            assert read_one(sock).status == 404


def test_a_client_has_a_bounded_number_waiting(agent: OurAgent, node: Emulator) -> None:
    node.listen("mute", service="eks-auth-api")
    socks = []
    try:
        for _ in range(140):
            sock = agent.connect(source=CLIENT)
            socks.append(sock)
            sock.sendall(request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": node.token()}))
        eventually(lambda: agent.metric("pod_identity_agent_waiting") >= 90, 10, "they wait")
        assert agent.metric("pod_identity_agent_waiting") <= 128
        refused = agent.ask(node.token(), source=CLIENT)
        assert refused.status == 503 and refused.header("Retry-After") == "1"
        sock = agent.connect(source=OTHER)
        socks.append(sock)
        waiting = agent.metric("pod_identity_agent_waiting")
        sock.sendall(request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": node.token()}))
        eventually(lambda: agent.metric("pod_identity_agent_waiting") > waiting, 5, "another client may wait")
    finally:
        for sock in socks:
            sock.close()
