"""The Helm chart, and helm without a home of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Sequence

from conftest import ROOT
from manifests import FOLDER, load

CHART = ROOT / "images/helm/pod-identity-toolkit"


class Helm:
    """Runs it with no cluster unless KUBECONFIG is given, and with no settings of a user."""

    def __init__(self, program: str | Sequence[str], kubeconfig: str = "/nonexistent") -> None:
        self.command, self.kubeconfig = [program] if isinstance(program, str) else list(program), kubeconfig

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="helm-") as home:
            env = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": self.kubeconfig}
            return subprocess.run([*self.command, *words], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)

    def run(self, *words: str) -> str:
        done = self.call(*words)
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout

    def template(self, *words: str, namespace: str, chart: Path = CHART) -> list[dict[str, Any]]:
        return load(self.run("template", "trial", str(chart), "--namespace", namespace, *words))


def of_file(name: str) -> list[dict[str, Any]]:
    """The objects of one of our manifests."""
    return load((FOLDER / name).read_text())


def by_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Those of a kind, by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def leaves(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Each value by its path; an object that the user fills is one value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        at = f"{path}.{key}".strip(".")
        if isinstance(value, dict) and value and key != "dashboardLabels":
            found.update(leaves(value, at))
        else:
            found[at] = value
    return found
