"""pod-identity-sidecar serve: what a bad agent, a proxy or a redirect cannot do."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import http
from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.refreshing import failures, hammering
from harness.served import check_container, check_error, check_process, expires_at, issued, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]

BAD_AGENTS: dict[str, tuple[dict[str, Any], str, str]] = {
    # name: fault, reason, what the message must name
    "429": ({"kind": "answer", "status": 429, "body": "Too Many Requests"}, "THROTTLED", "429"),
    "500": ({"kind": "answer", "status": 500, "body": "oops"}, "THROTTLED", "500"),
    "503": ({"kind": "answer", "status": 503}, "THROTTLED", "503"),
    "404 of something else": ({"kind": "answer", "status": 404, "body": "no"}, "BAD_RESPONSE", "404"),
    "reset": ({"kind": "reset"}, "AGENT_UNREACHABLE", "without an answer"),
    "closed": ({"kind": "close"}, "AGENT_UNREACHABLE", "without an answer"),
    "garbage": ({"kind": "raw", "data": "\x00\x01not http at all\r\n\r\n" + "x" * 500}, "BAD_RESPONSE", "not valid HTTP"),
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


@pytest.mark.parametrize("name", BAD_AGENTS)
@EMULATORS
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


@EMULATORS
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
@EMULATORS
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
    assert ends - last_served < 1.5, "withdrawn too early"  # of 3 s; a busy machine asks seldom
    for path in ("/v1/credentials", "/v1/credential-process"):
        message = check_error(sidecar.get(path), 503, reason)
        assert shown in message
        assert not re.search(r":\s*(\. Remedy|$)", message), f"names no cause: {message}"
    assert sidecar.get("/readyz").status == 503
    check_error(sidecar.get_http(), 503, reason)
    emulator.clear_faults()
    emulator.settings(lifetime_s=3600.0)
    sidecar.send_signal(signal.SIGUSR1)
    if name not in ("hang", "429"):  # those have 10 s, and a minute
        sidecar.wait_ready(10)
        check_container(sidecar.get())


@EMULATORS
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


@EMULATORS
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
@EMULATORS
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
@EMULATORS
def test_redirects_are_not_followed(start_sidecar: Start, emulator: Emulator, trap: socket.socket, status: int) -> None:
    location = f"http://127.0.0.1:{trap.getsockname()[1]}/v1/credentials"
    emulator.fault("redirect", status=status, location=location, times=None)
    sidecar = start_sidecar(ready=False, with_http=False).wait_serving()
    eventually(lambda: str(status) in sidecar.get().json["message"], 5, "the redirect is named")
    check_error(sidecar.get(), 503, "BAD_RESPONSE")


@EMULATORS
def test_what_is_asked(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    """A GET with the raw token, no cookies, no body, and nothing that names this machine."""
    start_sidecar()
    [request] = emulator.requests(with_secrets=True)
    headers = {name.lower(): value for name, value in request["headers"]}
    assert (request["method"], request["path"]) == ("GET", "/v1/credentials")
    assert headers["authorization"] == token.path.read_text().strip()
    assert not {"cookie", "content-length", "transfer-encoding", "referer", "proxy-authorization"} & set(headers)
