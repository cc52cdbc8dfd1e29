"""pod-identity-sidecar serve: what is served on the socket and on loopback, to whom, and in which shape."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path
from typing import Callable

import pytest

from harness import http
from harness.both_agents import EMULATORS, OURS
from harness.emulator import ACCOUNT, Emulator
from harness.served import check_container, check_error, check_process, expires_at, issued, triple
from harness.sidecar import Sidecar
from harness.waiting import eventually

BEARER = "0123456789abcdefghijklmnopqrstuvwxyz-_.~"
Start = Callable[..., Sidecar]


# --- the socket


@pytest.mark.parametrize("place", ["loopback", "netns", OURS], indirect=True)
@EMULATORS
def test_every_path_of_the_socket(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    container, process = check_container(sidecar.get()), check_process(sidecar.get("/v1/credential-process"))
    assert container["AccountId"] == process["AccountId"] == ACCOUNT
    assert triple(container) == triple(process) == issued(emulator)[-1]
    assert container["Expiration"] == process["Expiration"]
    for path in ("/healthz", "/readyz"):
        answer = sidecar.get(path)
        assert answer.status == 200 and answer.header("Content-Length") == str(len(answer.body))
    assert emulator.count() == 1


def test_expiration_is_that_of_the_agent_in_whole_seconds(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.settings(fraction=True, lifetime_s=3600)
    before = time.time()
    served = expires_at(check_container(start_sidecar().get())["Expiration"])
    assert before + 3600 - 1 <= served <= time.time() + 3600, "never later than the agent said"


@EMULATORS
def test_account_only_if_known(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.fault("patch", drop=["AccountId"], times=None)
    sidecar = start_sidecar()
    assert "AccountId" not in check_container(sidecar.get())
    assert "AccountId" not in check_process(sidecar.get("/v1/credential-process"))


@EMULATORS
def test_characters_that_json_escapes(start_sidecar: Start, emulator: Emulator) -> None:
    token = 'IQo"\\/<>&+=é' + "x" * 40
    emulator.fault("patch", set={"Token": token}, times=None)
    sidecar = start_sidecar(ready=False).wait_serving()
    answer = eventually(lambda: (a := sidecar.get()).status and (a if emulator.count() and a.json.get("message", "").find("first fetch") < 0
                                                                else None), 10, "the first fetch has ended")
    if answer.status == 200:  # a session token beyond ASCII may be refused, but must not be changed
        assert check_container(answer)["Token"] == token
    else:
        check_error(answer, 503, "BAD_RESPONSE")


@EMULATORS
def test_largest_session_token_stays_under_the_limit(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.fault("patch", set={"Token": "T" * 8192}, times=None)
    sidecar = start_sidecar()
    assert len(check_container(sidecar.get())["Token"]) == 8192
    assert len(check_process(sidecar.get("/v1/credential-process"))["SessionToken"]) == 8192


@EMULATORS
def test_longer_session_token_is_an_error_not_cut(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.fault("patch", set={"Token": "T" * 8193}, times=None)
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "BAD_RESPONSE", 10, "503 for the token")
    assert "Token" in check_error(sidecar.get(), 503, "BAD_RESPONSE")


def test_head_is_get_without_a_body(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    for path in ("/v1/credentials", "/v1/credential-process", "/healthz", "/readyz", "/nothing"):
        head, get = sidecar.get(path, method="HEAD"), sidecar.get(path)
        assert head.body == b"" and head.status == get.status and head.headers == get.headers


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/credentials/", "/v1/credentialsx", "/V1/credentials", "/v1//credentials",
                                  "/v1/../v1/credentials", "/v1/%2563redentials", "/v1/%", "/" + "a" * 1000])
def test_other_paths(start_sidecar: Start, emulator: Emulator, path: str) -> None:
    check_error(start_sidecar(with_http=False).get(path), 404)


def test_query_is_ignored(start_sidecar: Start, emulator: Emulator) -> None:
    check_container(start_sidecar().get("/v1/credentials?x=1&y"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"])
def test_other_methods(start_sidecar: Start, emulator: Emulator, method: str) -> None:
    sidecar = start_sidecar()
    for answer in (sidecar.get(method=method), sidecar.get_http(method=method)):
        check_error(answer, 405)
        assert answer.header("Allow") == "GET, HEAD"


def test_nothing_fetched_yet(start_sidecar: Start, emulator: Emulator) -> None:
    """Clients are told at once, and what they are told changes as soon as there are credentials."""
    emulator.fault("pass", delay_s=1.0)
    sidecar = start_sidecar(ready=False).wait_serving()
    for path in ("/v1/credentials", "/v1/credential-process"):
        check_error(sidecar.get(path), 503, "AGENT_UNREACHABLE")
    assert sidecar.get("/healthz").status == 200
    assert sidecar.get("/readyz").status == 503
    check_error(sidecar.get_http(), 503)
    sidecar.wait_ready()
    check_container(sidecar.get())
    check_container(sidecar.get_http())


def test_socket_mode_and_group(start_sidecar: Start, emulator: Emulator) -> None:
    assert start_sidecar().socket_mode() == 0o660
    group = 23456 if os.geteuid() == 0 else os.getegid()
    sidecar = start_sidecar("--socket-mode=0606", f"--socket-group={group}")
    assert sidecar.socket_mode() == 0o606
    assert sidecar.socket_path.stat().st_gid == group
    assert sidecar.token_path.stat().st_gid == group


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_socket_mode_decides_who_connects(start_sidecar: Start, emulator: Emulator, run_get: Callable) -> None:
    sidecar = start_sidecar("--socket-group=23456")
    arguments = ("--socket", str(sidecar.socket_path))
    assert run_get(*arguments, uid=12345, groups=[23456]).exit_code == 0
    refused = run_get(*arguments, uid=12345)
    assert refused.exit_code == 1 and "permission" in refused.stderr.lower() and refused.stdout == ""


# --- loopback


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_loopback_serves_the_same_answer(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    over_http, over_socket = sidecar.get_http(), sidecar.get()
    check_container(over_http)
    assert over_http.raw == over_socket.raw


def test_loopback_ipv6(start_sidecar: Start, emulator: Emulator) -> None:
    place = emulator.place
    try:
        port = place.free_port("::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    sidecar = start_sidecar(f"--http=[::1]:{port}")
    for host, status in ((f"[::1]:{port}", 200), ("[::1]", 200), ("::1", 403), ("127.0.0.1", 403)):
        data = http.request_bytes("GET", "/v1/credentials", {"Host": host, "Authorization": sidecar.bearer})
        assert http.parse_answer(http.exchange(place.connect("::1", port), data)).status == status, host


def test_loopback_serves_credentials_only(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    for path in ("/v1/credential-process", "/healthz", "/readyz", "/metrics", "/", "/v1/credentials/"):
        check_error(sidecar.get_http(path), 404)


def test_bearer_is_checked_and_refused_always_alike(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(bearer=BEARER)
    check_container(sidecar.get_http(authorization=BEARER))
    wrong = [None, " ", "\t", BEARER[:-1], BEARER + "x", BEARER[1:], BEARER.upper(), BEARER[:-1] + "!", f"Bearer {BEARER}",
             f"{BEARER}, {BEARER}", "x" * 256, "x" * 257, "x" * 5000, "\x80" * 40]
    refusals = {sidecar.get_http(authorization=value).raw for value in wrong}
    assert len(refusals) == 1, "a refusal tells more than that it is one"
    check_error(http.parse_answer(refusals.pop()), 401)


def test_two_bearers_are_refused(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar(bearer=BEARER)
    head = f"GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {BEARER}\r\nAuthorization: {BEARER}\r\n\r\n"
    assert b"200" not in sidecar.raw_http(head.encode()).split(b"\r\n")[0]


def test_host_is_checked(start_sidecar: Start, emulator: Emulator) -> None:
    """With or without port: the AWS CRT leaves it out."""
    sidecar = start_sidecar()
    for host in (f"127.0.0.1:{sidecar.port}", "127.0.0.1"):
        check_container(sidecar.get_http(host=host))
    for host in ("localhost", f"localhost:{sidecar.port}", "evil.example", f"127.0.0.1:{sidecar.port + 1}", "127.0.0.1:", "127.0.0.2",
                 "127.0.0.1.evil.example", "x127.0.0.1", "[::1]", "", "127.0.0.1" + "x" * 200):
        answer = http.parse_answer(sidecar.raw_http(
            http.request_bytes("GET", "/v1/credentials", {"Host": host, "Authorization": sidecar.bearer})))
        check_error(answer, 403)
    assert sidecar.get_http(host=None).status == 400


def test_generated_bearer(start_sidecar: Start, emulator: Emulator) -> None:
    """No newline: most SDKs would send it, or refuse the file."""
    sidecar, other = start_sidecar(), start_sidecar()
    content = sidecar.token_path.read_bytes()
    assert len(content) >= 32 and content == content.strip() and content.isascii() and content.decode().isprintable()
    assert stat.S_IMODE(sidecar.token_path.stat().st_mode) == 0o640
    assert content != other.token_path.read_bytes()
    assert other.get_http(authorization=sidecar.bearer).status == 401
    assert sidecar.stop() == 0
    assert not sidecar.token_path.exists()


def test_generated_bearer_is_beside_the_socket(start_sidecar: Start, emulator: Emulator) -> None:
    port = emulator.place.free_port()
    sidecar = start_sidecar(f"--http=127.0.0.1:{port}", with_http=False)
    path = sidecar.socket_path.parent / "http-token"
    assert path.stat().st_size >= 32
    assert sidecar.stop() == 0
    assert not path.exists()


def test_a_new_bearer_at_each_start(start_sidecar: Start, emulator: Emulator) -> None:
    """Also after a crash: whoever took the port meanwhile was sent the old one, and has nothing from it afterwards."""
    sidecar = start_sidecar()
    stolen = sidecar.bearer
    sidecar.kill()
    assert sidecar.token_path.read_text() == stolen, "nobody removed it"
    sidecar.restart().wait_ready()
    bearer = sidecar.token_path.read_text()
    sidecar.runner.leaks.add_secret("bearer", bearer)
    assert len(bearer) == len(stolen) and bearer != stolen
    check_error(sidecar.get_http(authorization=stolen), 401)
    check_container(sidecar.get_http(authorization=bearer))


@pytest.mark.parametrize("content, mode", [(b"short", 0o640), (b"x" * 43 + b"\n", 0o640), (b"A" * 43, 0o666), (b"", 0o640),
                                           (b"A" * 5000, 0o640), (b"!" * 43, 0o640)])
def test_a_foreign_bearer_file_is_not_believed(start_sidecar: Start, emulator: Emulator, folder: Path, content: bytes, mode: int) -> None:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    sidecar = start_sidecar(f"--http-token-file={path}")
    sidecar.token_path = path
    assert path.read_bytes() not in (content, content.strip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    check_container(sidecar.get_http())


def test_fixed_bearer(start_sidecar: Start, emulator: Emulator) -> None:
    """It comes in the environment, since argv can be read by all; no file is written."""
    sidecar = start_sidecar(bearer=BEARER)
    check_container(sidecar.get_http(authorization=BEARER))
    assert not list(sidecar.folder.glob("*token*"))


def test_fixed_bearer_with_a_file(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    path = folder / "token"
    sidecar = start_sidecar(f"--http-token-file={path}", bearer=BEARER)
    assert path.read_text() == BEARER and stat.S_IMODE(path.stat().st_mode) == 0o640
    check_container(sidecar.get_http())
    assert sidecar.stop() == 0


def test_loopback_only(start_sidecar: Start, emulator: Emulator) -> None:
    """Nobody can reach it at another address of the machine."""
    sidecar = start_sidecar()
    if not emulator.place.real_address:
        pytest.skip("needs a second address, as the namespace has")
    with pytest.raises(OSError):
        emulator.place.connect("169.254.170.23", sidecar.port or 0, 2)


def test_without_a_socket(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--unix-socket=off", bearer=BEARER, ready=False)
    eventually(lambda: sidecar.get_http().status == 200, 10, "loopback serves")
    assert not sidecar.socket_path.exists()
    assert sidecar.stop() == 0


def test_a_connection_serves_many_requests(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    request = http.request_bytes("GET", "/healthz", {"Connection": None})
    with sidecar.connect_unix() as sock:
        for _ in range(50):
            sock.sendall(request)
            assert read_one(sock).status == 200
        sock.sendall(http.request_bytes("GET", "/healthz", {}))
        last = http.parse_answer(http.read_all(sock))
    assert last.header("Connection") == "close"


def read_one(sock: socket.socket) -> http.Answer:
    """One answer of a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536) or pytest.fail(f"closed after {data!r}")
    answer = http.parse_answer(data)
    missing = int(answer.header("Content-Length") or 0) - len(answer.body)
    while missing > 0:
        part = sock.recv(missing)
        assert part, "closed within an answer"
        data += part
        missing -= len(part)
    return http.parse_answer(data)
