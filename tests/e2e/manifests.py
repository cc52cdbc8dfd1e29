"""The manifests that we ship, as data: plain files, and what `kubectl kustomize` makes of the others."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.programs import ROOT

FOLDER = ROOT / "images/kubernetes"
PLAIN = sorted(path.name for path in FOLDER.glob("*.yaml"))
TEMPLATES = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
NO_VALIDATE = "no kubernetes-validate: make e2e installs it, and needs the Python package index"
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"}


def load(text: str) -> list[dict[str, Any]]:
    """All documents of a YAML text."""
    yaml = pytest.importorskip("yaml", reason="no PyYAML: make e2e installs it, and needs the Python package index")
    return [document for document in yaml.safe_load_all(text) if document]


def plain(name: str) -> list[dict[str, Any]]:
    """The documents of one file of images/kubernetes."""
    return load((FOLDER / name).read_text())


def kustomize(kubectl: str, folder: Path) -> list[dict[str, Any]]:
    """What the real kustomize renders."""
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return load(done.stdout)


def pod_spec(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod's spec in any workload."""
    at = workload
    for key in TEMPLATES.get(workload["kind"], ("spec", "template", "spec")):
        at = at[key]
    return at


def restricted(spec: dict[str, Any]) -> list[str]:
    """What the restricted Pod Security Standard would refuse, as the standard's own fields and values."""
    wrong = [field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    wrong += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if not set(volume) - {"name"} <= allowed]
    pod = spec.get("securityContext", {})
    for container in spec.get("initContainers", []) + spec["containers"]:
        own = container.get("securityContext", {})
        name = container["name"]
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append(f"{name}: allowPrivilegeEscalation")
        if "ALL" not in own.get("capabilities", {}).get("drop", []) or set(own["capabilities"].get("add", [])) - {"NET_BIND_SERVICE"}:
            wrong.append(f"{name}: capabilities")
        if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
            wrong.append(f"{name}: runAsNonRoot")
        if own.get("runAsUser", pod.get("runAsUser", 1)) == 0:
            wrong.append(f"{name}: runAsUser")
        if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in ("RuntimeDefault", "Localhost"):
            wrong.append(f"{name}: seccompProfile")
        if own.get("privileged") or any(port.get("hostPort") for port in container.get("ports", [])):
            wrong.append(f"{name}: privileged or hostPort")
    return wrong
