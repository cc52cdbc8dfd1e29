"""What the manifests promise about starting and ending, on a real cluster: the sidecar alone says what init would, classic.yaml keeps its order,
Jobs end by init's exits, a LimitRange takes our containers, and the mutating policy injects or refuses."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Callable

import pytest

from cluster_fixtures import REGISTRY, ROLE, Agents, Webhook
from harness.emulator import Emulator
from manifests import FOLDER, load
from real_cluster import Cluster, Space
from test_manifests import ordinary

SIDECAR, INIT = "pod-identity-sidecar", "pod-identity-init"
ALONE, CLASSIC, JOB = ((FOLDER / name).read_text() for name in ("sidecar-only.yaml", "classic.yaml", "job.yaml"))
MISSED = {"eks.amazonaws.com/skip-pod-identity-webhook": "true"}


def changed(text: str, change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """A manifest of one document with a change."""
    [document] = load(text)
    change(document)
    return [document]


def events(space: Space, reason: str) -> list[str]:
    """The messages of the events with that reason."""
    return [one["message"] for one in space.cluster.items("-n", space.name, "events", f"--field-selector=reason={reason}")]


# --- the sidecar alone


def test_alone_without_an_association(eks: Agents, new_space: Callable[..., Space], aws: Emulator) -> None:
    """While it waits the probe's event has reason and remedy; when the kubelet ends it, so has its termination message; and it heals."""
    space = new_space(associated=False)

    def impatient(pod: dict[str, Any]) -> None:
        pod["spec"]["initContainers"][0]["startupProbe"]["failureThreshold"] = 8
    space.apply(changed(ALONE, impatient))
    ended = space.terminated(SIDECAR)
    says = "ACCESS_DENIED: GET http://169.254.170.23/v1/credentials answered 404: "
    remedy = "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE --service-account NAME"
    assert ended["exitCode"] == 0 and ended["message"].startswith(says) and remedy in ended["message"], ended
    told = [one for one in events(space, "Unhealthy") if f"Startup probe failed: {SIDECAR}: not ready: {says}" in one]
    assert told and all(remedy in one for one in told), events(space, "Unhealthy")
    shown = space.describe()
    assert re.search(r"Message:\s+" + re.escape(says), shown) and "Startup probe failed: " in shown
    aws.associate(space.name, "app", ROLE)
    space.ready()
    space.ask()


def test_alone_and_missed_by_the_webhook(space: Space) -> None:
    space.apply(changed(ALONE, lambda pod: pod["metadata"].update(labels=MISSED)))
    ended = space.terminated(SIDECAR)
    assert ended["exitCode"] == 10 and ended["message"].startswith("NOT_INJECTED: ") and "Remedy: " in ended["message"]
    assert not space.status("app").get("started")


# --- classic.yaml


def test_classic_holds_the_app_back(eks: Agents, new_space: Callable[..., Space], aws: Emulator) -> None:
    """The association comes late: the app is not started before there are credentials, and its first try has them. Then it ends in good time."""
    space = new_space(associated=False)

    def without_init(pod: dict[str, Any]) -> None:
        del pod["spec"]["initContainers"]
    space.apply(changed(CLASSIC, without_init))
    space.wait("the sidecar runs", lambda: SIDECAR in " ".join(events(space, "Started")))
    # While the hook waits, the kubelet tells nothing of the pod but events.
    assert space.log(SIDECAR) == "" and "app" not in space.status("app").get("state", {}).get("running", {})
    assert not [one for one in events(space, "Started") if one.endswith(" app")]
    aws.associate(space.name, "app", ROLE)
    space.ready()
    first = json.loads(space.kubectl("logs", "app").stdout.splitlines()[0])  # of the default container
    assert first["complete"] and space.status("app")["restartCount"] == space.status(SIDECAR)["restartCount"] == 0
    grace = space.ready()["spec"]["terminationGracePeriodSeconds"]
    began = time.monotonic()
    space.delete(grace_s=grace)
    space.wait("the pod is gone", lambda: space.pod() is None)
    assert grace == 30 and time.monotonic() - began < grace, "it was not the kubelet that ended it"


def test_a_hook_in_vain_is_an_event(eks: Agents, new_space: Callable[..., Space]) -> None:
    space = new_space(associated=False)

    def impatient(pod: dict[str, Any]) -> None:
        del pod["spec"]["initContainers"]
        pod["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]["command"][-1] = "--wait=3s"
    space.apply(changed(CLASSIC, impatient))
    space.wait("the hook has failed", lambda: events(space, "FailedPostStartHook"))
    assert space.terminated(SIDECAR)["message"].startswith("ACCESS_DENIED: ")


# --- Jobs


def ends_once(job: dict[str, Any]) -> None:
    job["spec"]["template"]["spec"]["containers"][0]["image"] = f"{REGISTRY}/app-once:1.0.0"
    job["spec"]["backoffLimit"] = 0


def conditions(space: Space) -> dict[str, dict[str, Any]]:
    job = space.cluster.get("-n", space.name, "job", "app") or {}
    return {one["type"]: one for one in job.get("status", {}).get("conditions", []) if one["status"] == "True"}


def test_an_outage_of_the_webhook_is_not_counted(space: Space, webhook: Webhook) -> None:
    """With backoffLimit 0 the first failure that counts would end the Job."""
    webhook.stop()
    try:
        space.apply(changed(JOB, ends_once))
        ended = space.terminated(INIT, "job-name=app")
        assert ended["exitCode"] == 10
    finally:
        webhook.start()
    space.wait("the Job is complete", lambda: conditions(space).get("Complete"), timeout_s=180)


def test_a_job_of_the_wrong_account_fails_at_once(space: Space) -> None:
    """Whatever backoffLimit says."""
    def other(job: dict[str, Any]) -> None:
        job["spec"]["template"]["spec"]["initContainers"][0]["command"] = ["/pod-identity-init", "--wait=2m", "--expect-service-account=other"]
        assert job["spec"]["backoffLimit"] == 3
    space.apply(changed(JOB, other))
    failed = space.wait("the Job has failed", lambda: conditions(space).get("Failed"))
    assert failed["reason"] == "PodFailurePolicy" and "exit code 30 matching FailJob" in failed["message"], failed


def test_a_job_whose_association_never_comes(eks: Agents, new_space: Callable[..., Space]) -> None:
    """Its pods end with 10, which is never counted: the deadline ends the Job."""
    space = new_space(associated=False)

    def soon(job: dict[str, Any]) -> None:
        job["spec"]["activeDeadlineSeconds"] = 15
        job["spec"]["template"]["metadata"] = {"labels": MISSED}
    space.apply(changed(JOB, soon))
    failed = space.wait("the Job has failed", lambda: conditions(space).get("Failed"))
    assert failed["reason"] == "DeadlineExceeded", failed


# --- what owners of clusters set


def test_the_limit_range_of_the_documentation(space: Space) -> None:
    """It takes what we ship, and not what is smaller."""
    space.apply([{"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "ordinary"}, "spec": {"limits": [ordinary()]}}])
    space.apply((FOLDER / "pod.yaml").read_text())
    space.ready()
    space.ask()

    def smaller(pod: dict[str, Any]) -> None:
        pod["metadata"]["name"] = "smaller"
        pod["spec"]["initContainers"][1]["resources"]["requests"] = {"cpu": "1m", "memory": "2Mi"}
    refused = space.apply(changed((FOLDER / "pod.yaml").read_text(), smaller), check=False)
    assert refused.returncode != 0 and "minimum cpu usage per Container is 10m" in refused.stderr, refused


LABEL = {"pod-identity-toolkit/inject": "enabled"}


@pytest.fixture(scope="module")
def policies(stocked: Cluster) -> Any:
    """Both, in the version that this API server has; gone afterwards."""
    text = "\n---\n".join((FOLDER / "admission" / name).read_text() for name in (
        "mutating.yaml" if stocked.version >= "1.36" else "mutating-v1beta1.yaml", "validating.yaml"))
    stocked.apply(text)
    yield text
    stocked.kubectl("delete", "-f", "-", stdin=text)


def plain_pod(**spec: Any) -> dict[str, Any]:
    locked = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "runAsUser": 65532,
              "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
    app = {"name": "app", "image": f"{REGISTRY}/app:1.0.0", "securityContext": locked}
    first = {**app, "name": "migrate", "image": f"{REGISTRY}/app-once:1.0.0"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "labels": LABEL},
            "spec": {"serviceAccountName": "app", "containers": [app], "initContainers": [first], **spec}}


def test_a_labelled_pod_is_injected(space: Space, policies: Any) -> None:
    """Policy, EKS' webhook, policy: the app and its own init container have credentials by the sidecar."""
    space.wait("the policies count", lambda: SIDECAR in space.kubectl(
        "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(plain_pod()), check=False).stdout)
    space.apply([plain_pod()])
    pod = space.ready()
    assert [one["name"] for one in pod["spec"]["initContainers"]] == [INIT, SIDECAR, "migrate"]
    assert json.loads(space.log("migrate"))["complete"]
    space.ask()


@pytest.mark.parametrize(("spec", "says"), [
    ({"hostNetwork": True}, "it has hostNetwork, and its loopback is the node's"),
    ({"volumes": [{"name": "pod-identity", "emptyDir": {}}]}, "it has a volume pod-identity, a name that the toolkit uses: rename it")])
def test_a_pod_that_cannot_be_injected_is_refused(eks: Agents, new_space: Callable[..., Space], policies: Any, spec: dict[str, Any], says: str) -> None:
    space = new_space(enforce="privileged")

    def refused() -> str:
        done = space.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(plain_pod(**spec)), check=False)
        return done.stderr if done.returncode != 0 else ""
    said = space.wait("it is refused", refused)
    assert f"the pod has the label pod-identity-toolkit/inject, but no pod-identity-init: {says}" in said, said
