"""The admission policies, evaluated with the API server's own code (tests/e2e/policy) on pods that must pass and pods that must fail."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import ROOT, need
from manifests import NO_VALIDATE, load, pod_spec, plain, restricted

ADMISSION = ROOT / "images/kubernetes/admission"
SOURCE = ROOT / "tests/e2e/policy"
TOKEN_MOUNT = {"name": "eks-pod-identity-token", "mountPath": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "readOnly": True}
INJECT, REQUIRE = "pod-identity-toolkit/inject", "pod-identity-toolkit/require"
Evaluate = Callable[..., dict[str, Any]]
REFUSING = 2  # the document of mutating.yaml that refuses what the first one cannot inject


@pytest.fixture(scope="session")
def evaluator() -> Path:
    go = need("go", "1.25 or later")
    program = ROOT / "build/e2e/policy"
    program.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([go, "build", "-buildvcs=false", "-o", program, "."], cwd=SOURCE, env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if "main.go:" in done.stderr:
            pytest.fail(done.stderr)
        pytest.skip(f"{go} does not build the API server's packages: {done.stderr.strip()[-300:]}; make setup-e2e installs a Go that is new "
                    "enough, and needs Go's module proxy, as the packages do")
    return program


@pytest.fixture
def evaluate(evaluator: Path) -> Evaluate:
    def run(name: str, pod: dict[str, Any], which: int = 0) -> dict[str, Any]:
        policy = load((ADMISSION / name).read_text())[which]
        done = subprocess.run([evaluator], input=json.dumps({"policy": policy, "pod": pod}) + "\n", capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        assert "error" not in answer, answer["error"]
        return answer
    return run


def new_pod(label: str | None = INJECT, value: str = "enabled", **spec: Any) -> dict[str, Any]:
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "labels": {label: value} if label else {"app": "x"}},
            "spec": {"serviceAccountName": "app", "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                     "containers": [{"name": "app", "image": "app:1", "securityContext": locked}], **spec}}


def webhook(pod: dict[str, Any], audience: str = "pods.eks.amazonaws.com", skip: str = "") -> dict[str, Any]:
    """What EKS' webhook makes of a pod."""
    pod = json.loads(json.dumps(pod))
    source = {"serviceAccountToken": {"audience": audience, "expirationSeconds": 86400, "path": "eks-pod-identity-token"}}
    pod["spec"].setdefault("volumes", []).insert(0, {"name": TOKEN_MOUNT["name"], "projected": {"sources": [source]}})
    for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
        if container["name"] != skip:
            container.setdefault("volumeMounts", []).append(dict(TOKEN_MOUNT))
    return pod


def test_mutated_like_the_manifest(evaluate: Evaluate) -> None:
    """The pod is then what pod.yaml is, restricted as before."""
    spec = evaluate("mutating.yaml", new_pod())["pod"]["spec"]
    wanted = pod_spec(plain("pod.yaml")[0])
    assert restricted(spec) == []
    for made, shown in zip(spec["initContainers"], wanted["initContainers"]):
        for key in ("name", "image", "resources", "restartPolicy", "startupProbe", "volumeMounts", "env", "terminationMessagePolicy"):
            assert made.get(key) == shown.get(key), key
    assert spec["initContainers"][1]["command"] == wanted["initContainers"][1]["command"]
    [app] = spec["containers"]
    assert app["env"] == wanted["containers"][0]["env"] and app["volumeMounts"] == wanted["containers"][0]["volumeMounts"]
    assert app["image"] == "app:1" and spec["securityContext"]["fsGroup"] == 65532
    assert spec["volumes"] == wanted["volumes"]


def test_mutation_keeps_what_is_there(evaluate: Evaluate) -> None:
    pod = new_pod(initContainers=[{"name": "own", "image": "own:1"}], volumes=[{"name": "data", "emptyDir": {}}])
    pod["spec"]["securityContext"]["fsGroup"] = 2000
    pod["spec"]["containers"][0] |= {"env": [{"name": "A", "value": "1"}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    pod["spec"]["containers"].append({"name": "other", "image": "o:1", "env": [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "u"}]})
    spec = evaluate("mutating.yaml", pod)["pod"]["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar", "own"]
    assert {volume["name"] for volume in spec["volumes"]} == {"data", "pod-identity"}
    assert spec["securityContext"]["fsGroup"] == 2000 and spec["securityContext"]["runAsNonRoot"] is True
    app, other = spec["containers"]
    assert {"name": "A", "value": "1"} in app["env"] and len(app["env"]) == 4 and len(app["volumeMounts"]) == 2
    assert other["env"] == pod["spec"]["containers"][1]["env"] and "volumeMounts" not in other


def test_init_containers_of_the_app(evaluate: Evaluate) -> None:
    """They come behind the sidecar, and have the endpoint and the bearer's file, too; but for one that has another endpoint."""
    own = [{"name": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "value": "/x"}]
    pod = new_pod(initContainers=[{"name": "migrate", "image": "m:1", "env": [{"name": "AWS_EC2_METADATA_DISABLED", "value": "false"}]},
                                  {"name": "other", "image": "o:1", "env": own}])
    spec = evaluate("mutating.yaml", pod)["pod"]["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar", "migrate", "other"]
    wanted = pod_spec(plain("pod.yaml")[0])["containers"][0]
    migrate, other = spec["initContainers"][2:]
    assert {each["name"]: each["value"] for each in migrate["env"]} == {
        **{each["name"]: each["value"] for each in wanted["env"]}, "AWS_EC2_METADATA_DISABLED": "false"}, "what is there stays"
    assert migrate["volumeMounts"] == wanted["volumeMounts"]
    assert other["env"] == own and "volumeMounts" not in other


@pytest.mark.parametrize("pod", [new_pod(None), new_pod(value="disabled"), new_pod(initContainers=[{"name": "pod-identity-init", "image": "x"}])],
                         ids=["no label", "another value", "there already"])
def test_not_mutated(evaluate: Evaluate, pod: dict[str, Any]) -> None:
    assert evaluate("mutating.yaml", pod)["matched"] is False
    assert evaluate("mutating.yaml", pod, REFUSING)["matched"] is False


AGENT = [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
         {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}]


@pytest.mark.parametrize("address", ["169.254.170.23", "[fd00:ec2::23]"])
def test_what_was_injected_before_is_not_its_own(evaluate: Evaluate, address: str) -> None:
    """The policy of any-cluster may come first, as the API server likes: app and init containers are sent to the sidecar all the same."""
    injected = [{**one, "value": one["value"].replace("169.254.170.23", address)} for one in AGENT]
    pod = new_pod(initContainers=[{"name": "migrate", "image": "m:1", "env": injected}])
    pod["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}, *injected]
    spec = evaluate("mutating.yaml", pod)["pod"]["spec"]
    wanted = {each["name"]: each["value"] for each in pod_spec(plain("pod.yaml")[0])["containers"][0]["env"]}
    for container, more in ((spec["initContainers"][2], {}), (spec["containers"][0], {"A": "1"})):
        assert {each["name"]: each["value"] for each in container["env"]} == {**more, **wanted} and len(container["env"]) == 3 + len(more)
        assert container["volumeMounts"] == pod_spec(plain("pod.yaml")[0])["containers"][0]["volumeMounts"]


def mounting(path: str, **more: Any) -> dict[str, Any]:
    return {"name": "app", "image": "a", "volumeMounts": [{"name": "data", "mountPath": path}], **more}


OWN = [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "u"}]
CANNOT_BE_INJECTED = {
    "hostNetwork": (new_pod(hostNetwork=True), "it has hostNetwork, and its loopback is the node's: take the label away"),
    "windows": (new_pod(os={"name": "windows"}), "it is a Windows pod"),
    "volume": (new_pod(volumes=[{"name": "pod-identity", "hostPath": {"path": "/x"}}]), "it has a volume pod-identity, a name that the toolkit uses: rename it"),
    "mount": (new_pod(containers=[mounting("/run/pod-identity")]), "something is mounted at /run/pod-identity, which the toolkit uses, in: app; mount it elsewhere"),
    "mount with a slash": (new_pod(containers=[mounting("/run/pod-identity/")]), "in: app; mount it elsewhere"),
    "mount of an init container": (new_pod(initContainers=[{**mounting("/run/pod-identity"), "name": "first"}]), "in: first; mount it elsewhere"),
    "mount, and injected": (new_pod(containers=[mounting("/run/pod-identity", env=AGENT)]), "in: app; mount it elsewhere"),
    "container": (new_pod(containers=[{"name": "pod-identity-sidecar", "image": "x"}]), "it has a container pod-identity-sidecar, a name that the toolkit uses"),
    "init container": (new_pod(initContainers=[{"name": "pod-identity-sidecar", "image": "x"}]), "it has a container pod-identity-sidecar")}


@pytest.mark.parametrize(("pod", "says"), CANNOT_BE_INJECTED.values(), ids=CANNOT_BE_INJECTED)
def test_what_cannot_be_injected_is_refused(evaluate: Evaluate, pod: dict[str, Any], says: str) -> None:
    """Untouched, and refused with the cause, by whichever of the two policies answers."""
    assert evaluate("mutating.yaml", pod)["matched"] is False
    [one] = evaluate("mutating.yaml", pod, REFUSING)["denied"]
    assert one.startswith("the pod has the label pod-identity-toolkit/inject, but no pod-identity-init: ") and says in one
    assert one in denied(evaluate, webhook(pod))


@pytest.mark.parametrize("pod", [
    new_pod(), new_pod(hostNetwork=False), new_pod(os={"name": "linux"}), new_pod(volumes=[{"name": "pod-identity-data", "emptyDir": {}}]),
    new_pod(containers=[mounting("/run/pod-identity-data")]), new_pod(containers=[mounting("/run")]), new_pod(containers=[mounting("/run/pod-identity", env=OWN)])])
def test_what_can_be_injected_is(evaluate: Evaluate, pod: dict[str, Any]) -> None:
    made = evaluate("mutating.yaml", pod)["pod"]
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar"]
    assert evaluate("mutating.yaml", made, REFUSING)["matched"] is False
    assert evaluate("mutating.yaml", pod, REFUSING) == {"matched": True}, "were it not turned on, that is for validating.yaml to say"


def test_both_versions_are_the_same() -> None:
    one, two = (load((ADMISSION / name).read_text()) for name in ("mutating.yaml", "mutating-v1beta1.yaml"))
    group = "admissionregistration.k8s.io"
    assert [each.pop("apiVersion") for each in one] == [f"{group}/v1"] * 4
    assert [each.pop("apiVersion") for each in two] == [f"{group}/v1beta1"] * 2 + [f"{group}/v1"] * 2
    assert one == two and [each["kind"] for each in one] == [
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    assert all(each["spec"]["policyName"] == before["metadata"]["name"] for before, each in zip(one[::2], one[1::2]))


def test_mutated_and_injected_passes(evaluate: Evaluate) -> None:
    """Policy, webhook, policy: as they follow one another in the API server. Also for IRSA's audience."""
    mutated = evaluate("mutating.yaml", new_pod())["pod"]
    for audience in ("pods.eks.amazonaws.com", "sts.amazonaws.com"):
        assert evaluate("validating.yaml", webhook(mutated, audience)) == {"matched": True}
    # The app itself needs no token: it asks the sidecar.
    assert evaluate("validating.yaml", webhook(mutated, skip="app")) == {"matched": True}


def test_required_without_the_toolkit_passes(evaluate: Evaluate) -> None:
    assert evaluate("validating.yaml", webhook(new_pod(REQUIRE))) == {"matched": True}


@pytest.mark.parametrize("pod", [new_pod(None), new_pod(REQUIRE, "no"), {**new_pod(), "metadata": {"name": "bare"}}])
def test_others_are_left_alone(evaluate: Evaluate, pod: dict[str, Any]) -> None:
    assert evaluate("validating.yaml", pod) == {"matched": False}


def denied(evaluate: Evaluate, pod: dict[str, Any]) -> str:
    answer = evaluate("validating.yaml", pod)
    assert answer["denied"]
    return "\n".join(answer["denied"])


def test_refused_without_token(evaluate: Evaluate) -> None:
    for label in (INJECT, REQUIRE):
        pod = new_pod(label)
        pod = evaluate("mutating.yaml", pod)["pod"] if label == INJECT else pod
        assert "no token for Pod Identity or IRSA was injected for service account app" in denied(evaluate, pod)


def test_refused_with_a_token_for_another_audience(evaluate: Evaluate) -> None:
    assert "no token" in denied(evaluate, webhook(new_pod(REQUIRE), "vault"))


def test_refused_without_mutation(evaluate: Evaluate) -> None:
    assert "no pod-identity-init" in denied(evaluate, webhook(new_pod()))


def test_refused_where_the_sidecar_was_skipped(evaluate: Evaluate) -> None:
    mutated = evaluate("mutating.yaml", new_pod())["pod"]
    assert "not mounted in: pod-identity-sidecar;" in denied(evaluate, webhook(mutated, skip="pod-identity-sidecar"))


def test_require_alone(evaluate: Evaluate) -> None:
    """Where the other label says something else than enabled, nothing is expected of the toolkit."""
    pod = new_pod(REQUIRE)
    pod["metadata"]["labels"][INJECT] = "disabled"
    assert evaluate("validating.yaml", webhook(pod)) == {"matched": True}


@pytest.mark.parametrize("name", ["sidecar-only.yaml", "classic.yaml"])
def test_the_manifests_pass(evaluate: Evaluate, name: str) -> None:
    """With the label require; and the app itself needs no token."""
    pod = plain(name)[0]
    pod["metadata"]["labels"] = {REQUIRE: "enabled"}
    assert evaluate("validating.yaml", webhook(pod, skip="app")) == {"matched": True}
    assert "not mounted in: pod-identity-sidecar;" in denied(evaluate, webhook(pod, skip="pod-identity-sidecar"))


def test_refused_for_the_default_service_account(evaluate: Evaluate) -> None:
    pod = new_pod(REQUIRE)
    del pod["spec"]["serviceAccountName"]
    assert "service account default" in denied(evaluate, pod)


@pytest.mark.parametrize(("name", "versions"), [("mutating.yaml", ["1.36", "1.37"]), ("mutating-v1beta1.yaml", ["1.34", "1.35"]),
                                                ("validating.yaml", ["1.30", "1.37"])])
def test_valid(name: str, versions: list[str]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    for document in load((ADMISSION / name).read_text()):
        for version in versions:
            validate.validate(document, version, strict=True)


def test_no_version_takes_the_other() -> None:
    """Hence two files: 1.35 has no v1."""
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    with pytest.raises(validate.utils.SchemaNotFoundError):
        validate.validate(load((ADMISSION / "mutating.yaml").read_text())[0], "1.35", strict=True)
