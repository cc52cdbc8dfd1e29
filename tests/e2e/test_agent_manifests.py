"""The DaemonSets of the node agent: valid for Kubernetes, on the right nodes, with no more rights than it gives up, flags that it has."""

from __future__ import annotations

import copy
import os
import subprocess
from typing import Any

import pytest

from conftest import ROOT
from manifests import FOLDER, NO_VALIDATE, load
from test_manifests import SCHEMAS

NAMES = sorted(path.name for path in (FOLDER / "agent").glob("*.yaml") if path.name != "startup-taint.yaml")
LOCKED = {"runAsUser": 0, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
RIGHTS = {"initialize": {"NET_ADMIN"}, "agent": {"NET_BIND_SERVICE", "SETUID", "SETGID"}}


def daemon_set(name: str) -> dict[str, Any]:
    [document] = load((FOLDER / "agent" / name).read_text())
    return document


def spec_of(name: str) -> dict[str, Any]:
    return daemon_set(name)["spec"]["template"]["spec"]


def containers(name: str) -> list[dict[str, Any]]:
    return spec_of(name)["initContainers"] + spec_of(name)["containers"]


def test_both_are_there() -> None:
    assert {"cloud.yaml", "hybrid.yaml"} <= set(NAMES)


@pytest.mark.parametrize("version", SCHEMAS)
@pytest.mark.parametrize("name", NAMES)
def test_valid(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    validate.validate(daemon_set(name), version, strict=True)
    wrong = copy.deepcopy(daemon_set(name))
    wrong["spec"]["template"]["spec"]["hostNetwerk"] = True
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, version, strict=True)


def fits(name: str, **labels: str) -> bool:
    """Whether a node with these labels gets a pod, as the scheduler has it."""
    wanted = spec_of(name)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    node = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", **{key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}}
    rules = {"In": lambda key, values: node.get(key) in values, "NotIn": lambda key, values: node.get(key) not in values,
             "Exists": lambda key, _: key in node, "DoesNotExist": lambda key, _: key not in node}
    return any(all(rules[each["operator"]](each["key"], each.get("values")) for each in term["matchExpressions"]) for term in wanted)


def test_each_node_gets_one_at_most() -> None:
    """By the label of EKS: ordinary nodes have none of it."""
    for kind, cloud, hybrid in (("", True, False), ("ec2", True, False), ("hybrid", False, True), ("auto", False, False), ("fargate", False, False)):
        labels = {"eks_amazonaws_com__compute-type": kind} if kind else {}
        assert (fits("cloud.yaml", **labels), fits("hybrid.yaml", **labels)) == (cloud, hybrid), kind
    assert not fits("cloud.yaml", **{"kubernetes_io__os": "windows"}) and not fits("cloud.yaml", **{"kubernetes_io__arch": "riscv64"})
    assert not fits("hybrid.yaml", **{"eks_amazonaws_com__compute-type": "hybrid", "os_bottlerocket_aws__variant": "metal-k8s"})


@pytest.mark.parametrize("name", NAMES)
def test_what_a_node_agent_needs(name: str) -> None:
    """As AWS's chart has it, so that it comes first, everywhere, and goes last."""
    spec = spec_of(name)
    assert spec["hostNetwork"] is True and spec["priorityClassName"] == "system-node-critical"
    assert spec["tolerations"] == [{"operator": "Exists"}] and spec["terminationGracePeriodSeconds"] == 30
    assert spec["enableServiceLinks"] is False
    [agent] = spec["containers"]
    ports = {port["name"]: port["containerPort"] for port in agent["ports"]}
    assert ports == {"proxy": 80, "probes": 2703, "metrics": 2705}  # declared: the scheduler keeps two agents apart
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        asked = agent[probe]["httpGet"]
        assert (asked["host"], asked["path"], asked["port"]) == ("127.0.0.1", path, "probes")
    assert {"name": "AWS_REGION", "value": "eu-central-1"} in agent["env"]
    assert not any(each["name"].startswith("AWS_CONTAINER_") for each in agent["env"])


@pytest.mark.parametrize("name", NAMES)
def test_rights(name: str) -> None:
    """Root, which no capability goes with but those that its start needs; the sandbox drops them (tests/integration/agent)."""
    assert spec_of(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec_of(name).get("hostPID") and not spec_of(name).get("hostIPC")
    for each in containers(name):
        own = each["securityContext"]
        assert LOCKED.items() <= own.items() and not own.get("privileged")
        assert own["capabilities"]["drop"] == ["ALL"] and set(own["capabilities"]["add"]) == RIGHTS[each["name"]]
        assert each["resources"]["limits"]["memory"] == "32Mi"


@pytest.mark.parametrize("name", NAMES)
def test_volumes(name: str) -> None:
    """The credentials of a hybrid node alone, and nobody writes them."""
    mounted = [mount for each in containers(name) for mount in each.get("volumeMounts", [])]
    hybrid = "--rotate-credentials" in spec_of(name)["containers"][0]["command"]
    assert hybrid == (name == "hybrid.yaml") == bool(mounted)
    assert {mount["name"] for mount in mounted} == {volume["name"] for volume in spec_of(name).get("volumes", [])}
    assert all(mount["readOnly"] for mount in mounted)
    if hybrid:
        assert spec_of(name)["volumes"][0]["hostPath"] == {"path": "/eks-hybrid/.aws", "type": "Directory"}
        file = {each["name"]: each["value"] for each in spec_of(name)["containers"][0]["env"]}["AWS_SHARED_CREDENTIALS_FILE"]
        assert file == f"{mounted[0]['mountPath']}/credentials"


@pytest.mark.parametrize("name", NAMES)
def test_flags(name: str) -> None:
    """Every flag that a manifest gives is one of the program's, and its command one that it knows."""
    build = ROOT / "build" / {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    shown = subprocess.run([build / "pod-identity-agent", "--help"], capture_output=True, text=True, check=True).stdout.split()
    for each in containers(name):
        program, command, *words = each["command"] + each.get("args", [])
        assert program == "/pod-identity-agent" and command in shown
        assert all(word.split("=")[0] in shown for word in words)
