"""The air-gapped bundle and the files of a release: whole, checked, the same twice, and taken by real tools."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Iterator

import pytest

from conftest import IMAGES, ROOT, make, need


@pytest.fixture(scope="module")
def release(archives: dict[str, Path]) -> Path:
    """`make release`: its folder."""
    assert archives
    said = make("release").splitlines()[-1]
    return ROOT / said.split(":")[0]


@pytest.fixture
def bundle(release: Path, tmp_path: Path) -> Path:
    """The bundle, unpacked."""
    (archive,) = release.glob("pod-identity-*[!i].tar")
    with tarfile.open(archive) as tar:
        assert all(member.uid == member.gid == 0 and not member.issym() for member in tar)
        tar.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    return folder


def load(bundle: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """load.sh, as it is in the bundle."""
    return subprocess.run(["sh", bundle / "load.sh", *options], capture_output=True, text=True, check=False, timeout=120, cwd="/",
                          env={**os.environ, **environment})


def sums(folder: Path) -> dict[str, str]:
    """SHA256SUMS."""
    return {name: digest for digest, name in (line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines())}


def test_release(release: Path) -> None:
    """Everything for both architectures, with sums that are right."""
    listed = sums(release)
    assert set(listed) == {path.name for path in release.iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((release / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())
    version = release.name
    for arch in ("amd64", "arm64"):
        assert {f"pod-identity-{program}-{version}-linux-{arch}" for program in ("init", "sidecar", "get", "agent", "webhook")} < set(listed)
        assert json.loads((release / f"pod-identity-{version}-linux-{arch}.spdx.json").read_text())["spdxVersion"].startswith("SPDX-")
    with tarfile.open(release / f"pod-identity-man-{version}.tar.gz") as pages:
        members = {member.name: member for member in pages if member.isfile()}
        assert all(member.uid == member.gid == 0 and member.mode == 0o644 for member in members.values())
        for program in ("init", "sidecar", "get", "agent", "webhook"):
            name = f"pod-identity-{program}"
            page, completion = (pages.extractfile(members.pop(path)) for path in (f"share/man/man1/{name}.1", f"share/bash-completion/completions/{name}"))
            assert page and completion and f".TH {name.upper()} 1 ".replace("-", "\\-").encode() in page.read() and name.encode() in completion.read()
        assert not members
    revision = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    assert revision in version or "-g" not in version


def test_bundle_has_all(bundle: Path) -> None:
    listed = sums(bundle)
    assert {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()} == {*listed, "SHA256SUMS"}
    assert {"load.sh", "README.md", "CHANGELOG.md", "LICENSE", "kubernetes/pod.yaml", "helm/pod-identity-toolkit-0.1.0.tgz", "sbom/pod-identity-linux-amd64.spdx.json",
            "sbom/pod-identity-linux-arm64.spdx.json", "licenses/musl"} < set(listed)
    assert "@VERSION@" not in (bundle / "README.md").read_text()


def test_the_same_twice(release: Path, archives: dict[str, Path]) -> None:
    (archive,) = release.glob("pod-identity-*[!i].tar")
    (pages,) = release.glob("pod-identity-man-*")
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (archive, pages)]
    assert archives
    make("release")
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in (archive, pages)] == before


def test_sums_are_checked_first(bundle: Path) -> None:
    assert load(bundle, "--check").returncode == 0
    path = bundle / "images" / "pod-identity-init.oci.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for options in (["--check"], ["--registry", "127.0.0.1:1/x"], ["--tool", "podman"]):
        done = load(bundle, *options)
        assert done.returncode == 1 and "images/pod-identity-init.oci.tar" in done.stderr and "released" in done.stderr
    path.unlink()
    assert "images/pod-identity-init.oci.tar" in load(bundle, "--check").stderr


@pytest.mark.parametrize(("options", "says"), [
    (["--registry"], "needs a value"), (["--nonsense"], "unknown argument"), (["--registry", "https://x/y"], "without https://"),
    (["--registry", "x/y", "--tool", "podman"], "needs skopeo"), (["--tool", "nonsense"], "not one of")])
def test_bad_arguments(bundle: Path, options: list[str], says: str) -> None:
    done = load(bundle, *options)
    assert done.returncode == 1 and says in done.stderr, done.stderr


def test_podman(bundle: Path, tmp_path: Path) -> None:
    """Loaded, and tagged anew, in a store of its own."""
    podman = need("podman")
    if os.geteuid() != 0:
        pytest.skip("needs root, or a set-up for rootless podman")
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n')
    own = {"CONTAINERS_STORAGE_CONF": str(storage)}
    done = load(bundle, "--tool", "podman", "--tag", "mine", **own)
    assert done.returncode == 0, done.stderr
    for image in IMAGES:
        name = f"localhost/pod-identity-{image}:mine"
        seen = subprocess.run([podman, "image", "inspect", name], env={**os.environ, **own}, capture_output=True, text=True, check=True).stdout
        assert json.loads(seen)[0]["Config"]["User"] == ("0:0" if image == "agent" else "65532:65532")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry on loopback, empty."""
    program = need("docker-registry")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    config = tmp_path / "registry.yml"
    config.write_text(f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path}/registry\n"
                      f"http:\n  addr: 127.0.0.1:{port}\n")
    process = subprocess.Popen([program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, "the registry does not start"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_registry(bundle: Path, registry: str) -> None:
    """Both architectures are in a private registry, under the digests of the bundle."""
    done = load(bundle, "--registry", f"{registry}/platform", "--tag", "v1", "--insecure")
    assert done.returncode == 0, done.stderr
    skopeo = shutil.which("skopeo")
    for image in IMAGES:
        raw = subprocess.run([str(skopeo), "inspect", "--raw", "--tls-verify=false", f"docker://{registry}/platform/pod-identity-{image}:v1"],
                             capture_output=True, check=True).stdout
        assert "sha256:" + hashlib.sha256(raw).hexdigest() == (bundle / f"images/pod-identity-{image}.digest").read_text().strip()
        assert {one["platform"]["architecture"] for one in json.loads(raw)["manifests"]} == {"amd64", "arm64"}


def test_registry_that_is_not_there(bundle: Path) -> None:
    need("skopeo")
    done = load(bundle, "--registry", "127.0.0.1:1/platform", "--insecure")
    assert done.returncode == 1 and "cannot copy pod-identity-init to 127.0.0.1:1/platform" in done.stderr
