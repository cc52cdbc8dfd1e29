"""What goes wrong on a real cluster, and what a person sees then: `kubectl describe pod` says it in our words; and what heals by itself."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterator

import pytest

from cluster_fixtures import ROLE, Agents, Webhook
from harness.emulator import Emulator
from manifests import FOLDER
from real_cluster import Cluster, Space

POD = (FOLDER / "pod.yaml").read_text()
SHORTLY = POD.replace("--wait=2m", "--wait=3s")
OTHERS = POD.replace("serviceAccountName: app ", "serviceAccountName: other ")
assert POD != SHORTLY and POD != OTHERS


def described(space: Space, code: int, name: str = "app", timeout_s: float = 120.0) -> str:
    """The message of init's end, once `kubectl describe pod` shows it, too."""
    ended = space.terminated(name=name, timeout_s=timeout_s)
    assert ended["exitCode"] == code, ended
    message = str(ended["message"]).strip()
    # describe breaks no lines; it shows the message behind the field's name.
    assert re.search(r"Message:\s+" + re.escape(message), space.describe(name)), space.describe(name)
    return message


@pytest.fixture(scope="module")
def failing(agents: Agents, webhook: Webhook, stocked: Cluster, aws: Emulator, names: Iterator[str]) -> dict[str, Space]:
    """Pods that fail, all started together; each fails in its own time."""
    agents.use("cloud")
    made = {name: Space(stocked, next(names)) for name in ("missed", "other", "denied", "refused")}
    for name in ("missed", "other"):
        aws.associate(made[name].name, "app", ROLE)
    aws.associate(made["other"].name, "other", ROLE)
    made["other"].apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}}])
    aws.associate(made["refused"].name, "app", f"{ROLE}-refused", assumable=False)
    made["denied"].apply(POD)
    made["refused"].apply(POD)
    made["other"].apply(OTHERS)
    webhook.stop()
    made["missed"].apply(POD)
    webhook.start()
    return made


def test_the_webhook_missed_the_pod(failing: dict[str, Space]) -> None:
    """It was down when the pod was made; what issues the tokens here is not EKS."""
    space = failing["missed"]
    assert described(space, 10) == (
        "NOT_INJECTED: neither EKS Pod Identity (AWS_CONTAINER_CREDENTIALS_FULL_URI) nor IRSA (AWS_WEB_IDENTITY_TOKEN_FILE) was injected: the webhook missed "
        f'this pod, or its service account has no association; this pod is of service account "app" in namespace "{space.name}". Remedy: restarting this '
        f"container cannot help, a new pod can: this cluster is not EKS, so give {space.name}.app a role in the ConfigMap of pod-identity-agent (kubectl -n "
        f"pod-identity edit configmap associations, or what its --associations names), wait some seconds, then kubectl -n {space.name} delete pod app")
    space.delete()
    space.wait("it is gone", lambda: space.pod() is None)
    space.apply(POD)
    space.ready()
    space.ask()


def test_another_service_account(failing: dict[str, Space]) -> None:
    assert described(failing["other"], 30) == (
        'UNEXPECTED_IDENTITY: the token is for service account "other", and --expect-service-account says "app". Remedy: correct the pod\'s '
        "spec.serviceAccountName, or --expect-service-account")


def without_counts(message: str) -> str:
    """Without what differs from run to run: the request's id, and how often and how long it was tried."""
    message = re.sub(r"\[[0-9a-f-]{36}\]", "[ID]", message)
    return re.sub(r"after \d+ (attempts in) \d+s", r"after N \1 Ns", message)


def test_no_association(failing: dict[str, Space]) -> None:
    space = failing["denied"]
    assert without_counts(described(space, 21)) == (
        'ACCESS_DENIED: GET http://169.254.170.23/v1/credentials answered 404: "[ID]: (ResourceNotFoundException): No pod identity association found for '
        f'service account app in namespace {space.name}., fault: client", after N attempts in Ns; the token is for service account "app" in namespace '
        f'"{space.name}". Remedy: make the association, which a new try of this container then finds within seconds: aws eks '
        f"create-pod-identity-association --cluster-name CLUSTER --namespace {space.name} --service-account app --role-arn ROLE "
        "(list-pod-identity-associations shows what there is); CLUSTER is the one whose OIDC issuer ends in the id of the token's issuer (aws eks "
        "describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer)")


def test_the_association_comes_after_a_failure(failing: dict[str, Space], aws: Emulator) -> None:
    """As that remedy says: the container's next try finds it."""
    space = failing["denied"]
    space.terminated()
    aws.associate(space.name, "app", ROLE)
    space.ready()
    space.ask()
    assert space.status("pod-identity-init")["restartCount"] >= 1


def test_a_role_that_cannot_be_assumed(failing: dict[str, Space]) -> None:
    space = failing["refused"]
    assert without_counts(described(space, 21)) == (
        'ACCESS_DENIED: GET http://169.254.170.23/v1/credentials answered 400: "[ID]: (AccessDeniedException): Unauthorized Exception! EKS does not have '
        f'permissions to assume the associated role., fault: client", after N attempts in Ns; the token is for service account "app" in namespace '
        f'"{space.name}". Remedy: let the trust policy of the association\'s role allow the principal service pods.eks.amazonaws.com both sts:AssumeRole '
        "and sts:TagSession (aws iam get-role --role-name ROLE), with no condition that this pod does not meet; a role of another account needs "
        "targetRoleArn in the association")


def test_a_late_association(eks: Agents, new_space: Callable[..., Space], aws: Emulator) -> None:
    space = new_space(associated=False)
    space.apply(POD)
    space.wait("init says that it waits", lambda: "waiting" in space.log("pod-identity-init"))
    aws.associate(space.name, "app", ROLE)
    space.ready()
    space.ask()
    assert space.status("pod-identity-init")["restartCount"] == 0


def test_no_agent_and_a_late_one(eks: Agents, new_space: Callable[..., Space]) -> None:
    late, never = new_space(), new_space()
    eks.stop()
    try:
        late.apply(POD)
        never.apply(SHORTLY)
        message = without_counts(described(never, 20))
        assert message.startswith(
            "AGENT_UNREACHABLE: GET http://169.254.170.23/v1/credentials was refused after 0 ms (Connection refused), after N attempts in Ns; the node is "
            "node. Remedy: nothing listens there: the agent's DaemonSet"), message
        late.wait("init says that it waits", lambda: "waiting" in late.log("pod-identity-init"))
        assert late.status("pod-identity-init")["state"].get("running")
    finally:
        eks.start()
    late.ready()
    late.ask()
    assert late.status("pod-identity-init")["restartCount"] == 0


def test_the_agent_goes_and_comes_back(space: Space, eks: Agents) -> None:
    space.apply(POD)
    space.ready()
    first = space.ask()
    eks.stop()
    try:
        assert space.ask() == first
        space.signal("pod-identity-sidecar", "USR1")
        space.wait("a refresh fails", lambda: "refresh failed" in space.log("pod-identity-sidecar"))
        assert space.ask() == first
    finally:
        eks.start()
    space.wait("new credentials", lambda: space.ask()["accessKeyId"] != first["accessKeyId"])
    for container in ("pod-identity-sidecar", "app"):
        assert space.status(container)["restartCount"] == 0


def test_the_sidecar_is_killed(space: Space) -> None:
    space.apply(POD)
    space.ready()
    space.ask()
    space.signal("pod-identity-sidecar", "KILL")
    space.wait("it is started again", lambda: space.status("pod-identity-sidecar").get("restartCount") == 1)
    space.ready()
    space.ask()
    assert space.status("app")["restartCount"] == 0 and space.status("pod-identity-init")["restartCount"] == 0


def test_the_pause_container_is_killed(space: Space) -> None:
    """The pod loses its network: the kubelet makes it anew, init runs again, all have credentials again."""
    space.apply(POD)
    space.ready()
    address, sidecar = space.ready()["status"]["podIP"], space.status("pod-identity-sidecar")["containerID"]
    space.signal("pause", "KILL")
    space.wait("the app is started again", lambda: space.status("app").get("restartCount", 0) >= 1)
    space.ready()
    space.ask()
    again: dict[str, Any] = space.ready()
    assert again["status"]["podIP"] != address and space.status("pod-identity-sidecar")["containerID"] != sidecar
