"""A Kubernetes that is not EKS, with the manifests of images/kubernetes/any-cluster as they are shipped, but for the issuer that they ask for."""

from __future__ import annotations

import json
from typing import Any

from cluster_fixtures import REGISTRY
from manifests import FOLDER, load
from real_cluster import ISSUER, Cluster, Space

ANY = FOLDER / "any-cluster"
AUDIENCE = "pods.eks.amazonaws.com"
# What an app is without the toolkit: its SDK asks the agent.
BARE = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": {
    "serviceAccountName": "app", "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{"name": "app", "image": f"{REGISTRY}/app:1.0.0",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]}}]


def shipped(name: str) -> list[dict[str, Any]]:
    """A file's documents, with this cluster's issuer."""
    return load((ANY / name).read_text().replace("--issuer=ISSUER ", f"--issuer={ISSUER} "))


def daemon_set(*words: str, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The DaemonSet, with more words in its command."""
    documents = shipped("daemonset.yaml")
    command = documents[0]["spec"]["template"]["spec"]["containers"][0]["command"]
    command[:] = [word for word in command if not word.startswith(without or ("\0",))] + list(words)
    return documents


def serves_version_1(cluster: Cluster) -> bool:
    """Whether its API server has mutating policies as stable: then the files without `-v1beta1` are for it."""
    listed = json.loads(cluster.kubectl("get", "--raw", "/apis/admissionregistration.k8s.io/v1").stdout)["resources"]
    return any(each["name"] == "mutatingadmissionpolicies" for each in listed)


class AnyCluster:
    """All of it but the DaemonSet, applied."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.injection = "injection.yaml" if serves_version_1(cluster) else "injection-v1beta1.yaml"
        for name in ("associations.yaml", "guard.yaml", self.injection):
            cluster.apply(shipped(name))

    def associate(self, key: str, role: str | None, check: bool = True, user: str = "") -> str:
        """As README says: gives a role, or takes it away; what kubectl said."""
        patch = {"data": {key: role and json.dumps({"roleArn": role})}}
        done = self.cluster.kubectl("-n", "pod-identity", "patch", "configmap", "associations", "--type=merge", "-p", json.dumps(patch),
                                    *([f"--as={user}"] if user else []), check=check)
        return done.stdout + done.stderr

    def injects(self, space: Space) -> bool:
        """Whether a pod would be injected, by one that is not made."""
        documents = json.loads(json.dumps(BARE))
        documents[0]["metadata"]["name"] = "trial"
        done = space.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(documents[0]))
        return "AWS_CONTAINER_CREDENTIALS_FULL_URI" in done.stdout
