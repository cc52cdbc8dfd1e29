"""The Terraform snippet of the walkthrough."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, need
from harness.tools import find


FILES = sorted((ROOT / "images/terraform").rglob("*.tf"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_formatted(file: Path) -> None:
    """As terraform formats it; without terraform, as the formatter of its language does."""
    terraform = find("terraform")
    if terraform:
        done = subprocess.run([terraform, "fmt", "-check", "-diff", str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return
    done = subprocess.run([need("hclfmt", "or terraform"), str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, file.read_text()), done.stderr
