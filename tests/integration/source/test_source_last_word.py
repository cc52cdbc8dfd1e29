"""What a wait ends with if its last attempt gets no answer any more: an attempt that the end of --wait has cut says nothing new.

Nothing here depends on time but the end of --wait itself: the emulator answers first, and from a certain request on never again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust, web_trust
from harness.emulator import ROLE_ARN, Emulator
from harness.programs import Run
from harness.reports import EXITS, assert_failed, assert_ok
from harness.token_files import ProjectedToken

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
WAIT = "5s"
NOT_ANSWERED = "; the last attempt was not answered before --wait ended"
Init, Once = Callable[..., Run], Callable[..., Run]


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    """STS behind TLS."""
    return Aws(emulator)


@pytest.fixture
def irsa(aws: Aws, write_token: Callable[..., ProjectedToken]) -> dict[str, str]:
    """What the webhook injects for IRSA, and the way to STS."""
    return aws.irsa(write_token(aws.emulator.token(audience="sts.amazonaws.com")))


@pytest.fixture
def once(run_sidecar: Callable[..., Run], folder: Path) -> Once:
    """once(*options, env=…) writes one file, or says why not."""
    return lambda *options, **how: run_sidecar("once", f"--process-file={folder}/process.json", f"--wait={WAIT}", *options, **how)


def silent_after(emulator: Emulator, service: str, first: dict[str, Any]) -> None:
    """This service treats one request so, and answers none after it. (Init's probe of the agent is none of them.)"""
    path = "/v1/credentials" if service == "agent" else None
    emulator.fault(service=service, path=path, **{"kind": "pass", "times": 1, **first})
    emulator.fault("hang", service=service, path=path, times=None)


def asked_in_vain(emulator: Emulator, service: str) -> bool:
    """A request came that was never answered."""
    return any(one["kind"] == "hang" and one["service"] == service and one["hits"] > 0 for one in emulator.call("GET", "/faults"))


AGENT: list[Any] = [
    pytest.param({}, "ACCESS_DENIED", "ResourceNotFoundException", id="denied"),
    pytest.param({"kind": "answer", "status": 503, "body": "one moment"}, "THROTTLED", "one moment", id="busy"),
    pytest.param({"kind": "empty"}, "BAD_RESPONSE", "JSON", id="nonsense"),
    pytest.param({"kind": "close"}, "AGENT_UNREACHABLE", "closed without an answer", id="closed"),
]


@pytest.mark.parametrize(("first", "reason", "says"), AGENT)
def test_init(run_init: Init, emulator: Emulator, first: dict[str, Any], reason: str, says: str) -> None:
    emulator.dissociate()
    silent_after(emulator, "agent", first)
    run = run_init(wait=WAIT)
    text = assert_failed(run, reason, says, "attempts in", NOT_ANSWERED)
    assert asked_in_vain(emulator, "agent") and "timed out" not in text
    reachable = next(check for check in run.report["checks"] if check["id"] == "agent.reachable")
    assert (reachable["status"], "but not at attempt" in reachable["message"]) == (("fail", False) if reason == "AGENT_UNREACHABLE" else ("pass", True))


@pytest.mark.parametrize(("first", "reason", "says"), [AGENT[0], AGENT[3]])
def test_once(once: Once, emulator: Emulator, first: dict[str, Any], reason: str, says: str) -> None:
    emulator.dissociate()
    silent_after(emulator, "agent", first)
    run = once()
    assert run.exit_code == EXITS[reason] and reason in run.stderr and says in run.stderr and NOT_ANSWERED in run.stderr
    assert asked_in_vain(emulator, "agent") and "timed out" not in run.stderr


def test_init_irsa(run_init: Init, aws: Aws, irsa: dict[str, str]) -> None:
    aws.emulator.role(ROLE_ARN, web_trust(aws.issuer, "system:serviceaccount:default:other"))
    silent_after(aws.emulator, "sts", {})
    assert_failed(run_init(env=irsa, wait=WAIT), "ACCESS_DENIED", "sts:AssumeRoleWithWebIdentity", NOT_ANSWERED)
    assert asked_in_vain(aws.emulator, "sts")


@pytest.mark.parametrize("then_silent", ["agent", "sts"])
def test_chain(once: Once, aws: Aws, injected: dict[str, str], then_silent: str) -> None:
    """The second role is denied; then it is not answered, or the agent is not, whose credentials of before do as well."""
    aws.emulator.role(TARGET, trust("arn:aws:iam::111122223333:role/other"))
    silent_after(aws.emulator, then_silent, {})
    run = once(f"--assume-role={TARGET}", env={**injected, **aws.sts()})
    assert run.exit_code == EXITS["ACCESS_DENIED"] and "sts:AssumeRole" in run.stderr
    assert NOT_ANSWERED in run.stderr or then_silent == "agent"  # there STS answers as before, if it has the time
    assert asked_in_vain(aws.emulator, then_silent)


def test_what_is_over_is_not_told(once: Once, aws: Aws, injected: dict[str, str]) -> None:
    """The agent is busy at first, then gives credentials: what is not answered then is STS."""
    aws.emulator.role(TARGET, trust(ROLE_ARN))
    aws.emulator.fault("answer", status=503, body="one moment")
    aws.emulator.fault("hang", service="sts", times=None)
    run = once(f"--assume-role={TARGET}", env={**injected, **aws.sts()})
    assert run.exit_code == EXITS["AWS_UNREACHABLE"] and "timed out while waiting for the whole answer" in run.stderr
    assert "one moment" not in run.stderr and NOT_ANSWERED not in run.stderr


@pytest.mark.place("netns")
def test_silence_that_lasts_is_believed(run_init: Init, emulator: Emulator) -> None:
    """An agent that denied once, and is gone since."""
    emulator.dissociate()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_init, wait="12s")
        emulator.wait_for_requests(1)
        emulator.listen("deaf")
        text = assert_failed(running.result(60), "AGENT_UNREACHABLE", "timed out while connecting")
    assert NOT_ANSWERED not in text


def test_an_answer_at_last(run_init: Init, emulator: Emulator) -> None:
    """Silence in between does no harm."""
    emulator.fault("answer", status=503)
    emulator.fault("hang", seconds=1)
    emulator.fault("close")
    report = assert_ok(run_init(wait="60s"))
    assert "but not" not in str(report)
