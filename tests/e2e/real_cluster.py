"""A real Kubernetes of one node (cluster/cluster.sh), as the tests use it: kubectl, the node's store of images, namespaces of their own.

AWS is the emulator, on the node: its services answer by their real names, which its name server gives to pods and node.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterable

from harness.emulator import Emulator
from harness.places import Place
from harness.programs import ROOT
from harness.tools import FOLDER as TOOLS
from harness.waiting import SLOWNESS, eventually

SCRIPT = ROOT / "tests/e2e/cluster/cluster.sh"
MADE = TOOLS.parent / "cluster"
NEWER = TOOLS.parent / "apiserver/kube-apiserver"  # of a Kubernetes that has mutating policies as stable
ISSUER = "https://kubernetes.default.svc.cluster.local"
REGION = "eu-central-1"
CLUSTER = "CLUSTER"  # as the manifests have it
STS, EKS_AUTH = f"sts.{REGION}.amazonaws.com", f"eks-auth.{REGION}.api.aws"
UP_TIMEOUT_S = 300.0  # of a machine that does much else; it takes 10 s


class NoCluster(Exception):
    """This machine cannot have one, and why."""


class Node(Place):
    """The node's network."""

    name = "node"
    real_address = True

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def command(self, argv: Any) -> list[str]:
        return [shutil.which("nsenter") or "nsenter", f"--net=/proc/{self.pid}/ns/net", *argv]


class Cluster:
    """A running cluster. stop() ends all of it; so does the end of this process."""

    def __init__(self, api_server: str = "") -> None:
        """api_server: the program of a newer one."""
        # A short path, which sockets need; not below a folder that only one user may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="pi-k8s-"))
        self.folder.chmod(0o755)
        self.run = self.folder / "n"
        self._said = open(self.folder / "said", "w+b")
        environment = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8",
                       "POD_IDENTITY_TEST_SLOWNESS": f"{SLOWNESS:.0f}"}
        self.process = subprocess.Popen(["bash", str(SCRIPT), str(MADE), str(self.run), api_server], stdin=subprocess.PIPE, stdout=self._said, stderr=self._said,
                                        env=environment, start_new_session=True)
        try:
            eventually(self._is_up, UP_TIMEOUT_S, "the cluster is up")
        except BaseException:
            self.stop()
            raise
        self.pid = int((self.run / "node.pid").read_text())
        self.node = Node(self.pid)

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            said = self.said().strip()
            raise NoCluster(said) if self.process.returncode == 77 else AssertionError(f"the cluster ended: {said}")
        return (self.run / "ready").exists()

    def said(self) -> str:
        """What the script said: nothing, if all is well."""
        return (self.folder / "said").read_text(errors="replace")

    def stop(self) -> str:
        """Ends it, and waits until all is gone; returns what the script said."""
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait(60 * SLOWNESS)
        self._said.close()
        said = self.said()
        shutil.rmtree(self.folder, ignore_errors=True)
        return said

    # --- commands

    def on_node(self, *words: str | Path, timeout_s: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command with the node's network, mounts and processes."""
        done = subprocess.run(["nsenter", "-n", "-m", "-p", "-t", str(self.pid), "env", f"PATH={MADE}/bin:{MADE}/debs/usr/bin:{MADE}/debs/usr/sbin:{os.environ['PATH']}",
                               *map(str, words)], cwd="/", capture_output=True, text=True, timeout=timeout_s * SLOWNESS, check=False)
        assert not check or done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr}"
        return done

    def kubectl_command(self, *words: str) -> list[str]:
        """What to start."""
        return self.node.command([str(MADE / "bin/kubectl"), "--kubeconfig", str(self.run / "pki/admin.kubeconfig"), *words])

    def kubectl(self, *words: str, stdin: str = "", check: bool = True, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """One kubectl command."""
        done = subprocess.run(self.kubectl_command(*words), input=stdin, capture_output=True, text=True, timeout=timeout_s * SLOWNESS, check=False,
                              env={"HOME": str(self.folder), "PATH": os.environ["PATH"]})
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
        return done

    def get(self, *words: str) -> Any:
        """`kubectl get`, as data; None if there is none, nor any of a list: see items()."""
        done = self.kubectl("get", *words, "-o", "json", "--ignore-not-found")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def items(self, *words: str) -> list[dict[str, Any]]:
        """`kubectl get` of many: none is an empty list."""
        found: list[dict[str, Any]] = (self.get(*words) or {"items": []})["items"]
        return found

    def apply(self, documents: Iterable[dict[str, Any]] | str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Documents, or a file's text."""
        text = documents if isinstance(documents, str) else "\n---\n".join(json.dumps(one) for one in documents)
        return self.kubectl("apply", "-f", "-", *words, stdin=text, check=check)

    def load(self, archive: Path) -> None:
        """An image into the node's store, as `ctr` does it."""
        self.on_node("ctr", "-n", "k8s.io", "images", "import", archive)

    def log(self, name: str) -> str:
        """What a program of the cluster said."""
        return (self.run / f"log/{name}.log").read_text(errors="replace")

    @functools.cached_property
    def version(self) -> str:
        """Of its API server: 1.34.4."""
        return str(json.loads(self.kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"]).removeprefix("v")

    # --- AWS

    def emulator(self, *options: str, as_agent: bool = False) -> Emulator:
        """An emulator that takes this cluster's tokens; with as_agent at the agent's addresses."""
        return Emulator(self.node, "--trust-key", str(self.run / "pki/accounts.pub"), "--issuer", ISSUER, "--cluster-name", CLUSTER,
                        "--certificate-name", f"DNS:{STS}", "--certificate-name", f"DNS:{EKS_AUTH}", *options, as_agent=as_agent)

    def agent_addresses(self) -> None:
        """As the agent's init container sets them up."""
        for address in ("169.254.170.23/32", "fd00:ec2::23/128"):
            self.on_node("ip", "addr", "replace", address, "dev", "pod-id-link0", *(["nodad"] if ":" in address else []))
        self.on_node("ip", "link", "set", "pod-id-link0", "up")


class Space:
    """A namespace of a test: restricted Pod Security is enforced, and there is a service account `app`."""

    def __init__(self, cluster: Cluster, name: str, enforce: str = "restricted") -> None:
        self.cluster, self.name = cluster, name
        cluster.apply([
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": enforce}}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": name}}])

    def kubectl(self, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """One kubectl command in this namespace."""
        return self.cluster.kubectl("-n", self.name, *words, **how)

    def apply(self, documents: Iterable[dict[str, Any]] | str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Makes what the documents say."""
        return self.cluster.apply(documents, "-n", self.name, check=check)

    def pod(self, name: str = "app") -> dict[str, Any] | None:
        """A pod by its name; or, with a `=` in it, the newest with that label."""
        if "=" not in name:
            found: dict[str, Any] | None = self.cluster.get("-n", self.name, "pod", name)
            return found
        listed = self.cluster.items("-n", self.name, "pods", "-l", name)
        return max(listed, key=lambda one: one["metadata"]["creationTimestamp"]) if listed else None

    def wait(self, what: str, probe: Callable[[], Any], timeout_s: float = 120.0) -> Any:
        """Until the probe gives something true. Asks every third of a second."""
        timeout_s *= SLOWNESS
        deadline = time.monotonic() + timeout_s
        while True:
            found = probe()
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}\n{self.story()}"
            time.sleep(0.3)

    def ready(self, name: str = "app", timeout_s: float = 120.0) -> dict[str, Any]:
        """The pod, once all its containers are ready."""
        def probe() -> dict[str, Any] | None:
            pod = self.pod(name)
            if pod is None:
                return None
            assert pod["status"]["phase"] != "Failed", f"{name} failed\n{self.story()}"
            return pod if any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", [])) else None
        found: dict[str, Any] = self.wait(f"pod {name} is ready", probe, timeout_s)
        return found

    def status(self, container: str, name: str = "app") -> dict[str, Any]:
        """Of a container, init containers among them; empty so far."""
        pod = self.pod(name) or {"status": {}}
        listed = pod["status"].get("initContainerStatuses", []) + pod["status"].get("containerStatuses", [])
        return next((one for one in listed if one["name"] == container), {})

    def terminated(self, container: str = "pod-identity-init", name: str = "app", timeout_s: float = 120.0) -> dict[str, Any]:
        """How a container ended, now or before it was restarted: exitCode, message, reason."""
        def probe() -> dict[str, Any] | None:
            status = self.status(container, name)
            for state in (status.get("state", {}), status.get("lastState", {})):
                if "terminated" in state:
                    ended: dict[str, Any] = state["terminated"]
                    return ended
            return None
        found: dict[str, Any] = self.wait(f"{container} of {name} has ended", probe, timeout_s)
        return found

    def ask(self, way: str = "default", name: str = "app", container: str = "app") -> dict[str, Any]:
        """What the SDK in the app's container gets."""
        answer: dict[str, Any] = json.loads(self.kubectl("exec", name, "-c", container, "--", "/app", way).stdout)
        assert answer["complete"] and answer["accessKeyId"].startswith("ASIA"), answer
        return answer

    def signal(self, container: str, number: str, name: str = "app") -> None:
        """To its first process, from the node, as the runtime does it. `pause`: the container that holds the pod's namespaces."""
        if container == "pause":
            pod = self.pod(name)
            assert pod is not None
            listed = self.cluster.on_node("ctr", "-n", "k8s.io", "containers", "ls", "-q", f"labels.\"io.kubernetes.pod.uid\"=={pod['metadata']['uid']},"
                                          "labels.\"io.cri-containerd.kind\"==sandbox").stdout.split()
            [identifier] = listed
        else:
            identifier = self.status(container, name)["containerID"].removeprefix("containerd://")
        self.cluster.on_node("ctr", "-n", "k8s.io", "tasks", "kill", "--signal", number, identifier)

    def log(self, container: str, name: str = "app") -> str:
        """What it printed."""
        return self.kubectl("logs", name, "-c", container, check=False).stdout

    def describe(self, name: str = "app") -> str:
        """What a person reads."""
        return self.kubectl("describe", "pod", name, check=False).stdout

    def story(self) -> str:
        """All that helps when something went wrong: descriptions, events, logs."""
        parts = [self.kubectl(*words, check=False).stdout for words in (
            ["get", "all", "-o", "wide"], ["describe", "pods"], ["get", "events", "--sort-by=.metadata.creationTimestamp"])]
        for pod in self.cluster.items("-n", self.name, "pods"):
            name = pod["metadata"]["name"]
            parts.append(f"--- logs of {name}\n" + self.kubectl("logs", name, "--all-containers", "--prefix", "--tail=40", check=False).stdout)
        return "\n".join(parts)

    def delete(self, kind: str = "pod", name: str = "app", grace_s: int = 0) -> None:
        """Without waiting for its end."""
        self.kubectl("delete", kind, name, "--ignore-not-found", "--wait=false", f"--grace-period={grace_s}", *(["--force"] if grace_s == 0 else []))
