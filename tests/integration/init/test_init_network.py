"""pod-identity-init: the way to the agent, in network namespaces that are as broken as the message says, and what waiting tells."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.places import AGENT_IPV4, AGENT_IPV6, Namespace
from harness.programs import Run, Runner
from harness.reports import assert_failed, assert_ok

URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
URI4, URI6 = f"http://{AGENT_IPV4}/v1/credentials", f"http://[{AGENT_IPV6}]/v1/credentials"
netns = pytest.mark.parametrize("place", ["netns"], indirect=True)


@pytest.fixture
def broken(runner: Runner, bare_netns: Namespace) -> Namespace:
    """A namespace without a way to the agent, in which the programs run."""
    runner.place = bare_netns
    return bare_netns


@pytest.fixture
def ask(run_init: Callable[..., Run], injected: dict[str, str], broken: Namespace) -> Callable[..., Run]:
    """ask(uri, *options) -> Run inside the broken namespace."""
    def run(uri: str = URI4, *options: str, **how: Any) -> Run:
        return run_init(*options, env={**injected, URI: uri}, **how)
    return run


def inside(place: Namespace, *argv: str) -> None:
    """Runs a program inside, which must succeed."""
    subprocess.run(place.command(argv), check=True, capture_output=True)


def test_no_route(ask: Callable[..., Run]) -> None:
    assert_failed(ask(), "AGENT_UNREACHABLE", "found no route", "Network unreachable", "CNI")


@pytest.mark.parametrize(("kind", "says"), [("unreachable", "found no route"), ("prohibit", "was prohibited on this side"),
                                            ("blackhole", "was prohibited on this side")])
def test_routes_that_lead_nowhere(ask: Callable[..., Run], broken: Namespace, kind: str, says: str) -> None:
    broken.ip("route", "add", kind, AGENT_IPV4)
    text = assert_failed(ask(), "AGENT_UNREACHABLE", says)
    assert ("NetworkPolicy" in text) == ("prohibited" in says)


def test_refused(ask: Callable[..., Run], broken: Namespace) -> None:
    broken.ip("addr", "add", f"{AGENT_IPV4}/32", "dev", "lo")
    text = assert_failed(ask(), "AGENT_UNREACHABLE", "was refused", "DaemonSet", "not running on this node", "spec.nodeName=ip-10-0-12-34")
    assert "NetworkPolicy" not in text


@pytest.mark.parametrize(("address", "says"), [("127.0.0.1:9911", "take AWS_CONTAINER_CREDENTIALS_FULL_URI and"), ("169.254.170.2", f"the address of ECS: use the agent's, {URI4}")])
def test_refused_elsewhere(ask: Callable[..., Run], broken: Namespace, address: str, says: str) -> None:
    """The app's variables on the init container, and those of ECS: no DaemonSet is missing."""
    broken.ip("addr", "add", "169.254.170.2/32", "dev", "lo")
    text = assert_failed(ask(f"http://{address}/v1/credentials"), "AGENT_UNREACHABLE", "was refused", says)
    assert "DaemonSet" not in text


@pytest.mark.parametrize("bearer", ["/run/pod-identity/http-token", "", None])
def test_what_is_the_apps(ask: Callable[..., Run], injected: dict[str, str], tmp_path: Path, bearer: str | None) -> None:
    """Both of the app's variables on the init container: the bearer is not there yet, or no token, and no name of another's is a bearer."""
    path = tmp_path / ("http-token" if bearer == "" else "token")
    path.write_text("7RFh3M_hsXsgtrCmJA4vSYqkr8_a3h4XLowoEG8xpXk")
    path.chmod(0o644)
    injected["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = bearer or str(path)
    text = assert_failed(ask("http://127.0.0.1:9911/v1/credentials"), "TOKEN_UNREADABLE" if bearer else "TOKEN_INVALID")
    assert ("a sidecar's endpoint and bearer are for the app's container only" in text) == (bearer is not None)
    text = assert_failed(ask(URI4), "TOKEN_UNREADABLE" if bearer else "TOKEN_INVALID")
    assert "app's container" not in text


def test_no_ipv6(ask: Callable[..., Run], broken: Namespace) -> None:
    inside(broken, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
    assert_failed(ask(URI6), "AGENT_UNREACHABLE", "no address of that IP version", "no IPv6", URI4)


@pytest.fixture(params=["rule", "cable"])
def dropping(request: pytest.FixtureRequest, broken: Namespace) -> Iterator[Namespace]:
    """Packets to the agent vanish: by a drop rule, as a NetworkPolicy makes them, or into a cable that nobody is at."""
    if request.param == "rule":
        if not shutil.which("nft"):
            pytest.skip("no nft (make setup-test)")
        inside(broken, "nft", "add table ip t; add chain ip t o { type filter hook output priority 0; }; "
               f"add rule ip t o ip daddr {AGENT_IPV4} counter drop")
        broken.ip("addr", "add", f"{AGENT_IPV4}/32", "dev", "lo")
    else:
        broken.ip("link", "add", "cable0", "type", "veth", "peer", "name", "cable1")
        for end in ("cable0", "cable1"):
            broken.ip("link", "set", end, "up")
        broken.ip("addr", "add", "10.9.9.1/24", "dev", "cable0")
        broken.ip("route", "add", AGENT_IPV4, "dev", "cable0")
        broken.ip("neigh", "add", AGENT_IPV4, "lladdr", "02:00:00:00:00:99", "dev", "cable0")
    yield broken


def test_dropped(ask: Callable[..., Run], dropping: Namespace) -> None:
    run = ask()
    assert_failed(run, "AGENT_UNREACHABLE", "timed out while connecting", "NetworkPolicy", "host firewall")
    assert 1.5 < run.seconds < 5


def test_dropped_while_waiting(ask: Callable[..., Run], dropping: Namespace) -> None:
    run = ask(wait="2s", text=True)
    assert run.exit_code == 20
    assert 1.5 < run.seconds < 6
    assert len(run.stderr.splitlines()) == 1, run.stderr


@EMULATORS
def test_way_that_opens_is_noticed_soon(run_init: Callable[..., Run], emulator: Emulator) -> None:
    """Also where packets were dropped: the kernel itself would repeat them only after a second."""
    emulator.listen("deaf")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_init, wait="60s")
        time.sleep(2.2)  # not for a state to come: by then a repetition of the kernel's would be far away
        opened = time.monotonic()
        emulator.listen("open")
        assert_ok(running.result(60))
    assert emulator.requests()[0]["monotonic"] - opened < 1.0  # `make bench` measures it


# --- the other address


@netns
def test_other_family_is_reported(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator) -> None:
    report = assert_ok(run_init("--try-other-family", env={**injected, URI: URI4}))
    message = next(check for check in report["checks"] if check["id"] == "agent.reachable")["message"]
    assert f"GET http://[{AGENT_IPV6}]/ answered 404, an agent is alive there" in message
    assert [(one["path"], "Authorization" in dict(one["headers"])) for one in emulator.requests()] == [("/v1/credentials", True), ("/", False)]


@netns
def test_other_family_is_not_asked_without_the_option(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert_ok(run_init())
    assert emulator.count() == 1


@netns
@pytest.mark.parametrize(("uri", "address", "other"), [(URI4, f"{AGENT_IPV4}/32", URI6), (URI6, f"{AGENT_IPV6}/128", URI4)])
def test_other_family_lives(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator, uri: str, address: str, other: str) -> None:
    emulator.place.ip("addr", "del", address, "dev", "lo")
    try:
        run = run_init("--try-other-family", env={**injected, URI: uri})
        assert_failed(run, "AGENT_UNREACHABLE", uri, "an agent is alive there", f"{URI}={other}")
        assert "Authorization" not in dict(emulator.requests()[-1]["headers"])
        assert "alive" not in assert_failed(run_init(env={**injected, URI: uri}), "AGENT_UNREACHABLE", uri)
    finally:
        emulator.place.ip("addr", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))


def test_other_family_is_as_dead(ask: Callable[..., Run]) -> None:
    assert_failed(ask(URI4, "--try-other-family"), "AGENT_UNREACHABLE", URI4, f"GET http://[{AGENT_IPV6}]/ found no route, no agent is alive there")


@pytest.mark.place("loopback")
def test_no_other_family(run_init: Callable[..., Run], emulator: Emulator) -> None:
    run = run_init("--try-other-family")
    assert_ok(run)
    assert "has no counterpart" in run.stdout


# --- a living agent, or a failing exchange


@pytest.mark.parametrize("fault", [{"kind": "close"}, {"kind": "reset"}, {"kind": "garbage"}, {"kind": "truncate"},
                                   {"kind": "answer", "body": "<html>"}, {"kind": "answer", "status": 404}])
@EMULATORS
def test_probe_finds_a_living_agent(run_init: Callable[..., Run], emulator: Emulator, fault: dict[str, Any]) -> None:
    emulator.fault(**fault, path="/v1/credentials", times=None)
    run = run_init()
    assert run.exit_code in (20, 23)
    assert "answered 404, so an agent is alive there" in run.failure["message"]
    probe = emulator.requests()[-1]
    assert probe["path"] == "/" and "Authorization" not in dict(probe["headers"])


@pytest.mark.parametrize("fault", [{"kind": "close"}, {"kind": "answer", "body": "<html>"}])
@EMULATORS
def test_probe_finds_none(run_init: Callable[..., Run], emulator: Emulator, fault: dict[str, Any]) -> None:
    emulator.fault(**fault, times=None)
    assert "no living agent is there" in run_init().failure["message"]


@EMULATORS
def test_probe_after_a_hung_exchange(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("hang", path="/v1/credentials", times=None)
    run = run_init(wait="2s")
    assert_failed(run, "AGENT_UNREACHABLE", "timed out while waiting", "an agent is alive there", "EKS Auth")


def test_no_probe_after_a_clear_answer(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    assert_failed(run_init(), "ACCESS_DENIED")
    assert emulator.count() == 1


# --- progress


@EMULATORS
def test_progress_tells_each_change_once(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.listen("closed")
    emulator.fault("answer", status=503, times=2)
    emulator.fault("eks_auth_error", service="eks-auth", code="ResourceNotFoundException", times=1)
    emulator.listen("open", after_s=1)
    run = run_init(wait="60s", text=True)
    assert run.exit_code == 0
    lines = run.stderr.splitlines()
    assert [line.split("cause=")[1].split()[0] for line in lines[:-1]] == ["refused", "status-5xx", "ResourceNotFoundException"]
    assert "credentials received" in lines[-1]
