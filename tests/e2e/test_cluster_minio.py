"""The air-gapped cluster, without a line of AWS: the API server's own issuer is the OpenID provider of a real MinIO, which is STS and S3; our policies
and our DaemonSet stand in for EKS. Its API server is of 1.36, where that can be had: mutating policies are as they come there.

What apps do is real: the AWS SDK for Go writes an object, and reads it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

import pytest

from any_cluster import BARE, AnyCluster, daemon_set, serves_version_1
from cluster_fixtures import REGISTRY, Agents, a_cluster, stock
from harness.emulator import Emulator
from harness.minio import Certificates, Server, minio_program
from harness.programs import ROOT
from manifests import FOLDER, load, pod_spec
from oci import Archive
from real_cluster import ISSUER, NEWER, Cluster, Space

ADDRESS, HOST = "10.99.0.3", "minio.minio.svc"
LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
AUTHORITY = {"name": "minio-ca", "configMap": {"name": "minio-ca"}}
MOUNT = {"name": "minio-ca", "mountPath": "/etc/minio-ca", "readOnly": True}
FOR_S3 = [{"name": "AWS_ENDPOINT_URL_S3", "value": f"https://{HOST}:9000"}, {"name": "AWS_CA_BUNDLE", "value": "/etc/minio-ca/ca.crt"},
          {"name": "AWS_REGION", "value": "us-east-1"}]
ENDPOINT = [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://127.0.0.1:9911/v1/credentials"},
            {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/run/pod-identity/http-token"}]


def recipe(language: str) -> str:
    """The block of that language in the recipe for MinIO, as users copy it."""
    marker = f"```{language}\n# run by tests/integration/test_interop_minio.py\n"
    return (ROOT / "images/RECIPES.md").read_text().partition(marker)[2].partition("```")[0]


def copy(documents: Any) -> Any:
    """One that can be changed."""
    return json.loads(json.dumps(documents))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One of their own, of the newer API server."""
    minio_program()
    with a_cluster(str(NEWER) if NEWER.exists() else "") as made:
        yield made


@pytest.fixture(scope="module")
def names(cluster: Cluster) -> Iterator[Emulator]:
    """The emulator is the cluster's name server, and nothing else: no service of AWS is anywhere."""
    emulator = cluster.emulator()
    emulator.name_server("10.99.0.1", 53)
    emulator.names(names={HOST: [ADDRESS], "kubernetes.default.svc": ["10.96.0.1"], ISSUER.removeprefix("https://"): ["10.96.0.1"]})
    yield emulator
    complaints = emulator.stop()
    assert not complaints, complaints


@pytest.fixture(scope="module")
def stocked(cluster: Cluster, names: Emulator, images: dict[str, Archive], tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """With its images, which trust nobody but Amazon."""
    stock(cluster, b"", images, tmp_path_factory.mktemp("images"))
    return cluster


@pytest.fixture(scope="module")
def minio(cluster: Cluster, names: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On the node, with the settings of the recipe; it trusts the cluster's authority, and may read the issuer's two documents."""
    cluster.kubectl("create", "clusterrolebinding", "issuer-for-all", "--clusterrole=system:service-account-issuer-discovery", "--group=system:unauthenticated")
    cluster.on_node("ip", "addr", "add", f"{ADDRESS}/24", "dev", "node0")
    folder = tmp_path_factory.mktemp("minio")
    certificates = Certificates(folder / "certs", f"DNS:{HOST},IP:{ADDRESS}")
    (certificates.folder / "CAs/cluster.crt").write_bytes((cluster.run / "pki/ca.crt").read_bytes())
    settings = dict(line.split("=", 1) for line in recipe("sh").splitlines())
    server = Server(folder, minio_program(), settings, certificates, f"{ADDRESS}:9000", lambda argv: [
        "setpriv", "--pdeathsig=KILL", "nsenter", f"--net=/proc/{cluster.pid}/ns/net", "unshare", "--mount", "sh", "-c",
        'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(cluster.run / "resolv.conf"), *argv])
    yield server
    server.stop()


class AirGapped(AnyCluster):
    """The cluster with policies, associations and agent, and what pods need to know of MinIO in each namespace."""

    def __init__(self, cluster: Cluster, minio: Server) -> None:
        super().__init__(cluster)
        self.minio = minio

    def space(self, name: str) -> Space:
        """A namespace that has MinIO's authority."""
        found = Space(self.cluster, name)
        found.apply([self.authority()])
        return found

    def authority(self) -> dict[str, Any]:
        """As a ConfigMap."""
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "minio-ca"}, "data": {"ca.crt": Path(self.minio.ca_file).read_text()}}


@pytest.fixture(scope="module")
def agents(stocked: Cluster, names: Emulator) -> Agents:
    """None runs yet."""
    return Agents(stocked, names)


@pytest.fixture(scope="module")
def air_gapped(stocked: Cluster, minio: Server, agents: Agents) -> AirGapped:
    """Policies are there, and the agent exchanges pods' own tokens at MinIO."""
    found = AirGapped(stocked, minio)
    stocked.apply([found.authority()], "-n", "pod-identity")
    documents = daemon_set("--exchange=web-identity", f"--sts-endpoint=https://{HOST}:9000", "--ca-bundle=/etc/minio-ca/ca.crt")
    spec = pod_spec(documents[0])
    spec["dnsPolicy"] = "ClusterFirstWithHostNet"
    spec["volumes"] = [*spec.get("volumes", []), AUTHORITY]
    [agent] = spec["containers"]
    agent["volumeMounts"] = [*agent.get("volumeMounts", []), MOUNT]
    agents.use("air-gapped", documents)
    return found


@pytest.fixture
def shop(air_gapped: AirGapped, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A namespace of the test's own."""
    space = air_gapped.space("shop-" + request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-"))
    yield space
    space.kubectl("delete", "deployment,pod", "--all", "--wait=false", "--grace-period=0", "--force", check=False)


def associate(air_gapped: AirGapped, space: Space) -> None:
    """Its service account `app`, with MinIO's role."""
    air_gapped.associate(f"{space.name}.app", air_gapped.minio.role_arn)
    space.wait("the policy injects", lambda: air_gapped.injects(space))


def write_and_read(space: Space, pod: str, key: str) -> None:
    """The SDK's own calls, in the app's container; and MinIO lets nobody else read what it wrote."""
    text = f"of {pod} in {space.name}"
    assert space.kubectl("exec", pod, "-c", "app", "--", "/app", "s3", space.name, key, text).stdout == text + "\n"
    assert space.kubectl("exec", pod, "-c", "app", "--", "/app", "s3", space.name, key).stdout == text + "\n"
    absent = space.kubectl("exec", pod, "-c", "app", "--", "/app", "s3", space.name, "absent", check=False)
    assert absent.returncode != 0 and "NoSuchKey" in absent.stderr, absent
    anybody = space.cluster.on_node("curl", "-sSk", "--noproxy", "*", "--resolve", f"{HOST}:9000:{ADDRESS}",
                                    f"https://{HOST}:9000/{space.name}/{quote(key)}").stdout
    assert "<Code>AccessDenied</Code>" in anybody, anybody


def for_minio(spec: dict[str, Any]) -> None:
    """The app knows where S3 is, and whose certificates it has."""
    spec["volumes"] = [*spec.get("volumes", []), AUTHORITY]
    [app] = spec["containers"]
    app["env"] = [*app.get("env", []), *FOR_S3]
    app["volumeMounts"] = [*app.get("volumeMounts", []), MOUNT]


def test_a_pod(air_gapped: AirGapped, shop: Space, agents: Agents) -> None:
    """pod.yaml: policy, agent, init, sidecar, SDK. The role is given and taken by `kubectl patch configmap`."""
    associate(air_gapped, shop)
    [pod] = copy(load((FOLDER / "pod.yaml").read_text()))
    for_minio(pod["spec"])
    shop.apply([pod])
    shop.ready()
    write_and_read(shop, "app", "a/b c")
    whoami = shop.kubectl("exec", "app", "-c", "pod-identity-sidecar", "--", "/pod-identity-sidecar", "whoami", check=False)
    assert whoami.returncode != 0, "MinIO cannot say who one is, as the recipe says"

    air_gapped.associate(f"{shop.name}.app", None)
    shop.wait("the policy injects no more", lambda: not air_gapped.injects(shop))
    shop.signal("pod-identity-sidecar", "USR1")
    shop.wait("the agent refuses", lambda: "No pod identity association found" in shop.log("pod-identity-sidecar"))
    write_and_read(shop, "app", "what was handed out is good until it ends")


def test_a_role_that_minio_does_not_know(air_gapped: AirGapped, shop: Space) -> None:
    """Its own words reach `kubectl describe pod`."""
    air_gapped.associate(f"{shop.name}.app", "arn:minio:iam:::role/nobody")
    shop.wait("the policy injects", lambda: air_gapped.injects(shop))
    shop.apply((FOLDER / "pod.yaml").read_text())
    ended = shop.terminated()
    assert ended["exitCode"] == 21 and "arn:minio:iam:::role/nobody" in ended["message"], ended
    assert ended["message"].strip() in shop.describe()


def test_the_sidecar_alone(air_gapped: AirGapped, shop: Space) -> None:
    """The recipe's own block: the sidecar has a token of its own, and asks MinIO itself. No association, no agent."""
    [block] = load(recipe("yaml").replace("arn:minio:iam:::role/2pYkxxG8pXKM1EbtNcC73CjukMk", air_gapped.minio.role_arn))
    [sidecar] = block["initContainers"]
    app = {"name": "app", "image": f"{REGISTRY}/app:1.0.0", "env": copy(ENDPOINT), "securityContext": LOCKED,
           "volumeMounts": [{"name": "pod-identity", "mountPath": "/run/pod-identity", "readOnly": True}]}
    [pod] = copy(load((FOLDER / "pod.yaml").read_text()))
    shipped = next(one for one in pod["spec"]["initContainers"] if one["name"] == "pod-identity-sidecar")
    spec = {"serviceAccountName": "app", "securityContext": pod["spec"]["securityContext"], "containers": [app],
            "initContainers": [{**sidecar, **{key: shipped[key] for key in ("startupProbe", "securityContext", "resources")}}],
            "volumes": [*block["volumes"], {"name": "pod-identity", "emptyDir": {"medium": "Memory"}}]}
    for_minio(spec)
    shop.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": spec}])
    made = shop.ready()
    assert "eks.amazonaws.com/pod-identity" not in made["metadata"].get("labels", {})
    write_and_read(shop, "app", "by a token of its own")


def test_without_credentials(air_gapped: AirGapped, shop: Space) -> None:
    """So that what succeeds above is due to them: the same app without association, init and sidecar."""
    [pod] = copy(BARE)
    for_minio(pod["spec"])
    shop.apply([pod])
    shop.ready("bare")
    done = shop.kubectl("exec", "bare", "--", "/app", "s3", shop.name, "key", "text", check=False)
    assert done.returncode != 0 and "failed to refresh cached credentials" in done.stderr, done


# --- what an API server has as stable: the files without `-v1beta1`


@pytest.fixture(scope="module")
def injecting(air_gapped: AirGapped, stocked: Cluster) -> str:
    """admission/mutating.yaml, too, which counts; the API server's version."""
    if not serves_version_1(stocked):
        pytest.skip(f"an API server of {stocked.version}, which has no stable mutating policies: make setup-e2e says why there is no newer one")
    stocked.apply((FOLDER / "admission/mutating.yaml").read_text())
    space = Space(stocked, "default")

    def probe() -> bool:
        done = space.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", check=False, stdin=json.dumps(labelled("trial")))
        return "pod-identity-sidecar" in done.stdout
    space.wait("the policy counts", probe)
    return stocked.version


def labelled(name: str, **spec: Any) -> dict[str, Any]:
    """A pod that knows nothing of the toolkit but the label, and where MinIO is."""
    made = {"serviceAccountName": "app", "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "app", "image": f"{REGISTRY}/app:1.0.0", "securityContext": LOCKED}], **spec}
    for_minio(made)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"pod-identity-toolkit/inject": "enabled"}}, "spec": made}


def test_a_labelled_pod(injecting: str, air_gapped: AirGapped, shop: Space) -> None:
    """Both policies: one adds init and sidecar, the other gives them the token; the app asks the sidecar, whichever of the two came first."""
    assert [int(part) for part in injecting.split(".")[:2]] >= [1, 36]
    associate(air_gapped, shop)
    own = {"name": "migrate", "image": f"{REGISTRY}/app:1.0.0", "command": ["/app", "migrate"], "securityContext": LOCKED}
    shop.apply([labelled("app", initContainers=[own])])
    pod = shop.ready()
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar", "migrate"]
    assert_endpoints(pod)
    assert json.loads(shop.log("migrate"))["complete"]
    write_and_read(shop, "app", "injected")


def assert_endpoints(pod: dict[str, Any]) -> None:
    """Ours ask the agent, the app's ask the sidecar."""
    for one in pod["spec"]["initContainers"] + pod["spec"]["containers"]:
        [uri] = [each["value"] for each in one["env"] if each["name"] == "AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        [file] = [each["value"] for each in one["env"] if each["name"] == "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
        ours = one["name"].startswith("pod-identity-")
        assert uri == ("http://169.254.170.23/v1/credentials" if ours else "http://127.0.0.1:9911/v1/credentials"), (one["name"], uri)
        assert file == ("/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token" if ours else "/run/pod-identity/http-token")


def test_in_any_order(injecting: str, air_gapped: AirGapped, shop: Space) -> None:
    """The API server puts its policies into an order of its own, anew after each change of one: what a pod gets is the same each time."""
    associate(air_gapped, shop)
    trial = json.dumps(labelled("trial"))
    for turn in range(8):
        shop.cluster.kubectl("annotate", "--overwrite", "mutatingadmissionpolicy", "pod-identity-toolkit", f"e2e/turn={turn}")
        for _ in range(6):  # the change counts within a second or so, and its moment does not matter
            assert_endpoints(json.loads(shop.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=trial).stdout))


def test_what_cannot_be_injected(injecting: str, air_gapped: AirGapped, shop: Space) -> None:
    """The second policy of mutating.yaml refuses it, with the cause; a pod without the label is left alone."""
    taken = labelled("taken", volumes=[{"name": "pod-identity", "emptyDir": {}}])
    said = shop.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(taken), check=False).stderr
    assert re.search("the pod has the label pod-identity-toolkit/inject, but no pod-identity-init: it has a volume pod-identity, a name that the toolkit "
                     "uses: rename it", said), said
    plain = labelled("plain")
    plain["metadata"]["labels"] = {}
    made = json.loads(shop.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(plain)).stdout)
    assert "initContainers" not in made["spec"]


def test_deleted_and_applied_again(air_gapped: AirGapped, shop: Space) -> None:
    """What README of any-cluster warns of, and why the chart keeps a policy; the last test here, as the API server stays so. The policy counts again,
    by the associations of before; the agent heeds a new one, and the policy does not. An API server that does better is to be told there."""
    old, policy = Space(shop.cluster, "default"), (FOLDER / "any-cluster" / air_gapped.injection).read_text()
    shop.wait("the association that is shipped counts", lambda: air_gapped.injects(old))
    shop.cluster.kubectl("delete", "--wait", "-f", "-", stdin=policy)
    shop.wait("it counts no more", lambda: not air_gapped.injects(old))
    shop.cluster.apply(policy)
    shop.wait("it counts again", lambda: air_gapped.injects(old))
    air_gapped.associate(f"{shop.name}.app", air_gapped.minio.role_arn)
    shop.apply((FOLDER / "own-token.yaml").read_text())
    shop.ready()
    assert not air_gapped.injects(shop)
