"""The manifests' own promises about starting and ending, with the images in a real OCI runtime: who waits for whom, and what is said meanwhile."""

from __future__ import annotations

import threading
from typing import Any, Callable

import pytest

from harness.emulator import Emulator
from harness.waiting import eventually
from kubelet import Pod, PodFailed
from manifests import PLAIN, plain
from test_containers import emulator, node, pod, shortly  # noqa: F401  # fixtures

SIDECAR = "pod-identity-sidecar"
OF_THE_AGENT = [name for name in PLAIN if name not in ("irsa.yaml", "cross-account.yaml", "two-roles.yaml", "sidecar-only.yaml")]


def in_background(one: Pod) -> tuple[threading.Thread, list[BaseException]]:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            one.start()
        except BaseException as error:  # noqa: BLE001  # handed on
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return thread, failed


@pytest.mark.parametrize("name", OF_THE_AGENT)
def test_init_has_nothing_to_warn_of(pod: Callable[..., Pod], name: str) -> None:  # noqa: F811
    """With --strict a warning is a failure: what we ship passes our own init."""
    strict = pod(name, inject=name != "own-token.yaml")
    strict.spec["initContainers"][0]["command"].append("--strict")
    strict.start()
    assert "warn " not in strict.output("pod-identity-init")


def test_strict_can_fail(pod: Callable[..., Pod]) -> None:  # noqa: F811
    strict = pod("pod.yaml")
    strict.spec["initContainers"][0]["command"].append("--strict")
    strict.spec["initContainers"][0]["env"] = [one for one in strict.spec["initContainers"][0]["env"] if one["name"] != "AWS_EC2_METADATA_DISABLED"]
    with pytest.raises(PodFailed):
        strict.start()


@pytest.mark.parametrize("name", ["classic.yaml", "pod.yaml", "sidecar-only.yaml"])
def test_the_app_waits_for_the_bearers_file(pod: Callable[..., Pod], emulator: Emulator, name: str) -> None:  # noqa: F811
    """Init had credentials, and the agent fails when the sidecar asks: the app is held back all the same, by hook or by probe."""
    emulator.fault("answer", status=503, body="not now", times=None)
    waiting = pod(name)
    waiting.spec["initContainers"] = [one for one in waiting.spec["initContainers"] if one["name"] != "pod-identity-init"]
    thread, failed = in_background(waiting)
    eventually(lambda: waiting.started == [SIDECAR] and "THROTTLED" in waiting.exec(SIDECAR, f"/{SIDECAR}", "probe").stderr, 30, "the reason")
    assert thread.is_alive() and failed == []
    emulator.clear_faults()
    thread.join(90)
    assert not thread.is_alive() and failed == []
    assert (waiting.folder / "pod-identity" / "http-token").stat().st_size > 0
    assert waiting.app("/app")["complete"]


def test_a_hook_that_waits_in_vain_says_why(pod: Callable[..., Pod], emulator: Emulator) -> None:  # noqa: F811
    """The kubelet shows what the hook printed in the event FailedPostStartHook."""
    emulator.dissociate("default", "app")
    waiting = pod("classic.yaml")
    waiting.spec["initContainers"] = []
    hook = waiting.spec["containers"][0]["lifecycle"]["postStart"]["exec"]
    hook["command"] = [word.replace("--wait=2m", "--wait=3s") for word in hook["command"]]
    assert "--wait=3s" in hook["command"]
    with pytest.raises(PodFailed) as caught:
        waiting.start()
    assert caught.value.container == SIDECAR and "not ready: ACCESS_DENIED: " in caught.value.message and "Remedy: " in caught.value.message


def alone(pod: Callable[..., Pod], tries: int, **how: Any) -> PodFailed:  # noqa: F811
    """How sidecar-only.yaml fails, with a shorter patience."""
    one = pod("sidecar-only.yaml", **how)
    one.spec["initContainers"][0]["startupProbe"]["failureThreshold"] = tries
    with pytest.raises(PodFailed) as caught:
        one.start()
    assert caught.value.container == SIDECAR and one.started == [SIDECAR]
    one.node.call("stop", "--time=10", one.full_name(SIDECAR), check=False)
    caught.value.pod = one  # type: ignore[attr-defined]
    return caught.value


def test_alone_it_says_what_init_says(pod: Callable[..., Pod], emulator: Emulator) -> None:  # noqa: F811
    """No association: the same reason and message, in the probe's text while it waits and in the termination message when it is ended. The
    remedy is init's with the names left out."""
    emulator.dissociate("default", "app")
    with pytest.raises(PodFailed) as caught:
        shortly(pod("pod.yaml")).start()
    reason, _, said = caught.value.message.partition(": ")
    message, _, remedy = said.strip().partition(". Remedy: ")
    command = "aws eks create-pod-identity-association"
    assert f"{command} --cluster-name CLUSTER --namespace default --service-account app" in remedy
    failed = alone(pod, 20)
    assert failed.exit_code == -1 and reason == "ACCESS_DENIED"
    ended = failed.pod.message(SIDECAR)  # type: ignore[attr-defined]
    assert ended.startswith(f"{reason}: ") and ended.count("\n") == 1
    for text in (failed.message, ended):
        assert f"{reason}: GET http://169.254.170.23/v1/credentials answered 404: " in text and ". Remedy: " in text, text
        assert "ResourceNotFoundException" in text and "ResourceNotFoundException" in message
        assert "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE --service-account NAME" in text, text
    assert failed.message.startswith("pod-identity-sidecar: not ready: ")


def test_alone_and_not_injected(pod: Callable[..., Pod]) -> None:  # noqa: F811
    """It ends by itself, with init's exit and line."""
    with pytest.raises(PodFailed) as caught:
        pod("pod.yaml", inject=False).start()
    failed = alone(pod, 20, inject=False)
    assert failed.exit_code == caught.value.exit_code == 10
    assert failed.message == caught.value.message and failed.message.startswith("NOT_INJECTED: ")


def test_alone_without_an_agent(pod: Callable[..., Pod], emulator: Emulator) -> None:  # noqa: F811
    emulator.listen("closed")
    failed = alone(pod, 15)
    assert failed.exit_code == -1 and "not ready: AGENT_UNREACHABLE: " in failed.message and "Remedy: " in failed.message
    assert failed.pod.message(SIDECAR).startswith("AGENT_UNREACHABLE: ")  # type: ignore[attr-defined]


def test_a_sidecar_that_ends_well_says_nothing(pod: Callable[..., Pod]) -> None:  # noqa: F811
    """Nor does a probe that fails later write into the message of the container that it runs in."""
    started = pod("sidecar-only.yaml").start()
    assert started.exec(SIDECAR, f"/{SIDECAR}", "probe", "--unix-socket=/nonexistent/s").returncode == 1
    assert started.exec(SIDECAR, f"/{SIDECAR}", "probe", "--no-such-option").returncode == 64
    started.node.call("stop", "--time=10", started.full_name(SIDECAR))
    assert started.exit_code(SIDECAR) == 0 and started.message(SIDECAR) == ""


def test_a_wrong_option_is_in_the_message(pod: Callable[..., Pod]) -> None:  # noqa: F811
    wrong = pod("sidecar-only.yaml")
    wrong.spec["initContainers"][0]["command"].append("--htpp=127.0.0.1:1")
    with pytest.raises(PodFailed) as caught:
        wrong.start()
    assert caught.value.exit_code == 64 and "did you mean --http" in caught.value.message and "\n" not in caught.value.message[:-1]


def test_fallback_to_the_log() -> None:
    """What ends without a word of its own, in a crash or by the sandbox, leaves the end of its log."""
    for name in PLAIN:
        for document in plain(name):
            spec = document["spec"].get("template", document)["spec"] if document["kind"] in ("Pod", "Job") else {"initContainers": [], "containers": []}
            for one in spec["initContainers"] + spec["containers"]:
                wanted = "FallbackToLogsOnError" if one["name"] in (SIDECAR, "pod-identity-once") else None
                assert one.get("terminationMessagePolicy") == wanted, (name, one["name"])
