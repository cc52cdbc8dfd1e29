"""pod-identity-agent initialize: link, addresses and routes, in network namespaces; what is there already, and what stands in the way.

The kernel of a test machine may have no links of the type dummy: most tests make the link first, as another type.
On one that has, which Debian's is, all of them run by
`sh tests/vm.sh build/venv/bin/python -m pytest -q -p no:cacheprovider tests/integration/agent/test_initialize.py`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.places import AGENT_IPV4, AGENT_IPV6, Namespace
from harness.programs import Binaries, Run, Runner
from harness.waiting import eventually

LINK, OTHER = "pod-id-link0", "other0"
ROUTE_SHOWN = {AGENT_IPV4: ("-4",), AGENT_IPV6: ("-6",)}


def ip_json(place: Namespace, *args: str) -> list[dict[str, Any]]:
    """What `ip -json` says inside."""
    done = subprocess.run(["ip", "-json", "-netns", place.name, *args], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "[]")


def link_kind(place: Namespace, name: str) -> str:
    """The type of a link."""
    return ip_json(place, "-details", "link", "show", name)[0]["linkinfo"]["info_kind"]


def addresses(place: Namespace, link: str = LINK) -> set[str]:
    """Those of a link that are not its own link-local one, with their lengths."""
    return {f"{a['local']}/{a['prefixlen']}" for a in ip_json(place, "addr", "show", "dev", link)[0]["addr_info"]
            if not a["local"].startswith("fe80")}


def routes(place: Namespace, address: str) -> set[tuple[str, str | None]]:
    """Types and links of the main table's host routes to an address; the kernel adds one of its own for an IPv6 address."""
    found = ip_json(place, *ROUTE_SHOWN[address], "-details", "route", "show", "table", "main", "exact", address)
    return {(r.get("type", "unicast"), r.get("dev")) for r in found}


def is_up(place: Namespace, link: str = LINK) -> bool:
    """Whether it was set up."""
    return "UP" in ip_json(place, "link", "show", link)[0]["flags"]


def make_link(place: Namespace, name: str = LINK) -> None:
    """One that stands for the dummy link."""
    place.ip("link", "add", name, "type", "veth", "peer", "name", f"peer-{name[:9]}")
    place.ip("link", "set", f"peer-{name[:9]}", "up")


def assert_whole(place: Namespace, ipv6: bool = True) -> None:
    """The state that is wanted."""
    assert is_up(place)
    assert addresses(place) == {f"{AGENT_IPV4}/32"} | ({f"{AGENT_IPV6}/128"} if ipv6 else set())
    assert routes(place, AGENT_IPV4) == {("unicast", LINK)}
    assert routes(place, AGENT_IPV6) == ({("unicast", LINK)} if ipv6 else set())


@pytest.fixture
def place(bare_netns: Namespace) -> Namespace:
    """An empty namespace."""
    return bare_netns


@pytest.fixture
def initialize(place: Namespace, runner: Runner, binaries: Binaries) -> Callable[..., Run]:
    """initialize(*words, **user) -> Run in that namespace."""
    runner.place = place

    def run(*words: str, **user: Any) -> Run:
        return runner.run([binaries.agent, "initialize", *words], env={}, timeout_s=20, **user)
    return run


def has_dummies(place: Namespace) -> bool:
    """Whether the kernel knows links of that type."""
    done = subprocess.run(["ip", "-netns", place.name, "link", "add", "probe0", "type", "dummy"], capture_output=True, check=False)
    if done.returncode == 0:
        place.ip("link", "del", "probe0")
    return done.returncode == 0


def test_nothing_is_there(place: Namespace, initialize: Callable[..., Run]) -> None:
    dummies = has_dummies(place)
    run = initialize()
    if dummies:
        assert run.exit_code == 0, run.stderr
        assert link_kind(place, LINK) == "dummy"
        assert_whole(place)
    else:
        assert run.exit_code == 1
        assert f"cannot make the link {LINK}" in run.stderr and "module dummy" in run.stderr
        assert [link["ifname"] for link in ip_json(place, "link")] == ["lo"]
    assert run.stdout == ""


def test_the_link_is_there(place: Namespace, initialize: Callable[..., Run]) -> None:
    make_link(place)
    for _ in range(3):  # nothing is done twice, and nothing undone
        run = initialize("-v", "trace")  # as the chart calls it
        assert run.exit_code == 0, run.stderr
        assert_whole(place)


@pytest.mark.parametrize("lost", ["link down", "IPv4 route", "IPv6 route", "IPv4 address", "IPv6 address"])
def test_what_was_lost_is_made_anew(place: Namespace, initialize: Callable[..., Run], lost: str) -> None:
    make_link(place)
    assert initialize().exit_code == 0
    family = "-6" if "IPv6" in lost else "-4"
    address = AGENT_IPV6 if "IPv6" in lost else AGENT_IPV4
    if lost == "link down":
        place.ip("link", "set", LINK, "down")
    elif "route" in lost:
        place.ip(family, "route", "flush", "dev", LINK)  # all of them: for an IPv6 address the kernel has one of its own
        assert routes(place, address) == set()
    else:
        place.ip("addr", "del", f"{address}/{128 if family == '-6' else 32}", "dev", LINK)
    assert initialize().exit_code == 0
    assert_whole(place)


def assert_answers(place: Namespace, family: int, address: str) -> None:
    """The agent can bind it at once, as there is no duplicate address detection to wait for. IPv6's route to it is made by a worker of
    the kernel's, a moment after the address."""
    def connects() -> bool:
        with place.socket(family) as client:
            client.settimeout(5)
            return client.connect_ex((address, 80)) == 0

    with place.socket(family) as server:
        server.bind((address, 80))
        server.listen()
        eventually(connects, 5, f"{address} answers")


def test_the_address_answers(place: Namespace, initialize: Callable[..., Run]) -> None:
    make_link(place)
    assert initialize().exit_code == 0
    for family, address in ((2, AGENT_IPV4), (10, AGENT_IPV6)):
        assert_answers(place, family, address)


def test_a_node_without_ipv6(place: Namespace, initialize: Callable[..., Run]) -> None:
    make_link(place)
    subprocess.run(place.command(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; "
                                  "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"]), check=True)
    run = initialize()
    assert run.exit_code == 0
    assert "pods cannot ask over IPv6" in run.stderr and "disable_ipv6" in run.stderr
    assert_whole(place, ipv6=False)


@pytest.mark.parametrize("address", [AGENT_IPV4, AGENT_IPV6])
def test_a_route_over_another_link(place: Namespace, initialize: Callable[..., Run], address: str) -> None:
    make_link(place)
    make_link(place, OTHER)
    place.ip("link", "set", OTHER, "up")
    place.ip("route", "add", f"{address}/{32 if address == AGENT_IPV4 else 128}", "dev", OTHER)
    run = initialize()
    assert run.exit_code == (1 if address == AGENT_IPV4 else 0), run.stderr
    assert f"there is a route to {address} over another link, {OTHER}" in run.stderr
    assert f"ip route del {address} dev {OTHER}" in run.stderr
    assert ("unicast", OTHER) in routes(place, address)  # not ours to remove
    place.ip("route", "del", address, "dev", OTHER)
    assert initialize().exit_code == 0
    assert_whole(place)


@pytest.mark.parametrize("kind", ["prohibit", "unreachable", "blackhole"])
def test_a_route_that_keeps_pods_waiting(place: Namespace, initialize: Callable[..., Run], kind: str) -> None:
    """Made when the node boots, so that nobody else answers before the agent is there."""
    make_link(place)
    place.ip("route", "add", kind, AGENT_IPV4)
    place.ip("-6", "route", "add", kind, AGENT_IPV6)
    run = initialize()
    assert run.exit_code == 0, run.stderr
    assert ("unicast", LINK) in routes(place, AGENT_IPV4) and ("unicast", LINK) in routes(place, AGENT_IPV6)
    for family, address in ((2, AGENT_IPV4), (10, AGENT_IPV6)):
        assert_answers(place, family, address)


def test_many_routes(place: Namespace, initialize: Callable[..., Run]) -> None:
    """A dump of the table of a large node: some hundred kB, in many datagrams."""
    make_link(place)
    make_link(place, OTHER)
    place.ip("link", "set", OTHER, "up")
    batch = "".join(f"route add 10.{n >> 8}.{n & 255}.1/32 dev {OTHER}\n" for n in range(4000))
    subprocess.run(["ip", "-netns", place.name, "-batch", "-"], input=batch, text=True, check=True, capture_output=True)
    place.ip("route", "add", f"{AGENT_IPV4}/32", "dev", OTHER, "metric", "5")
    run = initialize()
    assert run.exit_code == 1 and f"another link, {OTHER}" in run.stderr
    place.ip("route", "del", AGENT_IPV4, "dev", OTHER)
    assert initialize().exit_code == 0
    assert_whole(place)


def test_without_the_capability(place: Namespace, initialize: Callable[..., Run]) -> None:
    make_link(place)
    run = initialize(uid=65532)
    assert run.exit_code == 1
    assert "NET_ADMIN" in run.stderr and "hostNetwork" in run.stderr
    assert addresses(place) == set()


def test_under_the_names_of_the_real_image(place: Namespace, runner: Runner, binaries: Binaries, folder: Path) -> None:
    make_link(place)
    runner.place = place
    for name in ("go-runner", "eks-pod-identity-agent"):
        (folder / name).symlink_to(binaries.agent)
    run = runner.run([folder / "go-runner", "/eks-pod-identity-agent", "initialize", "-v", "trace"], env={}, timeout_s=20)
    assert run.exit_code == 0, run.stderr
    assert_whole(place)
    run = runner.run([folder / "eks-pod-identity-agent", "initialize"], env={}, timeout_s=20)
    assert run.exit_code == 0, run.stderr
    run = runner.run([folder / "go-runner", "/bin/ip", "link"], env={}, timeout_s=20)
    assert run.exit_code == 1 and "nothing but /eks-pod-identity-agent here, and not /bin/ip" in run.stderr
