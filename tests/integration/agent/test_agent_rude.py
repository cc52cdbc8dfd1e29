"""Clients that hold on to what there is little of: places, and room for requests that are not whole. Nobody else's request fails by it."""

from __future__ import annotations

import base64
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator

import pytest

from harness.emulator import NAMESPACE, Emulator
from harness.http import read_one, request_bytes
from harness.our_agent import OurAgent
from harness.places import AGENT_IPV4
from harness.waiting import eventually

HONEST = "127.0.0.7"


def pod_token(node: Emulator, uid: str) -> str:
    """A token of that pod."""
    return node.token(claims={"kubernetes.io": {"namespace": NAMESPACE, "pod": {"name": "app-x", "uid": uid},
                                                "serviceaccount": {"name": "app", "uid": "1"}}})


def request(token: str) -> bytes:
    """For a connection that stays."""
    return request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": token, "Connection": None})


class Rude:
    """Connections that are kept, each with a forged token of its own."""

    def __init__(self, agent: OurAgent, node: Emulator) -> None:
        self.agent, self.socks, self.count = agent, list[socket.socket](), 0
        self.signed = node.token().rpartition(".")[0]

    def park(self, source: str, more: bytes = b"") -> None:
        """One more from that address, which sends something behind its request, too."""
        self.count += 1
        forged = base64.urlsafe_b64encode(self.count.to_bytes(64, "big")).decode().rstrip("=")
        self.send(source, request(f"{self.signed}.{forged}") + more)

    def send(self, source: str, data: bytes) -> None:
        """Those bytes, on a connection from there."""
        sock = self.agent.connect(source=source)
        self.socks.append(sock)
        sock.sendall(data)

    def close(self) -> None:
        """All of them."""
        while self.socks:
            self.socks.pop().close()


@pytest.fixture
def rude(agent: OurAgent, node: Emulator) -> Iterator[Rude]:
    """To be rude with."""
    one = Rude(agent, node)
    yield one
    one.close()


def test_whoever_parks_many_throws_out_their_own(agent: OurAgent, node: Emulator, rude: Rude) -> None:
    """Eight addresses park more connections than there are places, while pods wait for their first credentials: all of these get them."""
    tokens = [pod_token(node, f"honest-{number}") for number in range(6)]
    node.fault("pass", service="eks-auth", delay_s=2.5, times=100000)
    for number in range(8 * 20):
        rude.park(f"127.0.1.{number % 8 + 1}")
    with ThreadPoolExecutor(len(tokens)) as pool:
        answers = [pool.submit(agent.ask, token, source=f"127.0.2.{number + 1}") for number, token in enumerate(tokens)]
        eventually(lambda: agent.metric("pod_identity_agent_waiting") >= 166, 10, "all of them wait")
        for number in range(8 * 100):
            rude.park(f"127.0.1.{number % 8 + 1}")
        assert {answer.result().status for answer in answers} == {200}


def test_pipelining_behind_a_request_that_waits_keeps_nobody_out(agent: OurAgent, node: Emulator, rude: Rude) -> None:
    """What they send behind it takes all the room for unfinished requests: a pod whose request comes in two pieces is served all the
    same."""
    good = pod_token(node, "good")
    assert agent.ask(good, source=HONEST).status == 200
    node.listen("mute", service="eks-auth-api")
    for number in range(60):
        rude.park(f"127.0.1.{number % 2 + 1}", b"GET / HTTP/1.1\r\n")
    eventually(lambda: agent.metric("pod_identity_agent_waiting") >= 20, 10, "they wait")
    for _ in range(10):
        with agent.connect(source=HONEST) as sock:
            data = request(good)
            sock.sendall(data[:60])
            time.sleep(0.01)
            sock.sendall(data[60:])
            assert read_one(sock).status == 200


def test_memory_of_large_unfinished_requests_is_bounded_and_given_back(agent: OurAgent, node: Emulator, rude: Rude) -> None:
    """A crowd that sends most of 64 KiB, and goes: few of them are kept, whose memory is what they took."""
    assert agent.ask(node.token()).status == 200
    before = agent.memory_kib()["VmRSS"]
    head = f"GET /v1/credentials HTTP/1.1\r\nHost: {AGENT_IPV4}\r\nAuthorization: ".encode()
    for number in range(60):
        rude.send(f"127.0.3.{number + 1}", head + b"a" * 64000)
    eventually(lambda: agent.metric("pod_identity_agent_connections") <= 5, 10, "the others are cut off")
    assert agent.memory_kib()["VmHWM"] < before + 1024  # 60 of them would be 3,750 KiB
    rude.close()
    eventually(lambda: agent.metric("pod_identity_agent_connections") == 1, 10, "they are gone")
    assert agent.memory_kib()["VmRSS"] < before + 512


def test_large_tokens_from_many_addresses_take_little_memory(agent: OurAgent, node: Emulator) -> None:
    """100 addresses, each with one of 64 KiB after the other, while EKS Auth denies, and then while it hangs: 5 MiB are far."""
    head, claims, signature = node.token(claims={"padding": "x" * 47000}).split(".")

    def flood(number: int) -> set[int]:
        statuses = set()
        for turn in range(3):
            try:
                with agent.connect(source=f"127.0.6.{number + 1}", timeout_s=5) as sock:
                    sock.sendall(request(f"{head}.{claims}.{signature}{number:03d}{turn}"))
                    statuses.add(read_one(sock).status)
            except OSError:  # another large one took its room
                statuses.add(0)
        return statuses
    with ThreadPoolExecutor(100) as pool:
        statuses = set().union(*pool.map(flood, range(100)))
        assert 400 in statuses and statuses <= {0, 400, 429, 503}
        node.listen("mute", service="eks-auth-api")
        assert set().union(*pool.map(flood, range(100))) <= {0, 400, 429, 500, 503}
    assert agent.memory_kib()["VmHWM"] < 3 * 1024, agent.memory_kib()
    node.listen("open", service="eks-auth-api")
