"""The manifests of images/kubernetes/webhook: valid, restricted, without rights; what the template adds is what pod.yaml, classic.yaml and the mutating
policy have, and the program's answer makes of a pod what the policy makes of it."""

from __future__ import annotations

import base64
import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from manifests import FOLDER, NO_VALIDATE, load, plain, pod_spec, restricted
from test_manifests import LOCKED, SCHEMAS, amount, ordinary, refused_by
from test_policies import Evaluate, evaluate, evaluator, new_pod  # noqa: F401  # pylint: disable=unused-import

WEBHOOK = FOLDER / "webhook"
FILES = sorted(path.stem for path in WEBHOOK.glob("*.yaml"))
CONFIGURATIONS = ("configuration", "identity")
EKS = "pod-identity-webhook"  # the name of EKS's own configuration
PROGRAM = ROOT / "build" / {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine] / "pod-identity-webhook"


def documents(name: str) -> list[dict[str, Any]]:
    return load((WEBHOOK / f"{name}.yaml").read_text())


def template(name: str = "template") -> dict[str, Any]:
    [config_map] = documents(name)
    found: dict[str, Any] = json.loads(config_map["data"]["template.json"])
    return found


def deployment() -> dict[str, Any]:
    [found] = [each for each in documents("webhook") if each["kind"] == "Deployment"]
    return found


def entries(*names: str) -> list[dict[str, Any]]:
    return [entry for name in names or CONFIGURATIONS for each in documents(name) for entry in each["webhooks"]]


@pytest.mark.parametrize("version", ["1.28", *SCHEMAS])
@pytest.mark.parametrize("name", [name for name in FILES if name != "cert-manager"])  # whose schema Kubernetes does not have: test_chart.py
def test_valid(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    for document in documents(name):
        validate.validate(document, version, strict=True)


def test_restricted() -> None:
    spec = pod_spec(deployment())
    assert restricted(spec) == []
    [container] = spec["containers"]
    assert LOCKED.items() <= container["securityContext"].items()
    assert refused_by(ordinary(), container) == [] and amount(container["resources"]["limits"]["memory"]) == amount("16Mi")


def test_no_rights() -> None:
    """No role of any kind, no token, and nothing of its own to write to."""
    kinds = {each["kind"] for name in FILES for each in documents(name)}
    assert not {kind for kind in kinds if "Role" in kind}
    spec = pod_spec(deployment())
    [account] = [each for each in documents("webhook") if each["kind"] == "ServiceAccount"]
    assert account["automountServiceAccountToken"] is False and spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    assert all(mount["readOnly"] for mount in spec["containers"][0]["volumeMounts"])
    assert {key for volume in spec["volumes"] for key in volume} == {"name", "secret", "configMap"}


def test_two_apart() -> None:
    made = deployment()["spec"]
    assert made["replicas"] == 2 and made["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    [term] = made["template"]["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = made["selector"]["matchLabels"]
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"] == labels and labels.items() <= made["template"]["metadata"]["labels"].items()
    found = {each["kind"]: each for each in documents("webhook")}
    assert found["PodDisruptionBudget"]["spec"] == {"minAvailable": 1, "selector": {"matchLabels": labels}}
    assert found["Service"]["spec"]["selector"] == labels and found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["egress"] == []
    ports = {each["name"]: each["containerPort"] for each in made["template"]["spec"]["containers"][0]["ports"]}
    assert ports == {"https": 8443, "metrics": 8081}
    [linger] = [word for word in made["template"]["spec"]["containers"][0]["command"] if word.startswith("--linger=")]
    assert int(linger.removeprefix("--linger=").removesuffix("s")) < made["template"]["spec"]["terminationGracePeriodSeconds"]


def test_nobody_is_locked_out() -> None:
    """The webhook's own namespace and kube-system are left alone by each entry: a server that is down does not keep itself from coming back."""
    namespace = deployment()["metadata"]["namespace"]
    for entry in entries():
        [excluded] = [each for each in entry["namespaceSelector"]["matchExpressions"] if each["key"] == "kubernetes.io/metadata.name"]
        assert excluded["operator"] == "NotIn" and set(excluded["values"]) == {"kube-system", namespace}
        assert entry["clientConfig"]["service"]["namespace"] == namespace and entry["clientConfig"]["service"]["name"] == "pod-identity-webhook"
        assert (entry["sideEffects"], entry["reinvocationPolicy"], entry["timeoutSeconds"], entry["admissionReviewVersions"]) == ("None", "IfNeeded", 5, ["v1"])
        assert entry["rules"] == [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}]
        [condition] = entry["matchConditions"]
        assert "kubernetes.io/config.mirror" in condition["expression"]
    assert {entry["name"]: entry["failurePolicy"] for entry in entries()} == {
        "pods.inject.pod-identity-toolkit": "Fail", "namespaces.inject.pod-identity-toolkit": "Fail", "identity.inject.pod-identity-toolkit": "Ignore"}


def test_order_of_the_names() -> None:
    """The API server calls configurations by their names: ours comes before EKS's and before identity."""
    toolkit, identity = ([each["metadata"]["name"] for each in documents(name)] for name in CONFIGURATIONS)
    assert sorted([*identity, *toolkit, EKS]) == [*toolkit, *identity, EKS]


def test_the_entries_share_no_pod() -> None:
    """A pod with the label goes to the first entry alone, also in a namespace with the label."""
    pods, namespaces = entries("configuration")
    assert pods["objectSelector"] == {"matchLabels": {"pod-identity-toolkit/inject": "enabled"}} and pods["clientConfig"]["service"]["path"] == "/mutate"
    assert namespaces["objectSelector"] == {"matchExpressions": [{"key": "pod-identity-toolkit/inject", "operator": "NotIn", "values": ["enabled", "disabled"]}]}
    assert namespaces["namespaceSelector"]["matchLabels"] == {"pod-identity-toolkit/inject": "enabled"}
    assert namespaces["clientConfig"]["service"]["path"] == "/mutate/namespace"


# --- what is added


def test_template_is_the_manifest() -> None:
    """pod.yaml's containers, but for the service account, which is the user's, and with what a pod of another user needs."""
    made, shown = template(), pod_spec(plain("pod.yaml")[0])
    init, sidecar = shown["initContainers"]
    for ours, theirs in ((made["init"], init), (made["sidecar"], sidecar)):
        for key in set(ours) | set(theirs):
            if key == "command":
                assert ours[key] == [word for word in theirs[key] if word != "--expect-service-account=app"]
            elif key == "securityContext":
                assert {**theirs[key], "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}} == ours[key]
            else:
                assert ours[key] == theirs[key], key
    assert made["native"] is True and made["fsGroup"] == shown["securityContext"]["fsGroup"] and made["volumes"] == shown["volumes"]
    assert made["app"] == {"env": shown["containers"][0]["env"], "volumeMounts": shown["containers"][0]["volumeMounts"]}


def test_classic_template_is_the_manifest() -> None:
    made, native, shown = template("template-classic"), template(), pod_spec(plain("classic.yaml")[0])
    assert {key: made[key] for key in ("init", "app", "volumes", "fsGroup")} == {key: native[key] for key in ("init", "app", "volumes", "fsGroup")}
    assert made["native"] is False and made["sidecar"]["securityContext"] == native["sidecar"]["securityContext"]
    sidecar = shown["containers"][0]
    assert {key: made["sidecar"][key] for key in sidecar if key != "securityContext"} == {key: value for key, value in sidecar.items() if key != "securityContext"}
    assert set(made["sidecar"]) == set(sidecar)


def review(pod: dict[str, Any], name: str = "template", *words: str, tmp: Path) -> dict[str, Any]:
    """What the webhook answers when the API server asks about a pod."""
    path = tmp / "template.json"
    path.write_text(json.dumps(template(name)))
    asked = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "default", "operation": "CREATE", "object": pod}}
    done = subprocess.run([PROGRAM, "review", f"--template={path}", *words], input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["response"]
    return found


def patched(pod: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """As the API server applies it."""
    made = copy.deepcopy(pod)
    for operation in json.loads(base64.b64decode(response["patch"])):
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        at = made
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if isinstance(at, list):
            position = len(at) if last == "-" else int(last)
            {"add": lambda: at.insert(position, operation["value"]), "replace": lambda: at.__setitem__(position, operation["value"]),  # noqa: B023
             "remove": lambda: at.pop(position)}[operation["op"]]()  # noqa: B023
        elif operation["op"] == "remove":
            del at[last]
        else:
            assert operation["op"] == "add" or last in at
            at[last] = operation["value"]
    return made


def in_any_order(pod: dict[str, Any]) -> dict[str, Any]:
    """Lists that are maps for Kubernetes, by their keys; containers keep their order. Go writes down resources that nobody asked for."""
    made = copy.deepcopy(pod)
    for each in made["spec"].get("initContainers", []) + made["spec"]["containers"]:
        if each.get("resources") == {}:
            del each["resources"]
        for name, key in (("env", "name"), ("volumeMounts", "mountPath")):
            if name in each:
                each[name].sort(key=lambda item: item[key])  # noqa: B023
    made["spec"].get("volumes", []).sort(key=lambda item: item["name"])
    return made


def own(**spec: Any) -> dict[str, Any]:
    """A pod with an init container, a volume and variables of its own."""
    pod = new_pod(initContainers=[{"name": "own", "image": "own:1", "env": [{"name": "B", "value": "2"}]}], volumes=[{"name": "data", "emptyDir": {}}], **spec)
    pod["spec"]["containers"][0] |= {"env": [{"name": "A", "value": "1"}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return pod


def with_endpoint() -> dict[str, Any]:
    pod = own()
    pod["spec"]["containers"].append({"name": "other", "image": "o:1", "env": [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://127.0.0.1:1/x"}]})
    return pod


def with_settings() -> dict[str, Any]:
    pod = own()
    pod["spec"]["securityContext"]["fsGroup"] = 2000
    pod["spec"]["containers"][0]["env"].append({"name": "AWS_EC2_METADATA_DISABLED", "value": "false"})
    return pod


PODS = {"plain": new_pod, "own": own, "endpoint": with_endpoint, "settings": with_settings}


@pytest.mark.parametrize("name", PODS)
def test_the_webhook_does_what_the_policy_does(name: str, evaluate: Evaluate, tmp_path: Path) -> None:  # noqa: F811
    pod = PODS[name]()
    by_policy = evaluate("mutating.yaml", pod)["pod"]
    response = review(pod, tmp=tmp_path)
    assert response["allowed"] is True and response["patchType"] == "JSONPatch"
    by_webhook = patched(pod, response)
    assert in_any_order(by_webhook)["spec"] == in_any_order(by_policy)["spec"]
    again = review(by_webhook, tmp=tmp_path)
    assert again["allowed"] is True and "patch" not in again


def test_a_pod_that_has_it_already(tmp_path: Path) -> None:
    """pod.yaml with the label, as while somebody moves to the webhook: left alone."""
    [pod] = plain("pod.yaml")
    pod["metadata"]["labels"] = {"pod-identity-toolkit/inject": "enabled"}
    response = review(pod, "template", "--on-problem=refuse", tmp=tmp_path)
    assert response["allowed"] is True and "patch" not in response


HOST = {"hostNetwork": True}
WINDOWS = {"os": {"name": "windows"}}
VOLUME = {"volumes": [{"name": "pod-identity", "emptyDir": {}}]}
REFUSING = 2  # the document of mutating.yaml that refuses what the first one cannot inject


@pytest.mark.parametrize("spec", [HOST, WINDOWS, VOLUME], ids=["hostNetwork", "windows", "volume"])
def test_the_webhook_refuses_what_the_policy_refuses(spec: dict[str, Any], evaluate: Evaluate, tmp_path: Path) -> None:  # noqa: F811
    """In the same words."""
    pod = new_pod(**spec)
    told = json.dumps(evaluate("mutating.yaml", pod, REFUSING))
    response = review(pod, "template", "--on-problem=refuse", tmp=tmp_path)
    assert response["allowed"] is False and response["status"]["message"] in told, told
    allowed = review(pod, "template", "--on-problem=allow", tmp=tmp_path)
    assert allowed["allowed"] is True and "patch" not in allowed and any(response["status"]["message"][:40] in each for each in allowed["warnings"])


def test_classic(tmp_path: Path) -> None:
    """The pod is then what classic.yaml is."""
    pod = new_pod()
    made = patched(pod, review(pod, "template-classic", tmp=tmp_path))
    shown = plain("classic.yaml")[0]
    assert [each["name"] for each in made["spec"]["containers"]] == [each["name"] for each in shown["spec"]["containers"]] == ["pod-identity-sidecar", "app"]
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["pod-identity-init"]
    assert made["metadata"]["annotations"] == shown["metadata"]["annotations"]
    assert restricted(made["spec"]) == []


def test_the_template_and_options_are_the_programs(tmp_path: Path) -> None:
    """Each option of the Deployment is one of the program's."""
    shown = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    _, *words = pod_spec(deployment())["containers"][0]["command"]
    for word in words:
        assert word.split("=")[0] in shown.replace("=", " ").split(), word


def test_readme_has_every_file() -> None:
    page = (WEBHOOK / "README.md").read_text()
    assert all(f"| `{path.name}` |" in page for path in WEBHOOK.iterdir() if path.name != "README.md")
