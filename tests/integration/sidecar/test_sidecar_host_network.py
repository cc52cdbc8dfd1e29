"""pod-identity-sidecar in a pod with hostNetwork: its loopback is every process's of the node, so --imds, which has no bearer, is refused."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.places import Namespace
from harness.programs import Binaries, Run, Runner
from harness.served import check_container
from harness.sidecar import Sidecar

Start = Callable[..., Sidecar]
NO = {"POD_IDENTITY_HOST_NETWORK": ""}
IMDS = "--imds=127.0.0.1:0"


@pytest.mark.place("netns")
def test_imds_is_refused_beside_the_agent(start_sidecar: Start) -> None:
    """Where the agent's address is a local one."""
    sidecar = start_sidecar(IMDS, extra_env=NO, ready=False)
    assert sidecar.wait(10) == 73
    assert all(text in sidecar.stderr for text in ("--imds=127.0.0.1:0", "hostNetwork", "169.254.170.23", "--host-network=accept"))
    assert not sidecar.socket_path.exists()


@pytest.mark.place("netns")
def test_imds_if_it_is_accepted(start_sidecar: Start) -> None:
    sidecar = start_sidecar(IMDS, "--host-network=accept", extra_env=NO)
    assert "this pod has hostNetwork" in sidecar.stderr and "169.254.170.23" in sidecar.stderr


@pytest.mark.place("netns")
@EMULATORS
def test_http_is_warned_of(start_sidecar: Start) -> None:
    sidecar = start_sidecar(extra_env=NO)
    check_container(sidecar.get_http())
    assert sidecar.stderr.count("this pod has hostNetwork") == 1


@pytest.mark.place("netns")
def test_neither_is_said_without_loopback_addresses(start_sidecar: Start) -> None:
    assert "hostNetwork" not in start_sidecar(extra_env=NO, with_http=False).stderr


@pytest.mark.parametrize("link, seen", [("cali0123456789a", True), ("cni0", True), ("eni0123456789a", True), ("eni1", False), ("docker0", False), ("eth7", False)])
def test_links_that_only_a_node_has(bare_netns: Namespace, binaries: Binaries, leaks: Any, link: str, seen: bool) -> None:
    """Without the agent's address, as on a node whose agent is not there yet."""
    bare_netns.ip("tuntap", "add", "dev", link, "mode", "tun")
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/none"}
    run = Runner(bare_netns, leaks).run([binaries.sidecar, IMDS, "--unix-socket=off", "--metrics=192.0.2.1:1"], env)
    assert run.exit_code == 73
    if seen:
        assert f"it has the link {link}" in run.stderr
    else:
        assert "--metrics=192.0.2.1:1" in run.stderr and "hostNetwork" not in run.stderr, "what is wrong comes later"


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_a_taken_port(start_sidecar: Start, emulator: Emulator, place: Any) -> None:
    """The usual cause is named, with what was seen of it."""
    first = start_sidecar()
    second = start_sidecar(f"--http=127.0.0.1:{first.port}", with_http=False, ready=False)
    assert second.wait(10) == 73
    assert "in use" in second.stderr and "hostNetwork" in second.stderr
    assert ("169.254.170.23" in second.stderr) == place.real_address


def test_an_unknown_word(run_sidecar: Callable[..., Run]) -> None:
    run = run_sidecar("--host-network=perhaps")
    assert run.exit_code == 64 and "refuse, accept" in run.stderr
