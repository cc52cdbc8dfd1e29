"""Fixtures of the tests of what a cluster needs. They share the harness of the integration tests.

Each tool that a test needs is looked for where it is needed; without it the test is skipped, and the reason names the command that
installs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from harness.tools import find  # noqa: E402
from oci import Archive  # noqa: E402  # beside this file
from cluster_fixtures import (  # noqa: E402, F401
    agents, aws, cluster, eks, names, new_space, pytest_runtest_makereport, pytest_terminal_summary, space, stocked, webhook)

IMAGES = ("init", "sidecar", "agent", "webhook")
CROSS = {"x86_64": "aarch64-linux-gnu-gcc", "aarch64": "x86_64-linux-gnu-gcc"}


def need(tool: str, what: str = "") -> str:
    """The path of a program, or a skip that says how to install it; what: which version, or what will do as well."""
    found = find(tool)
    if found is None:
        pytest.skip(f"no {tool}{what and f' ({what})'}: make setup-e2e")
    return found


def make(*words: str, folder: Path = ROOT, timeout_s: float = 900, **environment: str) -> str:
    """Runs make apart from the make that may have started the tests; returns what it printed."""
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(["make", "-s", *words], cwd=folder, env={**env, **environment}, capture_output=True, text=True,
                          timeout=timeout_s, check=False)
    assert done.returncode == 0, f"make {' '.join(words)}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def archives() -> dict[str, Path]:
    """The OCI archives, built; by the name of the image."""
    need("umoci")
    need("skopeo")
    need(CROSS[os.uname().machine])
    make("images")
    return {image: ROOT / f"build/images/pod-identity-{image}.oci.tar" for image in IMAGES}


@pytest.fixture(scope="session")
def images(archives: dict[str, Path]) -> dict[str, Archive]:
    """What is in them."""
    return {image: Archive(path) for image, path in archives.items()}
