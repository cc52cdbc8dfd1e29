"""The images: what is in them and nothing else, their sizes, and that everybody who builds them gets the same."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conftest import IMAGES, ROOT, make, need
from oci import Archive, PlatformImage

ARCHITECTURES = {"amd64": 62, "arm64": 183}  # with the machine number of ELF
UNPACKED_MAX, COMPRESSED_MAX = 600 * 1024, 350 * 1024
NAMES_OF_THE_REAL_AGENT = {"go-runner", "eks-pod-identity-agent"}  # its chart starts it by these
DOCS = "usr/share/doc/pod-identity"
LICENCES = {"pod-identity", "musl", "bearssl", "curl", "cjson", "ca-certificates"}
each_platform = pytest.mark.parametrize(("image", "arch"), [(i, a) for i in IMAGES for a in ARCHITECTURES])


@pytest.fixture
def platform_image(images: dict[str, Archive], image: str, arch: str) -> PlatformImage:
    return images[image].platforms[f"linux/{arch}"]


@pytest.mark.parametrize("image", IMAGES)
def test_archive(images: dict[str, Archive], image: str) -> None:
    """An index of both platforms; no blob that nothing points to; a name for podman and one for containerd."""
    archive = images[image]
    assert set(archive.platforms) == {"linux/amd64", "linux/arm64"}
    assert set(archive.content) == archive.reached
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in archive.entries} == {(0, 0, "", "")}
    names = archive.top["manifests"][0]["annotations"]
    assert names["org.opencontainers.image.ref.name"].startswith(f"pod-identity-{image}:")
    assert names["io.containerd.image.name"] == "localhost/" + names["org.opencontainers.image.ref.name"]


@each_platform
def test_size(platform_image: PlatformImage) -> None:
    assert platform_image.unpacked <= UNPACKED_MAX
    assert platform_image.compressed <= COMPRESSED_MAX


@each_platform
def test_files(platform_image: PlatformImage, image: str, arch: str) -> None:
    """Exactly these files, of root, that nobody may write; the programs are those of the build, for this architecture."""
    programs = {f"pod-identity-{image}"} | ({"pod-identity-get"} if image in ("init", "sidecar") else set())
    wanted = programs | {"etc/passwd", "etc/ssl/certs/ca-certificates.crt", f"{DOCS}/sbom.spdx.json"}
    assert set(platform_image.files) == wanted | {f"{DOCS}/licences/{name}" for name in LICENCES}
    names = {name for name, member in platform_image.members.items() if member.issym()}
    assert names == (NAMES_OF_THE_REAL_AGENT if image == "agent" else set())
    assert all(platform_image.members[name].linkname == "pod-identity-agent" for name in names)
    for name, member in platform_image.members.items():
        if name in names:
            continue
        assert member.isfile() or member.isdir(), name
        assert (member.uid, member.gid) == (0, 0), name
        assert oct(member.mode) == oct(0o755 if member.isdir() or name in programs else 0o644), name
    for name in programs:
        assert platform_image.files[name] == (ROOT / "build" / arch / name).read_bytes()
        assert struct.unpack_from("<H", platform_image.files[name], 18)[0] == ARCHITECTURES[arch]
    root = b"root:x:0:0:root:/root:/sbin/nologin\n" if image == "agent" else b""
    assert platform_image.files["etc/passwd"] == root + b"nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
    assert all(platform_image.files[f"{DOCS}/licences/{name}"].strip() for name in LICENCES)


@each_platform
def test_sbom(platform_image: PlatformImage, arch: str) -> None:
    sbom = json.loads(platform_image.files[f"{DOCS}/sbom.spdx.json"])
    assert sbom["name"].endswith(arch)
    assert {"pod-identity", "musl", "bearssl", "curl", "cjson"} <= {package["name"] for package in sbom["packages"]}


@each_platform
def test_configuration(platform_image: PlatformImage, image: str, arch: str) -> None:
    """The user by number, for runAsNonRoot (the agent begins as root); the annotations of OCI, the same on image, manifest and index."""
    config = platform_image.config
    assert (config["os"], config["architecture"]) == ("linux", arch)
    assert config["config"]["User"] == ("0:0" if image == "agent" else "65532:65532")
    assert config["config"]["Entrypoint"] == [f"/pod-identity-{image}"]
    assert set(config["config"]) <= {"User", "Entrypoint", "WorkingDir", "Labels"}
    labels = config["config"]["Labels"]
    assert labels == platform_image.manifest["annotations"]
    prefix = "org.opencontainers.image."
    assert {key.removeprefix(prefix) for key in labels} - {"source"} == {"created", "description", "licenses", "revision", "title",
                                                                        "version"}
    assert labels[prefix + "title"] == f"pod-identity-{image}"
    assert config["created"] == labels[prefix + "created"] == config["history"][-1]["created"]


@pytest.mark.parametrize("image", IMAGES)
def test_annotations_of_the_index(images: dict[str, Archive], image: str) -> None:
    archive = images[image]
    assert all(each.manifest["annotations"] == archive.index["annotations"] for each in archive.platforms.values())


@each_platform
def test_roots(platform_image: PlatformImage) -> None:
    """The five roots of Amazon Trust Services, in a form that TLS libraries read."""
    bundle = platform_image.files["etc/ssl/certs/ca-certificates.crt"].decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle)
    found = {hashlib.sha256(der).hexdigest() for der in context.get_ca_certs(binary_form=True)}
    lock = [line.split() for line in (ROOT / "images/roots.lock").read_text().splitlines() if not line.startswith("#")]
    assert found == {sum_ for sum_, _ in lock} and len(found) == 5
    names = {part[0][1] for each in context.get_ca_certs() for part in each["subject"] if part[0][0] == "commonName"}
    assert names == {"Starfield Services Root Certificate Authority - G2", *(f"Amazon Root CA {n}" for n in range(1, 5))}


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_of_this_machine(images: dict[str, Archive], image: str) -> None:
    archive = images[image]
    names = [str(ROOT), os.path.expanduser("~") + "/"] + ([socket.gethostname()] if len(socket.gethostname()) > 5 else [])
    texts = [blob for name, blob in archive.content.items()] + [f for p in archive.platforms.values() for f in p.files.values()]
    for name in names:
        assert not any(name.encode() in text for text in texts), name


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_as_anybody_without_network(archives: dict[str, Path], images: dict[str, Archive], open_folder: Path) -> None:
    """No root, no network: the same bytes from a user who owns nothing but the folder that is written to."""
    if os.geteuid() != 0:
        pytest.skip("not root: the images were built by an ordinary user anyway")
    unshare, setpriv = need("unshare"), need("setpriv")
    work = open_folder / "work"
    shutil.copytree(ROOT / "build/images/root/init", work / "root")
    os.chown(work, 65534, 65534)
    script = shutil.copy(ROOT / "images/build.sh", open_folder / "build.sh")
    told = {key.removeprefix("org.opencontainers.image."): value for key, value in images["init"].index["annotations"].items()}
    tag = images["init"].top["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].split(":")[1]
    env = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(int(datetime.datetime.fromisoformat(told["created"].replace("Z", "+00:00")).timestamp()))}
    subprocess.run([unshare, "--net", setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "sh", script,
                    "init", told["version"], tag, told["revision"], str(work / "root"), str(work / "init.oci.tar"), *ARCHITECTURES],
                   cwd=work, env=env, check=True)
    assert (work / "init.oci.tar").read_bytes() == archives["init"].read_bytes()


@pytest.fixture
def two_trees(archives: dict[str, Path]) -> Iterator[list[Path]]:
    """Two copies of the sources in folders of different length and depth, with the libraries as they were built."""
    base = ROOT / "build/images-twice"
    shutil.rmtree(base, ignore_errors=True)
    trees = [base / "a", base / "a-longer/path/b"]
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                            check=True).stdout.splitlines()
    kept = ["sources", "src", *(f"{arch}/{part}" for arch in ARCHITECTURES for part in ("deps", "cc"))]
    for tree in trees:
        for name in listed:
            if name.split("/")[0] in ("Makefile", "LICENSE", "common", "init", "sidecar", "agent", "images") and (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tree / name)
        for name in kept:
            (tree / "build" / name).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", str(ROOT / "build" / name), str(tree / "build" / name)], check=True)
    yield trees
    shutil.rmtree(base)


def test_reproducible(two_trees: list[Path]) -> None:
    """Programs and images made anew in two places, at two times, with two umasks: the same archives, to the byte."""
    words = ["images", "REVISION=0123456789ab", "RELEASE=0.1.0", "SOURCE_DATE_EPOCH=1700000000"]
    sums = []
    for tree, mask in zip(two_trees, (0o022, 0o077)):
        before = os.umask(mask)
        try:
            make(*words, folder=tree)
        finally:
            os.umask(before)
        sums.append({image: hashlib.sha256((tree / f"build/images/pod-identity-{image}.oci.tar").read_bytes()).hexdigest()
                     for image in IMAGES})
    assert sums[0] == sums[1]


@pytest.mark.parametrize("fault", ["another certificate", "a missing file"])
def test_roots_that_are_not_those_of_the_lock(tmp_path: Path, fault: str) -> None:
    """A root that was replaced stops the build, with its name."""
    folder = Path("/usr/share/ca-certificates/mozilla")
    if not (folder / "Amazon_Root_CA_3.crt").exists():
        pytest.skip("no ca-certificates: make setup-e2e")
    for path in folder.glob("*.crt"):
        shutil.copy(path, tmp_path / path.name)
    if fault == "a missing file":
        (tmp_path / "Amazon_Root_CA_3.crt").unlink()
    else:
        shutil.copy(tmp_path / "Amazon_Root_CA_4.crt", tmp_path / "Amazon_Root_CA_3.crt")
    done = subprocess.run(["sh", "images/roots.sh", "images/roots.lock", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Amazon_Root_CA_3.crt" in done.stderr


def test_the_names_of_the_real_agent_start(images: dict[str, Archive], open_folder: Path) -> None:
    """In a root that holds the image and nothing else, as a runtime starts it: what AWS's chart says, and nothing but that."""
    if os.geteuid() != 0:
        pytest.skip("not root: no chroot")
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    made = images["agent"].platforms[f"linux/{arch}"]
    for name, member in made.members.items():
        path = open_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            path.symlink_to(member.linkname)
        elif member.isfile():
            path.write_bytes(made.files[name])
            path.chmod(member.mode)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([shutil.which("chroot") or "chroot", open_folder, *words], capture_output=True, text=True, check=False, timeout=20, env={})
    for words in (["/go-runner", "/eks-pod-identity-agent"], ["/eks-pod-identity-agent"], ["/pod-identity-agent"]):
        done = run(*words, "version")
        assert done.returncode == 0 and done.stdout.startswith("EKS Pod Identity Agent version "), done.stderr
    done = run("/go-runner", "--log-file=/x", "/eks-pod-identity-agent", "server", "--port", "80", "--cluster-name", "")
    assert done.returncode == 1 and "-cluster-name=: empty" in done.stderr
    assert run("/go-runner", "/bin/sh").returncode == 1
