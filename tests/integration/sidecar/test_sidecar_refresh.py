"""pod-identity-sidecar serve: when it asks the agent, what it serves meanwhile, and what a bad agent or token cannot do."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import http
from harness.emulator import Emulator
from harness.served import check_container, check_error, check_process, expires_at, issued, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]
FLOOR_S = 1.0  # the least time between two attempts
SLACK_S = 0.4  # of a busy machine

BAD_AGENTS: dict[str, tuple[dict[str, Any], str, str]] = {
    # name: fault, reason, what the message must name
    "429": ({"kind": "answer", "status": 429, "body": "Too Many Requests"}, "THROTTLED", "429"),
    "500": ({"kind": "answer", "status": 500, "body": "oops"}, "THROTTLED", "500"),
    "503": ({"kind": "answer", "status": 503}, "THROTTLED", "503"),
    "404 of something else": ({"kind": "answer", "status": 404, "body": "no"}, "BAD_RESPONSE", "404"),
    "reset": ({"kind": "reset"}, "AGENT_UNREACHABLE", "without an answer"),
    "closed": ({"kind": "close"}, "AGENT_UNREACHABLE", "without an answer"),
    "garbage": ({"kind": "raw", "data": "\x00\x01not http at all\r\n\r\n" + "x" * 500}, "BAD_RESPONSE", "not HTTP"),
    "8 MiB": ({"kind": "huge"}, "BAD_RESPONSE", "16384"),
    "8 MiB chunked": ({"kind": "huge", "chunked": True}, "BAD_RESPONSE", "16384"),
    "16 KiB and a byte": ({"kind": "huge", "bytes": 16385}, "BAD_RESPONSE", "16384"),
    "endless header": ({"kind": "raw", "data": "HTTP/1.1 200 OK\r\nX: " + "y" * 100_000}, "BAD_RESPONSE", ""),
    "10,000 nested arrays": ({"kind": "nested"}, "BAD_RESPONSE", ""),
    "nested objects": ({"kind": "nested", "depth": 2000, "open": '{"a":', "close": "}"}, "BAD_RESPONSE", ""),
    "null key": ({"kind": "patch", "set": {"AccessKeyId": None}}, "BAD_RESPONSE", "AccessKeyId"),
    "no key": ({"kind": "patch", "drop": ["SecretAccessKey"]}, "BAD_RESPONSE", "SecretAccessKey"),
    "empty key": ({"kind": "patch", "set": {"Token": ""}}, "BAD_RESPONSE", "Token"),
    "key of another type": ({"kind": "patch", "set": {"Token": ["a"]}}, "BAD_RESPONSE", "Token"),
    "control character": ({"kind": "patch", "set": {"Token": "a\nb"}}, "BAD_RESPONSE", "Token"),
    "NUL in a key": ({"kind": "patch", "set": {"SecretAccessKey": "abc\x00def"}}, "BAD_RESPONSE", ""),
    "no expiration": ({"kind": "patch", "drop": ["Expiration"]}, "BAD_RESPONSE", "Expiration"),
    "impossible date": ({"kind": "patch", "set": {"Expiration": "2027-02-30T12:00:00Z"}}, "BAD_RESPONSE", "Expiration"),
    "impossible time": ({"kind": "patch", "set": {"Expiration": "2027-01-01T25:61:61Z"}}, "BAD_RESPONSE", "Expiration"),
    "no date": ({"kind": "patch", "set": {"Expiration": "tomorrow"}}, "BAD_RESPONSE", "Expiration"),
    "date without zone": ({"kind": "patch", "set": {"Expiration": "2099-01-01T00:00:00"}}, "BAD_RESPONSE", "Expiration"),
    "already expired": ({"kind": "patch", "expires_in_s": -10}, "BAD_RESPONSE", "expired"),
    "redirect": ({"kind": "redirect"}, "BAD_RESPONSE", "302"),
    "empty": ({"kind": "empty"}, "BAD_RESPONSE", ""),
    "no JSON": ({"kind": "answer", "body": "<html>welcome</html>", "content_type": "text/html"}, "BAD_RESPONSE", ""),
    "an array": ({"kind": "answer", "json": [1]}, "BAD_RESPONSE", ""),
    "two values": ({"kind": "answer", "body": "{}{}"}, "BAD_RESPONSE", ""),
    "cut short": ({"kind": "truncate"}, "BAD_RESPONSE", "cut short"),
    "cut short by a reset": ({"kind": "truncate", "end": "reset"}, "BAD_RESPONSE", "cut short"),
}


def failures(sidecar: Sidecar) -> int:
    """How many attempts have failed, of a sidecar that logs at debug level."""
    return sidecar.stderr.count("refresh failed")


# --- when


def test_refreshes_when_half_of_what_was_left_is_over(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.settings(lifetime_s=6.0, fraction=True)
    sidecar = start_sidecar(with_http=False)
    seen = emulator.wait_for_requests(3, 15)
    for earlier, later in zip(seen, seen[1:]):  # the fraction of a second in the expiry does not count: 5 to 6 s are left
        assert 2.5 * 0.9 - 0.1 <= later["monotonic"] - earlier["monotonic"] <= 3.0 + SLACK_S
    assert sidecar.get("/readyz").status == 200


def test_one_line_per_refresh(start_sidecar: Start, emulator: Emulator) -> None:
    """With the access key id shortened, when they end, when the next one comes, and how long it took; and no line for requests."""
    emulator.settings(lifetime_s=6 * 3600.0)
    sidecar = start_sidecar(with_http=False)
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2)
    eventually(lambda: sidecar.stderr.count("credentials refreshed") == 2, 10, "both are told")
    lines = [line for line in sidecar.stderr.splitlines() if "credentials refreshed" in line]
    form = re.compile(r'time=\S+Z level=info msg="credentials refreshed" access_key_id=(\w{4})\.\.\.(\w{4}) expires=(\S+Z) next_in="2h \d+m" took_ms=\d+')
    for line, (access_key_id, *_), served in zip(lines, issued(emulator)[-2:], (None, sidecar.get().json)):
        found = form.fullmatch(line)
        assert found and access_key_id.startswith(found[1]) and access_key_id.endswith(found[2]), line
        assert served is None or found[3] == served["Expiration"]
    told = [re.search(r'msg=("[^"]*"|\S+)', line)[1].strip('"') for line in sidecar.stderr.splitlines()]  # type: ignore[index]
    told = [event for event in told if event != "the sidecar runs without a part of its sandbox"]  # as the machine has it
    assert told == ["serving", "source", "sandbox", "credentials refreshed", "refresh requested", "credentials refreshed"]


def test_the_same_credentials_again_do_no_harm(start_sidecar: Start, emulator: Emulator) -> None:
    """The agent's cache: what is left halves with each refresh, down to the floor, and not to a storm."""
    ends = time.time() + 7.9
    text = datetime.fromtimestamp(ends, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    emulator.fault("patch", set={"Expiration": text}, times=None)
    sidecar = start_sidecar(with_http=False)
    emulator.wait_for_requests(4, 15)
    eventually(lambda: sidecar.get().status == 503, 10, "expired")
    times = [one["monotonic"] for one in emulator.requests()]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert 3 <= gaps[0] <= 4 + SLACK_S and gaps[1] < gaps[0]
    assert all(gap >= FLOOR_S - 0.05 for gap in gaps), gaps
    assert len(times) <= 9


@pytest.mark.parametrize("lifetime_s, least_s, most_s", [(6 * 3600, 3 * 3600 * 0.89, 3 * 3600), (1800, 600 * 0.89, 600), (1260, 53, 60),
                                                         (1200, 600 * 0.89, 600), (600, 300 * 0.89, 300)])
def test_never_later_than_20_minutes_before_the_end_where_possible(start_sidecar: Start, emulator: Emulator, lifetime_s: float, least_s: float,
                                                                   most_s: float) -> None:
    """As logged: nobody waits so long here. The unit tests of the refresh machine do."""
    emulator.settings(lifetime_s=lifetime_s, fraction=True)
    sidecar = start_sidecar(with_http=False)
    text = eventually(lambda: re.search(r'next_in="?([0-9hms ]+)', sidecar.stderr), 5, "the log says when").group(1)
    next_s = sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])", text))
    rounding_s = 60 if next_s >= 3600 else 1
    assert least_s - rounding_s <= next_s <= most_s + rounding_s, text


def test_a_signal_forces_a_refresh_no_oftener_than_the_floor(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(with_http=False)
    first = triple(check_container(sidecar.get()))
    with hammering(sidecar, 0.02):
        emulator.wait_for_requests(4, 10)
    seen = emulator.requests()
    gaps = [later["monotonic"] - earlier["monotonic"] for earlier, later in zip(seen, seen[1:])]
    assert all(FLOOR_S - 0.05 <= gap <= FLOOR_S + SLACK_S for gap in gaps), gaps
    assert triple(check_container(sidecar.get())) != first


@contextlib.contextmanager
def hammering(sidecar: Sidecar, every_s: float) -> Iterator[None]:
    """Asks for refreshes all the time."""
    over = threading.Event()

    def hammer() -> None:
        while not over.wait(every_s):
            sidecar.send_signal(signal.SIGUSR1)
    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_retry_after_is_honoured(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(with_http=False)
    emulator.fault("answer", status=429, headers={"Retry-After": "3"}, body="Too Many Requests")
    sidecar.send_signal(signal.SIGUSR1)
    seen = emulator.wait_for_requests(3, 15)
    assert 3.0 <= seen[2]["monotonic"] - seen[1]["monotonic"] <= 3.3 + SLACK_S
    check_container(sidecar.get())


@pytest.mark.parametrize("value", ["0", "-5", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_odd_retry_after_neither_stops_nor_storms(start_sidecar: Start, emulator: Emulator, value: str) -> None:
    emulator.fault("answer", status=429, headers={"Retry-After": value}, body="x")
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    if value == "99999999999999999999":  # believed up to 15 minutes, or not at all
        eventually(lambda: "refresh failed" in sidecar.stderr, 5, "the first attempt")
        return
    seen = emulator.wait_for_requests(2, 5)
    assert FLOOR_S - 0.05 <= seen[1]["monotonic"] - seen[0]["monotonic"] <= 2 + SLACK_S


def test_back_off_grows(start_sidecar: Start, emulator: Emulator) -> None:
    """1 s to 2 s first, up to 4 s next, up to 8 s then; in between it does not knock."""
    emulator.fault("answer", status=500, times=None)
    start_sidecar(ready=False, with_http=False).wait_serving()
    seen = emulator.wait_for_requests(3, 15)
    gaps = [later["monotonic"] - earlier["monotonic"] for earlier, later in zip(seen, seen[1:])]
    assert FLOOR_S - 0.05 <= gaps[0] <= 2 + SLACK_S
    assert FLOOR_S - 0.05 <= gaps[1] <= 4 + SLACK_S


def test_a_late_agent_is_waited_for(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.listen("closed")
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: "refused" in sidecar.get().json["message"], 5, "503 that says so")
    check_error(sidecar.get(), 503, "AGENT_UNREACHABLE")
    emulator.listen("open")
    sidecar.wait_ready(10)
    check_container(sidecar.get())


def test_a_kept_connection_sees_new_credentials(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(with_http=False)
    request = http.request_bytes("GET", "/v1/credentials", {"Connection": None})
    with sidecar.connect_unix() as sock:
        def ask() -> tuple[str, str, str]:
            sock.sendall(request)
            return triple(check_container(http.parse_answer(sock.recv(65536))))
        first = ask()
        sidecar.send_signal(signal.SIGUSR1)
        assert eventually(lambda: (now := ask()) != first and now, 5, "new ones") == issued(emulator)[-1]


# --- one fetch however many ask


def ask_all_at_once(sidecar: Sidecar, count: int) -> list[http.Answer]:
    """Connections first, then one request on each, then all answers."""
    request = http.request_bytes("GET", "/v1/credentials", {})
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(sidecar.connect_unix()) for _ in range(count)]
        for sock in socks:
            sock.sendall(request)
        return [http.parse_answer(http.read_all(sock)) for sock in socks]


def test_300_clients_cause_no_upstream_call(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    answers = ask_all_at_once(sidecar, 300)
    assert len({answer.raw for answer in answers}) == 1
    check_container(answers[0])
    with ThreadPoolExecutor(50) as pool:
        over_http = list(pool.map(lambda _: sidecar.get_http(), range(300)))
    assert {answer.raw for answer in over_http} == {answers[0].raw}
    assert emulator.count() == 1 and emulator.connections() == 1


def test_300_clients_during_a_refresh_cause_no_further_call(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    before = triple(check_container(sidecar.get()))
    emulator.fault("pass", delay_s=2.0)
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    assert {triple(check_container(answer)) for answer in ask_all_at_once(sidecar, 300)} == {before}
    eventually(lambda: triple(check_container(sidecar.get())) != before, 10, "the new ones")
    assert emulator.count() == 2


def test_300_clients_before_the_first_answer(start_sidecar: Start, emulator: Emulator) -> None:
    """They are told at once, and do not make it ask again."""
    emulator.fault("pass", delay_s=1.5)
    sidecar = start_sidecar(ready=False).wait_serving()
    emulator.wait_for_requests(1, 5)
    for answer in ask_all_at_once(sidecar, 300):
        check_error(answer, 503)
    sidecar.wait_ready()
    assert emulator.count() == 1


def test_a_hanging_agent_delays_no_served_request(start_sidecar: Start, emulator: Emulator) -> None:
    """And is given up after 10 s."""
    sidecar = start_sidecar("--log-level=debug")
    before = sidecar.get().raw
    emulator.fault("hang")
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    slowest = 0.0
    for _ in range(200):
        started = time.monotonic()
        assert sidecar.get().raw == before
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 0.3, slowest
    eventually(lambda: "timed out" in sidecar.stderr, 13, "given up")
    assert sidecar.get().raw == before
    seen = emulator.wait_for_requests(3, 5)
    assert seen[2]["monotonic"] - seen[1]["monotonic"] < 13
    eventually(lambda: sidecar.get().raw != before, 5, "and then it works again")


def test_a_deaf_agent_delays_no_served_request(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    before = sidecar.get().raw
    emulator.listen("deaf")
    sidecar.send_signal(signal.SIGUSR1)
    ends = time.monotonic() + 2.0
    while time.monotonic() < ends:
        started = time.monotonic()
        assert sidecar.get().raw == before
        assert time.monotonic() - started < 0.3
    eventually(lambda: "timed out" in sidecar.stderr, 5, "given up")


# --- bad agents


@pytest.mark.parametrize("name", BAD_AGENTS)
def test_a_bad_agent_at_the_start(start_sidecar: Start, emulator: Emulator, name: str) -> None:
    """503 that names the cause, on both paths, and a readiness that says the same."""
    fault, reason, shown = BAD_AGENTS[name]
    emulator.fault(**fault, times=None)
    sidecar = start_sidecar("--log-level=debug", ready=False, with_http=False).wait_serving()
    eventually(lambda: failures(sidecar) >= 1, 10, "the first attempt has failed")
    eventually(lambda: sidecar.get().json["code"] == reason and shown in sidecar.get().json["message"], 5, f"{reason} with {shown}")
    for path in ("/v1/credentials", "/v1/credential-process"):
        assert shown in check_error(sidecar.get(path), 503, reason)
    ready = sidecar.get("/readyz")
    assert ready.status == 503 and shown in ready.body.decode()
    assert sidecar.get("/healthz").status == 200, "a restart cannot help"


@pytest.mark.parametrize("code, reason", [("ResourceNotFoundException", "ACCESS_DENIED"), ("AccessDeniedException", "ACCESS_DENIED"),
                                          ("InvalidTokenException", "TOKEN_INVALID"), ("ExpiredTokenException", "TOKEN_INVALID"),
                                          ("ThrottlingException", "THROTTLED"), ("InternalServerException", "THROTTLED")])
def test_eks_auth_errors_are_told_apart(start_sidecar: Start, emulator: Emulator, code: str, reason: str) -> None:
    emulator.eks_auth_error(code)
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: code in sidecar.get().json["message"] or (reason == "THROTTLED" and sidecar.get().json["code"] == reason), 5, code)
    check_error(sidecar.get(), 503, reason)


def test_the_last_good_credentials_are_served_through_every_fault(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--log-level=debug", with_http=False)
    container, process = sidecar.get().raw, sidecar.get("/v1/credential-process").raw
    for name, (fault, reason, _) in BAD_AGENTS.items():
        if name not in ("429", "reset", "garbage", "8 MiB", "10,000 nested arrays", "null key", "impossible date", "already expired", "empty", "cut short"):
            continue  # as their neighbours; each costs a second here
        before = failures(sidecar)
        emulator.clear_faults()
        emulator.fault(**fault, times=None)
        sidecar.send_signal(signal.SIGUSR1)
        eventually(lambda: failures(sidecar) > before, 10, f"{name}: the attempt has failed")
        assert reason in sidecar.stderr, name
        assert sidecar.get().raw == container and sidecar.get("/v1/credential-process").raw == process, name
        assert sidecar.get("/readyz").status == 200, name
    emulator.clear_faults()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get().raw != container, 10, "new ones as soon as the agent is well")
    assert triple(check_container(sidecar.get())) == issued(emulator)[-1]


@pytest.mark.parametrize("name, fault, reason, shown", [
    ("500", {"kind": "answer", "status": 500, "body": "upstream is ill"}, "THROTTLED", "500"),
    ("429", {"kind": "answer", "status": 429, "headers": {"Retry-After": "60"}, "body": "Too Many Requests"}, "THROTTLED", "429"),
    ("hang", {"kind": "hang"}, "AGENT_UNREACHABLE", "expired"),
    ("expired", {"kind": "patch", "expires_in_s": -1}, "BAD_RESPONSE", "expired"),
])
def test_after_real_expiry_503_that_names_the_cause(start_sidecar: Start, emulator: Emulator, name: str, fault: dict[str, Any],
                                                    reason: str, shown: str) -> None:
    """Until the last moment the credentials are served, and not a moment longer, by socket and loopback alike."""
    emulator.settings(lifetime_s=3.0)
    sidecar = start_sidecar()
    emulator.fault(**fault, times=None)
    ends = expires_at(check_container(sidecar.get())["Expiration"])
    last_served = 0.0
    deadline = time.monotonic() + 10
    while True:
        asked = time.time()
        for answer in (sidecar.get(), sidecar.get_http()):
            if answer.status == 200:
                assert expires_at(check_container(answer)["Expiration"]) > asked, "served after it expired"
                last_served = asked
        if answer.status == 503 and sidecar.get().status == 503:
            break
        assert time.monotonic() < deadline, "still served"
    assert ends - last_served < 0.3, "withdrawn too early"
    for path in ("/v1/credentials", "/v1/credential-process"):
        message = check_error(sidecar.get(path), 503, reason)
        assert shown in message
        assert not re.search(r":\s*(\. Remedy|$)", message), f"names no cause: {message}"
    assert sidecar.get("/readyz").status == 503
    check_error(sidecar.get_http(), 503, reason)
    emulator.clear_faults()
    emulator.settings(lifetime_s=3600.0)
    sidecar.send_signal(signal.SIGUSR1)
    if name != "hang":  # that one has 10 s
        sidecar.wait_ready(10)
        check_container(sidecar.get())


def test_never_an_expired_or_torn_answer_during_many_refreshes(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.settings(lifetime_s=4.0)
    sidecar = start_sidecar()
    sidecar.bearer  # noqa: B018 - read once, not by each thread
    emulator.forget_requests()
    over = threading.Event()
    ids: set[tuple[str, str, str]] = set()
    wrong: list[BaseException] = []

    def read_on(ask: Callable[[], http.Answer], check: Callable[[http.Answer], dict[str, Any]]) -> int:
        count = 0
        try:
            while not over.is_set():
                asked = time.time()
                members = check(ask())
                assert expires_at(members["Expiration"]) > asked
                ids.add(triple(members))
                count += 1
        except BaseException as error:  # noqa: BLE001 - shown by the test
            wrong.append(error)
        return count
    readers = [(sidecar.get, check_container), (sidecar.get_http, check_container),
               (lambda: sidecar.get("/v1/credential-process"), check_process)]
    with ThreadPoolExecutor(len(readers)) as pool:
        running = [pool.submit(read_on, *reader) for reader in readers]
        try:
            with hammering(sidecar, 0.1):
                emulator.wait_for_requests(6, 20)
        finally:
            over.set()
        counts = [future.result(10) for future in running]
    assert not wrong, wrong
    assert ids <= set(issued(emulator)), "parts of two answers in one"
    assert len(ids) >= 5 and min(counts) > 100, (len(ids), counts)


# --- the token


def authorizations(emulator: Emulator) -> list[str]:
    """The tokens that the agent was shown."""
    return [value for one in emulator.requests(with_secrets=True) for name, value in one["headers"] if name.lower() == "authorization"]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_token_is_read_afresh_for_each_fetch(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, ending: str) -> None:
    first, second = emulator.token(), emulator.token()
    token.rotate(first + ending)
    sidecar = start_sidecar(with_http=False)
    token.rotate(second + ending)
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    assert authorizations(emulator) == [first, second]


def test_rotation_while_all_is_well_asks_for_nothing(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    sidecar = start_sidecar("--log-level=debug", with_http=False)
    token.rotate(emulator.token())
    eventually(lambda: "token was replaced" in sidecar.stderr, 5, "the rotation was seen")
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    assert len(emulator.requests()) == 2


def test_the_end_stays_in_the_answer(start_sidecar: Start, emulator: Emulator) -> None:
    """Attempts that fail later bring their own cause, behind the same end."""
    emulator.settings(lifetime_s=4.0)
    sidecar = start_sidecar()
    emulator.fault("answer", status=503, body="first", times=None)
    eventually(lambda: sidecar.get().status == 503, 20, "the end")
    emulator.clear_faults()
    emulator.fault("answer", status=503, body="second", times=None)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "second" in check_error(sidecar.get(), 503), 20, "the later cause")
    message = check_error(sidecar.get(), 503)
    assert message.count("the last credentials expired at") == 1 and "first" not in message


@pytest.mark.parametrize("how", ["kubelet", "rename", "in place"])
def test_rotation_while_failing_prompts_a_retry(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, how: str) -> None:
    """Also when the agent asked for a minute's pause: the new token is a new case for it."""
    if how != "kubelet":
        token.path.unlink()
        token.path.write_text(emulator.token())
    emulator.fault("answer", status=429, headers={"Retry-After": "60"}, body="Too Many Requests")
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "THROTTLED", 20, "failing")
    fresh = emulator.token()
    if how == "kubelet":
        token.rotate(fresh)
    elif how == "rename":
        other = token.folder / "new"
        other.write_text(fresh)
        other.rename(token.path)
    else:
        token.path.write_text(fresh)
    emulator.wait_for_requests(2, 30)  # half of that pause: a busy machine is slow, but not so slow
    assert authorizations(emulator)[1] == fresh
    sidecar.wait_ready()


BAD_TOKENS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "TOKEN_UNREADABLE"),
    "a newline": (b"\n", "TOKEN_UNREADABLE"),
    "too long": (b"x" * 65537, "TOKEN_UNREADABLE"),
    "a NUL": (b"abc\x00def", "TOKEN_INVALID"),
    "two lines": (b"abc\ndef\n", "TOKEN_INVALID"),
    "two newlines": (b"abc\n\n", "TOKEN_INVALID"),
    "a blank": (b"abc def", "TOKEN_INVALID"),
    "binary": (bytes(range(256)), "TOKEN_INVALID"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_at_the_start(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, name: str) -> None:
    content, reason = BAD_TOKENS[name]
    good = emulator.token()
    token.rotate(content)
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == reason, 5, reason)
    assert str(token) in check_error(sidecar.get(), 503, reason)
    assert emulator.count() == 0, "it was sent all the same"
    if name == "empty":
        token.rotate(good)
        sidecar.wait_ready(5)


def test_a_long_token_is_sent_whole(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    text = "x" * 60_000  # the emulator reads heads of 64 KiB; the limit of 65,536 is a test of the token file alone
    token.rotate(text + "\n")
    start_sidecar(ready=False, with_http=False).wait_serving()
    emulator.wait_for_requests(1, 5)
    assert authorizations(emulator)[0] == text


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "dangling"])
def test_no_token_file(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, kind: str) -> None:
    token.path.unlink()
    {"missing": lambda: None, "directory": token.path.mkdir, "fifo": lambda: os.mkfifo(token.path),
     "dangling": lambda: token.path.symlink_to("nowhere")}[kind]()
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "TOKEN_UNREADABLE", 5, kind)
    assert str(token) in sidecar.get().json["message"]


def test_no_token_directory_at_the_start(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """There is nothing to watch: later attempts find the token all the same."""
    path = folder / "late" / "token"
    sidecar = start_sidecar(env={**injected, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}, ready=False, with_http=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "TOKEN_UNREADABLE", 5, "missing")
    path.parent.mkdir()
    path.write_text(emulator.token())
    sidecar.wait_ready(10)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_unreadable_token_says_who_is_who(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    token.rotate(emulator.token(), mode=0o600)
    sidecar = start_sidecar(uid=12345, ready=False, with_http=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "TOKEN_UNREADABLE", 5, "permission")
    message = sidecar.get().json["message"]
    for part in ("12345", "0600", "fsGroup"):
        assert part in message


def test_a_bad_token_while_serving_costs_nothing(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    sidecar = start_sidecar("--log-level=debug", with_http=False)
    before = sidecar.get().raw
    for content, reason in (BAD_TOKENS["empty"], BAD_TOKENS["too long"], BAD_TOKENS["a NUL"]):
        failed = failures(sidecar)
        token.rotate(content)
        sidecar.send_signal(signal.SIGUSR1)
        eventually(lambda: failures(sidecar) > failed, 5, reason)
        assert sidecar.stderr.rstrip().count(reason) >= 1
        assert sidecar.get().raw == before
    assert emulator.count() == 1
    token.rotate(emulator.token())
    eventually(lambda: sidecar.get().raw != before, 5, "a good token is noticed at once")


def test_an_expired_token_is_the_agents_to_refuse(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    token.rotate(emulator.token(expires_in_s=-60))
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: "expired" in sidecar.get().json["message"], 5, "refused")
    check_error(sidecar.get(), 503, "TOKEN_INVALID")


# --- proxies and redirects


@pytest.fixture
def trap(emulator: Emulator) -> Iterator[socket.socket]:
    """A listener, in the same place, that nobody may connect to."""
    with emulator.place.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        yield listener
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_proxy_variables_are_ignored(start_sidecar: Start, run_sidecar: Callable, emulator: Emulator, injected: dict[str, str], folder: Path,
                                     trap: socket.socket) -> None:
    url = f"http://127.0.0.1:{trap.getsockname()[1]}"
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    proxies = dict.fromkeys(names, url)
    check_container(start_sidecar(extra_env=proxies).get())
    run = run_sidecar("once", f"--process-file={folder}/p.json", "--wait=0", env={**injected, **proxies})
    assert run.exit_code == 0
    assert emulator.count() == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(start_sidecar: Start, emulator: Emulator, trap: socket.socket, status: int) -> None:
    location = f"http://127.0.0.1:{trap.getsockname()[1]}/v1/credentials"
    emulator.fault("redirect", status=status, location=location, times=None)
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: str(status) in sidecar.get().json["message"], 5, "the redirect is named")
    check_error(sidecar.get(), 503, "BAD_RESPONSE")


def test_what_is_asked(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    """A GET with the raw token, no cookies, no body, and nothing that names this machine."""
    start_sidecar()
    [request] = emulator.requests(with_secrets=True)
    headers = {name.lower(): value for name, value in request["headers"]}
    assert (request["method"], request["path"]) == ("GET", "/v1/credentials")
    assert headers["authorization"] == token.path.read_text().strip()
    assert not {"cookie", "content-length", "transfer-encoding", "referer", "proxy-authorization"} & set(headers)
