"""The admission policies on a real API server, with EKS' own webhook between them: the mutating one adds our containers, the webhook gives them the
token, the validating one sees what came of it."""

from __future__ import annotations

import json
from typing import Any, Callable, Iterator

import pytest

from cluster_fixtures import REGISTRY, Agents, Webhook
from manifests import FOLDER, load
from real_cluster import Cluster, Space

ADMISSION = FOLDER / "admission"
LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def beta(name: str) -> list[dict[str, Any]]:
    """What this API server takes: 1.34 has the mutating policy's API as v1beta1, and the two differ in nothing else (test_manifests)."""
    path = ADMISSION / name.replace(".yaml", "-v1beta1.yaml")
    return load((path if path.exists() else ADMISSION / name).read_text())


def app(labels: dict[str, str], **spec: Any) -> list[dict[str, Any]]:
    """A Deployment that knows nothing of the toolkit but the label."""
    template = {"metadata": {"labels": {"app": "app", **labels}}, "spec": {
        "serviceAccountName": "app", "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "app", "image": f"{REGISTRY}/app:1.0.0", "securityContext": LOCKED}], **spec}}
    return [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"},
             "spec": {"selector": {"matchLabels": {"app": "app"}}, "template": template}}]


@pytest.fixture(scope="module")
def policies(stocked: Cluster, webhook: Webhook, agents: Agents) -> Iterator[None]:
    """Both are there, and count."""
    agents.use("cloud")
    documents = beta("mutating.yaml") + beta("validating.yaml")
    stocked.apply(documents)
    trial = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial", "labels": {"pod-identity-toolkit/inject": "enabled"}},
             "spec": {"containers": [{"name": "c", "image": "i"}]}}

    def count() -> bool:
        done = stocked.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(trial), check=False)
        return "no token for Pod Identity or IRSA was injected" in done.stderr and "no pod-identity-init" not in done.stderr
    space = Space(stocked, "default", enforce="privileged")
    space.wait("both policies count", count, timeout_s=60)
    yield
    stocked.kubectl("delete", "--wait=false", "-f", "-", stdin="\n---\n".join(map(json.dumps, documents)))


def test_a_labelled_workload(policies: None, eks: Agents, new_space: Callable[..., Space]) -> None:
    """Injected, taken by restricted Pod Security, and its app has credentials, by its own user and fsGroup."""
    space = new_space()
    space.apply(app({"pod-identity-toolkit/inject": "enabled"}))
    pod = space.ready("app=app")
    assert [one["name"] for one in pod["spec"]["initContainers"]][:2] == ["pod-identity-init", "pod-identity-sidecar"]
    name = pod["metadata"]["name"]
    space.ask(name=name)


def test_init_containers_of_its_own(policies: None, eks: Agents, new_space: Callable[..., Space]) -> None:
    """They come behind ours, and have credentials if they are told of the endpoint."""
    own = {"name": "migrate", "image": f"{REGISTRY}/app:1.0.0", "command": ["/app", "migrate"], "securityContext": LOCKED}
    space = new_space()
    space.apply(app({"pod-identity-toolkit/inject": "enabled"}, initContainers=[own]))
    pod = space.ready("app=app")
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar", "migrate"]
    assert json.loads(space.log("migrate", pod["metadata"]["name"]))["complete"]


def test_without_the_label(policies: None, eks: Agents, new_space: Callable[..., Space]) -> None:
    space = new_space()
    space.apply(app({}))
    pod = space.ready("app=app")
    assert "initContainers" not in pod["spec"]


def refusal(space: Space) -> str:
    """What `kubectl describe` and the ReplicaSet's events say of a pod that may not be made."""
    def probe() -> str:
        events = space.cluster.items("-n", space.name, "events", "--field-selector", "reason=FailedCreate")
        return next((str(one["message"]) for one in events), "")
    found: str = space.wait("the ReplicaSet says why it makes no pod", probe)
    return found


def test_the_webhook_misses_a_labelled_pod(policies: None, eks: Agents, new_space: Callable[..., Space], webhook: Webhook) -> None:
    """It is refused, and made by itself once the webhook is back."""
    space = new_space()
    webhook.stop()
    try:
        space.apply(app({"pod-identity-toolkit/inject": "enabled"}))
        said = refusal(space)
        assert ("ValidatingAdmissionPolicy 'pod-identity-toolkit-injected' with binding 'pod-identity-toolkit-injected' denied request: no token for Pod "
                "Identity or IRSA was injected for service account app: it has no association, or the webhook missed the pod; make the association, "
                "then create the pod again") in said, said
    finally:
        webhook.start()
    space.ready("app=app", timeout_s=240)  # the ReplicaSet's own back-off


def test_required_alone(policies: None, eks: Agents, new_space: Callable[..., Space]) -> None:
    """The label require adds nothing, and refuses what was not injected."""
    required = {"pod-identity-toolkit/require": "enabled"}
    space, skipped = new_space(), new_space()
    space.apply(app(required))
    pod = space.ready("app=app")
    assert "initContainers" not in pod["spec"]
    space.ask(name=pod["metadata"]["name"])
    skipped.apply(app({**required, "eks.amazonaws.com/skip-pod-identity-webhook": "true"}))
    assert "no token for Pod Identity or IRSA was injected for service account app" in refusal(skipped)


def test_the_mutating_policy_is_missing(policies: None, eks: Agents, new_space: Callable[..., Space], stocked: Cluster) -> None:
    """As on a cluster that does not have its API turned on: the label alone lets no pod through."""
    space = new_space()
    [binding] = [one for one in beta("mutating.yaml") if one["kind"] == "MutatingAdmissionPolicyBinding"]
    stocked.kubectl("delete", "-f", "-", stdin=json.dumps(binding))

    def probe() -> str:
        done = space.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial", "labels": {"pod-identity-toolkit/inject": "enabled"}},
             "spec": app({})[0]["spec"]["template"]["spec"]}), check=False)
        return done.stderr
    try:
        space.wait("the policy counts no more", lambda: "the pod has the label pod-identity-toolkit/inject, but no pod-identity-init: the "
                   "MutatingAdmissionPolicy pod-identity-toolkit is not installed, not bound here, or not turned on in this cluster" in probe(), timeout_s=60)
    finally:
        stocked.apply([binding])
    space.wait("the policy counts again", lambda: "no pod-identity-init" not in probe(), timeout_s=60)
