"""The Terraform snippet of the walkthrough."""

from __future__ import annotations

import subprocess

from conftest import ROOT, need
from harness.tools import find


FILE = ROOT / "images/terraform/main.tf"


def test_formatted() -> None:
    """As terraform formats it; without terraform, as the formatter of its language does."""
    terraform = find("terraform")
    if terraform:
        done = subprocess.run([terraform, "fmt", "-check", "-diff", str(FILE)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return
    done = subprocess.run([need("hclfmt", "or terraform"), str(FILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, FILE.read_text()), done.stderr
