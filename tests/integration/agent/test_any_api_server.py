"""Keys and associations from the API server: asked by its address, verified as kubernetes.default.svc, watched."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from agent.test_any_cluster import (  # noqa: F401  # fixtures
    READER, WRITER, Start, any_node, associations, cluster, emulator, place, start, sts_count)
from harness.any_agent import AnyAgent
from harness.api_server import ApiServer
from harness.aws import needs_openssl
from harness.cluster import Cluster, Key
from harness.emulator import Emulator
from harness.places import Place
from harness.programs import Run
from harness.reports import assert_failed
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = needs_openssl


@pytest.fixture
def server(place: Place, cluster: Cluster, folder: Path) -> Iterator[ApiServer]:  # noqa: F811
    """With one association."""
    made = ApiServer(place, cluster, folder / "api")
    made.patch(shop__web={"roleArn": READER})
    yield made
    made.stop()


@pytest.fixture
def watching(start: Start, server: ApiServer) -> AnyAgent:  # noqa: F811
    """An agent that has nothing but the API server."""
    return begin(start, server)


def begin(start: Start, server: ApiServer) -> AnyAgent:  # noqa: F811
    return start(configmap="configmap:pod-identity/associations", jwks=False, env=server.env, start_with=server.mount)


def status(agent: AnyAgent, token: str) -> int:
    return agent.ask(token).status


def test_patches_count_at_once(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    token = cluster.token("shop", "web")
    eventually(lambda: status(watching, token) == 200, 10, "the first association")
    before = watching.ask(token).body
    eventually(lambda: any("watch=1" in path for path in server.asked), 10, "the watch")
    server.patch(shop__web={"roleArn": WRITER})
    eventually(lambda: watching.ask(token).body != before, 5, "the other role")
    server.patch(shop__web=None)
    eventually(lambda: status(watching, token) == 404, 5, "404")
    server.patch(shop__web={"roleArn": READER})
    eventually(lambda: status(watching, token) == 200, 5, "200")
    server.delete()
    eventually(lambda: status(watching, token) == 404, 5, "404")
    assert len([path for path in server.asked if "watch=1" not in path]) == 2  # keys and list, once


def test_watches_that_end(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    token = cluster.token("shop", "web")
    eventually(lambda: status(watching, token) == 200, 10, "the first association")
    eventually(lambda: any("watch=1" in path for path in server.asked), 10, "the watch")
    server.hang_up()
    server.patch(shop__web=None)
    eventually(lambda: status(watching, token) == 404, 10, "the patch, by the next watch")
    # What is too old is listed anew.
    lists = sum("watch=1" not in path for path in server.asked)
    server.send({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
    server.hang_up()
    eventually(lambda: sum("watch=1" not in path for path in server.asked) > lists, 10, "another list")
    server.patch(shop__web={"roleArn": READER})
    eventually(lambda: status(watching, token) == 200, 10, "200")


def lists(server: ApiServer) -> int:
    """How often the ConfigMap was listed."""
    return sum("/configmaps" in path and "watch=1" not in path for path in server.asked)


def test_an_error_ends_a_watch_that_the_server_leaves_open(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    """Else a removed association would count until the watch's own end, after minutes."""
    token = cluster.token("shop", "web")
    eventually(lambda: status(watching, token) == 200, 10, "the first association")
    eventually(lambda: any("watch=1" in path for path in server.asked), 10, "the watch")
    server.send({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
    eventually(lambda: lists(server) == 2, 10, "another list")
    server.patch(shop__web=None)
    eventually(lambda: status(watching, token) == 404, 10, "the patch")
    assert "cannot be watched" not in watching.log


def event(data: str, version: str = '"900"', kind: str = '"MODIFIED"') -> bytes:
    return f'{{"type":{kind},"object":{{"metadata":{{"resourceVersion":{version}}},"data":{data}}}}}'.encode()


NO_EVENTS = {"no JSON": b"<html>", "cut": event("{}")[:-2], "no type": b'{"object":{}}', "no object": event("{}").replace(b'"object"', b'"thing"'),
             "no version": event("{}", "{}"), "a version for no URL": event("{}", r'"1\r\nX: y"'), "text": event('"nothing"'), "a list": event('["shop.web"]'),
             "no comma": event('{"shop.jobs":"{}" "shop.web":"{}"}'), "no comma ahead of the data": event("{}").replace(b'},"data"', b'}"data"')}


@pytest.mark.parametrize("name", NO_EVENTS)
def test_an_event_that_is_none(watching: AnyAgent, server: ApiServer, cluster: Cluster, name: str) -> None:  # noqa: F811
    """It takes nothing from anybody, is told, and the list is asked for again."""
    token = cluster.token("shop", "web")
    eventually(lambda: status(watching, token) == 200, 10, "the first association")
    eventually(lambda: any("watch=1" in path for path in server.asked), 10, "the watch")
    server.send(NO_EVENTS[name])
    eventually(lambda: "the associations cannot be watched: what is known counts on" in watching.log, 10, "the complaint")
    assert "answered what is not a ConfigMap: " in watching.log
    assert status(watching, cluster.token("shop", "web", "pod-2")) == 200
    eventually(lambda: "the associations can be watched again" in watching.log, 20, "another watch stays open")
    assert watching.log.count("associations read") == 1 and lists(server) == 2


def test_lists_without_watches(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    """A Role without the verb watch: the list counts, what is missing is said once, and nobody claims that it is over."""
    token = cluster.token("shop", "web")
    eventually(lambda: status(watching, token) == 200, 10, "the first association")
    server.watch_status = 403
    server.hang_up()
    before = lists(server)
    eventually(lambda: lists(server) >= before + 2, 20, "two lists")
    server.patch(shop__web=None)
    eventually(lambda: status(watching, token) == 404, 30, "the patch, by a list")
    assert watching.log.count("the associations cannot be watched") == 1 and "can be watched again" not in watching.log
    server.watch_status = None
    eventually(lambda: "the associations can be watched again" in watching.log, 60, "a watch stays open")


def test_an_outage(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    token = cluster.token("shop", "web")
    eventually(lambda: status(watching, token) == 200, 10, "the first association")
    server.status = 503
    server.hang_up()
    eventually(lambda: "the associations cannot be watched: what is known counts on" in watching.log, 15, "the complaint")
    assert status(watching, token) == 200
    assert status(watching, cluster.token("shop", "web", "pod-2")) == 200
    server.status = None
    server.patch(shop__web=None)
    eventually(lambda: status(watching, token) == 404, 20, "the patch")
    eventually(lambda: "the associations can be watched again" in watching.log, 20, "the watch stays open")


def test_without_rights(start: Start, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    server.status = 403
    agent = begin(start, server)
    eventually(lambda: "the cluster's keys were not read" in agent.log and "the associations cannot be watched" in agent.log, 10, "both")
    assert "answered 403: \\\"configmaps is forbidden\\\"" in agent.log
    answer = agent.ask(cluster.token("shop", "web"))
    assert answer.status == 503 and b"no keys of the cluster" in answer.body
    server.status = None
    eventually(lambda: status(agent, cluster.token("shop", "web")) == 200, 20, "200")


def test_another_server_is_not_believed(start: Start, server: ApiServer, cluster: Cluster, place: Place, folder: Path) -> None:  # noqa: F811
    other = ApiServer(place, cluster, folder / "other")
    try:
        agent = start(configmap="configmap:pod-identity/associations", jwks=False, env=other.env, start_with=server.mount)
        eventually(lambda: "the cluster's keys were not read" in agent.log, 10, "the complaint")
        assert "https://kubernetes.default.svc:" in agent.log and " at 127.0.0.1" in agent.log
        assert other.asked == []
    finally:
        other.stop()


def test_a_new_key(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    """An unknown key prompts one reading, for which the token waits."""
    eventually(lambda: status(watching, cluster.token("shop", "web")) == 200, 10, "200")
    second = Key.__new__(Key)
    second.kid, second.kind, second.path = "second", "RS256", cluster.folder / "second.pem"
    cluster.publish(json.dumps({"keys": [cluster.keys[0].jwk, second.jwk]}))
    token = cluster.token("shop", "web", "pod-2", second)
    eventually(lambda: status(watching, token) == 200, 20, "the new key")
    assert sum(path == "/openid/v1/jwks" for path in server.asked) == 2


def test_a_large_configmap(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    changes: dict[str, Any] = {f"many__account-{i}": {"roleArn": READER, "policy": "{}" + " " * 900} for i in range(1000)}
    server.patch(**changes)
    eventually(lambda: '"usable":1001' in watching.log, 20, "all of them")
    assert status(watching, cluster.token("shop", "web")) == 200
    assert status(watching, cluster.token("many", "account-1000", "pod-9")) == 404


def test_binary_values_are_named(watching: AnyAgent, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    """What kubectl makes of a file that is not UTF-8 (an editor's UTF-16) is no association, and not a key that is not there."""
    eventually(lambda: status(watching, cluster.token("shop", "web")) == 200, 10, "the first association")
    server.patch(shop__web=json.dumps({"roleArn": READER}).encode("utf-16"))
    eventually(lambda: status(watching, cluster.token("shop", "web")) == 404, 10, "404")
    assert b"cannot be used: the agent's log says why" in watching.ask(cluster.token("shop", "web", "pod-2")).body
    assert '"key":"shop.web"' in watching.log and "binaryData" in watching.log
    assert watching.metric("pod_identity_agent_associations_unusable") == 1
    server.patch(shop__web={"roleArn": READER})
    eventually(lambda: status(watching, cluster.token("shop", "web")) == 200, 10, "200")


def test_a_review_of_each_token(start: Start, server: ApiServer, cluster: Cluster, emulator: Emulator) -> None:  # noqa: F811
    """Pods that are gone get nothing, though their tokens live on; who has been taken costs no second review."""
    server.gone.add("pod-2")
    agent = start("--token-review", configmap="configmap:pod-identity/associations", jwks=False, env=server.env, start_with=server.mount)
    token = cluster.token("shop", "web")
    eventually(lambda: status(agent, token) == 200, 10, "200")
    assert agent.ask(token).status == 200
    assert status(agent, cluster.token("shop", "web", exp=cluster.claims("shop", "web")["exp"] + 60)) == 200  # the same pod's next one
    gone = agent.ask(cluster.token("shop", "web", "pod-2"))
    assert gone.status == 400 and b"(InvalidTokenException): the API server does not take the token: \"pod is gone\"" in gone.body
    assert sum(path.endswith("/tokenreviews") for path in server.asked) == 2
    assert sts_count(emulator) == 1
    server.status = 403
    answer = agent.ask(cluster.token("shop", "web", "pod-3"))
    assert answer.status == 503 and b"tokenreviews is forbidden" in answer.body
    assert agent.ask(token).status == 200


def test_a_review_at_each_renewal(start: Start, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    """A pod that has got credentials and is gone then loses its entry; an API server that does not answer takes none away."""
    agent = start("--token-review", "--max-credential-retention-before-renewal=1s", configmap="configmap:pod-identity/associations", jwks=False, env=server.env,
                  start_with=server.mount)
    token = cluster.token("shop", "web")
    eventually(lambda: status(agent, token) == 200, 10, "200")
    server.status = 503
    failed = 'pod_identity_cache_errors{type="Recoverable"'
    eventually(lambda: status(agent, token) == 200 and failed in agent.page("/metrics", metrics=True).body.decode(), 30, "a review that fails")
    assert status(agent, token) == 200
    server.gone.add("pod-1")
    server.status = None
    eventually(lambda: status(agent, token) == 400, 120, "the pod is gone")
    assert agent.metric("pod_identity_agent_entries") == 0


def test_what_init_advises(watching: AnyAgent, server: ApiServer, cluster: Cluster, emulator: Emulator, run_init: Callable[..., Run],  # noqa: F811
                           folder: Path) -> None:
    """The ConfigMap to change, not a command of EKS; on EKS it is the other way round (init's own tests)."""
    def remedy(account: str, reason: str) -> str:
        mounted = ProjectedToken(Path(tempfile.mkdtemp(dir=folder)), cluster.token("shop", account, f"{account}-1"))
        pod = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": watching.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(mounted)}
        run = run_init(env=pod)
        assert_failed(run, reason)
        assert "aws eks" not in run.failure["remedy"] and "EKS Auth" not in run.failure["remedy"]
        return str(run.failure["remedy"])

    eventually(lambda: status(watching, cluster.token("shop", "web")) == 200, 10, "the first association")
    said = remedy("jobs", "ACCESS_DENIED")
    command = re.search(r"kubectl -n pod-identity patch configmap associations --type=merge -p '(.*)'", said)
    assert command, said
    patch = json.loads(command[1])
    assert {key: json.loads(value) for key, value in patch["data"].items()} == {"shop.jobs": {"roleArn": "ROLE"}}
    server.patch(shop__jobs={"roleArn": "ROLE"})
    eventually(lambda: "cannot be used" in watching.ask(cluster.token("shop", "jobs", "jobs-1")).body.decode(), 10, "it is read")
    assert "correct the value of shop.jobs" in remedy("jobs", "ACCESS_DENIED")
    server.patch(shop__jobs={"roleArn": READER})  # which trusts shop/web alone
    eventually(lambda: status(watching, cluster.token("shop", "jobs", "jobs-1")) == 400, 10, "it is read")
    assert "sts:AssumeRoleWithWebIdentity for the cluster's OIDC provider" in remedy("jobs", "ACCESS_DENIED")
    emulator.fault("aws_error", service="sts", code="ServiceUnavailable", status=503, message="busy", times=None)
    assert "STS, or the API server" in remedy("web", "THROTTLED")
    emulator.clear_faults()
    emulator.listen("closed", service="sts")
    server.patch(shop__store={"roleArn": READER})
    eventually(lambda: status(watching, cluster.token("shop", "store", "store-1")) == 503, 20, "STS cannot be reached")
    assert "STS, or the API server" in remedy("store", "THROTTLED")
    emulator.listen("open", service="sts")
