"""pod-identity-init: the way to the agent and its answers (exits 20 to 23), and what is waited for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS, OURS
from harness.emulator import NAMESPACE, SERVICE_ACCOUNT, Emulator
from harness.places import Namespace
from harness.programs import Run, Runner
from harness.reports import assert_failed, assert_ok


def assert_deadline(run: Run, wait_s: float) -> None:
    """It tried until the deadline, and not much longer."""
    assert wait_s - 0.5 <= run.seconds <= wait_s + 4, run.seconds
    assert run.report["waitedMs"] <= run.seconds * 1000 + 100


# --- no answer


def test_refused(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.listen("closed")
    run = run_init()
    assert_failed(run, "AGENT_UNREACHABLE", "refused", emulator.host)
    assert run.seconds < 5


@EMULATORS
def test_timed_out(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.listen("deaf")
    assert_failed(run_init(), "AGENT_UNREACHABLE", "timed out", emulator.host)


@EMULATORS
def test_hangs(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("hang", times=None)
    run = run_init()
    assert_failed(run, "AGENT_UNREACHABLE", "timed out", emulator.host)
    assert run.seconds < 20


def test_no_route(run_init: Callable[..., Run], injected: dict[str, str], runner: Runner, bare_netns: Namespace) -> None:
    runner.place = bare_netns
    for uri in ("http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"):
        run = run_init(env={**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri})
        assert_failed(run, "AGENT_UNREACHABLE", uri)
        assert "refused" not in run.failure["message"]
        assert run.seconds < 5


@pytest.mark.parametrize("mode", ["closed", "deaf"])
@EMULATORS
def test_unreachable_until_the_deadline(run_init: Callable[..., Run], emulator: Emulator, mode: str) -> None:
    emulator.listen(mode)
    run = run_init(wait="3s")
    assert_failed(run, "AGENT_UNREACHABLE")
    assert_deadline(run, 3)


@pytest.mark.parametrize("place", ["loopback", "netns", OURS], indirect=True)
def test_late_start_is_waited_for(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.listen("closed")
    emulator.listen("open", after_s=2)
    run = run_init(wait="30s")
    report = assert_ok(run)
    assert 1000 <= report["waitedMs"] <= 6000
    assert run.seconds < 8


@EMULATORS
def test_coming_up_is_seen_at_once(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.listen("closed")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_init, wait="60s")
        time.sleep(1.5)  # not for a state to come: long enough that a growing pause would have grown
        opened = time.monotonic()
        emulator.listen("open")
        assert_ok(running.result(60))
    assert emulator.requests()[0]["monotonic"] - opened < 1.0  # `make bench` measures it


@EMULATORS
def test_deadline_cuts_an_attempt_short(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("hang", times=None)
    run = run_init(wait="2s")
    assert_failed(run, "AGENT_UNREACHABLE")
    assert run.seconds < 12


# --- errors by name


@pytest.mark.parametrize(("code", "reason"), [
    ("AccessDeniedException", "ACCESS_DENIED"),
    ("ResourceNotFoundException", "ACCESS_DENIED"),
    ("InvalidTokenException", "TOKEN_INVALID"),
    ("ExpiredTokenException", "TOKEN_INVALID"),
    ("ThrottlingException", "THROTTLED"),
    ("InternalServerException", "THROTTLED"),
    ("ServiceUnavailableException", "THROTTLED"),
])
def test_eks_auth_errors(run_init: Callable[..., Run], emulator: Emulator, code: str, reason: str) -> None:
    emulator.eks_auth_error(code, "words of the service")
    assert_failed(run_init(), reason, code, "words of the service")
    assert emulator.count() == 1


def test_no_association_names_both(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    assert_failed(run_init(), "ACCESS_DENIED", NAMESPACE, SERVICE_ACCOUNT)


def test_role_that_cannot_be_assumed(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.associate(assumable=False)
    assert_failed(run_init(), "ACCESS_DENIED", "sts:TagSession")


@pytest.mark.parametrize(("status", "reason"), [
    (401, "ACCESS_DENIED"), (403, "ACCESS_DENIED"), (429, "THROTTLED"), (500, "THROTTLED"), (502, "THROTTLED"), (503, "THROTTLED"),
    (504, "THROTTLED"), (599, "THROTTLED"), (418, "BAD_RESPONSE"), (204, "BAD_RESPONSE"), (206, "BAD_RESPONSE"), (304, "BAD_RESPONSE"),
])
@EMULATORS
def test_bare_statuses(run_init: Callable[..., Run], emulator: Emulator, status: int, reason: str) -> None:
    emulator.fault("answer", status=status, times=None)
    assert_failed(run_init(), reason, str(status))


@EMULATORS
def test_agents_host_check(run_init: Callable[..., Run], emulator: Emulator) -> None:
    """The real agent refuses a Host that is not one of its addresses: the injected URI is wrong."""
    emulator.fault("answer", status=403, body="Access Denied. Called agent through invalid address, please use either "
                   "[169.254.170.23 fd00:ec2::23] address not 127.0.0.1\n", times=None)
    assert_failed(run_init(), "INJECTION_INVALID", "403")


def test_wrong_path(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    uri = emulator.url.replace("/v1/", "/v2/")
    run = run_init(env={**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri})
    assert_failed(run, "BAD_RESPONSE", "404", uri)


@EMULATORS
def test_error_body_with_control_characters(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("answer", status=500, body="line one\nline two \x1b[31m\x07 \x00 end" + "x" * 5000, times=None)
    run = run_init(text=True)
    assert run.exit_code == 22
    assert not set("\x1b\x07\x00") & set(run.stdout + run.stderr + (run.termination_log or ""))
    assert_failed(run_init(), "THROTTLED", "line one")


@EMULATORS
def test_error_body_that_echoes_the_token(run_init: Callable[..., Run], emulator: Emulator, token: Any) -> None:
    """A proxy's error page can hold what it was sent; the search for leaks at this test's end looks for it."""
    emulator.fault("answer", status=502, body=f"bad request: authorization={token.path.read_text()}", times=None)
    assert_failed(run_init(), "THROTTLED", "502")
    assert run_init(text=True).exit_code == 22


@EMULATORS
def test_good_answer_with_secrets_in_a_broken_place(run_init: Callable[..., Run], emulator: Emulator) -> None:
    """Credentials that cannot be used must not be shown in the complaint about them."""
    for fault in ({"kind": "patch", "drop": ["Expiration"]}, {"kind": "truncate"}, {"kind": "patch", "set": {"Expiration": "never"}}):
        emulator.fault(**fault)
        assert_failed(run_init(), "BAD_RESPONSE")
    emulator.fault("pass")
    emulator.settings(lifetime_s=-60)
    assert_failed(run_init(), "BAD_RESPONSE")


# --- bad answers


BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "empty": {"kind": "empty"},
    "no JSON": {"kind": "answer", "body": "<html>login</html>"},
    "JSON, but cut": {"kind": "answer", "body": '{"AccessKeyId":"ASIA'},
    "cut short": {"kind": "truncate"},
    "cut short, reset": {"kind": "truncate", "end": "reset"},
    "only the head": {"kind": "truncate", "keep": 0},
    "8 MiB": {"kind": "huge"},
    "8 MiB in chunks": {"kind": "huge", "chunked": True},
    "nested 10,000 deep": {"kind": "nested"},
    "objects nested 10,000 deep": {"kind": "nested", "open": '{"a":', "close": "}"},
    "garbage": {"kind": "garbage"},
    "not HTTP": {"kind": "raw", "data": "SSH-2.0-OpenSSH_9.2\r\n"},
    "an array": {"kind": "answer", "json": []},
    "null": {"kind": "answer", "json": None, "body": "null"},
    "empty object": {"kind": "answer", "json": {}},
    "an error in 200": {"kind": "answer", "json": {"Code": "InternalFailure", "Message": "sorry"}},
    "NUL": {"kind": "answer", "body": "\x00" * 100},
    "wrong chunk": {"kind": "raw", "data": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
    "two lengths": {"kind": "raw", "data": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n{}"},
    "redirect": {"kind": "redirect", "location": "http://127.0.0.1:1/v1/credentials"},
    "permanent redirect": {"kind": "redirect", "status": 308, "location": "http://127.0.0.1:1/v1/credentials"},
    **{f"{key} missing": {"kind": "patch", "drop": [key]} for key in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")},
    **{f"{key} null": {"kind": "patch", "set": {key: None}} for key in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")},
    **{f"{key} empty": {"kind": "patch", "set": {key: ""}} for key in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")},
    **{f"{key} a number": {"kind": "patch", "set": {key: 7}} for key in ("AccessKeyId", "SecretAccessKey", "Token")},
    "key with a line break": {"kind": "patch", "set": {"SecretAccessKey": "a\r\nX: b"}},
    "token of 20,000": {"kind": "patch", "set": {"Token": "x" * 20_000}},
    **{f"Expiration {text!r}": {"kind": "patch", "set": {"Expiration": text}} for text in (
        "never", "2026-02-30T00:00:00Z", "2030-13-01T00:00:00Z", "2030-01-01T24:00:01Z", "2030-01-01T00:60:00Z", "2030-01-01", "2030-01-01T00:00:00",
        "99999-01-01T00:00:00Z", "2030-01-01T00:00:00+99:00", " 2030-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "1999-01-01T00:00:00Z")},
    "just expired": {"kind": "patch", "expires_in_s": -1},
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
@EMULATORS
def test_bad_answers(run_init: Callable[..., Run], emulator: Emulator, name: str) -> None:
    emulator.fault(**BAD_ANSWERS[name], times=None)
    run = run_init()
    assert_failed(run, "BAD_RESPONSE")
    assert run.seconds < 5
    seen = emulator.requests(with_secrets=True)
    assert [one["path"] for one in seen].count("/v1/credentials") == 1, "a redirect was followed, or one attempt was more than one"
    assert all(one["path"] == "/" and "authorization" not in dict(one["headers"]) for one in seen[1:]), "the probe bears a token"


CREDENTIALS = '{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"xxxxxxxx","Token":"yyyyyyyy","Expiration":"2099-01-01T00:00:00Z"}'


@pytest.mark.parametrize("fault", [
    {"kind": "raw", "data": f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{CREDENTIALS}"},
    {"kind": "raw", "data": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len(CREDENTIALS):x}\r\n{CREDENTIALS}\r\n0\r\n\r\n"},
    {"kind": "answer", "body": CREDENTIALS, "content_type": "text/plain"}, {"kind": "answer", "body": f" \n{CREDENTIALS}\n"},
    {"kind": "patch", "set": {"AccountId": None}}, {"kind": "patch", "drop": ["AccountId"]}, {"kind": "patch", "set": {"Extra": [{}, [1, None]]}},
    {"kind": "patch", "set": {"Expiration": "2099-01-01T00:00:00.123456789Z"}}, {"kind": "patch", "set": {"Expiration": "2099-01-01T02:00:00+02:00"}},
])
@EMULATORS
def test_answers_that_are_fine(run_init: Callable[..., Run], emulator: Emulator, fault: dict[str, Any]) -> None:
    emulator.fault(**fault, times=None)
    assert_ok(run_init())


def test_slow_answer_is_fine(run_init: Callable[..., Run], emulator: Emulator) -> None:
    """A cold request to the agent can take over 3 s."""
    emulator.fault("pass", service="eks-auth", delay_s=3.5)
    assert_ok(run_init())


@EMULATORS
def test_slow_drip_ends(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("drip", bytes_per_s=10, times=None)
    run = run_init()
    assert run.exit_code in (20, 23)
    assert run.seconds < 20


# --- lifetime


def test_min_ttl(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.settings(lifetime_s=600)
    assert_ok(run_init())
    assert_ok(run_init("--min-ttl=5m"))
    assert_failed(run_init("--min-ttl=20m"), "BAD_RESPONSE")
    emulator.settings(lifetime_s=30)
    assert_failed(run_init(), "BAD_RESPONSE")
    assert_ok(run_init("--min-ttl=0"))


# --- what is waited for


TRANSIENT: dict[str, dict[str, Any]] = {
    "429": {"kind": "answer", "status": 429, "body": "Too Many Requests\n"},
    "500": {"kind": "answer", "status": 500},
    "503": {"kind": "answer", "status": 503},
    "throttled by EKS Auth": {"kind": "eks_auth_error", "service": "eks-auth", "code": "ThrottlingException"},
    "EKS Auth not reachable": {"kind": "unreachable", "service": "eks-auth"},
    "reset": {"kind": "reset"},
    "closed": {"kind": "close"},
    "cut short": {"kind": "truncate"},
    "empty": {"kind": "empty"},
    "garbage": {"kind": "garbage"},
    "expired": {"kind": "patch", "expires_in_s": -10},
    "association not seen yet": {"kind": "eks_auth_error", "service": "eks-auth", "code": "ResourceNotFoundException"},
}


@pytest.mark.parametrize("name", TRANSIENT)
@EMULATORS
def test_transient_is_tried_again(run_init: Callable[..., Run], emulator: Emulator, name: str) -> None:
    emulator.fault(**TRANSIENT[name], times=2)
    run = run_init(wait="30s")
    assert_ok(run)
    assert emulator.count() == 3
    assert run.seconds < 15


@pytest.mark.parametrize(("fault", "reason"), [
    ({"kind": "answer", "status": 429}, "THROTTLED"), ({"kind": "answer", "status": 503}, "THROTTLED"), ({"kind": "reset"}, "AGENT_UNREACHABLE"),
    ({"kind": "empty"}, "BAD_RESPONSE"),
])
@EMULATORS
def test_transient_until_the_deadline(run_init: Callable[..., Run], emulator: Emulator, fault: dict[str, Any], reason: str) -> None:
    emulator.fault(**fault, times=None)
    run = run_init(wait="4s")
    assert_failed(run, reason)
    assert_deadline(run, 4)
    assert 2 <= emulator.count() <= 40


@EMULATORS
def test_retry_after_is_honoured(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("answer", status=429, headers={"Retry-After": "3"})
    assert_ok(run_init(wait="30s"))
    first, second = [one["monotonic"] for one in emulator.requests()]
    assert second - first >= 2.9


def test_denied_is_believed_after_some_seconds(run_init: Callable[..., Run], emulator: Emulator) -> None:
    """An association can be some seconds old, so the first denial is not the last word; a minute would be too long."""
    emulator.dissociate()
    run = run_init(wait="60s")
    assert_failed(run, "ACCESS_DENIED")
    assert 4 <= run.seconds <= 12
    assert emulator.count() >= 2


def test_association_made_while_it_waits(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_init, wait="60s")
        emulator.wait_for_requests(2)
        emulator.associate()
        assert_ok(running.result(60))


@EMULATORS
def test_wait_zero_is_one_attempt(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("answer", status=503, times=None)
    assert_failed(run_init(wait="0"), "THROTTLED")
    assert emulator.count() == 1


def test_denied_within_a_short_wait(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    run = run_init(wait="1s")
    assert_failed(run, "ACCESS_DENIED")
    assert run.seconds < 5


def test_from_refused_to_denied(run_init: Callable[..., Run], emulator: Emulator) -> None:
    """The reason is the last state's, not the first's."""
    emulator.dissociate()
    emulator.listen("closed")
    emulator.listen("open", after_s=1)
    assert_failed(run_init(wait="60s"), "ACCESS_DENIED")


def test_progress_is_not_a_line_per_attempt(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.listen("closed")
    run = run_init(wait="3s", text=True)
    assert run.exit_code == 20
    assert len(run.stderr.splitlines()) <= 3, run.stderr
