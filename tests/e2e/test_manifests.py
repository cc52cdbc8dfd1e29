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
SCHEMAS = ("1.29", "1.33", "1.35")  # the oldest with native sidecars on, the first where they are stable, a late one
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
            assert container["resources"] == {"requests": {"cpu": "1m", "memory": "2Mi"}, "limits": {"memory": "16Mi"}}


@pytest.mark.parametrize("field, value", [("allowPrivilegeEscalation", True), ("capabilities", {}), ("runAsNonRoot", False),
                                          ("runAsUser", 0), ("privileged", True), ("seccompProfile", {"type": "Unconfined"})])
def test_restricted_can_fail(field: str, value: Any) -> None:
    spec = copy.deepcopy(pod_spec(plain("pod.yaml")[0]))
    spec["initContainers"][0]["securityContext"] = {**spec["initContainers"][0]["securityContext"], field: value}
    assert len(restricted(spec)) == 1


def ours(workload: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of the toolkit, in order."""
    spec = pod_spec(workload)
    return [each for each in spec["initContainers"] + spec["containers"] if each["name"].startswith("pod-identity-")]


@pytest.mark.parametrize("name", [*PLAIN, RENDERED])
def test_order(name: str) -> None:
    """init first, then the sidecar, in front of what needs credentials; every volume that is mounted exists."""
    for workload in workloads(name):
        spec = pod_spec(workload)
        names = [container["name"] for container in ours(workload)]
        assert names[0] == "pod-identity-init" and len(names) == 2
        assert [each["name"] for each in spec["initContainers"] + spec["containers"]][0] == names[0]
        if name != "classic.yaml":
            assert spec["initContainers"][1]["name"] == names[1]
        volumes = {volume["name"] for volume in spec["volumes"]}
        mounted = {mount["name"] for each in spec["initContainers"] + spec["containers"] for mount in each.get("volumeMounts", [])}
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
