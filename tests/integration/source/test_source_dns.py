"""Names on the way to STS: what DNS servers and resolv.conf do in clusters, and that nothing waits for them."""

from __future__ import annotations

import signal
import time
from typing import Any, Callable

import pytest

from harness.aws import Aws, needs_openssl
from harness.emulator import Emulator
from harness.programs import Run
from harness.reports import assert_failed
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("netns"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]
NAME = "other.example"  # which the certificate "wrong-host" is for
POD = ("nameserver {server}\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example.com\noptions ndots:5{more}\n")


@pytest.fixture
def name_server(emulator: Emulator) -> Callable[..., None]:
    """Starts the name server, and lets the namespace use it as a pod does."""

    def start(server: str = "127.0.0.1", more: str = " timeout:1 attempts:1", conf: str | None = None, hosts: str = "") -> None:
        emulator.name_server(host=server, port=53)
        place: Any = emulator.place
        place.use_name_server(conf=conf or POD.format(server=server, more=more), hosts=hosts)
        emulator.names(names={NAME: ["127.0.0.1"]}, zones={}, types={})
    return start


@pytest.fixture
def env(emulator: Emulator, write_token: Callable[..., ProjectedToken]) -> dict[str, str]:
    """IRSA, with STS by that name."""
    aws = Aws(emulator)
    found = aws.irsa(write_token(emulator.token(audience="sts.amazonaws.com")), "wrong-host")
    port = found["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    return {**found, "AWS_ENDPOINT_URL_STS": f"https://{NAME}:{port}"}


@pytest.mark.parametrize("answers", [
    {}, {"zones": {"corp.example.com": "servfail"}}, {"zones": {"corp.example.com": "empty"}}, {"zones": {"corp.example.com": "refused"}},
    {"zones": {"cluster.local": "silent"}}, {"zones": {"cluster.local": "garbage"}}, {"types": {"AAAA": "servfail"}}, {"types": {"AAAA": "refused"}},
    {"types": {"AAAA": "notimp"}}, {"types": {"AAAA": "nxdomain"}}, {"types": {"AAAA": "silent"}}, {"types": {"AAAA": "truncated"}, "tcp": False},
    {"lost": 2}, {"forged": True}, {"mode": "truncated"}, {"types": {"A": "truncated"}}, {"delay_s": 0.4},
    {"names": {NAME: ["one.example."], "one.example": ["a-rather-long-second.name.example."], "a-rather-long-second.name.example": ["127.0.0.1"]}},
    {"names": {NAME: ["127.0.0.1", "2001:db8::1"]}}, {"names": {NAME: [f"127.0.0.{i}" for i in range(1, 200)]}},
], ids=str)
def test_resolved(run_init: Init, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None], answers: dict[str, Any]) -> None:
    """The name is asked as it stands first, and one IP version's failure does not lose the other."""
    name_server(more=" timeout:3 attempts:1")
    emulator.names(**answers)
    run = run_init(env=env)
    assert run.exit_code == 0, run.stdout
    assert not [name for name in emulator.names_asked() if "cluster.local" in name or "corp" in name]


@pytest.mark.parametrize("server", ["127.0.0.1", "::1"])
def test_name_servers_of_both_ip_versions(run_init: Init, env: dict[str, str], name_server: Callable[..., None], server: str) -> None:
    name_server(server)
    assert run_init(env=env).exit_code == 0


@pytest.mark.parametrize("first", ["127.0.0.9", "192.0.2.1", "2001:db8::53"])
def test_the_second_server_answers(run_init: Init, env: dict[str, str], name_server: Callable[..., None], first: str) -> None:
    """The first is refused, or has no route."""
    name_server(conf=f"nameserver {first}\nnameserver 127.0.0.1\n")
    run = run_init(env=env)
    assert run.exit_code == 0 and run.seconds < 5, run.stdout


def test_hosts(run_init: Init, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None]) -> None:
    name_server(hosts=f"127.0.0.1 unrelated {NAME.upper()}")
    emulator.names(mode="silent")
    assert run_init(env=env).exit_code == 0
    assert emulator.names_asked() == []


def test_search(run_init: Init, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None]) -> None:
    """A name without a dot is looked for in the list first, one with a dot after it was asked as it stands."""
    name_server()
    port = env["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    emulator.names(names={"sts.cluster.local": ["127.0.0.1"], "sts.infra.svc.cluster.local": ["127.0.0.1"]})
    for host, asked in (("sts", "sts.shop.svc.cluster.local A"), ("sts.infra", "sts.infra A")):
        before = len(emulator.names_asked())
        assert_failed(run_init(env={**env, "AWS_ENDPOINT_URL_STS": f"https://{host}:{port}"}), "TLS_FAILED", "another host")
        assert emulator.names_asked()[before] == asked
    before = len(emulator.names_asked())
    assert_failed(run_init(env={**env, "AWS_ENDPOINT_URL_STS": f"https://absolute.example.:{port}"}), "AWS_UNREACHABLE", "knows no such name")
    assert {name.split()[0] for name in emulator.names_asked()[before:]} == {"absolute.example"}


@pytest.mark.parametrize(("answers", "says", "remedy"), [
    ({"mode": "nxdomain"}, "127.0.0.1 knows no such name", "interface endpoint"), ({"mode": "empty"}, "knows no address of that name", "interface endpoint"),
    ({"mode": "servfail"}, "answered SERVFAIL", "log of CoreDNS"), ({"mode": "refused"}, "answered REFUSED", "log of CoreDNS"),
    ({"mode": "notimp"}, "answered error 4", "log of CoreDNS"), ({"mode": "truncated", "tcp": False}, "nothing by TCP", "log of CoreDNS"),
    ({"mode": "silent"}, "nameserver 127.0.0.1 port 53: no answer", "on port 53"), ({"mode": "garbage"}, "port 53: no answer", "on port 53"),
    ({"types": {"A": "silent", "AAAA": "empty"}}, "no answer", "on port 53"),
    ({"names": {NAME: ["one.example."], "one.example": [f"{NAME}."]}}, "knows no address of that name", "interface endpoint"),
], ids=str)
def test_not_resolved(run_init: Init, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None], answers: dict[str, Any], says: str,
                      remedy: str) -> None:
    name_server()
    emulator.names(**answers)
    text = assert_failed(run_init(env=env), "AWS_UNREACHABLE", "could not resolve the host name", says, remedy)
    assert ("port 443" not in text) and ("HTTPS_PROXY" not in text), text


@pytest.mark.parametrize(("conf", "says"), [
    ("nameserver 127.0.0.9\n", "127.0.0.9 port 53: Connection refused"), ("nameserver 192.0.2.1\n", "192.0.2.1 port 53: Network unreachable"),
    ("nameserver dns.example\n", "no nameserver in /etc/resolv.conf"),
])
def test_name_servers_that_cannot_be_asked(run_init: Init, emulator: Emulator, env: dict[str, str], conf: str, says: str) -> None:
    place: Any = emulator.place
    place.use_name_server(conf=conf)
    run = run_init(env=env)
    assert_failed(run, "AWS_UNREACHABLE", "DNS did not answer", says, "port 53")
    assert run.seconds < 10


def test_a_proxy_by_name(run_init: Init, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None]) -> None:
    """Only the proxy's name is asked for; the server's is the proxy's affair."""
    name_server()
    port = emulator.serve("proxy")["port"]
    emulator.names(names={"proxy.corp": ["127.0.0.1"]})
    target = env["AWS_ENDPOINT_URL_STS"].removeprefix("https://")
    run_init(env={**env, "HTTPS_PROXY": f"http://proxy.corp:{port}"})
    assert emulator.proxied()[0] == target
    assert {name.split()[0] for name in emulator.names_asked()} == {"proxy.corp"}
    emulator.names(mode="silent")
    assert_failed(run_init(env={**env, "HTTPS_PROXY": f"http://proxy.corp:{port}"}), "AWS_UNREACHABLE", "HTTPS_PROXY", "port 53: no answer")


@pytest.mark.parametrize("answers", [{"mode": "silent"}, {"delay_s": 30}, {"mode": "truncated", "delay_s": 30}], ids=str)
def test_the_end_waits_for_no_name(start_sidecar: Start, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None],
                                   answers: dict[str, Any]) -> None:
    """While a name is being resolved, requests are answered and SIGTERM ends at once."""
    name_server(more="")
    emulator.names(**answers)
    sidecar = start_sidecar(env=env, ready=False).wait_serving()
    eventually(lambda: emulator.names_asked(), 10, "a question")
    started = time.monotonic()
    for _ in range(20):
        assert sidecar.get("/healthz").status == 200
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.process.wait(10) == 0
    assert time.monotonic() - started < 6, "a name that is looked for holds nothing"


def test_dns_comes_back(start_sidecar: Start, emulator: Emulator, env: dict[str, str], name_server: Callable[..., None]) -> None:
    """Under the sandbox, which allows what a name needs: UDP, and TCP for what is truncated."""
    name_server()
    emulator.names(mode="servfail")
    sidecar = start_sidecar(env=env, ready=False).wait_serving()
    eventually(lambda: "SERVFAIL" in sidecar.stderr, 20, "a refresh that fails")
    emulator.names(mode="truncated")
    eventually(lambda: sidecar.get("/readyz").status == 200, 40, "credentials")
    check_container(sidecar.get())
    assert f"{NAME} A TCP" in emulator.names_asked()
