"""A kubelet for one pod at a time: it runs our own Pod YAML with podman and runc, as far as the manifests need it.

Init containers in order, native sidecars with their startup probe, ordinary ones with their postStart hook, emptyDir, configMap, downward API
and projected token volumes with fsGroup, the restricted security context, memory limits, termination messages; and what EKS's webhook injects.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from harness.token_files import ProjectedToken

URI, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
TOKEN_MOUNT = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
IRSA_MOUNT = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
RUNTIME = """#!/usr/bin/env python3
# runc, where the machine may not raise resource limits.
import json, os, sys
for option, inside in (("--bundle", True), ("--process", False)):
    if option in sys.argv:
        path = sys.argv[sys.argv.index(option) + 1] + ("/config.json" if inside else "")
        with open(path) as file:
            config = json.load(file)
        (config["process"] if inside else config).pop("rlimits", None)
        with open(path, "w") as file:
            json.dump(config, file)
os.execvp("runc", ["runc", *sys.argv[1:]])
"""


class PodFailed(Exception):
    """An init container ended with an error; or a probe or hook never succeeded: then exit_code is -1, and message what it printed."""

    def __init__(self, container: str, exit_code: int, message: str, log: str) -> None:
        super().__init__(f"{container}: exit {exit_code}: {message}: {log}")
        self.container, self.exit_code, self.message, self.log = container, exit_code, message, log


@dataclass
class Node:
    """Where pods run: podman with a store of its own, the images by the names of the manifests, and a network namespace."""

    podman: str
    folder: Path
    namespace: str
    images: dict[str, str]
    token: Callable[..., str]
    """token(audience=…): a service account token for the pod."""
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        runtime = self.folder / "runc"
        runtime.write_text(RUNTIME)
        runtime.chmod(0o755)
        storage = self.folder / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{self.folder}/graph"\nrunroot = "{self.folder}/run"\n')
        self._words = [self.podman, "--cgroup-manager=cgroupfs", "--runtime", str(runtime)]
        self._environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(storage)}

    def call(self, *words: str, timeout_s: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One podman command."""
        done = subprocess.run([*self._words, *words], env=self._environment, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done


class Pod:
    """One pod of a manifest; close() removes it."""

    def __init__(self, node: Node, documents: list[dict[str, Any]], inject: bool = True, irsa: str = "") -> None:
        """inject: EKS Pod Identity; irsa: or this role, by the other annotation."""
        self.node = node
        workload = documents[0]
        self.template = workload["spec"]["template"] if "template" in workload["spec"] else workload
        self.metadata = {**workload["metadata"], **self.template.get("metadata", {})}
        self.spec = json.loads(json.dumps(self.template["spec"]))
        self.config_maps = {one["metadata"]["name"]: one["data"] for one in documents if one["kind"] == "ConfigMap"}
        self.folder = node.folder / f"pod-{time.monotonic_ns()}"
        self.folder.mkdir(mode=0o755)
        self.group = self.spec["securityContext"]["fsGroup"]
        self.started: list[str] = []
        self.tokens: list[ProjectedToken] = []
        if inject or irsa:
            self._webhook(irsa)

    # --- what the control plane does

    def _webhook(self, irsa: str) -> None:
        """pkg/handler/handler.go of the webhook."""
        skipped = self.metadata.get("annotations", {}).get("eks.amazonaws.com/skip-containers", "").split(",")
        audience, file, mount = ("sts.amazonaws.com", "token", IRSA_MOUNT) if irsa else ("pods.eks.amazonaws.com", "eks-pod-identity-token", TOKEN_MOUNT)
        volume = "aws-iam-token" if irsa else "eks-pod-identity-token"
        pair = {"AWS_ROLE_ARN": irsa, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{mount}/{file}"} if irsa else {
            URI: "http://169.254.170.23/v1/credentials", TOKEN_FILE: f"{mount}/{file}"}
        self.spec.setdefault("volumes", []).insert(0, {"name": volume, "projected": {"sources": [
            {"serviceAccountToken": {"audience": audience, "path": file}}]}})
        if not irsa:
            self.metadata.setdefault("labels", {})["eks.amazonaws.com/pod-identity"] = "enabled"
        for container in [*self.spec.get("initContainers", []), *self.spec["containers"]]:
            if container["name"] in skipped:
                continue
            env = container.setdefault("env", [])
            names = {one["name"] for one in env}
            env += [{"name": name, "value": "eu-central-1"} for name in ("AWS_DEFAULT_REGION", "AWS_REGION") if not {"AWS_DEFAULT_REGION", "AWS_REGION"} & names]
            env += [{"name": name, "value": value} for name, value in pair.items() if not set(pair) & names]
            container.setdefault("volumeMounts", []).append({"name": volume, "mountPath": mount, "readOnly": True})

    def reach(self, url: str, ca_file: str) -> "Pod":
        """Lets our containers reach STS where the test has it, with its CA beside the image's."""
        self.spec["volumes"].append({"name": "test-ca", "configMap": {"name": "test-ca"}})
        self.config_maps["test-ca"] = {"ca.pem": Path(ca_file).read_text()}
        for container in self.spec["initContainers"]:
            container["env"] += [{"name": "AWS_ENDPOINT_URL_STS", "value": url}, {"name": "AWS_CA_BUNDLE", "value": "/test-ca/ca.pem"}]
            container["volumeMounts"].append({"name": "test-ca", "mountPath": "/test-ca", "readOnly": True})
        return self

    # --- volumes

    def _volume(self, volume: dict[str, Any]) -> Path:
        path = self.folder / volume["name"]
        if path.exists():
            return path
        path.mkdir()
        if "emptyDir" in volume:
            os.chown(path, 0, self.group)
            path.chmod(0o2777)
        elif "configMap" in volume:
            for name, text in self.config_maps[volume["configMap"]["name"]].items():
                (path / name).write_text(text)
        elif "downwardAPI" in volume:
            for item in volume["downwardAPI"]["items"]:
                assert item["fieldRef"]["fieldPath"] == "metadata.labels"
                (path / item["path"]).write_text("".join(f"{k}={json.dumps(v)}\n" for k, v in sorted(self.metadata.get("labels", {}).items())))
        else:
            (source,) = volume["projected"]["sources"]
            wanted = source["serviceAccountToken"]
            token = ProjectedToken(path, self.node.token(audience=wanted["audience"]), wanted["path"])
            self.own(token, 0o640)
            self.tokens.append(token)
        return path

    def own(self, token: ProjectedToken, mode: int) -> None:
        """As the kubelet leaves a projected token with fsGroup."""
        os.chown(token.real(), 0, self.group)
        token.real().chmod(mode)

    # --- containers

    def _arguments(self, container: dict[str, Any], detached: bool) -> list[str]:
        name = f"{self.folder.name}-{container['name']}"
        context = {**self.spec["securityContext"], **container["securityContext"]}
        assert context["capabilities"]["drop"] == ["ALL"] and context["seccompProfile"]["type"] == "RuntimeDefault"
        log = self.folder / f"{container['name']}.termination"
        log.touch()
        log.chmod(0o666)
        words = ["run", "--name", name, "--pull=never", "--log-driver=k8s-file", f"--network=ns:/var/run/netns/{self.node.namespace}", "--cap-drop=ALL",
                 f"--user={context['runAsUser']}:{context['runAsGroup']}", f"--group-add={self.group}", f"--volume={log}:/dev/termination-log"]
        words += ["--read-only", "--read-only-tmpfs=false"] if context["readOnlyRootFilesystem"] else []
        words += ["--security-opt=no-new-privileges"] if not context["allowPrivilegeEscalation"] else []
        words += ["--detach"] if detached else []
        limit = container.get("resources", {}).get("limits", {}).get("memory")
        words += [f"--memory={limit.removesuffix('Mi')}m"] if limit else []
        for one in container.get("env", []):
            words += ["--env", f"{one['name']}={self._value(one)}"]
        # The agent's address lies in the pod's own network here, which on a node only hostNetwork does.
        words += ["--env", "POD_IDENTITY_HOST_NETWORK=accept"]
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            words.append(f"--volume={self._volume(volumes[mount['name']])}:{mount['mountPath']}" + (":ro" if mount.get("readOnly") else ""))
        command = [*container.get("command", []), *container.get("args", [])]
        words += ["--entrypoint", json.dumps(command[:1])] if command else []
        return [*words, self.node.images[container["image"].split("@")[0]], *command[1:]]

    def _value(self, variable: dict[str, Any]) -> str:
        if "value" in variable:
            return str(variable["value"])
        reference = variable["valueFrom"]["secretKeyRef"]
        return self.node.secrets[reference["name"]][reference["key"]]

    def message(self, container: str) -> str:
        """Its termination message; with FallbackToLogsOnError what it printed last, if it left none."""
        left = (self.folder / f"{container}.termination").read_text()
        [policy] = [one.get("terminationMessagePolicy") for one in self.spec.get("initContainers", []) + self.spec["containers"] if one["name"] == container]
        fallback = policy == "FallbackToLogsOnError" and self.exit_code(container) != 0
        return left if left or not fallback else self.log(container)[-2048:]

    def exit_code(self, container: str) -> int | None:
        """None: it runs."""
        running, code = self.node.call("inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", self.full_name(container)).stdout.split()
        return None if running == "true" else int(code)

    def log(self, container: str) -> str:
        """What it printed, on both streams; podman's own warnings are among them."""
        done = self.node.call("logs", f"{self.folder.name}-{container}", check=False)
        return done.stdout + done.stderr

    def output(self, container: str) -> str:
        """What it printed on standard output alone."""
        return self.node.call("logs", f"{self.folder.name}-{container}").stdout

    def _run(self, container: dict[str, Any]) -> int:
        self.started.append(container["name"])
        return self.node.call(*self._arguments(container, False), check=False).returncode

    def _start(self, container: dict[str, Any]) -> None:
        name = container["name"]
        self.started.append(name)
        self.node.call(*self._arguments(container, True))
        hook, probe = container.get("lifecycle", {}).get("postStart"), container.get("startupProbe")
        if hook:
            done = self.exec(name, *hook["exec"]["command"])
            if done.returncode != 0:
                raise PodFailed(name, -1, done.stderr, self.log(name))
        for left in range(probe.get("failureThreshold", 3) if probe else 0, 0, -1):
            asked = self.exec(name, *probe["exec"]["command"])
            if asked.returncode == 0:
                return
            code = self.exit_code(name)
            if left == 1 or code is not None:
                raise PodFailed(name, -1 if code is None else code, asked.stderr if code is None else self.message(name), self.log(name))
            time.sleep(0.3)  # periodSeconds, shortened

    def exec(self, container: str, *command: str) -> subprocess.CompletedProcess[str]:
        """As kubectl exec, probes and hooks do."""
        return self.node.call("exec", self.full_name(container), *command, timeout_s=180, check=False)

    def start(self) -> "Pod":
        """The init containers, one after the other, and what stands in front of the app."""
        for container in self.spec.get("initContainers", []):
            if container.get("restartPolicy") == "Always":
                self._start(container)
                continue
            code = self._run(container)
            if code != 0:
                raise PodFailed(container["name"], code, self.message(container["name"]), self.log(container["name"]))
        for container in self.spec["containers"]:
            if not container["name"].startswith("pod-identity-"):
                break
            self._start(container)
        return self

    def app(self, *command: str, of: str = "app", **env: str) -> dict[str, Any]:
        """Runs the app's container, or that other one, with this command, and returns the JSON that it prints."""
        [container] = [json.loads(json.dumps(one)) for one in self.spec["containers"] if one["name"] == of]
        container["command"] = list(command)
        container["env"] = [*container.get("env", []), *({"name": key, "value": value} for key, value in env.items())]
        container["name"] = f"{container['name']}-{len(self.started)}"
        code = self._run(container)
        assert code == 0, self.log(container["name"])
        return dict(json.loads(self.output(container["name"])))

    def full_name(self, container: str) -> str:
        """podman's name of it."""
        return f"{self.folder.name}-{container}"

    def close(self) -> None:
        """The containers, last first, as native sidecars end; and the volumes."""
        for name in reversed(self.started):
            self.node.call("rm", "--force", "--time=5", self.full_name(name), check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
