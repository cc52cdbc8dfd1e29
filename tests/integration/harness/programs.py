"""Runs the real binaries: with a clean environment, with deadlines, and with all output kept for the search for leaks."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from .leaks import Leaks
from .places import Place

ROOT = Path(__file__).resolve().parents[3]
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Binaries:
    """The programs under test: POD_IDENTITY_BUILD or build/<arch>."""

    def __init__(self, folder: Path | None = None) -> None:
        machine = platform.machine()
        default = ROOT / "build" / ARCHITECTURES.get(machine, machine)
        self.folder = folder or Path(os.environ.get("POD_IDENTITY_BUILD", default)).resolve()
        self.init = self.folder / "pod-identity-init"
        self.sidecar = self.folder / "pod-identity-sidecar"
        self.get = self.folder / "pod-identity-get"
        self.agent = self.folder / "pod-identity-agent"
        self.webhook = self.folder / "pod-identity-webhook"


@dataclass
class Run:
    """What a program that has ended left behind."""

    argv: list[str]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    termination_log: str | None = None

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report of pod-identity-init."""
        return json.loads(self.stdout)

    @property
    def reason(self) -> str:
        """The report's reason; init's only, with --format=json."""
        return self.report["reason"]

    def checks(self, status: str) -> list[dict[str, Any]]:
        """The report's checks that ended so: pass, warn, fail or skip."""
        return [check for check in self.report["checks"] if check["status"] == status]

    @property
    def failure(self) -> dict[str, Any]:
        """The one check that failed."""
        failed = self.checks("fail")
        assert len(failed) == 1, failed
        return failed[0]


class Runner:
    """Runs programs in a place, and hands what they print to the search for leaks."""

    def __init__(self, place: Place, leaks: Leaks) -> None:
        self.place, self.leaks = place, leaks

    def command(self, argv: Sequence[str | Path], uid: int | None = None, gid: int | None = None,
                groups: Sequence[int] = ()) -> list[str]:
        """What to start: argv in the place, as that user; with no capabilities if that is not root."""
        plain = [str(word) for word in argv]
        if uid is not None:
            setpriv = shutil.which("setpriv")
            assert setpriv, "no setpriv (util-linux)"
            wanted = [setpriv, f"--reuid={uid}", f"--regid={uid if gid is None else gid}"]
            wanted += [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
            plain = [*wanted, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--", *plain]
        return self.place.command(plain)

    def run(self, argv: Sequence[str | Path], env: Mapping[str, str], timeout_s: float = 60.0, private_stdout: bool = False,
            cwd: Path | None = None, stdin: bytes = b"", **user: Any) -> Run:
        """Runs to the end. private_stdout: standard output may hold secrets, so it is not searched."""
        words = [str(word) for word in argv]
        started = time.monotonic()
        done = subprocess.run(
            self.command(argv, **user), env=dict(env), input=stdin, capture_output=True, timeout=timeout_s, cwd=cwd, check=False
        )
        seconds = time.monotonic() - started
        name = Path(words[0]).name
        self.leaks.add_output(f"{name}: arguments", " ".join(words))
        if not private_stdout:
            self.leaks.add_output(f"{name}: stdout", done.stdout)
        self.leaks.add_output(f"{name}: stderr", done.stderr)
        return Run(words, done.returncode, done.stdout.decode("utf-8", "surrogateescape"),
                   done.stderr.decode("utf-8", "surrogateescape"), seconds)
