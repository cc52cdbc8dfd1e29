"""Which sources are taken: what the lock pins, and what is said where something else is used."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from harness.programs import ROOT

PINNED, OLDER, NEWER = "1.0-2+deb13u7", "1.0-2+deb13u5", "1.0-2+deb13u10"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder with one upstream tarball, and a lock that pins it, a revision and, after it, an older one."""
    folder = tmp_path / "sources"
    folder.mkdir()
    tarball = b"upstream"
    (folder / "lib_1.0.orig.tar.gz").write_bytes(tarball)
    lines = ["package lib 1.0 MIT", f"tarball lib {hashlib.sha256(tarball).hexdigest()} lib_1.0.orig.tar.gz"]
    lines += [f"revision lib {revision} {hashlib.sha256(revision.encode()).hexdigest()}" for revision in (PINNED, OLDER)]
    (tmp_path / "deps.lock").write_text("\n".join(lines) + "\n")
    return folder


def patches(folder: Path, revision: str) -> Path:
    """Debian's tarball of that revision."""
    path = folder / f"lib_{revision}.debian.tar.xz"
    path.write_bytes(revision.encode())
    return path


def fetch(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """fetch.sh without network."""
    env = {"PATH": os.environ["PATH"], "DEPS_LOCK": str(folder.parent / "deps.lock"), **environment}
    return subprocess.run(["sh", str(ROOT / "common/deps/fetch.sh"), "--offline", str(folder), str(folder.parent / "result")], env=env,
                          capture_output=True, text=True, check=False)


def chosen(folder: Path) -> str:
    """The revision that was taken."""
    return (folder.parent / "result").read_text().split()[2]


def test_what_the_lock_pins(sources: Path) -> None:
    """Nothing is said, whatever else is there."""
    for revision in (PINNED, OLDER):
        patches(sources, revision)
    done = fetch(sources, REPRODUCIBLE="1")
    assert (done.returncode, done.stderr, chosen(sources)) == (0, "", PINNED)


@pytest.mark.parametrize(("revision", "says"), [(OLDER, f"{OLDER} is used instead, and its patches are older"),
                                                (NEWER, f"{NEWER} is used instead, and its patches are newer"),
                                                (None, "it is built without Debian's patches")])
def test_another_revision(sources: Path, revision: str | None, says: str) -> None:
    """One line; and an error for those who want the same bytes."""
    if revision:
        path = patches(sources, revision)
        (sources / "SHA256SUMS").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    done = fetch(sources)
    assert done.returncode == 0 and chosen(sources) == (revision or "-")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"fetch: lib: the lock pins {PINNED}, which ") and line.endswith(says)
    (sources.parent / "result").unlink()
    refused = fetch(sources, REPRODUCIBLE="1")
    assert refused.returncode == 1 and refused.stderr.startswith(line) and "REPRODUCIBLE=1" in refused.stderr
    assert not (sources.parent / "result").exists()


def test_the_newest_where_the_pinned_is_gone(sources: Path) -> None:
    """Not the older one, though the lock names it."""
    paths = [patches(sources, revision) for revision in (OLDER, NEWER)]
    (sources / "SHA256SUMS").write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths))
    assert fetch(sources).returncode == 0 and chosen(sources) == NEWER


@pytest.mark.parametrize("revision", [PINNED, NEWER])
def test_patches_that_nobody_vouched_for(sources: Path, revision: str) -> None:
    """Changed, or in neither list: an error that names the file."""
    path = patches(sources, revision)
    if revision == PINNED:
        path.write_bytes(b"other")
    done = fetch(sources)
    assert done.returncode == 1 and path.name in done.stderr
