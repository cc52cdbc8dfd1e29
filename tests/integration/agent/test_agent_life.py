"""Start, addresses, user, sandbox, probes, end, and what it costs."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import pytest

from harness.emulator import Emulator
from harness.http import Answer, request_bytes
from harness.our_agent import OurAgent
from harness.places import AGENT_IPV4, AGENT_IPV6, Place
from harness.programs import Binaries, Runner
from harness.sizes import small_pages
from harness.waiting import eventually

Start = Callable[..., OurAgent]


def status_of(agent: OurAgent, name: str) -> str:
    """A line of /proc/PID/status."""
    for line in Path(f"/proc/{agent.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.partition(":")[2].strip()
    raise AssertionError(name)


def test_it_becomes_nobody(agent: OurAgent) -> None:
    """Root until the ports are bound; then another user without capabilities, in the sandbox."""
    assert os.geteuid() == 0
    assert status_of(agent, "Uid").split() == ["65532"] * 4
    assert status_of(agent, "Gid").split() == ["65532"] * 4
    assert status_of(agent, "Groups") == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status_of(agent, name), 16) == 0
    assert status_of(agent, "NoNewPrivs") == "1"
    assert status_of(agent, "Seccomp") == "2"


def test_probes(agent: OurAgent) -> None:
    for metrics in (False, True):
        assert agent.page("/healthz", metrics).status == 200
        eventually(lambda: agent.page("/readyz", metrics).status == 200, 5, "ready")
        assert agent.page("/other", metrics).status == 404
    assert agent.page("/metrics", metrics=True).header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert agent.page("/metrics").status == 404


def hold(place: Place, address: str, port: int = 80) -> socket.socket:
    """Somebody else listens there."""
    sock = place.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen()
    return sock


@pytest.mark.parametrize("address", [AGENT_IPV4, AGENT_IPV6])
def test_an_address_that_is_taken(start_agent: Start, node: Emulator, node_place: Place, address: str) -> None:
    """It waits, says so, and serves once it has it."""
    other = hold(node_place, address)
    try:
        agent = start_agent(wait=False)
        eventually(lambda: agent.alive() and "cannot listen on an address of this node" in agent.log, 10, "it says so")
        answer = agent.page("/readyz")
        assert answer.status == 503 and address in answer.body.decode()
        assert agent.page("/healthz").status == 200
    finally:
        other.close()
    eventually(lambda: agent.page("/readyz").status == 200, 10, "ready")
    assert agent.ask(node.token()).status == 200
    assert agent.log.count("cannot listen on an address of this node") == 1


def test_an_address_that_the_node_does_not_have(start_agent: Start, node: Emulator) -> None:
    agent = start_agent("--bind-hosts", "[fd00:ec2::24]")
    assert "this node does not have that address" in agent.log
    assert agent.page("/readyz").status == 200
    assert agent.ask(node.token()).status == 200


def test_a_probe_port_that_is_taken(start_agent: Start, node: Emulator, node_place: Place) -> None:
    """Pods are served all the same."""
    other = hold(node_place, "127.0.0.1", 2703)
    try:
        agent = start_agent()
        assert "cannot listen for probes or metrics" in agent.log
        assert agent.ask(node.token()).status == 200
    finally:
        other.close()


@pytest.mark.parametrize(("limit", "low"), [(400, True), (2000, False)])
def test_the_limit_of_open_files(start_agent: Start, limit: int, low: bool) -> None:
    """Where it is low, it is said how many connections are left; those are served."""
    agent = start_agent(start_with=["/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"])
    lines = [json.loads(line) for line in agent.log.splitlines() if "there can be fewer connections than planned" in line]
    assert len(lines) == low
    assert all(line["level"] == "warn" and 0 < line["connections"] < line["planned"] == 1024 for line in lines)
    assert agent.ask(agent.emulator.token()).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once(agent: OurAgent, number: int) -> None:
    begun = time.monotonic()
    assert agent.stop(number) == 0
    assert time.monotonic() - begun < 5


def test_what_is_under_way_is_finished(agent: OurAgent, node: Emulator) -> None:
    node.fault("pass", service="eks-auth", delay_s=2.0, times=1)
    answers: list[Answer] = []
    token = node.token()
    thread = threading.Thread(target=lambda: answers.append(agent.ask(token)))
    thread.start()
    eventually(lambda: agent.upstream() == 1, 5, "asked")
    assert agent.stop() == 0
    thread.join()
    assert answers[0].status == 200 and answers[0].header("Connection") == "close"


def test_other_signals_do_nothing(agent: OurAgent, node: Emulator) -> None:
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
        os.kill(agent.pid, number)
    assert agent.ask(node.token()).status == 200


def test_no_credentials_of_the_node(start_agent: Start, node: Emulator) -> None:
    """It starts all the same, and says what it lacks."""
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
    agent = start_agent(env=none)
    answer = agent.ask(node.token())
    assert answer.status == 500 and answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert agent.upstream() == 0


@pytest.mark.parametrize("env, says", [
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "NODE_NAME is not set. Remedy: let the DaemonSet set NODE_NAME from spec.nodeName"),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NODE_NAME": "../x"}, "NODE_NAME is not the name of a node"),
    ({"NODE_NAME": "node-1"}, "KUBERNETES_SERVICE_HOST is not set, so that the API server's address is not known")])
def test_a_startup_taint_needs_a_node_and_a_server(runner: Runner, binaries: Binaries, env: dict[str, str], says: str) -> None:
    run = runner.run([binaries.agent, "server", "--cluster-name", "demo", "--remove-startup-taint", "example.com/x"],
                     {"AWS_REGION": "eu-central-1", **env})
    assert run.exit_code == 14 and says in run.stderr


# --- what it costs


def fill(agent: OurAgent, node: Emulator, pods: int) -> list[str]:
    """So many pods in its cache; their tokens, of 1.2 KB."""
    tokens = [node.token(claims={"padding": "x" * 60}) for _ in range(pods)]
    assert 1100 <= len(tokens[0]) <= 1400

    def ask(part: int) -> set[int]:
        with agent.connect(source=f"127.0.5.{part + 1}") as sock:
            return {agent.ask_on(sock, token).status for token in tokens[part::8]}
    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(ask, range(8))) == {200}
    assert agent.metric("pod_identity_agent_entries") == pods
    return tokens


@pytest.mark.alone
def test_memory(start_agent: Start, node: Emulator) -> None:
    """1 MiB idle, 4 MiB with 1,000 pods of 1.2 KB tokens and answers, 5 MiB at its peak."""
    idle = start_agent()
    assert idle.memory_kib()["VmRSS"] <= 1024 and small_pages(idle.pid)
    tokens = fill(idle, node, 1000)
    sizes = idle.memory_kib()
    assert sizes["VmRSS"] <= 4 * 1024, sizes
    assert sizes["VmHWM"] <= 5 * 1024, sizes
    before = idle.upstream()
    for token in tokens[::50]:
        assert idle.ask(token).status == 200
    assert idle.upstream() == before


@pytest.mark.alone
def test_memory_with_the_largest_tokens(agent: OurAgent, node: Emulator) -> None:
    """1,000 pods are known, and 100 addresses ask with tokens of 64 KiB each, which EKS Auth denies, then leaves unanswered: 5 MiB at
    its peak, and the known pods are served."""
    tokens = fill(agent, node, 1000)
    head, claims, signature = node.token(claims={"padding": "x" * 47000}).split(".")

    def flood(number: int) -> set[int]:
        statuses = set()
        for turn in range(3):
            try:
                with agent.connect(source=f"127.0.6.{number + 1}", timeout_s=5) as sock:
                    statuses.add(agent.ask_on(sock, f"{head}.{claims}.{signature}{number:03d}{turn}").status)
            except OSError:  # another large one took its room
                statuses.add(0)
        return statuses
    with ThreadPoolExecutor(100) as pool:
        statuses = set().union(*pool.map(flood, range(100)))
        assert 400 in statuses and statuses <= {0, 400, 429, 503}
        denied = agent.memory_kib()
        node.listen("mute", service="eks-auth-api")
        assert set().union(*pool.map(flood, range(100))) <= {0, 400, 429, 500, 503}
    sizes = agent.memory_kib()
    cached = 128  # as many pages of the program are mapped as lie in one piece in the kernel's cache: more on Debian 13
    assert sizes["VmHWM"] <= 5 * 1024 + cached, (denied, sizes)
    assert {agent.ask(token).status for token in tokens[::50]} == {200}
    node.listen("open", service="eks-auth-api")


@pytest.mark.alone
def test_it_sleeps(agent: OurAgent, node: Emulator) -> None:
    """Without a request, and with nothing due, it does not wake up."""
    agent.ask(node.token())
    time.sleep(3)  # a connection to EKS Auth is given up meanwhile
    switches = "voluntary_ctxt_switches"
    before = int(status_of(agent, switches))
    time.sleep(5)
    assert int(status_of(agent, switches)) - before <= 1


def test_rude_clients(agent: OurAgent, node: Emulator) -> None:
    """Slow, silent, half, never-reading ones, more than there are places: the others are served."""
    token = node.token()
    agent.ask(token)
    request = request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": token, "Connection": None})
    socks = []
    try:
        for number in range(900):
            sock = agent.connect(source=f"127.0.6.{number % 200 + 1}")
            socks.append(sock)
            sock.sendall((b"", request[:40], request * 40)[number % 3])
        for _ in range(50):
            assert agent.ask(token, source="127.0.0.9", timeout_s=10).status in (200, 429)
    finally:
        for sock in socks:
            sock.close()
