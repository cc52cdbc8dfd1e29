"""What serves pods at the agent's addresses of a real node: our DaemonSets as they are shipped, and the emulator's agent, which the other tests
measure ours by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from cluster_fixtures import ROLE, Agents, Webhook
from harness.emulator import ACCOUNT, Emulator
from manifests import FOLDER, load
from real_cluster import Cluster, Space

POD = (FOLDER / "pod.yaml").read_text()
TAINT = "example.com/agent-not-ready"


def process_of_agent(agents: Agents) -> dict[str, str]:
    """/proc/PID/status of the running agent."""
    cluster = agents.cluster
    [pod] = cluster.items("-n", agents.namespace, "pods", "-l", "app.kubernetes.io/name=pod-identity-agent")
    [status] = [one for one in pod["status"]["containerStatuses"] if one["name"] == "agent"]
    assert status["restartCount"] == 0 and status["ready"]
    listed = cluster.on_node("ctr", "-n", "k8s.io", "tasks", "ls").stdout.splitlines()
    [pid] = [line.split()[1] for line in listed if line.startswith(status["containerID"].removeprefix("containerd://"))]
    lines = cluster.on_node("cat", f"/proc/{pid}/status").stdout.splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def test_cloud(eks: Agents, space: Space) -> None:
    """With the node's role from the metadata service; its user has no rights left."""
    space.apply(POD)
    space.ready()
    space.ask()
    found = process_of_agent(eks)
    assert found["Uid"].split() == ["65532"] * 4 and int(found["CapEff"], 16) == int(found["CapPrm"], 16) == 0
    assert int(found["VmRSS"].split()[0]) < 32 << 10


@pytest.fixture
def hybrid(agents: Agents, webhook: Webhook, cluster: Cluster, aws: Emulator) -> Iterator[Agents]:
    """On a node with that label, and credentials where nodeadm keeps them; but for the root of that path, which is the machine's."""
    caller = aws.caller(f"arn:aws:iam::{ACCOUNT}:role/hybrid-node")
    folder = cluster.run / "eks-hybrid"
    folder.mkdir(mode=0o700)
    file = folder / "credentials"
    file.touch(mode=0o600)
    file.write_text("[default]\n" + "".join(f"aws_{name} = {caller[name]}\n" for name in ("access_key_id", "secret_access_key", "session_token")))
    cluster.kubectl("label", "node", "node", "eks.amazonaws.com/compute-type=hybrid")
    text = (FOLDER / "agent/hybrid.yaml").read_text()
    assert text.count("/eks-hybrid/.aws") >= 1
    documents = load(text.replace("path: /eks-hybrid/.aws", f"path: {folder}"))
    agents.use("hybrid", documents)
    yield agents
    agents.use("none")
    cluster.kubectl("label", "node", "node", "eks.amazonaws.com/compute-type-")


def test_hybrid(hybrid: Agents, aws: Emulator, new_space: Callable[..., Space]) -> None:
    space = new_space()
    aws.node(None)
    try:
        space.apply(POD)
        space.ready()
        space.ask()
    finally:
        aws.node(f"arn:aws:iam::{ACCOUNT}:role/demo-node")


def tainted(text: str) -> list[dict[str, Any]]:
    """cloud.yaml as startup-taint.yaml's head wants it."""
    [daemon_set] = load(text)
    spec = daemon_set["spec"]["template"]["spec"]
    spec |= {"serviceAccountName": "pod-identity-agent", "automountServiceAccountToken": True}
    spec["securityContext"] = {**spec["securityContext"], "fsGroup": 65532}
    agent = spec["containers"][0]
    agent["command"] = [*agent["command"], f"--remove-startup-taint={TAINT}"]
    agent["env"] = [*agent["env"], {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    return [json.loads(json.dumps(daemon_set))]


def test_startup_taint(agents: Agents, webhook: Webhook, cluster: Cluster, new_space: Callable[..., Space]) -> None:
    """No pod comes to the node before the agent is ready; and the agent's account may do no more with nodes than that."""
    rights = load((FOLDER / "agent/startup-taint.yaml").read_text())
    agents.use("none")
    cluster.kubectl("taint", "node", "node", f"{TAINT}=true:NoSchedule")
    try:
        space = new_space()
        space.apply(POD)
        space.wait("the pod has no node", lambda: "untolerated taint" in json.dumps((space.pod() or {}).get("status", {}).get("conditions", [])))
        cluster.apply(rights)
        agents.use("cloud-taint", tainted((FOLDER / "agent/cloud.yaml").read_text()))
        space.ready()
        space.ask()
        assert TAINT not in json.dumps(cluster.get("node", "node")["spec"].get("taints", []))
        [pod] = cluster.items("-n", "kube-system", "pods", "-l", "app.kubernetes.io/name=pod-identity-agent")
        token = cluster.kubectl("-n", "kube-system", "create", "token", "pod-identity-agent", "--bound-object-kind=Pod",
                                f"--bound-object-name={pod['metadata']['name']}").stdout.strip()
        config = Path(cluster.run / "agent.kubeconfig")
        config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://10.96.0.1", "certificate-authority": str(cluster.run / "pki/ca.crt")}}],
            "users": [{"name": "u", "user": {"token": token}}]}))
        denied = cluster.on_node("kubectl", "--kubeconfig", config, "label", "node", "node", "taken=over", check=False)
        assert denied.returncode != 0 and "the agent may remove its startup taint, and change nothing else of a node" in denied.stderr, denied.stderr
    finally:
        cluster.kubectl("taint", "node", "node", f"{TAINT}-", check=False)
        agents.use("none")
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin="\n---\n".join(map(json.dumps, rights)))


def test_the_emulators_agent(agents: Agents, webhook: Webhook, new_space: Callable[..., Space]) -> None:
    """What our agent is measured by does the same for a pod, and is answered by init with the same words."""
    agents.use("emulator")
    assert agents.emulator
    good, denied = new_space(), new_space()
    agents.emulator.associate(good.name, "app", ROLE)
    good.apply(POD)
    denied.apply(POD)
    good.ready()
    good.ask()
    ended = denied.terminated()
    assert ended["exitCode"] == 21 and (f"(ResourceNotFoundException): No pod identity association found for service account app in namespace {denied.name}., "
                                        'fault: client"') in ended["message"], ended
