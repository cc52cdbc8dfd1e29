"""Every manifest for apps, as it is shipped, on a real cluster as EKS is one: its webhook injects, our agent asks EKS Auth, restricted Pod Security
is enforced, and an app with the AWS SDK for Go has credentials. What the app of a Job has for an image is one that ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from cluster_fixtures import REGISTRY, ROLE, Agents
from harness.aws import TARGET, trust
from harness.emulator import ACCOUNT, Emulator
from manifests import FOLDER, kustomize, load
from real_cluster import ISSUER, MADE, REGION, Cluster, Space

SUBJECT = "system:serviceaccount:{}:app"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pod-identity-http"}, "stringData": {"token": "0123456789abcdef0123456789abcdef"}}
PODS = ["pod.yaml", "sidecar-only.yaml", "classic.yaml", "own-token.yaml", "distroless.yaml", "legacy-sdk.yaml"]
JOBS = ["job.yaml", "job-classic.yaml"]
WORKER = TARGET.replace("target", "worker")
ENDING = f"{REGISTRY}/app-once:1.0.0"


def text(name: str) -> str:
    """A manifest, as it is."""
    return (FOLDER / name).read_text()


def once(shipped: str) -> str:
    """With an app that ends."""
    changed = shipped.replace(f"{REGISTRY}/app:1.0.0", ENDING)
    assert changed != shipped
    return changed


@pytest.fixture(scope="module")
def spaces(agents: Agents, webhook: Any, stocked: Cluster, aws: Emulator, names: Iterator[str]) -> dict[str, Space]:
    """All that start by themselves, each in a namespace of its own, made together: the kubelet starts them beside one another."""
    agents.use("cloud")
    made = {}
    for name in [*PODS, *JOBS]:
        space = made[name] = Space(stocked, next(names))
        aws.associate(space.name, "app", ROLE)
        if name == "legacy-sdk.yaml":
            space.apply([SECRET])
        space.apply(once(text(name)) if name in JOBS else text(name))
    return made


@pytest.mark.parametrize("name", PODS)
def test_a_pod(spaces: dict[str, Space], name: str) -> None:
    """Ready, and its app has credentials, the same each time: the sidecar keeps them."""
    space = spaces[name]
    space.ready()
    first = space.ask()
    assert space.ask()["accessKeyId"] == first["accessKeyId"]
    if name == "legacy-sdk.yaml":
        assert space.ask("instance-profile")["accessKeyId"] == first["accessKeyId"]
    if name != "sidecar-only.yaml":
        assert space.terminated()["exitCode"] == 0 and "message" not in space.terminated()
    for container in ("pod-identity-sidecar", "app"):
        assert space.status(container)["restartCount"] == 0


@pytest.mark.parametrize("name", JOBS)
def test_a_job(spaces: dict[str, Space], name: str) -> None:
    """Completes: its app had credentials, and the sidecar does not keep it from its end."""
    space = spaces[name]
    space.wait("the Job is complete", lambda: (space.cluster.get("-n", space.name, "job", "app") or {}).get("status", {}).get("succeeded") == 1)
    pod = space.pod("job-name=app")
    assert pod is not None and json.loads(space.log("app", pod["metadata"]["name"]))["complete"]
    if name == "job.yaml":
        ended = space.status("pod-identity-sidecar", "job-name=app")["state"]["terminated"]
        assert ended["exitCode"] == 0, ended


def test_the_variables_are_eks(spaces: dict[str, Space]) -> None:
    """What EKS' webhook gave to our containers, and what it left to the app."""
    pod = spaces["pod.yaml"].ready()
    assert pod["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled"
    env = {container["name"]: {one["name"]: one.get("value") for one in container["env"]}
           for container in pod["spec"]["initContainers"] + pod["spec"]["containers"]}
    assert env["pod-identity-sidecar"]["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://169.254.170.23/v1/credentials"
    assert env["app"]["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:9911/v1/credentials"


def test_another_account(space: Space, aws: Emulator, webhook: Any) -> None:
    """cross-account.yaml: STS by its own name, over TLS."""
    aws.role(TARGET, trust(ROLE))
    [pod] = load(text("cross-account.yaml"))
    if not webhook.irsa:  # our policy in its place sets no region (README of any-cluster)
        for container in pod["spec"]["initContainers"]:
            container["env"] = [*container.get("env", []), {"name": "AWS_REGION", "value": REGION}]
    space.apply([pod])
    space.ready()
    space.ask()
    told = space.kubectl("exec", "app", "-c", "pod-identity-sidecar", "--", "/pod-identity-sidecar", "whoami").stdout
    assert "444455556666" in told and "target" in told


def test_two_roles(space: Space, aws: Emulator) -> None:
    """two-roles.yaml: each container has the role of its own socket and bearer; the other's are not on its volumes."""
    aws.role(TARGET, trust(ROLE))
    aws.role(WORKER, trust(ROLE))
    space.apply(text("two-roles.yaml"))
    pod = space.ready()
    found = {name: space.ask(container=name)["accessKeyId"] for name in ("app", "worker")}
    assert found["app"] != found["worker"]
    for name, role in (("app", "target"), ("worker", "worker")):
        told = space.kubectl("exec", "app", "-c", "pod-identity-sidecar", "--", "/pod-identity-sidecar", "whoami", f"--unix-socket=/run/of-{name}/credentials.sock").stdout
        assert f"role:        {role}\n" in told, told
    mounted = {one["name"]: {mount["name"] for mount in one["volumeMounts"]} for one in pod["spec"]["containers"]}
    assert "of-worker" not in mounted["app"] and "of-app" not in mounted["worker"]
    assert "pod-identity" not in mounted["app"] | mounted["worker"]


def test_irsa(agents: Agents, new_space: Callable[..., Space], aws: Emulator, webhook: Any) -> None:
    """irsa.yaml: the webhook injects by the annotation alone; no association, no agent."""
    if not webhook.irsa:
        pytest.skip("EKS' webhook is not built, and our policy knows no IRSA: make setup-e2e says why")
    agents.use("none")
    space = new_space(associated=False)
    host = ISSUER.removeprefix("https://")
    role = f"arn:aws:iam::{ACCOUNT}:role/irsa-{space.name}"
    aws.settings(client_id="sts.amazonaws.com")
    aws.role(role, {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": f"system:serviceaccount:{space.name}:irsa"}}}]})
    space.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "irsa", "namespace": space.name, "annotations": {"eks.amazonaws.com/role-arn": role}}}])
    space.apply(text("irsa.yaml").replace("serviceAccountName: app ", "serviceAccountName: irsa ").replace("=app", "=irsa"))
    space.ready()
    space.ask()


def test_the_example(eks: Agents, new_space: Callable[..., Space]) -> None:
    """example, component and fsgroup: a Deployment of another user, whose own init container has credentials, and a CronJob, run by hand."""
    space = new_space()
    space.apply(kustomize(str(MADE / "bin/kubectl"), FOLDER / "example"))
    pod = space.ready("app=app")
    name = pod["metadata"]["name"]
    assert space.ask(name=name) and json.loads(space.log("migrate", name))["complete"]
    assert pod["spec"]["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    cron = space.cluster.get("-n", space.name, "cronjob", "app-nightly")
    cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] = ENDING
    space.apply([{key: cron[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "app-nightly"}}])
    space.kubectl("create", "job", "tonight", "--from=cronjob/app-nightly")
    space.wait("the CronJob's Job is complete", lambda: space.cluster.get("-n", space.name, "job", "tonight")["status"].get("succeeded") == 1)


STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: kept}
spec:
  selector: {matchLabels: {app: kept}}
  serviceName: kept
  template: {metadata: {labels: {app: kept}}, spec: {serviceAccountName: app, containers: [{name: app, image: "registry.example.com/app:1.0.0",
    env: [{name: AWS_CONTAINER_CREDENTIALS_FULL_URI, value: "http://127.0.0.1:9911/v1/credentials"},
      {name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, value: /run/pod-identity/http-token}],
    volumeMounts: [{name: pod-identity, mountPath: /run/pod-identity, readOnly: true}],
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}],
    securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {serviceAccountName: app, restartPolicy: Never, containers: [{name: app, image: "registry.example.com/app-once:1.0.0",
    env: [{name: AWS_CONTAINER_CREDENTIALS_FULL_URI, value: "http://127.0.0.1:9911/v1/credentials"},
      {name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, value: /run/pod-identity/http-token}],
    volumeMounts: [{name: pod-identity, mountPath: /run/pod-identity, readOnly: true}],
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}],
    securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}}}}
"""


def test_the_component_on_other_workloads(space: Space, tmp_path: Path) -> None:
    """A StatefulSet and a Job."""
    (tmp_path / "workloads.yaml").write_text(STATEFUL)
    for name in ("component", "fsgroup"):
        (tmp_path / name).mkdir()
        for file in (FOLDER / name).iterdir():
            (tmp_path / name / file.name).write_text(file.read_text())
    (tmp_path / "kustomization.yaml").write_text("resources: [workloads.yaml]\ncomponents: [component, fsgroup]\n")
    space.apply(kustomize(str(MADE / "bin/kubectl"), tmp_path))
    space.ready("app=kept")
    space.ask(name="kept-0")
    space.wait("the Job is complete", lambda: space.cluster.get("-n", space.name, "job", "once")["status"].get("succeeded") == 1)
