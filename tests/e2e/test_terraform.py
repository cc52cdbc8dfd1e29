"""The Terraform snippet of the walkthrough."""

from __future__ import annotations

import subprocess

from conftest import ROOT, need


def test_formatted() -> None:
    done = subprocess.run([need("terraform", "none; from HashiCorp"), "fmt", "-check", "-diff", str(ROOT / "images/terraform")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
