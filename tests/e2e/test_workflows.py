"""The workflows of GitHub: actionlint takes them; they run what people run, and sign what is released."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import IMAGES, ROOT, need
from manifests import load

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def lint(path: Path) -> str:
    words = [need("actionlint"), "-no-color", "-shellcheck", shutil.which("shellcheck") or "", str(path)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False).stdout


def steps(name: str) -> list[dict[str, Any]]:
    [workflow] = load((FOLDER / name).read_text())
    [job] = workflow["jobs"].values()
    return job["steps"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actionlint(path: Path, tmp_path: Path) -> None:
    assert lint(path) == ""
    (tmp_path / "wrong.yml").write_text(path.read_text().replace("runs-on:", "runs-where:", 1))
    assert "runs-where" in lint(tmp_path / "wrong.yml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """By the commit: whoever may move a tag of theirs would run in our release. The version is beside it, for people and for bots."""
    used = re.findall(r"uses: *(.*)", path.read_text())
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used), used


def test_ci_is_ours() -> None:
    """What it runs is .ci/run, and no step has a right to write."""
    commands = [step["run"] for step in steps("ci.yml") if "run" in step]
    assert "bash .ci/run" in commands
    [workflow] = load((FOLDER / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}


def test_a_release_is_whole() -> None:
    """Every image is pushed, signed by its digest and has its SBOM; the sums are signed; targets of make exist; no key is named."""
    text = (FOLDER / "release.yml").read_text()
    [images] = re.findall(r"for image in (.*); do", text)
    assert tuple(images.split()) == IMAGES
    said = "\n".join(step.get("run", "") for step in steps("release.yml"))
    order = [said.index(word) for word in ("make setup", "cosign sign-blob", "skopeo copy --all", "cosign sign ", "cosign attest", "gh release create")]
    assert order == sorted(order)
    targets = {word for line in re.findall(r"(?:^|&& )make ([^&\n]*)", said, re.MULTILINE) for word in line.split() if re.fullmatch(r"[a-z-]+", word)}
    known = set(re.findall(r"^([a-z-]+):.* ## ", "".join(path.read_text() for path in [ROOT / "Makefile", *(ROOT / "images").glob("*.mk")]), re.MULTILINE))
    assert targets and targets <= known
    assert "--key" not in text and "id-token: write" in text


def test_told_that_they_have_not_run() -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    assert "have not run anywhere yet" in text and all(path.name in text for path in FILES)
