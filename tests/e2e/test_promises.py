"""The table of images/README.md, of what was shown on a real Kubernetes: it says what the tests show, all of it, and of every file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from harness.programs import ROOT
from manifests import FOLDER
from promises import OF_CERT_MANAGER, PROMISES

HERE = Path(__file__).resolve().parent
PAGE = (ROOT / "images/README.md").read_text()
OF_OTHER_THINGS = ("test_cluster_node.py", "test_cluster_chart.py", "test_cluster_starts.py", "test_cluster_webhook_chart.py")
START = "## On a real Kubernetes"


def section() -> str:
    """Of the page."""
    return PAGE[PAGE.index(START):].split("\n## ")[0]


def named_in(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_row_is_shown() -> None:
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in section().splitlines() if line.startswith("| `")]
    assert rows == [(", ".join(f"`{name}`" for name in files.split(", ")), promise) for files, promise, _ in PROMISES]
    for _, promise, tests in PROMISES:
        assert tests, promise
        for file, name in tests:
            assert name in named_in(HERE / file), (promise, name)


def test_each_test_is_in_it() -> None:
    named = {name for _, _, tests in PROMISES for name in tests}
    there = {(file.name, name) for file in HERE.glob("test_cluster_*.py") if file.name not in OF_OTHER_THINGS for name in named_in(file)}
    assert there - named == {("test_cluster_manifests.py", "test_the_variables_are_eks"), ("test_cluster_agents.py", "test_the_emulators_agent"),
                             ("test_cluster_minio.py", "test_the_sidecar_alone")}


def test_each_file_is_in_it() -> None:
    shipped = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")}
    named: set[str] = set()
    for files, _, _ in PROMISES:
        folder = ""
        for name in files.split(", "):
            folder = str(Path(name).parent) + "/" if "/" in name else folder
            if (FOLDER / name).is_dir():
                named |= {str(path.relative_to(FOLDER)) for path in (FOLDER / name).rglob("*.yaml")}
            else:
                named.add(name if (FOLDER / name).exists() else folder + name)
    assert shipped == named | {OF_CERT_MANAGER} and f"`{OF_CERT_MANAGER}`" in section()


def test_the_versions() -> None:
    """The cluster's, and that of the API server that has mutating policies as stable."""
    front = " ".join((ROOT / "README.md").read_text().split())
    for folder, words, there in (("cluster/kubernetes", "a Kubernetes {} of one node", "a real Kubernetes {} of one node"),
                                 ("apiserver", "the API server of {}", "the API server of {},")):
        built = re.search(r"k8s.io/kubernetes v(([0-9]+\.[0-9]+)\.[0-9]+)", (HERE / folder / "go.mod").read_text())
        assert built and words.format(built.group(1)) in " ".join(section().split()) and there.format(built.group(2)) in front


def test_who_is_restricted() -> None:
    """All manifests but those that need more of the node, which the page names; test_manifests.py and others hold the rest against the standard."""
    more = {path.parent.name for path in FOLDER.rglob("*.yaml") if re.search("hostNetwork: true|add: ", path.read_text())}
    assert more == {"agent", "any-cluster", "emulator"} and "All but the node agent's and the emulator's meet the restricted" in " ".join(PAGE.split())
