"""Real SDKs as clients: built or installed under build/interop when a test first needs one; skipped, with the reason, where that cannot be."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import pytest

from .programs import ROOT, Run
from .tools import find

SOURCES = ROOT / "tests" / "interop"
FOLDER = ROOT / "build" / "interop"
SET_UP_TIMEOUT_S = 400
AWS_CLI = "1.46.3"  # version 1, which is a package of Python; it brings a botocore of its own
OLD_BOTOCORE = "1.29.165"  # the last before Pod Identity: no AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, no address of the agent


class CannotBeHad(Exception):
    """The tool or its packages are not there."""


def set_up(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> str:
    """Runs a step of an installation; returns what it printed, or raises CannotBeHad with its own words."""
    try:
        done = subprocess.run([str(word) for word in argv], cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SET_UP_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBeHad(str(error)) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else done.returncode)
        raise CannotBeHad(f"{Path(argv[0]).name} {argv[1]}: {str(reason).strip()}")
    return done.stdout


def once_a_run(make: Callable[..., Path | CannotBeHad]) -> Callable[..., Path | CannotBeHad]:
    """Makes something under build/interop once in a run of the tests, whichever of its processes needs it first; the others wait."""
    @functools.cache
    def found(*words: str) -> Path | CannotBeHad:
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process {os.getpid()}")
        FOLDER.mkdir(parents=True, exist_ok=True)
        with open(FOLDER / "-".join([".made", make.__name__.strip("_"), *words]), "a+", encoding="utf-8") as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            note.seek(0)
            made = json.loads(note.read() or "{}")
            if made.get("run") != run:
                result = make(*words)
                made = {"run": run, "failed" if isinstance(result, CannotBeHad) else "path": str(result)}
                note.truncate(0)
                note.write(json.dumps(made))
        return CannotBeHad(made["failed"]) if "failed" in made else Path(made["path"])
    return found


def tool(name: str) -> str:
    """The path of a program of this machine."""
    found = find(name)
    if not found:
        raise CannotBeHad(f"there is no {name}: make setup-interop")
    return found


def go_environment() -> dict[str, str]:
    """Go's own folders, shared with the matrix of SDKs, and the toolchain that is there."""
    shared = FOLDER / "clients" / "go"
    return {"GOPATH": str(shared / "gopath"), "GOCACHE": str(shared / "gocache"), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0", "GOWORK": "off"}


@once_a_run
def _go() -> Path | CannotBeHad:
    try:
        client = FOLDER / "go-client"
        set_up([tool("go"), "build", "-trimpath", "-ldflags=-s -w", "-o", client, "."], SOURCES / "go", go_environment())
        return client
    except CannotBeHad as error:
        return error


@once_a_run
def _node() -> Path | CannotBeHad:
    try:
        tool("node")
        target = FOLDER / "js"
        target.mkdir(parents=True, exist_ok=True)
        for name in ("client.mjs", "package.json", "package-lock.json"):
            shutil.copyfile(SOURCES / "js" / name, target / name)
        set_up([tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={FOLDER / 'npm'}"], target, {})
        return target / "client.mjs"
    except CannotBeHad as error:
        return error


@once_a_run
def _python_with(package: str, version: str) -> Path | CannotBeHad:
    """The interpreter of a virtual environment that has this one package."""
    try:
        target = FOLDER / f"{package}-{version}"
        python = target / "bin" / "python"
        if not (target / ".whole").exists():
            set_up([sys.executable, "-m", "venv", "--clear", target], ROOT, {})
            set_up([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{package}=={version}"], ROOT, {})
            (target / ".whole").touch()
        return python
    except CannotBeHad as error:
        return error


def _or_skip(found: Path | CannotBeHad, what: str) -> Path:
    if isinstance(found, CannotBeHad):
        pytest.skip(f"{what} cannot be had: {found}")
    return found


def go_client() -> Path:
    """A static program with the AWS SDK for Go v2 and minio-go; tests/interop/go."""
    return _or_skip(_go(), "the Go SDKs")


def node_client() -> list[str | Path]:
    """The words before the way, for the AWS SDK for JavaScript v3; tests/interop/js."""
    script = _or_skip(_node(), "the SDK for JavaScript")
    return [tool("node"), script]


def old_botocore_client() -> list[str | Path]:
    """A botocore that does not know Pod Identity."""
    return [_or_skip(_python_with("botocore", OLD_BOTOCORE), f"botocore {OLD_BOTOCORE}"), SOURCES / "python_client.py"]


def aws_cli() -> list[str | Path]:
    """The words before the service, for the real `aws` command."""
    return [_or_skip(_python_with("awscli", AWS_CLI), f"the aws CLI {AWS_CLI}"), "-m", "awscli"]


def shown(run: Run) -> dict[str, Any]:
    """What a client that succeeded printed."""
    assert run.exit_code == 0 and run.stderr == "", run
    return json.loads(run.stdout)
