"""The manifests for clusters that are not EKS: the injection and the guard, evaluated with the API server's own code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from manifests import FOLDER, load, pod_spec
from test_policies import evaluator, new_pod  # noqa: F401  # a fixture

ANY = FOLDER / "any-cluster"
ROLE = '{"roleArn": "arn:aws:iam::111122223333:role/demo-app"}'
PAIR = [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
         "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}]
MOUNT = {"name": "eks-pod-identity-token", "mountPath": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "readOnly": True}
VOLUME = {"name": "eks-pod-identity-token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {
    "audience": "pods.eks.amazonaws.com", "expirationSeconds": 3600, "path": "eks-pod-identity-token"}}]}}
Ask = Callable[..., dict[str, Any]]


def documents() -> dict[str, list[dict[str, Any]]]:
    return {path.name: load(path.read_text()) for path in sorted(ANY.glob("*.yaml"))}


@pytest.fixture
def ask(evaluator: Path) -> Ask:  # noqa: F811
    def run(name: str, **request: Any) -> dict[str, Any]:
        policy = load((ANY / name).read_text())[0]
        done = subprocess.run([evaluator], input=json.dumps({"policy": policy, **request}) + "\n", capture_output=True, text=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        assert "error" not in answer, answer["error"]
        return answer
    return run


def configmap(**data: str) -> dict[str, Any]:
    return {"metadata": {"name": "associations", "namespace": "pod-identity"}, "data": {key.replace("__", "."): value for key, value in data.items()}}


@pytest.fixture(params=["injection.yaml", "injection-v1beta1.yaml"])
def inject(ask: Ask, request: pytest.FixtureRequest) -> Ask:
    def run(pod: dict[str, Any], params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        return ask(request.param, pod=pod, params=params or configmap(default__app=ROLE, shop__my__app=ROLE), **more)
    return run


def plain_pod(account: str | None = "app", **spec: Any) -> dict[str, Any]:
    pod = new_pod(label=None, **spec)
    pod["spec"].pop("serviceAccountName")
    return {**pod, "spec": {**pod["spec"], **({"serviceAccountName": account} if account else {})}}


def test_as_eks_webhook_does(inject: Ask) -> None:
    pod = plain_pod()
    pod["spec"]["initContainers"] = [{"name": "first", "image": "i"}]
    made = inject(pod)["pod"]
    assert made["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled" and made["metadata"]["labels"]["app"] == "x"
    for container in made["spec"]["containers"] + made["spec"]["initContainers"]:
        assert container["env"] == PAIR and container["volumeMounts"] == [MOUNT]
    assert made["spec"]["volumes"] == [VOLUME]


def test_who_gets_it(inject: Ask) -> None:
    assert not inject(plain_pod("other"))["matched"]
    assert not inject(plain_pod(None))["matched"]
    assert inject(plain_pod(None), configmap(default__default=ROLE))["matched"]
    assert inject(plain_pod("my.app"), namespace="shop")["matched"]
    assert not inject(plain_pod(), namespace="shop")["matched"]
    skipped = plain_pod()
    skipped["metadata"]["labels"]["eks.amazonaws.com/skip-pod-identity-webhook"] = "x"
    assert not inject(skipped)["matched"]
    assert not inject(plain_pod(), {"metadata": {"name": "associations"}})["matched"]


def test_what_is_there_stays(inject: Ask) -> None:
    pod = plain_pod()
    own = {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://127.0.0.1:9911/v1/credentials"}
    other = {"name": "OTHER", "value": "1"}
    pod["spec"]["containers"] = [{"name": "sidecar", "image": "i", "env": [own]}, {"name": "app", "image": "i", "env": [other]}]
    pod["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    first = inject(pod)["pod"]
    sidecar, app = first["spec"]["containers"]
    assert sidecar["env"] == [own] and sidecar["volumeMounts"] == [MOUNT]
    assert app["env"] == [other, *PAIR]
    assert [volume["name"] for volume in first["spec"]["volumes"]] == ["eks-pod-identity-token", "data"]
    # With reinvocation it runs again, over what it has made.
    assert inject(first)["pod"]["spec"] == first["spec"]


def test_both_versions_are_the_same() -> None:
    one, two = (documents()[name] for name in ("injection.yaml", "injection-v1beta1.yaml"))
    assert [each.pop("apiVersion") for each in one] == ["admissionregistration.k8s.io/v1"] * 2
    assert [each.pop("apiVersion") for each in two] == ["admissionregistration.k8s.io/v1beta1"] * 2
    assert one == two
    [policy, binding] = one
    selector = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert selector == [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "pod-identity"]}]
    assert binding["spec"]["paramRef"] == {"name": "associations", "namespace": "pod-identity", "parameterNotFoundAction": "Allow"}


def test_the_guard(ask: Ask) -> None:
    def denied(data: dict[str, Any], *may: str) -> str:
        return "; ".join(ask("guard.yaml", configmap=data, namespace="pod-identity", may=list(may)).get("denied", []))
    good = configmap(default__app=ROLE, shop__my__app=ROLE)
    assert denied(good, "associate") == ""
    assert denied({"metadata": {"name": "associations"}}, "associate") == ""
    assert "somebody has not" in denied(good, "update", "patch")
    assert "not default_app" in denied(configmap(default_app=ROLE), "associate")
    assert "not Default.app" in denied(configmap(Default__app=ROLE), "associate")
    assert "that of default.app is not" in denied(configmap(default__app="arn:aws:iam::111122223333:role/x"), "associate")
    assert "kube-system and pod-identity" in denied(configmap(**{"kube-system__x": ROLE}), "associate")


def test_the_daemonset_fits_the_rest() -> None:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for document in (each for found in documents().values() for each in found):
        by_kind.setdefault(document["kind"], []).append(document)
    [daemonset], [account] = by_kind["DaemonSet"], by_kind["ServiceAccount"]
    spec = pod_spec(daemonset)
    [agent] = spec["containers"]
    assert spec["serviceAccountName"] == account["metadata"]["name"] and spec["enableServiceLinks"] is False
    [shipped] = by_kind["ConfigMap"]
    where = f"{shipped['metadata']['namespace']}/{shipped['metadata']['name']}"
    assert f"--associations=configmap:{where}" in agent["command"]
    reads = next(role for role in by_kind["Role"] if role["metadata"]["name"] == account["metadata"]["name"])
    assert reads["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["associations"], "verbs": ["get", "list", "watch"]}]
    # All its containers are root, so that the kubelet makes the account's token for root alone; the agent is user 65532 soon.
    assert all(one["securityContext"]["runAsUser"] == 0 for one in spec["initContainers"] + spec["containers"])
    assert spec["securityContext"]["fsGroup"] == 65532
    assert any(one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") == "spec.nodeName" and one["name"] == "NODE_NAME" for one in agent["env"])
    assert shipped["data"] and all(json.loads(value)["roleArn"] for value in shipped["data"].values())
