"""--remove-startup-taint: pods come to a fresh node when its agent is ready, and not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from agent.test_any_api_server import begin, server  # noqa: F401  # fixtures
from agent.test_any_cluster import any_node, associations, cluster, emulator, place, start  # noqa: F401  # fixtures
from agent.test_any_cluster import READER, Start
from harness.api_server import ApiServer
from harness.aws import needs_openssl
from harness.cluster import NODE_NAME, Cluster
from harness.emulator import Emulator
from harness.our_agent import OurAgent
from harness.places import Place
from harness.waiting import eventually

pytestmark = needs_openssl
KEY = "example.com/agent-not-ready"
OTHER = {"key": "node.example.com/maintenance", "effect": "NoSchedule"}
OURS = [{"key": KEY, "effect": "NoSchedule"}, {"key": KEY, "effect": "NoExecute"}]
NODE = f"/api/v1/nodes/{NODE_NAME}"


def taint_requests(server: ApiServer) -> list[str]:  # noqa: F811
    return [path for path in server.asked if NODE in path]


def test_it_waits_until_the_agent_is_ready(start: Start, server: ApiServer, cluster: Cluster) -> None:  # noqa: F811
    """Ready are an agent's keys and associations, too; what else the node's taints are stays."""
    server.taints = [OURS[0], OTHER, OURS[1]]
    cluster.publish("no keys")
    agent = start("--remove-startup-taint", KEY, configmap="configmap:pod-identity/associations", jwks=False, env=server.env,
                  start_with=server.mount)
    eventually(lambda: "the cluster's keys were not read" in agent.log, 10, "the complaint")
    page = agent.page("/readyz")
    assert page.status == 503 and page.body.startswith(b"not ready: the cluster's keys have not been read: https://kubernetes.default.svc:")
    assert agent.metric("pod_identity_agent_ready") == 0 and agent.page("/healthz").status == 200
    assert taint_requests(server) == [] and len(server.taints) == 3
    cluster.publish()
    eventually(lambda: server.taints == [OTHER], 20, "the taints are gone")
    eventually(lambda: "the startup taint is removed" in agent.log, 5, "the line")
    assert agent.page("/readyz").status == 200 and agent.metric("pod_identity_agent_ready") == 1
    assert taint_requests(server) == [NODE, f"PATCH {NODE}"]


def test_associations_are_waited_for(start: Start, cluster: Cluster, folder: Path) -> None:  # noqa: F811
    """A folder that is not there yet; one that vanishes later is no reason to be unready."""
    where = folder / "later"
    agent = start(configmap=str(where))
    page = agent.page("/readyz")
    assert page.status == 503 and page.body == b"not ready: the associations have not been read: the agent's log says why\n"
    assert "associations cannot be read" in agent.log
    where.mkdir()
    (where / "shop.web").write_text(f'{{"roleArn": "{READER}"}}')
    eventually(lambda: agent.page("/readyz").status == 200, 15, "ready")
    assert agent.ask(cluster.token("shop", "web")).status == 200
    where.rename(folder / "elsewhere")
    eventually(lambda: "what was read before counts on" in agent.log, 15, "the complaint")
    assert agent.page("/readyz").status == 200
    assert agent.ask(cluster.token("shop", "web", "pod-2")).status == 200
    where.mkdir()  # another folder of that name, and empty
    eventually(lambda: agent.ask(cluster.token("shop", "web")).status == 404, 15, "404")


@pytest.fixture
def on_eks(node_place: Place, node: Emulator, start_agent: Callable[..., OurAgent], folder: Path) -> Iterator[tuple[ApiServer, Callable[[], OurAgent]]]:
    """An API server, and what starts an agent of EKS beside it."""
    made = ApiServer(node_place, Cluster(folder), folder / "api")

    def run() -> OurAgent:
        return start_agent("--remove-startup-taint", KEY, env={**made.env, "NODE_NAME": NODE_NAME}, start_with=made.mount)
    yield made, run
    made.stop()


def test_on_eks(on_eks: tuple[ApiServer, Callable[[], OurAgent]]) -> None:
    server, run = on_eks  # noqa: F811
    server.taints = [OTHER]
    agent = run()
    eventually(lambda: "the node does not have the startup taint" in agent.log, 10, "the line")
    assert taint_requests(server) == [NODE] and server.taints == [OTHER]


def test_what_fails_is_tried_again(on_eks: tuple[ApiServer, Callable[[], OurAgent]], node: Emulator) -> None:
    server, run = on_eks  # noqa: F811
    server.taints, server.status = [OURS[0]], 403
    agent = run()
    eventually(lambda: "the startup taint cannot be removed: no pod comes to this node" in agent.log, 10, "the complaint")
    assert "give the agent's service account the rights of startup-taint.yaml" in agent.log
    assert agent.ask(node.token()).status == 200  # pods that are there are served
    server.status = None
    eventually(lambda: server.taints == [], 20, "the taint is gone")


def test_a_taint_that_moves_meanwhile(on_eks: tuple[ApiServer, Callable[[], OurAgent]]) -> None:
    """Somebody else's change between reading and patching: the patch tests what it removes, and is made anew."""
    server, run = on_eks  # noqa: F811
    server.taints = [OURS[0]]

    def change() -> None:
        server.taints = [OTHER, OURS[0]]
    server.before_patch = change
    run()
    eventually(lambda: server.taints == [OTHER], 20, "ours is gone, the other one stays")
    assert taint_requests(server) == [NODE, f"PATCH {NODE}"] * 2
