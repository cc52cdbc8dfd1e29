"""`docker build .` from a plain Debian makes what `make images` makes: by podman, with a root of this machine's own Debian as its base."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conftest import IMAGES, ROOT, need
from kubelet import Node
from oci import Archive
from test_containers import why_no_containers

DOCKERFILE = ROOT / "Dockerfile"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
BASE = "localhost/debian-of-this-machine:1"
# What is of the root, and nothing that it has mounted.
PACK = ("mkdir -p build/test; cd /; tar --exclude=./root/pod-identity '--exclude=./proc/*' '--exclude=./sys/*' '--exclude=./dev/*' '--exclude=./run/*' "
        "'--exclude=./var/cache/apt/archives/*' -cf /root/pod-identity/build/test/root.tar .")


def suite() -> str:
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if release.get("ID") != "debian":
        pytest.skip("this machine is no Debian")
    return release["VERSION_CODENAME"]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """podman with that root as an image."""
    podman = need("podman")
    reason = why_no_containers(podman)
    if reason:
        pytest.skip(f"no containers here: {reason}")
    done = subprocess.run(["sh", "tests/other-debian.sh", "--suite", suite(), "sh", "-ec", PACK], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(f"no root of a Debian: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    root = ROOT / f"build/test-{suite()}/root.tar"
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Node(podman, folder, "none", {}, lambda audience: audience)
        made.call("import", "--quiet", str(root), BASE, timeout_s=600)
        root.unlink()
        yield made


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What a person has who has cloned the repository, and who does not run tests meanwhile; with what is not committed yet."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    changes = subprocess.run(["git", "diff", "--binary", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    if changes:
        subprocess.run(["git", "apply"], cwd=clone, input=changes, check=True)
    new = subprocess.run(["git", "ls-files", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in new.splitlines():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    return clone


def files_of(node: Node, image: str, folder: Path) -> dict[str, str]:
    """Of an image: the sums of its files, and where its links lead."""
    container = node.call("create", image).stdout.strip()
    node.call("export", "--output", str(folder / "files.tar"), container)
    node.call("rm", container)
    found = {}
    with tarfile.open(folder / "files.tar") as tar:
        for entry in tar.getmembers():
            if entry.isfile():
                found[entry.name] = hashlib.sha256(tar.extractfile(entry).read()).hexdigest()  # type: ignore[union-attr]
            elif entry.issym():
                found[entry.name] = f"-> {entry.linkname}"
    # An empty file or folder that podman makes in every container.
    return {name: value for name, value in found.items() if not re.match(r"(dev|proc|sys|run)/|etc/(hosts|resolv.conf|hostname|mtab)$", name)}


def test_the_same(node: Node, images: dict[str, Archive], context: Path, tmp_path: Path) -> None:
    """Programs, names, roots, licences and settings: byte for byte, if the compiler is the same."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pod-identity" / f"archives-{suite()}"
    # In a chroot, with the machine's network, as packages come by the machine's way; the sources are those of the other build.
    words = ("build", "--isolation=chroot", "--network=host", f"--volume={cache}:/var/cache/apt/archives",
             f"--volume={ROOT}/build/distfiles:/src/build/distfiles", "--build-arg", f"BASE={BASE}", "--quiet")
    node.call(*words, "--target=build", "--tag=localhost/made", str(context), timeout_s=1500)
    versions = ["sh", "-c", "gcc --version; ld --version"]
    there, here = (node.call("run", "--rm", "--network=none", "localhost/made", *versions).stdout,
                   subprocess.run(versions, capture_output=True, text=True, check=True).stdout)
    if there != here:
        pytest.skip(f"it builds, but the compilers differ, so the programs may: {there.splitlines()[0]}, here {here.splitlines()[0]}")
    for image in IMAGES:
        node.call(*words, f"--target={image}", f"--tag=localhost/{image}", str(context), timeout_s=600)
        shipped = images[image].platforms[f"linux/{ARCH}"]
        wanted = {name: hashlib.sha256(content).hexdigest() for name, content in shipped.files.items()}
        wanted.update({name: f"-> {member.linkname}" for name, member in shipped.members.items() if member.issym()})
        assert files_of(node, f"localhost/{image}", tmp_path) == wanted, image
        [config] = json.loads(node.call("inspect", f"localhost/{image}").stdout)
        ours = shipped.config["config"]
        assert (config["Config"]["User"], config["Config"]["Entrypoint"]) == (ours["User"], ours["Entrypoint"])


def test_the_last_is_the_sidecars() -> None:
    targets = re.findall(r"^FROM scratch AS (\w+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert set(targets) == set(IMAGES) and targets[-1] == "sidecar"
