"""Fixtures of the tests on a real cluster (test_cluster_*.py): the cluster, AWS on its node, the node's agent, EKS' webhook, a namespace a test.

All are made when a test first needs them, and are there until the end. Where this machine cannot have a cluster, its tests are skipped, with the
reason, and the last lines of the run say so.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import image_archive
from harness.clients import go_client
from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.waiting import SLOWNESS, eventually
from manifests import FOLDER, load
from oci import Archive
from real_cluster import EKS_AUTH, ISSUER, MADE, STS, Cluster, NoCluster, Space

REGISTRY = "registry.example.com"
ROLE = "arn:aws:iam::111122223333:role/on-eks"
"""A role that IAM does not know, so whoever is associated may have it."""
NAMES = [f"t{number:02}" for number in range(200)]
"""Of the namespaces, one a test: the webhook is told of their service accounts `app` and `other` when it starts, as EKS' is of an association."""
OUTCOME = pytest.StashKey[str]()
STATES: list[str] = []
INJECTED: list[str] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Lets fixtures know how the test went."""
    report = (yield).get_result()
    if report.when == "call":
        item.stash[OUTCOME] = report.outcome


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Which Kubernetes it was, or why there was none."""
    for state in dict.fromkeys(STATES or ["no test asked for it"]):
        terminalreporter.write_sep("-", f"real cluster: {state}")
    for how in INJECTED:
        terminalreporter.write_sep("-", f"pods as on EKS were injected {how}")


@contextlib.contextmanager
def a_cluster(api_server: str = "") -> Iterator[Cluster]:
    """A Kubernetes of one node; the test is skipped where there can be none. api_server: the program of a newer one."""
    try:
        began = time.monotonic()
        made = Cluster(api_server)
    except NoCluster as why:
        STATES.append(f"none, so the stand-in kubelet alone ran the manifests: {why}")
        pytest.skip(f"no real cluster: {why}")
    try:
        containerd = made.on_node("containerd", "--version").stdout.split()[2]
        version = made.get("node", "node")["status"]["nodeInfo"]["kubeletVersion"].removeprefix("v")
        newer = "" if version == made.version else f" with the API server of {made.version}"
        STATES.append(f"Kubernetes {version}{newer}, containerd {containerd}, up after {time.monotonic() - began:.0f} s")
        yield made
    finally:
        said = made.stop()
    assert not said, said


@contextlib.contextmanager
def aws_of(cluster: Cluster) -> Iterator[Emulator]:
    """AWS on its node, by its services' own names: STS, EKS Auth, and the node's metadata."""
    emulator = cluster.emulator("--serve", "sts+good=10.99.0.1:443", "--serve", "eks-auth-api+good=10.99.0.2:443", "--serve", "imds=169.254.169.254:80")
    try:
        emulator.name_server("10.99.0.1", 53)
        emulator.names(names={STS: ["10.99.0.1"], EKS_AUTH: ["10.99.0.2"], ISSUER.removeprefix("https://"): ["10.96.0.1"]})
        yield emulator
    finally:
        complaints = emulator.stop()
    assert not complaints, complaints


def authority_of(aws: Emulator) -> bytes:
    """Whose certificates its services have."""
    return Path(aws.describe()["ca_file"]).read_bytes()


def stock(cluster: Cluster, authority: bytes, images: dict[str, Archive], folder: Path) -> None:
    """Loads all images that the manifests name, under those names; ours trust this authority, too."""
    app = go_client()
    for name, image in images.items():
        names = [f"{REGISTRY}/pod-identity-{name}:0.1.0", f"{REGISTRY}/mirror/pod-identity-{name}:0.1.0"]
        cluster.load(image_archive.trusting(folder / f"{name}.tar", names, image, authority))
    cluster.load(image_archive.program(folder / "pause.tar", ["localhost/pause:1"], MADE / "bin/pause", "pause"))
    cluster.load(image_archive.program(folder / "app.tar", [f"{REGISTRY}/app:1.0.0"], app, "app", "serve"))
    cluster.load(image_archive.program(folder / "app-once.tar", [f"{REGISTRY}/app-once:1.0.0"], app, "app", "default"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Kubernetes of one node."""
    with a_cluster() as made:
        yield made


@pytest.fixture(scope="session")
def aws(cluster: Cluster) -> Iterator[Emulator]:
    """AWS, on its node."""
    with aws_of(cluster) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def stocked(cluster: Cluster, aws: Emulator, images: dict[str, Archive], tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster with all images that the manifests name."""
    stock(cluster, authority_of(aws), images, tmp_path_factory.mktemp("images"))
    return cluster


class Agents:
    """What serves pods at the agent's addresses of the node: one at a time."""

    def __init__(self, cluster: Cluster, aws: Emulator) -> None:
        self.cluster, self.aws = cluster, aws
        self.current = ""
        self.emulator: Emulator | None = None
        self.documents: dict[str, list[dict[str, Any]]] = {}

    def use(self, name: str, documents: list[dict[str, Any]] | None = None) -> None:
        """A manifest of images/kubernetes/agent, `emulator` or `none`; documents: or these, by a name of their own. The one before it goes first."""
        if name == self.current:
            return
        self.stop()
        self.current = name
        if name == "none":
            return
        if name == "emulator":
            self.cluster.agent_addresses()
            self.emulator = self.cluster.emulator("--association", f"x/x={ROLE}", as_agent=True)
            return
        self.documents[name] = documents or load((FOLDER / "agent" / f"{name}.yaml").read_text())
        self.start()

    def start(self) -> None:
        """The current DaemonSet, and waits until it is ready."""
        self.cluster.apply(self.documents[self.current])
        [daemon_set] = [one for one in self.documents[self.current] if one["kind"] == "DaemonSet"]
        meta = daemon_set["metadata"]
        done = self.cluster.kubectl("-n", meta["namespace"], "rollout", "status", f"daemonset/{meta['name']}",
                                    f"--timeout={120 * SLOWNESS:.0f}s", check=False)
        if done.returncode != 0:
            story = self.cluster.kubectl("-n", meta["namespace"], "describe", "pods", check=False).stdout + self.log()
            raise AssertionError(f"the agent did not become ready: {done.stdout}{done.stderr}\n{story}")

    def stop(self) -> None:
        """Until it is gone."""
        if self.emulator:
            complaints, self.emulator = self.emulator.stop(), None
            assert not complaints, complaints
        elif self.current not in ("", "none"):
            [daemon_set] = [one for one in self.documents[self.current] if one["kind"] == "DaemonSet"]
            meta = daemon_set["metadata"]
            self.cluster.kubectl("-n", meta["namespace"], "delete", "daemonset", meta["name"], "--wait", "--cascade=foreground",
                                 f"--timeout={90 * SLOWNESS:.0f}s")

    def log(self) -> str:
        """Of the agent's container."""
        return self.cluster.kubectl("logs", "--all-namespaces=false", "-n", self.namespace, "-l", "app.kubernetes.io/name=pod-identity-agent", "-c", "agent",
                                    "--tail=-1", check=False).stdout

    @property
    def namespace(self) -> str:
        """Of the current DaemonSet."""
        return str(next(one["metadata"]["namespace"] for one in self.documents[self.current] if one["kind"] == "DaemonSet"))


@pytest.fixture(scope="session")
def agents(stocked: Cluster, aws: Emulator) -> Iterator[Agents]:
    """None runs yet."""
    found = Agents(stocked, aws)
    yield found
    if found.emulator:
        found.emulator.stop()


class Webhook:
    """EKS' own webhook, on the node. It is told of the service accounts `app` and `other` of each test's namespace."""

    CONFIGURATION: dict[str, Any] = {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "pod-identity-webhook"},
        "webhooks": [{
            "name": "pod-identity-webhook.amazonaws.com", "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1beta1"],
            "objectSelector": {"matchExpressions": [{"key": "eks.amazonaws.com/skip-pod-identity-webhook", "operator": "DoesNotExist"}]},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}]}

    irsa = True

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.process: subprocess.Popen[bytes] | None = None
        (cluster.run / "identities.json").write_text(json.dumps({"identities": [
            {"namespace": name, "serviceAccount": account} for name in NAMES for account in ("app", "other")]}))
        authority = base64.b64encode((cluster.run / "pki/ca.crt").read_bytes()).decode()
        configuration = json.loads(json.dumps(self.CONFIGURATION))
        configuration["webhooks"][0]["clientConfig"] = {"url": "https://127.0.0.1:9443/mutate", "caBundle": authority}
        cluster.apply([configuration])

    def start(self) -> None:
        """And waits until it injects."""
        pki = self.cluster.run / "pki"
        with open(self.cluster.run / "log/webhook.log", "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "nsenter", "-n", "-m", "-t", str(self.cluster.pid), str(MADE / "bin/webhook"), "--in-cluster=false",
                 f"--kubeconfig={pki}/admin.kubeconfig", f"--tls-cert={pki}/webhook.crt", f"--tls-key={pki}/webhook.key", "--port=9443",
                 "--metrics-port=9999", "--aws-default-region=eu-central-1", f"--watch-container-credentials-config={self.cluster.run}/identities.json",
                 "--logtostderr"], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self.injects, 60, f"the webhook injects; it said: {self.cluster.log('webhook')[-2000:]}")

    def injects(self) -> bool:
        """By a pod that is not made."""
        return self.of_trial("AWS_ROLE_ARN")

    def of_trial(self, variable: str) -> bool:
        """Whether a pod would have this variable."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial", "namespace": "default"},
               "spec": {"serviceAccountName": "irsa", "containers": [{"name": "c", "image": "i"}]}}
        done = self.cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod), check=False)
        return done.returncode == 0 and variable in done.stdout

    def stop(self) -> None:
        """As if it were down."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class OurPolicy(Webhook):
    """In its place where it cannot be had: the policy of images/kubernetes/any-cluster, under another name, as the chart's tests install it by its own.
    It is told of the same service accounts, by a ConfigMap of its own; it knows no IRSA."""

    irsa = False

    def __init__(self, cluster: Cluster) -> None:  # pylint: disable=super-init-not-called
        self.cluster, self.process = cluster, None
        accounts = [f"{name}.{account}" for name in NAMES for account in ("app", "other")]
        associations = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e2e-webhook", "namespace": "default"},
                        "data": {key: json.dumps({"roleArn": ROLE}) for key in ["default.irsa", *accounts]}}
        policy, self.binding = load((FOLDER / "any-cluster/injection-v1beta1.yaml").read_text())
        policy["metadata"]["name"] = self.binding["metadata"]["name"] = self.binding["spec"]["policyName"] = "e2e-webhook"
        self.binding["spec"]["paramRef"].update(name="e2e-webhook", namespace="default")
        cluster.apply([associations, policy])

    def start(self) -> None:
        """And waits until it injects."""
        self.bind({})
        eventually(self.injects, 120, "the policy injects")

    def stop(self) -> None:
        """As if it were down. It stays bound: an API server that has unbound it reads no ConfigMap any more (README of any-cluster)."""
        self.bind({"matchLabels": {"no-namespace": "none"}})
        eventually(lambda: not self.injects(), 120, "the policy injects no more")

    def bind(self, namespaces: dict[str, Any]) -> None:
        """To these namespaces."""
        self.cluster.apply([{**self.binding, "spec": {**self.binding["spec"], "matchResources": {"namespaceSelector": namespaces}}}])

    def injects(self) -> bool:
        return self.of_trial("AWS_CONTAINER_CREDENTIALS_FULL_URI")


@pytest.fixture(scope="session")
def webhook(stocked: Cluster) -> Iterator[Webhook]:
    """Running. POD_IDENTITY_E2E_WEBHOOK=none in the environment: as if it could not be built."""
    built = (MADE / "bin/webhook").exists() and os.environ.get("POD_IDENTITY_E2E_WEBHOOK") != "none"
    INJECTED.append("by EKS' own webhook" if built else "by our policy, for EKS' webhook is not built (make setup-e2e says why): IRSA is left out")
    eventually(lambda: stocked.get("-n", "default", "serviceaccount", "default"), 60, "the namespace default")
    stocked.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "irsa", "namespace": "default", "annotations": {"eks.amazonaws.com/role-arn": ROLE}}}])
    found = Webhook(stocked) if built else OurPolicy(stocked)
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    """Of namespaces that are not used yet."""
    return iter(NAMES)


@pytest.fixture
def new_space(stocked: Cluster, aws: Emulator, names: Iterator[str], request: pytest.FixtureRequest) -> Iterator[Callable[..., Space]]:
    """new_space(associated=True, enforce="restricted") -> Space. What a failed test leaves is told; what any prints has no secret."""
    spaces: list[Space] = []

    def make(associated: bool = True, **how: Any) -> Space:
        space = Space(stocked, next(names), **how)
        spaces.append(space)
        if associated:
            aws.associate(space.name, "app", ROLE)
        return space
    yield make
    stories = [(space.name, space.story()) for space in spaces]
    if request.node.stash.get(OUTCOME, "failed") == "failed":
        for name, story in stories:
            print(f"==== {name}\n{story}")
    for space in spaces:
        space.kubectl("delete", "job,cronjob,deployment,statefulset,pod", "--all", "--wait=false", "--grace-period=0", "--force", check=False)
    leaks = Leaks()
    for name, story in stories:
        leaks.add_output(name, story)
    found = leaks.find(aws.secrets())
    assert not found, f"secrets were printed: {found}"


@pytest.fixture
def eks(agents: Agents, webhook: Webhook) -> Agents:
    """As on EKS: its webhook injects, and our agent for EC2 nodes serves, by EKS Auth."""
    agents.use("cloud")
    return agents


@pytest.fixture
def space(eks: Agents, new_space: Callable[..., Space]) -> Space:
    """A namespace on EKS whose service account `app` has an association."""
    return new_space()
