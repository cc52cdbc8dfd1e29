"""pod-identity-sidecar serve: when it asks the agent, and what it serves meanwhile."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Callable

import pytest

from harness import http
from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.refreshing import hammering
from harness.served import check_container, check_error, issued, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]
FLOOR_S = 1.0  # the least time between two attempts
SLACK_S = 2.0  # of a busy machine; what comes late leaves less until the next, hence the lower bounds


# --- when


@pytest.mark.alone
@EMULATORS
def test_refreshes_when_half_of_what_was_left_is_over(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.settings(lifetime_s=6.0, fraction=True)
    sidecar = start_sidecar(with_http=False)
    seen = emulator.wait_for_requests(3, 15)
    for earlier, later in zip(seen, seen[1:]):  # the fraction of a second in the expiry does not count: 5 to 6 s are left
        assert 1.75 <= later["monotonic"] - earlier["monotonic"] <= 3.0 + SLACK_S
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


@pytest.mark.alone
@EMULATORS
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
    assert 2.5 <= gaps[0] <= 4 + SLACK_S and gaps[1] < gaps[0]
    assert all(gap >= FLOOR_S / 2 for gap in gaps), gaps
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


@pytest.mark.alone
@EMULATORS
def test_a_signal_forces_a_refresh_no_oftener_than_the_floor(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(with_http=False)
    first = triple(check_container(sidecar.get()))
    with hammering(sidecar, 0.02):
        emulator.wait_for_requests(4, 10)
    seen = emulator.requests()
    gaps = [later["monotonic"] - earlier["monotonic"] for earlier, later in zip(seen, seen[1:])]
    # Without the floor they would be 0.02 s.
    assert all(FLOOR_S / 2 <= gap <= FLOOR_S + SLACK_S for gap in gaps), gaps
    assert triple(check_container(sidecar.get())) != first


@pytest.mark.alone
@EMULATORS
def test_retry_after_is_honoured(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(with_http=False)
    emulator.fault("answer", status=429, headers={"Retry-After": "3"}, body="Too Many Requests")
    sidecar.send_signal(signal.SIGUSR1)
    seen = emulator.wait_for_requests(3, 15)
    assert 2.5 <= seen[2]["monotonic"] - seen[1]["monotonic"] <= 3.3 + SLACK_S
    check_container(sidecar.get())


@pytest.mark.parametrize("value", ["0", "-5", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT"])
@EMULATORS
def test_odd_retry_after_neither_stops_nor_storms(start_sidecar: Start, emulator: Emulator, value: str) -> None:
    emulator.fault("answer", status=429, headers={"Retry-After": value}, body="x")
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    if value == "99999999999999999999":  # believed up to 15 minutes, or not at all
        eventually(lambda: "refresh failed" in sidecar.stderr, 5, "the first attempt")
        return
    seen = emulator.wait_for_requests(2, 5)
    assert FLOOR_S / 2 <= seen[1]["monotonic"] - seen[0]["monotonic"] <= 2 + SLACK_S


@EMULATORS
def test_back_off_grows(start_sidecar: Start, emulator: Emulator) -> None:
    """1 s to 2 s first, up to 4 s next, up to 8 s then; in between it does not knock."""
    emulator.fault("answer", status=500, times=None)
    start_sidecar(ready=False, with_http=False).wait_serving()
    seen = emulator.wait_for_requests(3, 15)
    gaps = [later["monotonic"] - earlier["monotonic"] for earlier, later in zip(seen, seen[1:])]
    assert FLOOR_S / 2 <= gaps[0] <= 2 + SLACK_S
    assert FLOOR_S / 2 <= gaps[1] <= 4 + SLACK_S


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


@EMULATORS
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


@pytest.mark.alone
@EMULATORS
def test_a_hanging_agent_delays_no_served_request(start_sidecar: Start, emulator: Emulator) -> None:
    """And is given up in the end: an agent whose metadata service is deaf may take 12 s and more."""
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
    eventually(lambda: "timed out" in sidecar.stderr, 25, "given up")
    assert sidecar.get().raw == before
    seen = emulator.wait_for_requests(3, 5)
    assert seen[2]["monotonic"] - seen[1]["monotonic"] < 25
    eventually(lambda: sidecar.get().raw != before, 5, "and then it works again")


@pytest.mark.alone
@EMULATORS
def test_a_deaf_agent_delays_no_served_request(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    before = sidecar.get().raw
    emulator.listen("deaf")
    sidecar.send_signal(signal.SIGUSR1)
    ends = time.monotonic() + 2.0
    while time.monotonic() < ends:
        started = time.monotonic()
        assert sidecar.get().raw == before
        assert time.monotonic() - started < 0.9
    eventually(lambda: "timed out" in sidecar.stderr, 5, "given up")


@pytest.mark.parametrize("wish", ["SIGUSR1", "SIGHUP", "token"])
@EMULATORS
def test_no_wish_overrides_retry_after(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, wish: str) -> None:
    """Who is throttled waits, whoever asks: a signal that is repeated, a token that is replaced. The log says so."""
    emulator.fault("answer", status=429, headers={"Retry-After": "4"}, body="Too Many Requests")
    sidecar = start_sidecar(ready=False).wait_serving()
    emulator.wait_for_requests(1)
    eventually(lambda: "refresh failed" in sidecar.stderr, 5, "throttled")
    for _ in range(3):
        if wish == "token":
            token.rotate(emulator.token())
        else:
            sidecar.send_signal(getattr(signal, wish))
        eventually(lambda: "the refresh waits" in sidecar.stderr, 5, "the log says that it waits")
    first, second = emulator.wait_for_requests(2, 10)
    assert second["monotonic"] - first["monotonic"] >= 4.0
    eventually(lambda: sidecar.get().status == 200, 5, "served")
