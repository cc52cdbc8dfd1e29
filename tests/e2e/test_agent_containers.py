"""The node agent's image, run by a real OCI runtime as its DaemonSets and as AWS's chart say: the rights that are asked for are enough, and
they are gone once it serves."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from conftest import need
from harness.places import AGENT_IPV4, Namespace, why_no_namespace
from harness.waiting import eventually
from kubelet import Node
from manifests import FOLDER, load
from test_containers import why_no_containers

IMAGE = "registry.example.com/pod-identity-agent:0.1.0"
CHARTS_ARGUMENTS = ["--port", "80", "--cluster-name", "CLUSTER", "--probe-port", "2703", "--metrics-port", "2705", "-v", "trace"]


@pytest.fixture(scope="module")
def place() -> Iterator[Namespace]:
    """A node's network: with the link, as the kernel may have none of the type dummy, and without addresses."""
    if why_no_namespace():
        pytest.skip(f"no network namespace: {why_no_namespace()}")
    namespace = Namespace("-agent", agent_addresses=False)
    namespace.ip("link", "add", "pod-id-link0", "type", "veth", "peer", "name", "peer0")
    namespace.ip("link", "set", "peer0", "up")
    yield namespace
    namespace.remove()


@pytest.fixture(scope="module")
def node(archives: dict[str, Path], place: Namespace) -> Iterator[Node]:
    """The agent's image, loaded."""
    podman, _ = need("podman"), need("runc")
    reason = why_no_containers(podman)
    if reason:
        pytest.skip(f"no containers here: {reason}")
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Node(podman, folder, place.name, {}, lambda audience: audience)
        made.call("load", "--quiet", "--input", str(archives["agent"]))
        made.images[IMAGE] = made.call("images", "--format", "{{.Repository}}:{{.Tag}}", "localhost/pod-identity-agent").stdout.split()[0]
        trial = made.call("run", "--rm", "--network=none", made.images[IMAGE], "version", check=False)
        if trial.returncode != 0:
            pytest.skip(f"this machine runs no containers: {trial.stderr.strip()[-300:]}")
        yield made
        made.call("rm", "--all", "--force", check=False)


@pytest.fixture
def run(node: Node) -> Iterator[Callable[..., str]]:
    """run(words of the command, capabilities, …) -> the container's id; its server is ended behind the test."""
    started: list[str] = []

    def start(command: list[str], capabilities: list[str], *more: str, privileged: bool = False, detached: bool = True) -> str:
        words = ["run", "--pull=never", "--log-driver=k8s-file", f"--network=ns:/var/run/netns/{node.namespace}", "--env=AWS_REGION=eu-central-1",
                 "--env=AWS_EC2_METADATA_DISABLED=false", *more, *(["--detach"] if detached else ["--rm"])]
        words += ["--privileged"] if privileged else [f"--cap-add={each}" for each in capabilities]
        done = node.call(*words, "--entrypoint", json.dumps(command[:1]), node.images[IMAGE], *command[1:])
        if detached:
            started.append(done.stdout.strip())
        return done.stdout.strip()
    yield start
    for one in started:
        node.call("rm", "--force", "--time=5", one, check=False)


def locked(container: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What a manifest's container may, for podman: capabilities, and the rest."""
    own = container["securityContext"]
    assert own["runAsUser"] == 0 and own["capabilities"]["drop"] == ["ALL"] and own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
    return own["capabilities"]["add"], ["--user=0:0", "--cap-drop=ALL", "--read-only", "--read-only-tmpfs=false", "--security-opt=no-new-privileges",
                                        f"--memory={container['resources']['limits']['memory'].removesuffix('Mi')}m"]


def ready(node: Node, name: str) -> bool:
    """By the command that exec probes use."""
    return node.call("exec", name, "/pod-identity-agent", "probe", check=False).returncode == 0


def wait_ready(node: Node, name: str) -> None:
    try:
        eventually(lambda: ready(node, name), 30, "ready")
    except AssertionError:
        done = node.call("logs", name, check=False)
        raise AssertionError(done.stdout + done.stderr) from None


def user_and_capabilities(node: Node, name: str) -> tuple[str, int]:
    """Of the running server."""
    pid = node.call("inspect", "--format", "{{.State.Pid}}", name).stdout.strip()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return status["Uid"].split()[1], int(status["CapEff"], 16) | int(status["CapPrm"], 16)


@pytest.mark.parametrize("name", ["cloud.yaml", "hybrid.yaml"])
def test_as_our_daemon_set(node: Node, run: Callable[..., str], place: Namespace, tmp_path: Path, name: str) -> None:
    [document] = load((FOLDER / "agent" / name).read_text())
    spec = document["spec"]["template"]["spec"]
    [initialize], [server] = spec["initContainers"], spec["containers"]
    capabilities, more = locked(initialize)
    run(initialize["command"], capabilities, *more, detached=False)
    shown = subprocess.run(["ip", "-netns", place.name, "addr"], capture_output=True, text=True, check=True).stdout
    assert f"{AGENT_IPV4}/32" in shown
    capabilities, more = locked(server)
    for mount in server.get("volumeMounts", []):
        keys = tmp_path / "aws"
        keys.mkdir(mode=0o700)
        (keys / "credentials").write_text("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n")
        (keys / "credentials").chmod(0o600)
        more.append(f"--volume={keys}:{mount['mountPath']}:ro")
        more += [f"--env={each['name']}={each['value']}" for each in server["env"]]
    started = run(server["command"], capabilities, *more)
    wait_ready(node, started)
    assert user_and_capabilities(node, started) == ("0" if name == "hybrid.yaml" else "65532", 0)
    log = node.call("logs", started)
    assert "AKIAEXAMPLE" not in log.stdout + log.stderr and ("shared-file" in log.stdout + log.stderr) == (name == "hybrid.yaml")


def test_as_awss_chart(node: Node, run: Callable[..., str], tmp_path: Path) -> None:
    """Its commands, arguments and rights: the default ones of a container and NET_BIND_SERVICE; the home of root holds the credentials."""
    run(["/go-runner", "/eks-pod-identity-agent", "initialize", "-v", "trace"], [], privileged=True, detached=False)
    keys = tmp_path / "aws"
    keys.mkdir(mode=0o700)
    (keys / "credentials").write_text("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n")
    started = run(["/go-runner", "/eks-pod-identity-agent", "server", *CHARTS_ARGUMENTS, "--rotate-credentials", "true"], ["NET_BIND_SERVICE"],
                  f"--volume={keys}:/root/.aws:ro")
    wait_ready(node, started)
    assert user_and_capabilities(node, started) == (str(os.stat(keys).st_uid), 0)
    log = node.call("logs", started)
    assert "shared-file" in log.stdout + log.stderr
