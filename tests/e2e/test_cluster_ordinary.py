"""A Kubernetes that is not EKS: the manifests of images/kubernetes/any-cluster as they are shipped, but for the issuer that they ask for. No webhook
server, no EKS: the API server's own keys and policies, our DaemonSet, the ConfigMap; STS is the emulator's."""

from __future__ import annotations

import json
from typing import Any, Iterator

import pytest

from any_cluster import AUDIENCE, BARE, AnyCluster, daemon_set, shipped
from cluster_fixtures import Agents, a_cluster, authority_of, aws_of, stock
from harness.aws import web_trust
from harness.emulator import ACCOUNT, Emulator
from manifests import FOLDER
from oci import Archive
from real_cluster import ISSUER, Cluster, Space

POD = (FOLDER / "pod.yaml").read_text()
SHIPPED = f"arn:aws:iam::{ACCOUNT}:role/demo-app"
NODE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/demo-node"


class Ordinary(AnyCluster):
    """The cluster, and AWS beside it."""

    def __init__(self, cluster: Cluster, aws: Emulator) -> None:
        super().__init__(cluster)
        self.aws = aws

    def trust(self, role: str, subject: str) -> str:
        """The role trusts a service account, NAMESPACE:NAME, of this cluster."""
        self.aws.role(role, json.loads(json.dumps(web_trust(ISSUER, f"system:serviceaccount:{subject}")).replace("sts.amazonaws.com", AUDIENCE)))
        return role


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One of their own: EKS' webhook was never there."""
    with a_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def aws(cluster: Cluster) -> Iterator[Emulator]:
    """AWS, on its node."""
    with aws_of(cluster) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def stocked(cluster: Cluster, aws: Emulator, images: dict[str, Archive], tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """With its images."""
    stock(cluster, authority_of(aws), images, tmp_path_factory.mktemp("images"))
    return cluster


@pytest.fixture(scope="module")
def agents(stocked: Cluster, aws: Emulator) -> Agents:
    """None runs yet."""
    return Agents(stocked, aws)


@pytest.fixture(scope="module")
def ordinary(stocked: Cluster, aws: Emulator, agents: Agents) -> Ordinary:
    """Its policies are there, the agent is as shipped."""
    aws.settings(client_id=AUDIENCE)
    found = Ordinary(stocked, aws)
    agents.use("any-cluster", daemon_set())
    return found


@pytest.fixture
def shop(ordinary: Ordinary, stocked: Cluster, request: pytest.FixtureRequest) -> Space:
    """A namespace of the test's own."""
    return Space(stocked, "shop-" + request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-"))


def test_as_shipped(ordinary: Ordinary, stocked: Cluster) -> None:
    """The association that associations.yaml has, for the service account `app` of the namespace `default`."""
    ordinary.trust(SHIPPED, "default:app")
    space = Space(stocked, "default")
    space.wait("the policy injects", lambda: ordinary.injects(space))
    space.apply(POD)
    pod = space.ready()
    assert pod["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled"
    [token] = [one for one in pod["spec"]["volumes"] if one["name"] == "eks-pod-identity-token"]
    assert token["projected"]["sources"][0]["serviceAccountToken"] == {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "eks-pod-identity-token"}
    space.ask()
    told = space.kubectl("exec", "app", "-c", "pod-identity-sidecar", "--", "/pod-identity-sidecar", "whoami", "--region=eu-central-1").stdout
    assert "demo-app" in told and ACCOUNT in told
    space.delete()


def test_a_role_is_given_and_taken(ordinary: Ordinary, shop: Space) -> None:
    """By `kubectl patch configmap`, and nothing else."""
    role = ordinary.trust(f"arn:aws:iam::{ACCOUNT}:role/cart", f"{shop.name}:app")
    shop.apply(POD)
    assert shop.terminated()["exitCode"] == 10, "no association, no injection"
    ordinary.associate(f"{shop.name}.app", role)
    shop.wait("the policy injects", lambda: ordinary.injects(shop), timeout_s=30)
    shop.delete()
    shop.wait("it is gone", lambda: shop.pod() is None)
    shop.apply(POD)
    shop.apply(BARE)
    shop.ready()
    first = shop.ask()
    shop.ready("bare")
    shop.ask(name="bare")

    ordinary.associate(f"{shop.name}.app", None)
    shop.wait("the policy injects no more", lambda: not ordinary.injects(shop), timeout_s=30)
    refused = shop.wait("the agent refuses", lambda: (lambda done: done.stderr if done.returncode else "")(
        shop.kubectl("exec", "bare", "--", "/app", "default", check=False)), timeout_s=30)
    assert f"(ResourceNotFoundException): No pod identity association found for service account app in namespace {shop.name}." in refused, refused
    shop.signal("pod-identity-sidecar", "USR1")
    shop.wait("the sidecar says why", lambda: "No pod identity association found" in shop.log("pod-identity-sidecar"))
    assert shop.ask() == first, "what was handed out is served until it ends"

    ordinary.associate(f"{shop.name}.app", role)
    shop.wait("the agent gives again", lambda: shop.kubectl("exec", "bare", "--", "/app", "default", check=False).returncode == 0, timeout_s=60)


def test_a_role_that_does_not_trust_the_account(ordinary: Ordinary, shop: Space) -> None:
    """The association alone gives nothing: STS decides, by the token's subject."""
    role = ordinary.trust(f"arn:aws:iam::{ACCOUNT}:role/of-another", "other:app")
    ordinary.associate(f"{shop.name}.app", role)
    shop.wait("the policy injects", lambda: ordinary.injects(shop), timeout_s=30)
    shop.apply(POD)
    ended = shop.terminated()
    assert ended["exitCode"] == 21 and "Not authorized to perform sts:AssumeRoleWithWebIdentity" in ended["message"], ended
    assert ended["message"].strip() in shop.describe()


def test_who_may_associate(ordinary: Ordinary, shop: Space, stocked: Cluster) -> None:
    """Rights to write ConfigMaps are not enough; the Role that is shipped is."""
    stocked.kubectl("-n", "pod-identity", "create", "rolebinding", "editor", "--clusterrole=edit", "--user=somebody")
    try:
        said = ordinary.associate(f"{shop.name}.app", SHIPPED, check=False, user="somebody")
        assert "only who has the verb associate on this ConfigMap may change associations (Role pod-identity-associate): somebody has not" in said, said
        stocked.kubectl("-n", "pod-identity", "create", "rolebinding", "associator", "--role=pod-identity-associate", "--user=somebody")
        assert "patched" in ordinary.associate(f"{shop.name}.app", SHIPPED, user="somebody")
        wrong = ordinary.associate(f"{shop.name}_app", SHIPPED, check=False, user="somebody")
        assert f"each key is NAMESPACE.SERVICEACCOUNT, not {shop.name}_app" in wrong, wrong
    finally:
        stocked.kubectl("-n", "pod-identity", "delete", "rolebinding", "editor", "associator", "--ignore-not-found")


def ask_agent(cluster: Cluster, token: str) -> str:
    """The status that the agent answers with, asked from the node."""
    return cluster.on_node("sh", "-c", 'printf "header = \\"Authorization: %s\\"" "$1" | curl -sS --noproxy "*" -o /dev/null -w "%{http_code}" -K - '
                           "http://169.254.170.23/v1/credentials", "sh", token).stdout


def test_token_review(ordinary: Ordinary, shop: Space, stocked: Cluster, agents: Agents) -> None:
    """With --token-review the token of a pod that is gone is refused; without, it is good until its end."""
    role = ordinary.trust(f"arn:aws:iam::{ACCOUNT}:role/reviewed", f"{shop.name}:app")
    ordinary.associate(f"{shop.name}.app", role)
    shop.wait("the policy injects", lambda: ordinary.injects(shop), timeout_s=30)

    silent = json.loads(json.dumps(BARE))
    silent[0]["spec"]["containers"][0]["image"] = "localhost/pause:1"

    def of_one_that_is_gone() -> str:
        """A token that the agent has never seen: a known one is asked about at its renewal alone."""
        shop.apply(silent)
        pod = shop.ready("bare")
        folder = stocked.run / f"kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~projected/eks-pod-identity-token"
        token = stocked.on_node("cat", folder / "eks-pod-identity-token").stdout
        shop.delete(name="bare")
        shop.wait("it is gone", lambda: shop.pod("bare") is None)
        return token
    agents.use("any-cluster", daemon_set())
    status = ask_agent(stocked, of_one_that_is_gone())
    assert status == "200"
    stocked.apply(shipped("token-review.yaml"))
    agents.use("any-cluster-review", daemon_set("--token-review"))
    shop.apply(BARE)
    shop.ready("bare")
    shop.ask(name="bare")
    shop.delete(name="bare")
    shop.wait("it is gone", lambda: shop.pod("bare") is None)
    status = ask_agent(stocked, of_one_that_is_gone())
    assert status == "400"


def test_by_the_agents_own_credentials(ordinary: Ordinary, shop: Space, aws: Emulator, agents: Agents) -> None:
    """--exchange=assume-role: with the node's role, and session tags that the role's trust asks for."""
    role = f"arn:aws:iam::{ACCOUNT}:role/tagged"
    aws.role(role, {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": NODE_ROLE}, "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"aws:RequestTag/eks-cluster-name": "CLUSTER", "aws:RequestTag/kubernetes-namespace": shop.name,
                                       "aws:RequestTag/kubernetes-service-account": "app"}}}]})
    ordinary.associate(f"{shop.name}.app", role)
    agents.use("any-cluster-assume-role", daemon_set("--exchange=assume-role"))
    shop.wait("the policy injects", lambda: ordinary.injects(shop), timeout_s=30)
    shop.apply(POD)
    shop.ready()
    shop.ask()
    told = shop.kubectl("exec", "app", "-c", "pod-identity-sidecar", "--", "/pod-identity-sidecar", "whoami", "--region=eu-central-1").stdout
    assert "tagged" in told
