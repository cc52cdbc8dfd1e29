"""The Helm chart on the real cluster: install, upgrade, uninstall; as on EKS, and as on any Kubernetes."""

from __future__ import annotations

import json
from typing import Any, Callable, Iterator

import pytest

from chart import CHART, Helm
from cluster_fixtures import REGISTRY, ROLE, Agents, Webhook
from conftest import need
from harness.aws import web_trust
from harness.emulator import ACCOUNT, Emulator
from harness.waiting import eventually
from manifests import FOLDER
from real_cluster import CLUSTER, ISSUER, REGION, Cluster, Space

AUDIENCE = "pods.eks.amazonaws.com"
KEPT = ["MutatingAdmissionPolicy pod-identity-kept-trial", "MutatingAdmissionPolicyBinding pod-identity-kept-trial"]
KINDS = ("daemonset,pod,configmap,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,"
         "validatingadmissionpolicy,validatingadmissionpolicybinding,mutatingadmissionpolicy,mutatingadmissionpolicybinding,"
         "deployment,secret,poddisruptionbudget,networkpolicy,mutatingwebhookconfiguration")
COMMON = ["--set", f"images.registry={REGISTRY},cluster.name={CLUSTER},cluster.region={REGION}"]
WAIT = ["--wait", "--timeout", "180s"]


class Release:
    """One on the cluster, by a real helm."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.helm = Helm(cluster.node.command([need("helm", "3.14 or later")]), str(cluster.run / "pki/admin.kubeconfig"))

    def put(self, *words: str) -> str:
        """Installs, or upgrades; what helm and the notes say."""
        done = self.helm.call("upgrade", "--install", "trial", str(CHART), "--namespace", self.namespace, "--create-namespace", *COMMON, *WAIT, *words)
        story = "" if done.returncode == 0 else self.cluster.kubectl("-n", self.namespace, "describe", "pods", check=False).stdout[-4000:]
        assert done.returncode == 0, done.stdout + done.stderr + story
        return done.stdout

    def remove(self) -> None:
        if self.helm.call("status", "trial", "--namespace", self.namespace).returncode == 0:
            self.helm.run("uninstall", "trial", "--namespace", self.namespace, "--wait", "--timeout", "120s", "--cascade", "foreground")

    def left(self) -> list[str]:
        """Objects of it that are in the cluster."""
        listed = self.cluster.items("--all-namespaces", KINDS, "-l", "app.kubernetes.io/instance=trial")
        return sorted(f"{each['kind']} {each['metadata']['name']}" for each in listed)

    def command(self) -> list[str]:
        """Of the agent that runs."""
        [pod] = [each for each in self.cluster.items("-n", self.namespace, "pods", "-l", "app.kubernetes.io/name=pod-identity-agent")
                 if "deletionTimestamp" not in each["metadata"]]
        words: list[str] = pod["spec"]["containers"][0]["command"]
        return words


@pytest.fixture
def release(agents: Agents, stocked: Cluster) -> Iterator[Callable[[str], Release]]:
    """release(namespace): none installed yet, and no other agent on the node."""
    agents.stop()
    agents.current = ""
    made: list[Release] = []

    def make(namespace: str) -> Release:
        made.append(Release(stocked, namespace))
        return made[-1]
    yield make
    for each in made:
        each.remove()


@pytest.fixture
def provider(aws: Emulator) -> Iterator[Emulator]:
    """AWS, whose provider for the issuer has our audience among its client ids, for this test alone."""
    before = aws.call("GET", "/settings")["client_id"]
    aws.settings(client_id=AUDIENCE)
    yield aws
    aws.settings(client_id=before)


def pod_yaml(**labels: str) -> str:
    text = (FOLDER / "pod.yaml").read_text()
    return text.replace("metadata:\n  name: app\n", f"metadata:\n  name: app\n  labels: {json.dumps(labels)}\n", 1)


def test_on_eks(release: Callable[[str], Release], webhook: Webhook, new_space: Callable[..., Space]) -> None:
    chart = release("kube-system")
    said = chart.put("--set", "policies.require=true")
    assert "remove the add-on eks-pod-identity-agent" in said and "refused if they were not injected" in said
    assert "--log-level=debug" not in chart.command()
    space = new_space()
    space.apply(pod_yaml())
    space.ready()
    key = space.ask()["accessKeyId"]

    chart.put("--reuse-values", "--set", "agent.args={--log-level=debug}")
    assert "--log-level=debug" in chart.command()
    assert space.ask()["accessKeyId"] == key
    space.delete()
    space.wait("the pod is gone", lambda: space.pod() is None)
    space.apply(pod_yaml())
    space.ready()
    assert space.ask()["complete"]

    def refused() -> bool:
        """One that the webhook has missed; it is not made."""
        labels = {"pod-identity-toolkit/require": "enabled", "eks.amazonaws.com/skip-pod-identity-webhook": "x"}
        missed = pod_yaml(**labels).replace("  name: app\n", "  name: missed\n", 1)
        done = space.kubectl("create", "--dry-run=server", "-f", "-", stdin=missed, check=False)
        return done.returncode != 0 and "no token for Pod Identity or IRSA was injected" in done.stderr
    eventually(refused, 60, "the policy refuses")
    chart.remove()
    assert chart.left() == []


def test_on_any_cluster(release: Callable[[str], Release], provider: Emulator, stocked: Cluster) -> None:
    """Roles by values and by kubectl, side by side, which outlive the release until they shall not."""
    one, other = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("chart-one", "chart-other"))
    for role, account in ((one, "app"), (other, "late")):
        provider.role(role, json.loads(json.dumps(web_trust(ISSUER, f"system:serviceaccount:chart:{account}")).replace("sts.amazonaws.com", AUDIENCE)))
    chart = release("pod-identity")
    words = ["--set", "mode=any-cluster,anyCluster.issuers={" + ISSUER + "}", "--set", f"anyCluster.associations.chart\\.app.roleArn={one}"]
    assert "kubectl -n pod-identity patch configmap associations" in chart.put(*words)

    space = Space(stocked, "chart")

    def injects(account: str = "app") -> bool:
        """A new policy counts after a moment; by a pod that is not made."""
        trial = pod_yaml().replace("  name: app\n", "  name: trial\n", 1).replace("serviceAccountName: app ", f"serviceAccountName: {account} ", 1)
        done = space.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=trial)
        return "eks.amazonaws.com/pod-identity" in json.loads(done.stdout)["metadata"].get("labels", {})
    space.wait("the policy counts", injects)
    space.apply(pod_yaml())
    pod = space.ready()
    assert pod["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled"
    assert space.ask()["complete"]

    def associations() -> dict[str, Any]:
        data: dict[str, str] = (stocked.get("-n", "pod-identity", "configmap", "associations") or {}).get("data") or {}
        return {key: json.loads(value)["roleArn"] for key, value in data.items()}
    assert associations() == {"chart.app": one}
    patch = {"data": {"chart.late": json.dumps({"roleArn": other})}}
    stocked.kubectl("-n", "pod-identity", "patch", "configmap", "associations", "--type=merge", "-p", json.dumps(patch))
    chart.put(*words, "--set", "agent.args={--log-level=debug}")
    assert associations() == {"chart.app": one, "chart.late": other} and "--log-level=debug" in chart.command()

    chart.remove()
    assert chart.left() == ["ConfigMap associations", *KEPT]
    chart.put(*words)  # takes it over
    assert associations() == {"chart.app": one, "chart.late": other}
    # And what is associated from now on is injected: see `kept` in the chart's template.
    stocked.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "later", "namespace": "chart"}}])
    patch = {"data": {"chart.later": json.dumps({"roleArn": other})}}
    stocked.kubectl("-n", "pod-identity", "patch", "configmap", "associations", "--type=merge", "-p", json.dumps(patch))
    space.wait("the policy counts again, for a new association", lambda: injects("later"))
    chart.put(*words, "--set", "anyCluster.keepAssociations=false")
    chart.remove()
    assert chart.left() == KEPT
    space.delete()


def test_a_user_who_may_not(release: Callable[[str], Release], stocked: Cluster) -> None:
    """The guard of the chart refuses a change by somebody who may write ConfigMaps, and nothing more."""
    chart = release("pod-identity")
    chart.put("--set", "mode=any-cluster,anyCluster.issuers={" + ISSUER + "},anyCluster.keepAssociations=false")
    stocked.kubectl("-n", "pod-identity", "create", "rolebinding", "editor", "--clusterrole=edit", "--user=somebody")
    try:
        patch = json.dumps({"data": {"chart.app": json.dumps({"roleArn": ROLE})}})

        def refused() -> bool:
            """A new policy counts after a moment; by a change that is not made."""
            done = stocked.kubectl("-n", "pod-identity", "patch", "configmap", "associations", "--type=merge", "--as=somebody", "--dry-run=server",
                                   "-p", patch, check=False)
            return done.returncode != 0 and "only who has the verb associate on this ConfigMap may change associations" in done.stderr
        eventually(refused, 60, "the guard refuses")
    finally:
        stocked.kubectl("-n", "pod-identity", "delete", "rolebinding", "editor")
