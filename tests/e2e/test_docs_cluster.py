"""What the documentation tells people to do with a cluster: the real kubectl takes the options of its commands (and of those of our
messages), and then finds no cluster; its YAML is valid by the schema of Kubernetes."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, need
from harness.commands import PAGES, all_blocks, commands_of, in_prose
from manifests import NO_VALIDATE, load, pod_spec

NO_CLUSTER = re.compile(r"refused|unable to connect|couldn't get current server API group list", re.IGNORECASE)


def wrong(kubectl: str, words: list[str], home: Path) -> str:
    """What kubectl has against a command, apart from there being no cluster; "" if nothing."""
    argv = [kubectl, "--server=http://127.0.0.1:1", "--request-timeout=2s", *words[1:]]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(home), "KUBECONFIG": "/nonexistent"})
    return "" if done.returncode != 0 and NO_CLUSTER.search(done.stderr) else f"{' '.join(words)}: {(done.stdout + done.stderr).strip()[-300:]}"


def test_kubectl_takes_them(tmp_path: Path) -> None:
    kubectl = need("kubectl", "1.27 or later")
    found = [words for block in all_blocks() for words in block.commands if words[0] == "kubectl"]
    found += [words for _, words in in_prose("kubectl") if {"get", "logs", "describe", "delete"} & set(words) and not words[-1].startswith("-")]
    assert len(found) > 25
    with ThreadPoolExecutor(4) as pool:
        problems = list(pool.map(lambda words: wrong(kubectl, words, tmp_path), {tuple(words): words for words in found}.values()))
    assert [problem for problem in problems if problem] == []


@pytest.mark.parametrize("line", ["kubectl get pods --wide", "kubectl portray pod x", "kubectl logs -n x"])
def test_it_can_fail(line: str, tmp_path: Path) -> None:
    [words] = commands_of(line)
    assert wrong(need("kubectl", "1.27 or later"), words, tmp_path)


YAML = [(f"{path.relative_to(ROOT)}:{number}", block) for path in PAGES
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL), 1)]
OF_CHARTS = {"extraInitContainers": "initContainers", "extraVolumes": "volumes", "podSecurityContext": "securityContext"}
OF_CONTAINERS = {"extraVolumeMounts": "volumeMounts", "extraEnv": "env", "ports": "ports", "resources": "resources", "env": "env"}


def whole_pod(fragment: dict[str, Any]) -> dict[str, Any]:
    """A pod that has that part of one, or those values of a chart."""
    spec: dict[str, Any] = {"containers": [{"name": "app", "image": "app"}]}
    for key, value in fragment.items():
        if key in OF_CONTAINERS:
            spec["containers"][0][OF_CONTAINERS[key]] = value
        elif key == "spec":
            spec.update(value)
        elif key == "serviceAccount":
            spec["serviceAccountName"] = value["name"]
        else:
            spec[OF_CHARTS.get(key, key)] = value
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize("where, text", YAML, ids=[where for where, _ in YAML])
def test_yaml(where: str, text: str) -> None:
    """Each block is a pod, a part of one, or values of a chart; or it says what else runs it, or why nothing does."""
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    for document in load(text):
        if not text.startswith(("# not run: ", "# run by tests/")):
            whole = document if "kind" in document else whole_pod(document)
            validate.validate(whole, "1.33", strict=True)
            assert pod_spec(whole)


def test_yaml_can_fail() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    with pytest.raises(validate.ValidationError):
        validate.validate(whole_pod({"extraEnv": [{"nam": "x"}]}), "1.33", strict=True)
