"""Our webhook on the real cluster, by the manifests of images/kubernetes/webhook as they are shipped, with certificates by certificate.sh."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable

from harness.waiting import eventually
from manifests import FOLDER, load
from real_cluster import Cluster

WEBHOOK = FOLDER / "webhook"
NAMESPACE, NAME = "pod-identity", "pod-identity-webhook"
LABEL = "pod-identity-toolkit/inject"
INITS = 'jsonpath={.spec.initContainers[*].name}{"\\n"}'
SELECTOR = f"app.kubernetes.io/name={NAME}"


def documents(*names: str) -> list[dict[str, Any]]:
    """Of these files."""
    return [each for name in names for each in load((WEBHOOK / f"{name}.yaml").read_text())]


def trial(name: str = "trial", account: str = "default", **labels: str) -> dict[str, Any]:
    """A pod that restricted Pod Security takes; it is asked about, and never made."""
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {LABEL: "enabled"}}, "spec": {
        "serviceAccountName": account, "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "app", "image": "app:1", "securityContext": locked}]}}


def names_of(pod: dict[str, Any]) -> list[str]:
    """Of its init containers, in their order."""
    return [each["name"] for each in pod["spec"].get("initContainers", [])]


def block(heading: str) -> str:
    """The commands that README.md has below that heading."""
    section = (WEBHOOK / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    [text] = re.findall(r"^```sh\n# run by tests/e2e/test_cluster_webhook.py\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return text


class OurWebhook:
    """Two servers, and the configuration of who is injected."""

    def __init__(self, cluster: Cluster, folder: Path, namespace: str = NAMESPACE) -> None:
        self.cluster, self.folder, self.namespace = cluster, folder, namespace
        (folder / "kubectl").write_text("#!/bin/sh\nexec " + " ".join(cluster.kubectl_command()) + ' "$@"\n')
        (folder / "kubectl").chmod(0o755)

    def run(self, text: str) -> str:
        """Commands, as a person would type them in the folder of the manifests; what they said."""
        done = subprocess.run(["sh", "-euc", text], cwd=WEBHOOK, env={"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder)},
                              capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + self.story()
        return done.stdout

    def certificate(self, *words: str) -> str:
        """certificate.sh; what it said."""
        return self.run(" ".join(["sh certificate.sh", *words]))

    def install(self) -> None:
        """As README.md says it."""
        said = self.run(block("Install"))
        assert "mutatingwebhookconfiguration.admissionregistration.k8s.io/pod-identity-toolkit patched" in said, said
        eventually(self.injects, 60, "labelled pods are injected")

    def remove(self) -> None:
        """Likewise; what is then left is the namespace."""
        self.run(block("Upgrade, remove"))
        left = self.listed("deployment,service,configmap,secret,poddisruptionbudget,networkpolicy")
        assert [each["metadata"]["name"] for each in left] == ["kube-root-ca.crt"], left
        self.cluster.kubectl("delete", "namespace", self.namespace, "--timeout=120s", timeout_s=150)

    def rolled_out(self) -> None:
        """All servers are ready, and no other is there."""
        done = self.cluster.kubectl("-n", self.namespace, "rollout", "status", f"deployment/{NAME}", "--timeout=180s", check=False, timeout_s=200)
        assert done.returncode == 0, done.stdout + done.stderr + self.story()

    def pods(self) -> list[dict[str, Any]]:
        return [each for each in self.listed("pods", "-l", SELECTOR) if "deletionTimestamp" not in each["metadata"]]

    def listed(self, *words: str) -> list[dict[str, Any]]:
        """Objects of the namespace."""
        found: dict[str, list[dict[str, Any]]] = self.cluster.get("-n", self.namespace, *words) or {"items": []}
        return found["items"]

    def scale(self, replicas: int) -> None:
        """And waits until it is so: those that end answer on for a while on connections that are open."""
        self.cluster.kubectl("-n", self.namespace, "scale", f"deployment/{NAME}", f"--replicas={replicas}")
        self.rolled_out()

        def endpoints() -> int:
            return sum(bool(one["conditions"].get("ready")) for each in self.listed("endpointslices", "-l", f"kubernetes.io/service-name={NAME}")
                       for one in each.get("endpoints") or [])
        eventually(lambda: endpoints() == replicas == len(self.listed("pods", "-l", SELECTOR)), 120, f"there are {replicas} servers")

    def injects(self) -> bool:
        """A labelled pod, in a namespace that every cluster has."""
        return names_of(self.dry_run(trial()) or {"spec": {}}) != []

    def dry_run(self, pod: dict[str, Any], namespace: str = "default") -> dict[str, Any] | None:
        """What would be made of a pod; None if it is refused."""
        done = self.cluster.kubectl("-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod), check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def taken_up(self, probe: Callable[[], bool], what: str) -> None:
        """Until the probe gives something true, which waits for a mounted Secret or ConfigMap. The kubelet looks after those about once a minute, and whenever
        their pod has changed: so that a test need not wait, it is changed each second."""
        deadline = time.monotonic() + 240
        while True:
            self.touch()
            if probe():
                return
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.story()}"
            time.sleep(1)

    def touch(self) -> None:
        """Changes the pods, in nothing that matters."""
        self.cluster.kubectl("-n", self.namespace, "annotate", "pods", "-l", SELECTOR, "--overwrite", f"touched={os.urandom(4).hex()}")

    def story(self) -> str:
        """All that helps when something went wrong."""
        return "".join(self.cluster.kubectl("-n", self.namespace, *words, check=False).stdout for words in (
            ("describe", "pods"), ("logs", "-l", SELECTOR, "--tail=40", "--prefix")))


class Load:
    """Pods of a namespace are asked for, twenty at a time, without an end; none is made. Each has to be injected."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.injected, self.wrong = 0, ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        text = "\n---\n".join(json.dumps(trial(f"trial-{number}")) for number in range(20))
        while not self._end.is_set() and not self.wrong:
            try:
                done = self.cluster.kubectl("-n", self.namespace, "create", "--dry-run=server", "-o", INITS, "-f", "-", stdin=text, check=False)
            except Exception as error:  # pylint: disable=broad-exception-caught  # of a thread: more() tells it
                self.wrong = repr(error)
                return
            right = done.stdout.count("pod-identity-init pod-identity-sidecar\n")
            if done.returncode != 0 or right != 20:
                self.wrong = done.stderr + done.stdout or "nothing"
            self.injected += right

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def more(self, number: int = 40) -> None:
        """Until so many more have been injected."""
        wanted = self.injected + number
        eventually(lambda: self.injected >= wanted or self.wrong, 300, "pods are asked for")
        assert not self.wrong, self.wrong

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(130)
