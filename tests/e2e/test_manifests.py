"""The manifests: valid for Kubernetes, restricted, in the right order, with options that the programs have."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, need
from manifests import FOLDER, NO_VALIDATE, PLAIN, WORKLOADS, kustomize, load, plain, pod_spec, restricted

RENDERED = "example"
SCHEMAS = ("1.29", "1.33", "1.36")  # the oldest with native sidecars on, the first where they are stable, a late one
LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def documents(name: str) -> list[dict[str, Any]]:
    return kustomize(need("kubectl", "1.27 or later"), FOLDER / name) if name == RENDERED else plain(name)


def workloads(name: str) -> list[dict[str, Any]]:
    return [document for document in documents(name) if document["kind"] in WORKLOADS]


@pytest.mark.parametrize("version", SCHEMAS)
@pytest.mark.parametrize("name", [*PLAIN, RENDERED])
def test_valid(name: str, version: str) -> None:
    """Against the OpenAPI schema of Kubernetes, strictly: an unknown field is an error."""
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    for document in documents(name):
        validate.validate(document, version, strict=True)


def test_schema_can_fail() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    wrong = plain("pod.yaml")[0]
    wrong["spec"]["initContainers"][1]["restartPolice"] = "Always"
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, SCHEMAS[-1], strict=True)


@pytest.mark.parametrize("name", [*PLAIN, RENDERED])
def test_restricted(name: str) -> None:
    for workload in workloads(name):
        assert restricted(pod_spec(workload)) == []
        for container in ours(workload):
            assert LOCKED.items() <= container["securityContext"].items(), container["name"]
            assert container["resources"] == {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"memory": "16Mi"}}


@pytest.mark.parametrize("field, value", [("allowPrivilegeEscalation", True), ("capabilities", {}), ("runAsNonRoot", False),
                                          ("runAsUser", 0), ("privileged", True), ("seccompProfile", {"type": "Unconfined"})])
def test_restricted_can_fail(field: str, value: Any) -> None:
    spec = copy.deepcopy(pod_spec(plain("pod.yaml")[0]))
    spec["initContainers"][0]["securityContext"] = {**spec["initContainers"][0]["securityContext"], field: value}
    assert len(restricted(spec)) == 1


def every(workload: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers, in the order in which they start."""
    spec = pod_spec(workload)
    return list(spec["initContainers"] + spec["containers"])


def ours(workload: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of the toolkit, in order."""
    return [each for each in every(workload) if each["name"].startswith("pod-identity-")]


@pytest.mark.parametrize("name", [*PLAIN, RENDERED])
def test_order(name: str) -> None:
    """init first, then the sidecar, in front of what needs credentials; every volume that is mounted exists."""
    for workload in workloads(name):
        spec = pod_spec(workload)
        names = [container["name"] for container in ours(workload)]
        assert names == (["pod-identity-sidecar"] if name == "sidecar-only.yaml" else ["pod-identity-init", names[-1]])
        assert [each["name"] for each in every(workload)][:len(names)] == names, "the app's own come behind"
        volumes = {volume["name"] for volume in spec["volumes"]}
        mounted = {mount["name"] for each in every(workload) for mount in each.get("volumeMounts", [])}
        assert mounted <= volumes
        assert workload["kind"] not in ("Job", "CronJob") or spec["restartPolicy"] == "Never"


@pytest.mark.parametrize("name", [*PLAIN, RENDERED])
def test_options(name: str) -> None:
    """Every option that a manifest gives is one of the program's."""
    build = ROOT / "build" / {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    for workload in workloads(name):
        for container in ours(workload):
            program, *words = container["command"]
            shown = subprocess.run([build / program.strip("/"), "--help"], capture_output=True, text=True, check=True).stdout
            for word in words:
                assert word.split("=")[0] in shown.replace("=", " ").split(), word


@pytest.mark.parametrize("kind", sorted(WORKLOADS))
def test_component_for_every_kind(kind: str, tmp_path: Path) -> None:
    """Whatever the workload is, it gets both containers and the volume, in front, and keeps what it has."""
    kubectl = need("kubectl", "1.27 or later")
    container = {"name": "app", "image": "app:1"}
    spec: dict[str, Any] = {"containers": [container], "initContainers": [{"name": "own", "image": "own:1"}],
                            "volumes": [{"name": "own", "emptyDir": {}}]}
    wrapped: dict[str, Any] = {"Pod": spec, "CronJob": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}.get(
        kind, {"template": {"spec": spec}})
    versions = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}
    (tmp_path / "w.json").write_text(json.dumps({"apiVersion": versions.get(kind, "apps/v1"), "kind": kind, "metadata": {"name": "x"},
                                                 "spec": wrapped}))
    for name in ("component", "fsgroup"):
        (tmp_path / name).mkdir()
        for path in (FOLDER / name).iterdir():
            (tmp_path / name / path.name).write_text(path.read_text())
    (tmp_path / "kustomization.yaml").write_text("resources: [w.json]\ncomponents: [component, fsgroup]\n")
    [workload] = kustomize(kubectl, tmp_path)
    made = pod_spec(workload)
    assert [each["name"] for each in made["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar", "own"]
    assert made["initContainers"][1]["restartPolicy"] == "Always"
    assert {volume["name"] for volume in made["volumes"]} == {"own", "pod-identity"}
    assert made["containers"] == [container] and made["securityContext"]["fsGroup"] == 65532


def lies_in(part: Any, whole: Any) -> bool:
    """Whether all of `part` stands in `whole`: objects may lack members, lists are of one length."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and lies_in(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(lies_in, part, whole))
    return bool(part == whole)


def test_readme_has_the_pod() -> None:
    """What the README shows is pod.yaml without what hardens it."""
    shown = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    part, whole = load(shown)[0]["spec"], plain("pod.yaml")[0]["spec"]
    assert len(part["initContainers"]) == 2 and not lies_in({"containers": [{"name": "other"}]}, whole)
    assert lies_in(part, whole)


# --- what a cluster's owner limits

UNITS = {"m": 0.001, "Mi": 2**20, "Gi": 2**30, "": 1}


def amount(text: str) -> float:
    number = text.rstrip("miGM")
    return float(number) * UNITS[text[len(number):]]


def refused_by(limit: dict[str, Any], container: dict[str, Any]) -> list[str]:
    """What the LimitRanger admission plugin has against a container: defaults first, then least, most and ratio."""
    resources = container["resources"]
    limits = {**limit.get("default", {}), **resources.get("limits", {})}
    requests = {**limits, **limit.get("defaultRequest", {}), **resources.get("requests", {})}
    wrong = [f"{key}: less than {least}" for key, least in limit.get("min", {}).items() if amount(requests[key]) < amount(least)]
    wrong += [f"{key}: more than {most}" for key, most in limit.get("max", {}).items() if amount(limits.get(key, "1000Gi")) > amount(most)]
    return wrong + [f"{key}: ratio over {ratio}" for key, ratio in limit.get("maxLimitRequestRatio", {}).items()
                    if amount(limits[key]) / amount(requests[key]) > float(ratio)]


def ordinary() -> dict[str, Any]:
    """The LimitRange that images/OPERATIONS.md shows."""
    blocks = (ROOT / "images/OPERATIONS.md").read_text().split("```yaml\n")[1:]
    [shown] = [load(block.split("```")[0])[0] for block in blocks if "kind: LimitRange" in block]
    return dict(shown["spec"]["limits"][0])


@pytest.mark.parametrize("name", [*PLAIN, RENDERED, "agent/cloud.yaml", "agent/hybrid.yaml", "any-cluster/daemonset.yaml"])
def test_a_limit_range_takes_it(name: str) -> None:
    for workload in workloads(name):
        assert [refused_by(ordinary(), each) for each in every(workload) if each["name"] not in ("app", "worker", "migrate")] in ([[]], [[], []])


@pytest.mark.parametrize(("requests", "limits"), [({"cpu": "1m", "memory": "8Mi"}, {"memory": "16Mi"}), ({"cpu": "10m", "memory": "2Mi"}, {"memory": "8Mi"}),
                                                  ({"cpu": "10m", "memory": "4Mi"}, {"memory": "32Mi"}), ({"cpu": "10m", "memory": "8Mi"}, {"cpu": "8", "memory": "8Mi"})])
def test_a_limit_range_can_refuse(requests: dict[str, str], limits: dict[str, str]) -> None:
    assert len(refused_by(ordinary(), {"resources": {"requests": requests, "limits": limits}})) >= 1


# --- classic.yaml, Jobs, and the app's own part

def test_classic_starts_and_ends_in_order() -> None:
    """The kubelet starts containers in turn, the next one when the postStart hook of the last has ended (test_start_order.py has it run)."""
    [pod] = plain("classic.yaml")
    sidecar, app = pod["spec"]["containers"]
    assert (sidecar["name"], app["name"]) == ("pod-identity-sidecar", "app")
    assert sidecar["lifecycle"]["postStart"]["exec"]["command"] == ["/pod-identity-sidecar", "probe", "--wait=2m"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_pod_ends_before_its_grace_period(name: str) -> None:
    """A sidecar that lingers longer is killed, and each pod takes the whole of it."""
    for workload in workloads(name):
        lingers = [int(word.removeprefix("--linger=").removesuffix("s")) for each in ours(workload) for word in each["command"] if word.startswith("--linger=")]
        assert all(0 < linger <= pod_spec(workload).get("terminationGracePeriodSeconds", 30) / 2 for linger in lingers)
        assert bool(lingers) == (name == "classic.yaml")


@pytest.mark.parametrize("name", PLAIN)
def test_the_default_container_is_the_app(name: str) -> None:
    """`kubectl logs` and `kubectl exec` take the first container, or the one that the annotation names."""
    for workload in workloads(name):
        metadata = workload["spec"].get("template", workload).get("metadata", {})
        first = pod_spec(workload)["containers"][0]["name"]
        assert metadata.get("annotations", {}).get("kubectl.kubernetes.io/default-container", first) == "app"
        assert ("classic" in name) == ("kubectl.kubernetes.io/default-container" in metadata.get("annotations", {}))


@pytest.mark.parametrize("name", ["job.yaml", "job-classic.yaml", RENDERED])
def test_jobs_end(name: str) -> None:
    """By init's exits as its explain says them, and by a deadline. The API wants restartPolicy Never, and rising values without doubles."""
    init = ROOT / "build" / {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine] / "pod-identity-init"
    jobs = [each["spec"].get("jobTemplate", each)["spec"] for each in workloads(name) if each["kind"] in ("Job", "CronJob")]
    assert jobs
    for job in jobs:
        rules = {rule["action"]: rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"]}
        assert job["activeDeadlineSeconds"] > 120 and job["template"]["spec"]["restartPolicy"] == "Never"
        assert {action: rule["values"] for action, rule in rules.items()} == {"Ignore": [10], "FailJob": [11, 14, 30, 64]}
        names = {each["name"] for each in job["template"]["spec"]["initContainers"]}
        assert all(rule["containerName"] in names and rule["operator"] == "In" for rule in rules.values())
        for reason, code in (("NOT_INJECTED", 10), ("INJECTION_INVALID", 11), ("SETTING_INVALID", 14), ("UNEXPECTED_IDENTITY", 30)):
            told = subprocess.run([init, "explain", reason], capture_output=True, text=True, check=True).stdout
            assert f"{code}" in told.split("\n\n")[0], told


@pytest.mark.parametrize("name", [*PLAIN, RENDERED])
def test_nobody_asks_the_node(name: str) -> None:
    """AWS_EC2_METADATA_DISABLED wherever an SDK or init's check looks, but in the app that wants the look-alike."""
    for workload in workloads(name):
        for container in every(workload):
            if container["name"] in ("pod-identity-sidecar", "pod-identity-once"):
                continue
            env = {each["name"]: each.get("value") for each in container["env"]}
            looks_alike = "AWS_EC2_METADATA_SERVICE_ENDPOINT" in env
            assert looks_alike == (name == "legacy-sdk.yaml" and container["name"] == "app")
            assert env.get("AWS_EC2_METADATA_DISABLED") == (None if looks_alike else "true"), container["name"]
