"""The real SDKs of tests/interop: their releases, as their family.json has them, and how they come to be built. The contract is
tests/interop/README.md."""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .programs import ROOT
from .tools import FOLDER as TOOLS

CLIENTS = ROOT / "tests" / "interop" / "clients"
BUILT = ROOT / "build" / "interop" / "clients"
WAYS = ("http-file", "http-value", "process", "file", "imds", "imds-slash")
SCENARIOS = ("refresh", "recover", "restart", "late", "wrong-bearer")
IN_MAKE_TEST = ("python", "js", "go", "cpp", "crt")  # families that cost seconds to install, of which `make test` has the newest
NOT_TO_BE_HAD = 77
BUILD_TIMEOUT_S = 1800


def word_of(outcome: str) -> str:
    """What a run has to come to: `ok`, `refused` or `fails`; what is `none` fails too."""
    return outcome.partition(":")[0].replace("none", "fails")


@dataclasses.dataclass(frozen=True)
class Release:
    """One release of one SDK."""

    family: str
    name: str
    sdk: str
    version: str
    newest: bool
    command: tuple[str, ...]
    ways: dict[str, str]
    scenarios: dict[str, Any]
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    env_by_way: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    config_section: str = "default"
    lifetime_s: float = 16.0

    @property
    def source(self) -> Path:
        """The family's folder."""
        return CLIENTS / self.family

    @property
    def out(self) -> Path:
        """Where build.sh puts what it makes."""
        return BUILT / self.family

    def main_way(self) -> str:
        """The first way that is to work."""
        return next(way for way in WAYS if word_of(self.ways[way]) == "ok")

    def cells(self) -> dict[tuple[str, str], str]:
        """The expected outcome of each cell: (scenario, way). The first scenario is `keys`."""
        cells = {("keys", way): self.ways[way] for way in WAYS}
        for scenario, outcome in self.scenarios.items():
            by_way = outcome if isinstance(outcome, dict) else {self.bearer_way() if scenario == "wrong-bearer" else self.main_way(): outcome}
            cells.update({(scenario, way): text for way, text in by_way.items()})
        return cells

    def bearer_way(self) -> str:
        """How it takes a bearer."""
        return next((way for way in ("http-value", "http-file") if word_of(self.ways[way]) == "ok"), self.main_way())


@functools.cache
def releases() -> tuple[Release, ...]:
    """All of all families, in the order of the files."""
    found = []
    for path in sorted(CLIENTS.glob("*/family.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            found.append(Release(family=path.parent.name, **{**entry, "command": tuple(entry["command"])}))
    return tuple(found)


def chosen(words: str) -> tuple[Release, ...]:
    """`test` (the newest of some families), `newest`, `all`, or names of releases, SDKs and families."""
    if words == "all":
        return releases()
    if words in ("newest", "test"):
        return tuple(one for one in releases() if one.newest and (words == "newest" or one.family in IN_MAKE_TEST))
    wanted = set(words.split())
    unknown = wanted - {name for one in releases() for name in (one.name, one.sdk, one.family)}
    assert not unknown, f"no such release, SDK or family: {', '.join(sorted(unknown))}"
    return tuple(one for one in releases() if wanted & {one.name, one.sdk, one.family})


def build(release: Release) -> str | None:
    """Builds it if need be; why it is not to be had, or None. One at a time in each family. AssertionError if the build is broken."""
    release.out.mkdir(parents=True, exist_ok=True)
    with open(release.out / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["sh", str(release.source / "build.sh"), str(release.out), release.name], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=BUILD_TIMEOUT_S, check=False, env={**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}"})
    lines = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode == NOT_TO_BE_HAD:
        return lines[-1] if lines else "build.sh gave no reason"
    assert done.returncode == 0, f"{release.family}/build.sh: {done.returncode}: {lines[-5:]}"
    return None
