"""The values for charts of others: rendered with a stand-in that takes them by the names of those charts, they make pod.yaml's pod."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from chart import Helm
from conftest import ROOT, need
from manifests import NO_VALIDATE, load, plain
from test_manifests import SCHEMAS, lies_in

VALUES = ROOT / "images/helm/values"
STAND_IN = ROOT / "tests/e2e/stand-in"
# By what name each chart takes it. Found in the templates of the charts themselves; the stand-in holds us to these and no others.
PATHS: dict[str, dict[str, str]] = {
    "loki": {"serviceAccount": "serviceAccount.name", "initContainers": "singleBinary.initContainers", "volumes": "singleBinary.extraVolumes",
             "volumeMounts": "singleBinary.extraVolumeMounts", "env": "singleBinary.extraEnv"},
    "thanos": {"serviceAccount": "storegateway.serviceAccount.name", "initContainers": "storegateway.initContainers",
               "volumes": "storegateway.extraVolumes", "volumeMounts": "storegateway.extraVolumeMounts", "env": "storegateway.extraEnvVars"},
    "velero": {"serviceAccount": "serviceAccount.server.name", "initContainers": "initContainers", "volumes": "extraVolumes",
               "volumeMounts": "extraVolumeMounts", "envMap": "configuration.extraEnvVars", "podSecurityContext": "podSecurityContext"},
    "external-secrets": {"serviceAccount": "serviceAccount.name", "initContainers": "podSpecExtra.initContainers", "volumes": "extraVolumes",
                         "volumeMounts": "extraVolumeMounts", "env": "extraEnv", "podSecurityContext": "podSecurityContext"},
    "airflow": {"serviceAccount": "workers.serviceAccount.name", "initContainers": "workers.extraInitContainers",
                "volumes": "workers.extraVolumes", "volumeMounts": "workers.extraVolumeMounts", "env": "workers.env"},
}
BESIDE = {"velero": {"credentials.useSecret"}}  # what is no part of the pod
OF_ITS_OWN = {"runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}  # which pod.yaml says for the whole pod


def values_of(name: str) -> dict[str, Any]:
    [values] = load((VALUES / f"{name}.yaml").read_text())
    return values


def rendered(name: str) -> dict[str, Any]:
    helm = Helm(need("helm", "3.14 or later"))
    [workload] = helm.template("-f", str(VALUES / f"{name}.yaml"), f"--set-json=paths={json.dumps(PATHS[name])}", namespace="shop", chart=STAND_IN)
    return workload


def test_each_chart_has_a_file() -> None:
    assert {path.stem for path in VALUES.glob("*.yaml")} == set(PATHS)
    rows = re.findall(r"^\| .* \| \[([\w-]+)\]\(helm/values/\1\.yaml\) \| `(.+)` \|$", (ROOT / "images/RECIPES.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: paths["initContainers"] for name, paths in PATHS.items()}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("version", SCHEMAS)
def test_valid(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    workload = rendered(name)
    validate.validate(workload, version, strict=True)
    workload["spec"]["template"]["spec"]["initContainers"][1]["restartPolice"] = "Always"
    with pytest.raises(validate.ValidationError):
        validate.validate(workload, version, strict=True)


@pytest.mark.parametrize("name", PATHS)
def test_as_in_pod_yaml(name: str) -> None:
    """The pod has our two containers first, as pod.yaml has them, its volume, and for the app what its app has."""
    spec, pod = rendered(name)["spec"]["template"]["spec"], plain("pod.yaml")[0]["spec"]
    for ours, theirs in zip(spec["initContainers"][:2], pod["initContainers"], strict=True):
        ours = copy.deepcopy(ours)
        assert {key: ours["securityContext"].pop(key) for key in OF_ITS_OWN} == OF_ITS_OWN
        assert ours.pop("resources")["limits"] == theirs["resources"]["limits"]
        ours["command"], theirs["command"] = ([word for word in each["command"] if not word.startswith("--expect-")] for each in (ours, theirs))
        ours.pop("terminationMessagePolicy", None)
        assert lies_in(ours, theirs)
    [app], [shown] = spec["containers"], pod["containers"]
    assert sorted(app["env"], key=lambda each: each["name"]) == sorted(shown["env"], key=lambda each: each["name"])
    assert app["volumeMounts"][1:] == shown["volumeMounts"] and spec["volumes"][1:] == pod["volumes"]
    assert spec["securityContext"]["fsGroup"] > 0 and spec["serviceAccountName"] == name


def paths_in(values: Any, path: str = "") -> set[str]:
    """Paths of what is no object, and of objects that one of PATHS names."""
    if not isinstance(values, dict) or any(path in named.values() for named in PATHS.values()):
        return {path}
    return {found for key, value in values.items() for found in paths_in(value, f"{path}.{key}".strip("."))}


@pytest.mark.parametrize("name", PATHS)
def test_nothing_else_is_set(name: str) -> None:
    assert paths_in(values_of(name)) == set(PATHS[name].values()) | BESIDE.get(name, set())
