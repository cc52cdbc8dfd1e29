"""The cluster itself: it changes nothing of the machine and leaves nothing there; and its store takes our archives as they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import image_archive
from harness.waiting import eventually
from oci import Archive
from real_cluster import MADE, Cluster, Space

CHANGES_BY_ITSELF = ("/random/", "/dentry-state", "/inode-state", "/inode-nr", "/file-nr", "/aio-nr", "/ns_last_pid", "/pty/nr", "nr_open_files",
                     "/cad_pid", "/netfilter/", "/sched_domain/", "/loadavg", "nf_log", "/sunrpc/", "/stat_refresh", "/compact_memory", "/drop_caches",
                     "/fs/quota/", "/nf_conntrack")
FOLDERS = ("/", "/run", "/run/netns", "/var/lib", "/var/log", "/var/lib/cni", "/var/lib/kubelet", "/etc", "/etc/cni", "/opt", "/usr/libexec", "/dev", "/tmp")


def settings() -> dict[str, str]:
    """The kernel's, of the whole machine and of its own network."""
    found = {}
    for folder, _, names in os.walk("/proc/sys"):
        for path in (os.path.join(folder, name) for name in names):
            if not any(part in path for part in CHANGES_BY_ITSELF):
                try:
                    found[path] = Path(path).read_text(errors="replace")
                except OSError:
                    pass
    return found


def mounts() -> list[str]:
    """As the machine has them."""
    return Path("/proc/self/mounts").read_text().splitlines()


def processes(cluster: Cluster, namespace: str) -> set[str]:
    """Those of a cluster: in its namespace of processes, or with its folder among their words."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if os.readlink(folder / "ns/pid") == namespace or str(cluster.folder) in words:
                found.add(f"{folder.name} {words}")
        except OSError:
            continue  # it has ended by now
    return found


def machine() -> dict[str, Any]:
    """What a cluster might change. Other tests, which may run beside this one, have mounts below /tmp and networks of their own."""
    cgroups = {str(path) for depth in ("*", "*/*") for path in Path("/sys/fs/cgroup").glob(depth) if path.is_dir()}
    folders = {folder: set(os.listdir(folder)) for folder in FOLDERS if os.path.isdir(folder)}
    folders["/tmp"] = {name for name in folders["/tmp"] if name.startswith("containerd")}
    folders["/run/netns"] = {name for name in folders.get("/run/netns", set()) if name.startswith("cni-")}
    links = subprocess.run(["ip", "-br", "address"], capture_output=True, text=True, check=True).stdout.splitlines()
    control = Path("/sys/fs/cgroup/cgroup.subtree_control")
    return {"settings": settings(), "mounts": {line for line in mounts() if " /tmp/" not in line and "podid-" not in line},
            "cgroups": {path for path in cgroups if "libpod" not in path}, "folders": folders, "links": sorted(" ".join(line.split()) for line in links),
            "controllers": sorted(control.read_text().split()) if control.exists() else []}


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is not as it was."""
    found = {}
    for name, value in before.items():
        if isinstance(value, dict):
            found.update({f"{name} {key}": (value.get(key), after[name].get(key)) for key in {*value, *after[name]} if value.get(key) != after[name].get(key)})
        elif value != after[name]:
            found[name] = (set(value) - set(after[name]), set(after[name]) - set(value))
    return found


LIMITED = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": {
    "serviceAccountName": "app", "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
    "containers": [{"name": "app", "image": "registry.example.com/pause:1", "resources": {"limits": {"memory": "32Mi", "cpu": "100m"}},
                    "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]}}]


def test_the_machine_is_as_it_was(cluster: Cluster, tmp_path: Path) -> None:
    """A cluster more: with a pod that has limits, a volume in memory and a token, ended while the pod runs."""
    before = machine()
    other = Cluster()
    try:
        pause = ["localhost/pause:1", "registry.example.com/pause:1"]
        other.load(image_archive.program(tmp_path / "pause.tar", pause, MADE / "bin/pause", "pause"))
        space = Space(other, "one")
        space.apply(LIMITED)
        space.ready()
        assert "cgroups" in changed(before, machine()), "the look sees a cluster that runs"
        namespace = os.readlink(f"/proc/{other.pid}/ns/pid")
        assert len(processes(other, namespace)) > 10
    finally:
        said = other.stop()
    assert not said, said
    assert not processes(other, namespace) and not other.folder.exists() and not any(str(other.folder) in line for line in mounts())
    eventually(lambda: not changed(before, machine()), 20, f"the machine is as it was; but for {changed(before, machine())}")


@pytest.mark.parametrize("name", ["init", "sidecar", "agent"])
def test_an_archive_as_it_is(cluster: Cluster, archives: dict[str, Path], images: dict[str, Archive], name: str) -> None:
    """`ctr images import` takes the archive with its index, and keeps the digest that one pins."""
    cluster.on_node("ctr", "-n", "as-it-is", "images", "import", "--all-platforms", archives[name])
    listed = cluster.on_node("ctr", "-n", "as-it-is", "images", "ls").stdout
    [line] = [one for one in listed.splitlines() if f"pod-identity-{name}" in one]
    assert images[name].digest in line and "linux/amd64" in line and "linux/arm64" in line
    image = line.split()[0]
    said = cluster.on_node("ctr", "-n", "as-it-is", "run", "--rm", image, f"as-it-is-{name}", f"/pod-identity-{name}",
                           "version" if name != "init" else "--version")
    assert "0.1.0" in said.stdout or "0.1.37" in said.stdout, said
