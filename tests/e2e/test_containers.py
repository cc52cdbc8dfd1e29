"""The images that we ship, run by a real OCI runtime as the manifests that we ship: non-root, read-only, no capabilities, in a network
namespace with the emulator at the agent's own address, and an app with the real AWS SDK for Go."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from conftest import IMAGES, need
from harness import http
from harness.aws import TARGET, Aws, trust, web_trust
from harness.clients import go_client
from harness.emulator import Emulator
from harness.http import Answer
from harness.places import Namespace, why_no_namespace
from harness.waiting import eventually
from kubelet import Node, Pod, PodFailed
from manifests import plain

ROLE = "arn:aws:iam::111122223333:role/demo-app"
WORKER = TARGET.replace("target", "worker")


def why_no_containers(podman: str) -> str | None:
    """Why this machine runs none."""
    if os.geteuid() != 0:
        return "not root"
    if why_no_namespace():
        return f"no network namespace: {why_no_namespace()}"
    return None if subprocess.run([podman, "info"], capture_output=True, check=False).returncode == 0 else "podman info fails"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """At 169.254.170.23, in a namespace of its own."""
    if why_no_namespace():
        pytest.skip(f"no network namespace: {why_no_namespace()}")
    place = Namespace("-e2e")
    emulator = Emulator(place)
    yield emulator
    emulator.stop()
    place.remove()


@pytest.fixture(scope="module")
def node(archives: dict[str, Path], emulator: Emulator) -> Iterator[Node]:
    """Our images and the app's, loaded."""
    podman, _ = need("podman"), need("runc")
    reason = why_no_containers(podman)
    if reason:
        pytest.skip(f"no containers here: {reason}")
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        node = Node(podman, folder, emulator.place.name, {}, lambda audience: emulator.token("default", "app", audience=audience),
                    {"pod-identity-http": {"token": "0123456789abcdef0123456789abcdef"}})
        for image in IMAGES:
            node.call("load", "--quiet", "--input", str(archives[image]))
            loaded = node.call("images", "--format", "{{.Repository}}:{{.Tag}}", f"localhost/pod-identity-{image}").stdout.split()[0]
            node.images[f"registry.example.com/pod-identity-{image}:0.1.0"] = loaded
        trial = node.call("run", "--rm", "--network=none", node.images["registry.example.com/pod-identity-init:0.1.0"], "--version", check=False)
        if trial.returncode != 0:
            pytest.skip(f"this machine runs no containers: {trial.stderr.strip()[-300:]}")
        layer = folder / "app.tar"
        with tarfile.open(layer, "w") as tar:
            tar.add(go_client(), "app")
        node.call("import", "--change", "USER 65532", str(layer), "localhost/app:1.0.0")
        node.images["registry.example.com/app:1.0.0"] = "localhost/app:1.0.0"
        yield node
        node.call("rm", "--all", "--force", check=False)


@pytest.fixture
def pod(node: Node, emulator: Emulator) -> Iterator[Callable[..., Pod]]:
    """pod("pod.yaml", inject=True): not started yet."""
    emulator.reset()
    emulator.associate("default", "app", ROLE)
    pods: list[Pod] = []

    def make(name: str, **how: Any) -> Pod:
        pods.append(Pod(node, plain(name), **how))
        return pods[-1]
    yield make
    emulator.listen("open")
    for one in pods:
        one.close()


@pytest.mark.parametrize(("name", "inject", "way"), [
    ("pod.yaml", True, "default"), ("sidecar-only.yaml", True, "default"), ("classic.yaml", True, "default"), ("own-token.yaml", False, "default"), ("distroless.yaml", True, "default"),
    ("legacy-sdk.yaml", True, "default"), ("legacy-sdk.yaml", True, "instance-profile"), ("job.yaml", True, "default"), ("job-classic.yaml", True, "default")])
def test_the_app_has_credentials(pod: Callable[..., Pod], emulator: Emulator, name: str, inject: bool, way: str) -> None:
    """By each manifest, in its way; and with one request to the agent for the sidecar, however the app asks."""
    started = pod(name, inject=inject).start()
    found = started.app("/app", way)
    assert found["complete"] and found["accessKeyId"].startswith("ASIA"), found
    asked = emulator.count()
    assert started.app("/app", way)["accessKeyId"] == found["accessKeyId"]
    assert emulator.count() == asked == len([one for one in started.started if one.startswith("pod-identity-")]), "init's and the sidecar's"


def test_another_account(pod: Callable[..., Pod], emulator: Emulator) -> None:
    """The app gets the target's credentials, over TLS from STS; the pod's own role is not handed on."""
    emulator.role(TARGET, trust(ROLE))
    url, ca_file = Aws(emulator).url("sts")
    started = pod("cross-account.yaml").reach(url, ca_file).start()
    assert started.app("/app")["complete"]
    told = started.node.call("exec", started.full_name("pod-identity-sidecar"), "/pod-identity-sidecar", "whoami").stdout
    assert "444455556666" in told and "target" in told
    emulator.role(TARGET, trust(f"{ROLE}-of-another"))
    failed = fails(shortly(pod("cross-account.yaml").reach(url, ca_file)))
    assert failed.exit_code == 21 and "sts:TagSession" in failed.message


def asked(place: Namespace, path: str, bearer: str | None) -> Answer:
    """By whom the pod's loopback is reached, in any of its containers."""
    headers: dict[str, str | None] = {"Host": "127.0.0.1:9911", "Authorization": bearer}
    return http.parse_answer(http.exchange(place.connect("127.0.0.1", 9911, 10), http.request_bytes("GET", path, headers), 10, False))


def test_two_roles(pod: Callable[..., Pod], emulator: Emulator) -> None:
    """Each container has its own: the other's socket is not mounted, the other's bearer is unknown, and the endpoint refuses."""
    emulator.role(TARGET, trust(ROLE))
    emulator.role(WORKER, trust(ROLE))
    started = pod("two-roles.yaml").reach(*Aws(emulator).url("sts")).start()
    found = {name: started.app("/app", of=name) for name in ("app", "worker")}
    assert all(one["complete"] for one in found.values()) and found["app"]["accessKeyId"] != found["worker"]["accessKeyId"]
    for name, other in (("app", "worker"), ("worker", "app")):
        sources = started.node.call("inspect", "--format", "{{range .Mounts}}{{.Source}} {{end}}", started.full_name(
            next(one for one in started.started if one.startswith(f"{name}-")))).stdout.split()
        assert f"{started.folder}/of-{name}" in sources and not {f"{started.folder}/of-{other}", f"{started.folder}/pod-identity"} & set(sources)
        told = started.exec("pod-identity-sidecar", "/pod-identity-sidecar", "whoami", f"--unix-socket=/run/of-{name}/credentials.sock").stdout
        assert f"role:        {'target' if name == 'app' else 'worker'}\n" in told
        # What the image of the sidecar can do in that container's place, its user and its volumes:
        [container] = [json.loads(json.dumps(one)) for one in started.spec["containers"] if one["name"] == name]
        container["image"] = "registry.example.com/pod-identity-sidecar:0.1.0"
        for number, (socket, code) in enumerate(((f"/run/of-{other}/credentials.sock", 1), ("/run/pod-identity/credentials.sock", 0))):
            tried = {**container, "name": f"try-{name}-{number}", "command": ["/pod-identity-sidecar", "probe", f"--unix-socket={socket}"]}
            assert started._run(tried) == code, started.log(tried["name"])
        bearer = (started.folder / f"of-{name}" / "http-token").read_text()
        assert asked(emulator.place, "/v1/credentials", bearer).json["AccessKeyId"] == found[name]["accessKeyId"]
        assert asked(emulator.place, f"/v1/credentials/{name}", bearer).status == 200
        assert asked(emulator.place, f"/v1/credentials/{other}", bearer).raw == asked(emulator.place, "/v1/credentials/nobody", bearer).raw
        assert asked(emulator.place, f"/v1/credentials/{other}", bearer).status == 404
        assert asked(emulator.place, f"/v1/credentials/{other}", None).status == asked(emulator.place, "/v1/credentials", bearer[:-1]).status == 401


def test_irsa(pod: Callable[..., Pod], emulator: Emulator) -> None:
    """No agent is asked; the service account's own trust is."""
    aws = Aws(emulator)
    emulator.role(ROLE, web_trust(aws.issuer, "system:serviceaccount:default:app"))
    url, ca_file = aws.url("sts")
    started = pod("irsa.yaml", inject=False, irsa=ROLE).reach(url, ca_file).start()
    assert started.app("/app")["complete"] and emulator.count() == 0
    emulator.role(ROLE, web_trust(aws.issuer, "system:serviceaccount:default:other"))
    failed = fails(shortly(pod("irsa.yaml", inject=False, irsa=ROLE).reach(url, ca_file)))
    assert failed.exit_code == 21 and "sts:AssumeRoleWithWebIdentity" in failed.message
    assert fails(pod("irsa.yaml", inject=False)).exit_code == 10


def test_waits_for_the_agent(pod: Callable[..., Pod], emulator: Emulator) -> None:
    """On a fresh node: the pod starts once the agent is there, and not before."""
    emulator.listen("closed")
    waiting = pod("pod.yaml")
    thread = threading.Thread(target=waiting.start)
    thread.start()
    eventually(lambda: "waiting" in waiting.log("pod-identity-init"), 30, "init says that it waits")
    assert "pod-identity-sidecar" not in waiting.started
    emulator.listen("open")
    thread.join(60)
    assert waiting.app("/app")["complete"]


def test_agent_killed_and_revived(pod: Callable[..., Pod], emulator: Emulator) -> None:
    started = pod("pod.yaml").start()
    first = started.app("/app")
    emulator.listen("closed")
    assert started.app("/app") == first
    started.node.call("kill", "--signal=USR1", started.full_name("pod-identity-sidecar"))
    eventually(lambda: "refresh failed" in started.log("pod-identity-sidecar"), 20, "a refresh that fails")
    assert started.app("/app") == first
    emulator.listen("open")
    eventually(lambda: started.app("/app")["accessKeyId"] != first["accessKeyId"], 90, "new credentials")


def test_the_sidecar_alone_is_restarted(pod: Callable[..., Pod]) -> None:
    """Killed without a word: it takes its socket over, with a new bearer, which an app that reads the file each time has at once."""
    started = pod("pod.yaml").start()
    assert started.app("/app")["complete"]
    name = started.full_name("pod-identity-sidecar")
    bearer = (started.folder / "pod-identity" / "http-token").read_text()
    started.node.call("kill", "--signal=KILL", name)
    started.node.call("wait", name)
    started.node.call("start", name)
    eventually(lambda: started.node.call("exec", name, "/pod-identity-sidecar", "probe", check=False).returncode == 0, 30, "ready again")
    assert (started.folder / "pod-identity" / "http-token").read_text() != bearer
    assert started.app("/app")["complete"]


def test_a_job_ends(pod: Callable[..., Pod]) -> None:
    """The app has ended: the sidecar gets SIGTERM, and ends with 0."""
    started = pod("job.yaml").start()
    assert started.app("/app")["complete"]
    name = started.full_name("pod-identity-sidecar")
    started.node.call("stop", "--time=10", name)
    assert started.node.call("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"


# --- what fails, fails by name


def fails(started: Pod) -> PodFailed:
    """Why it did not start."""
    with pytest.raises(PodFailed) as caught:
        started.start()
    assert caught.value.container == "pod-identity-init" and len(caught.value.message) <= 4096
    assert "Remedy:" in caught.value.message, caught.value
    return caught.value


def shortly(one: Pod) -> Pod:
    """With a wait of 2 s."""
    init = one.spec["initContainers"][0]
    init["command"] = [word if not word.startswith("--wait") else "--wait=2s" for word in init["command"]]
    return one


@pytest.mark.parametrize("name", ["pod.yaml", "classic.yaml", "distroless.yaml", "legacy-sdk.yaml", "job.yaml", "job-classic.yaml", "own-token.yaml"])
def test_no_agent(pod: Callable[..., Pod], emulator: Emulator, name: str) -> None:
    emulator.listen("closed")
    failed = fails(shortly(pod(name, inject=name != "own-token.yaml")))
    assert failed.exit_code == 20 and failed.message.startswith("AGENT_UNREACHABLE:")


@pytest.mark.parametrize("name", ["pod.yaml", "classic.yaml", "distroless.yaml", "legacy-sdk.yaml", "job.yaml", "job-classic.yaml"])
def test_not_injected(pod: Callable[..., Pod], name: str) -> None:
    failed = fails(pod(name, inject=False))
    assert failed.exit_code == 10 and failed.message.startswith("NOT_INJECTED:") and "created anew" in failed.message


def test_no_association(pod: Callable[..., Pod], emulator: Emulator) -> None:
    emulator.dissociate("default", "app")
    failed = fails(pod("pod.yaml"))
    assert failed.exit_code == 21 and "--namespace default --service-account app" in failed.message


def test_token_that_this_user_cannot_read(pod: Callable[..., Pod]) -> None:
    denied = pod("pod.yaml")
    denied._volume(denied.spec["volumes"][0])
    denied.own(denied.tokens[0], 0o600)
    failed = fails(denied)
    assert failed.exit_code == 12 and "fsGroup" in failed.message and "65532" in failed.message


def test_the_tokens_volume_is_missing(pod: Callable[..., Pod]) -> None:
    """Variables without the mount."""
    missing = pod("pod.yaml")
    for container in missing.spec["initContainers"]:
        container["volumeMounts"] = [one for one in container["volumeMounts"] if "token" not in one["name"]]
    failed = fails(missing)
    assert failed.exit_code == 12 and "/var/run/secrets/pods.eks.amazonaws.com" in failed.message


def test_the_sockets_volume_is_missing(pod: Callable[..., Pod]) -> None:
    """The sidecar cannot have its socket on a read-only root: it ends with 73 and names the path."""
    missing = pod("pod.yaml")
    sidecar = missing.spec["initContainers"][1]
    sidecar["volumeMounts"] = [one for one in sidecar["volumeMounts"] if one["name"] != "pod-identity"]
    sidecar["startupProbe"]["failureThreshold"] = 3
    with pytest.raises(PodFailed) as caught:
        missing.start()
    assert caught.value.container == "pod-identity-sidecar" and "/run/pod-identity" in caught.value.log
    assert caught.value.exit_code == 73 and caught.value.message.startswith("--unix-socket=/run/pod-identity/credentials.sock: ")


def test_expected_service_account(pod: Callable[..., Pod]) -> None:
    other = pod("pod.yaml")
    init = other.spec["initContainers"][0]
    init["command"] = [word.replace("--expect-service-account=app", "--expect-service-account=other") for word in init["command"]]
    failed = fails(other)
    assert failed.exit_code == 30 and failed.message.startswith("UNEXPECTED_IDENTITY:")
