"""The emulator's image on the real cluster, as images/EMULATOR.md says: it takes the cluster's own tokens, and pods have credentials."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from cluster_fixtures import Agents
from manifests import FOLDER
from real_cluster import Cluster, Space
from test_emulator_image import IMAGE, emulator_archive  # noqa: F401  # a fixture

NAMESPACE = "pod-identity-emulator"
MANIFEST = FOLDER / "emulator/daemonset.yaml"


@pytest.fixture
def emulator(agents: Agents, stocked: Cluster, emulator_archive: Path) -> Iterator[Cluster]:  # noqa: F811
    agents.stop()
    agents.current = ""
    stocked.load(emulator_archive)
    stocked.on_node("ctr", "-n", "k8s.io", "images", "tag", "--force", "localhost/pod-identity-emulator:0.1.0", IMAGE)
    stocked.kubectl("create", "namespace", NAMESPACE)
    stocked.kubectl("-n", NAMESPACE, "create", "configmap", "keys", f"--from-literal=jwks.json={stocked.kubectl('get', '--raw', '/openid/v1/jwks').stdout}")
    yield stocked
    stocked.kubectl("delete", "namespace", NAMESPACE, "--wait", "--timeout=90s")


def test_the_manifest(emulator: Cluster, new_space: Callable[..., Space]) -> None:
    space = new_space(associated=False)
    text = MANIFEST.read_text()
    assert text.count("default/app=") == 1
    emulator.apply(text.replace("default/app=", f"{space.name}/app="))
    done = emulator.kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/pod-identity-emulator", "--timeout=120s", check=False)
    assert done.returncode == 0, done.stdout + emulator.kubectl("-n", NAMESPACE, "describe", "pods").stdout
    space.apply((FOLDER / "own-token.yaml").read_text())
    space.ready()
    assert space.ask()["complete"]
    token = emulator.kubectl("-n", space.name, "create", "token", "default", "--audience=pods.eks.amazonaws.com").stdout.strip()
    denied = emulator.node.command(["curl", "--silent", "--noproxy", "*", "--header", f"Authorization: {token}", "http://169.254.170.23/v1/credentials"])
    said = json.dumps(_output(denied))
    assert "ResourceNotFoundException" in said, said


def _output(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
