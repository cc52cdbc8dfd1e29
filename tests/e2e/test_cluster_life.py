"""The life of a pod on a real cluster: its users and groups, its token's rotation by the kubelet, its end, its memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from cluster_fixtures import REGISTRY, Agents
from harness.emulator import Emulator
from harness.sizes import memory_kib, small_pages
from manifests import FOLDER, load
from real_cluster import Cluster, Space

POD = (FOLDER / "pod.yaml").read_text()


def changed(change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """pod.yaml with one change to its spec."""
    [pod] = load(POD)
    change(pod["spec"])
    return [json.loads(json.dumps(pod))]  # without the anchors' sharing


def test_containers_of_several_users(space: Space) -> None:
    """fsGroup is what lets each of them read the token and the bearer."""
    def change(spec: dict[str, Any]) -> None:
        users = {"pod-identity-init": 1001, "pod-identity-sidecar": 1002, "app": 1003}
        for container in spec["initContainers"] + spec["containers"]:
            container["securityContext"] = {**container["securityContext"], "runAsUser": users[container["name"]], "runAsGroup": users[container["name"]]}
    space.apply(changed(change))
    space.ready()
    space.ask()


def test_another_user_without_fs_group(space: Space) -> None:
    """Where users differ, the kubelet lets all of them read the token; but the bearer is the sidecar's own then, and the app's SDK says so."""
    def change(spec: dict[str, Any]) -> None:
        del spec["securityContext"]["fsGroup"]
        app = spec["containers"][0]
        app["securityContext"] = {**app["securityContext"], "runAsUser": 1003, "runAsGroup": 1003}
    space.apply(changed(change))
    space.ready()
    asked = space.kubectl("exec", "app", "-c", "app", "--", "/app", "default", check=False)
    assert asked.returncode != 0 and "/run/pod-identity/http-token: permission denied" in asked.stderr, asked


def token_file(cluster: Cluster, space: Space) -> Path:
    """Of the pod, as the node has it."""
    pod = space.pod()
    assert pod is not None
    return cluster.run / f"kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~projected/eks-pod-identity-token/eks-pod-identity-token"


def test_the_kubelet_rotates_the_token(space: Space, cluster: Cluster, aws: Emulator) -> None:
    """A kubelet that has been restarted mounts a new token, as it does when one grows old. The sidecar then uses the new one."""
    space.apply(POD)
    space.ready()
    first = space.ask()
    file = token_file(cluster, space)
    before = cluster.on_node("cat", file).stdout
    cluster.on_node("kill", (cluster.run / "kubelet.pid").read_text().strip())
    space.wait("the kubelet has written another token", lambda: cluster.on_node("cat", file, check=False).stdout not in ("", before), timeout_s=300)
    space.signal("pod-identity-sidecar", "USR1")
    space.wait("new credentials", lambda: space.ask()["accessKeyId"] != first["accessKeyId"])
    for container in ("pod-identity-sidecar", "app"):
        assert space.status(container)["restartCount"] == 0, "a kubelet that restarts leaves pods alone"


def test_the_end(space: Space) -> None:
    """The app has credentials to its last moment, and its pod is gone well before the grace period's end."""
    space.apply(POD)
    space.ready()
    lines = subprocess.Popen(space.cluster.kubectl_command("-n", space.name, "logs", "-f", "app", "-c", "app"), stdout=subprocess.PIPE, text=True,
                             env={"HOME": str(space.cluster.folder), "PATH": os.environ["PATH"]})
    try:
        space.ask()
        began = time.monotonic()
        space.delete(grace_s=60)
        said, _ = lines.communicate(timeout=90)
    finally:
        lines.kill()
    space.wait("the pod is gone", lambda: space.pod() is None)
    assert time.monotonic() - began < 45
    shown = [json.loads(line) for line in said.splitlines()]
    ending = [one for one in shown if one["ending"]]
    assert len(ending) == 3 and all(one["complete"] for one in shown), shown


def test_what_it_costs(space: Space, cluster: Cluster) -> None:
    """Limits are those of the manifest, and what is used stays far below: the sidecar serves, and nothing was killed for its memory."""
    space.apply(POD)
    space.ready()
    for _ in range(3):
        space.ask()
    pod = space.ready()
    for container in pod["spec"]["initContainers"]:
        assert container["resources"]["limits"] == {"memory": "16Mi"}
    identifier = space.status("pod-identity-sidecar")["containerID"].removeprefix("containerd://")
    found = cluster.on_node("find", "/sys/fs/cgroup", "-maxdepth", "7", "-type", "d", "-name", identifier).stdout.split()
    folder = next(Path(one) for one in found if (Path(one) / "memory.max").exists() or (Path(one) / "memory.limit_in_bytes").exists())
    version_2 = (folder / "memory.max").exists()
    limit, peak = ("memory.max", "memory.peak") if version_2 else ("memory.limit_in_bytes", "memory.max_usage_in_bytes")
    assert int((folder / limit).read_text()) == 16 << 20
    [process] = [int(one) for one in (folder / "cgroup.procs").read_text().split()]
    assert memory_kib(process)["VmHWM"] <= 1024 and small_pages(process), memory_kib(process)
    if version_2:
        events = dict(line.split() for line in (folder / "memory.events").read_text().splitlines())
        assert events["max"] == events["oom_kill"] == "0", events
    if (folder / peak).exists():  # memory.peak is of kernel 5.19
        # Half of the limit. What the runtime takes until it becomes the sidecar is in it, with huge pages where they are on for all.
        assert int((folder / peak).read_text()) < 8 << 20, ((folder / peak).read_text(), (folder / "memory.stat").read_text())


def test_an_app_that_is_killed_for_its_memory(space: Space) -> None:
    """The kubelet starts it again, beside the same sidecar, and its first try has credentials."""
    def change(spec: dict[str, Any]) -> None:
        spec["containers"][0]["resources"] = {"limits": {"memory": "96Mi"}}
    space.apply(changed(change))
    space.ready()
    before = space.ask()["accessKeyId"]
    space.signal("app", "USR2")
    ended = space.terminated("app")
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137), ended
    space.wait("the app runs again", lambda: "running" in space.status("app").get("state", {}) and space.log("app"))
    first = json.loads(space.log("app").splitlines()[0])
    assert first["complete"] and first["accessKeyId"] == before and "error" not in first, first
    space.ready()
    assert [space.status(name)["restartCount"] for name in ("pod-identity-init", "pod-identity-sidecar", "app")] == [0, 0, 1]


def test_a_job_whose_app_fails(eks: Agents, space: Space) -> None:
    """It fails as it would without the sidecar: that does not keep it alive."""
    def change(spec: dict[str, Any]) -> None:
        spec["containers"][0]["command"] = ["/app", "no-such-way"]
    [document] = job(change)
    document["spec"]["backoffLimit"] = 0
    space.apply([document])
    space.wait("the Job has failed", lambda: any(one["type"] == "Failed" and one["status"] == "True" for one in
               (space.cluster.get("-n", space.name, "job", "app") or {}).get("status", {}).get("conditions", [])))
    assert space.status("pod-identity-sidecar", "job-name=app")["state"]["terminated"]["exitCode"] == 0


def job(change: Callable[[dict[str, Any]], None] = lambda spec: None) -> list[dict[str, Any]]:
    """job.yaml with an app that ends, and one change to its pod's spec."""
    [found] = load((FOLDER / "job.yaml").read_text())
    spec = found["spec"]["template"]["spec"]
    spec["containers"][0]["image"] = f"{REGISTRY}/app-once:1.0.0"
    change(spec)
    return [json.loads(json.dumps(found))]
