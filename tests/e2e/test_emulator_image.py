"""The emulator's image: what is in it, and that the commands of images/EMULATOR.md do what they say, with podman and runc."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from conftest import ROOT, make, need
from harness.commands import blocks
from harness.places import Namespace, why_no_namespace
from harness.waiting import eventually
from kubelet import Node
from oci import Archive
from test_containers import why_no_containers

PAGE = ROOT / "images/EMULATOR.md"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
IMAGE = "registry.example.com/pod-identity-emulator:0.1.0"
INIT = ROOT / "build" / ARCH / "pod-identity-init"


@pytest.fixture(scope="session")
def emulator_archive() -> Path:
    need("umoci")
    if subprocess.run(["apt-cache", "show", "python3-minimal"], capture_output=True, check=False).returncode != 0:
        pytest.skip("apt knows no python3-minimal: apt-get update")
    make("image-emulator")
    return ROOT / "build/images/pod-identity-emulator.oci.tar"


def test_archive(emulator_archive: Path) -> None:
    """One platform, this machine's; Python, openssl and the emulator; nothing that was left out by oversight; as small as the page says."""
    archive = Archive(emulator_archive)
    [platform] = archive.platforms.values()
    assert list(archive.platforms) == [f"linux/{ARCH}"]
    assert platform.config["config"]["User"] == "65532:65532"
    assert emulator_archive.stat().st_size < 13 * 1000 * 1000
    names = set(platform.members)
    assert {"usr/bin/python3", "usr/bin/openssl", "opt/emulator/__main__.py", "opt/emulator/LICENSE"} <= names
    assert {Path(name).name for name in names if name.startswith("opt/emulator/") and name.endswith(".py")} == {
        path.name for path in (ROOT / "tests/emulator").glob("*.py")}
    assert not [name for name in names if re.search(r"(^|/)(var|man|perl|dpkg|__pycache__|lib2to3)(/|$)", name)]
    assert any(name.endswith("/copyright") for name in names)


@pytest.fixture(scope="module")
def node(emulator_archive: Path) -> Iterator[Node]:
    podman, _ = need("podman"), need("runc")
    reason = why_no_containers(podman)
    if reason:
        pytest.skip(f"no containers here: {reason}")
    place = Namespace("-image", agent_addresses=False)
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Node(podman, folder, place.name, {}, lambda audience: audience)
        made.call("load", "--quiet", "--input", str(emulator_archive))
        [loaded] = made.call("images", "--format", "{{.Repository}}:{{.Tag}}", "localhost/pod-identity-emulator").stdout.split()
        made.call("tag", loaded, IMAGE)
        trial = made.call("run", "--rm", "--network=none", IMAGE, "--help", check=False)
        if trial.returncode != 0:
            pytest.skip(f"this machine runs no containers: {trial.stderr.strip()[-300:]}")
        yield made
        made.call("rm", "--all", "--force", "--time=0", check=False)
    place.remove()


@pytest.fixture
def run(node: Node, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A command of the page, in the container's network: its ports are published by having it."""
    def words_of(words: list[str]) -> list[str]:
        if words[0] == "docker":
            kept = [word for word in words[1:] if word != "--publish" and not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", word)]
            return [*node._words, *(["run", f"--network=ns:/run/netns/{node.namespace}", *kept[1:]] if kept[0] == "run" else kept)]
        return ["ip", "netns", "exec", node.namespace, *words]

    def run(words: list[str], **env: str) -> subprocess.CompletedProcess[str]:
        file = words[words.index(">") + 1] if ">" in words else None
        words = words[:words.index(">")] if file else words
        done = subprocess.run(words_of(words), env={**node._environment, **env}, capture_output=True, text=True, timeout=120, check=False)
        if file:
            (tmp_path / file).write_text(done.stdout)
        return done
    return run


def commands(start: str) -> list[list[str]]:
    """Of the block that begins so."""
    [block] = [each for each in blocks(PAGE) if each.text.split("\n", 1)[1].startswith(start)]
    return [shlex.split(line) for line in block.text.replace("\\\n", " ").splitlines()[1:]]


@pytest.mark.skipif(bool(why_no_namespace()), reason=f"no network namespace: {why_no_namespace()}")
def test_the_page(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    start, get_token = [[word.replace(">token", "token") for word in words] for words in commands("docker run")]
    assert run(start).returncode == 0
    get_token[-1:] = [">", "token"]
    eventually(lambda: run(get_token).returncode == 0, 30, "the emulator gives a token")
    (tmp_path / "token").chmod(0o644)

    exported = dict(words[1].split("=", 1) for words in commands("export"))
    exported = {name: value.replace("$PWD", str(tmp_path)) for name, value in exported.items()}

    def init() -> dict[str, Any]:
        done = run([str(INIT), "--format=json", "--wait=0", "--termination-log=/dev/null"], **exported)
        report: dict[str, Any] = json.loads(done.stdout)
        return report
    first = init()
    assert first["result"] == "ok", [each for each in first["checks"] if each["status"] == "fail"]
    busy, reset, denied = commands("curl -d")
    for command, reason in ((busy, "THROTTLED"), (reset, None), (denied, "ACCESS_DENIED"), (reset, "OK")):
        done = run(["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *command[1:]])
        assert done.returncode == 0, done.stderr
        assert reason is None or init()["reason"] == reason
    assert {"--association", "--trust-key", "--serve", "--listen"} <= set(re.findall(r"--[a-z-]+", run(["docker", "run", "--rm", IMAGE, "--help"]).stdout))
