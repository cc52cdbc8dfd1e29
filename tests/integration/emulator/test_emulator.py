"""The emulator itself: what it says must be what the real agent says, and each fault must be the fault it claims to be."""

from __future__ import annotations

import base64
import http.client
import json
import re
import resource
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from harness import http as plain
from harness.emulator import EMULATOR, ROLE_ARN, ControlError, Emulator
from harness.leaks import Leaks
from harness.programs import Runner
from harness.waiting import eventually

HOUR = 3600


def ask(emulator: Emulator, authorization: str | None = None, host: str | None = "", path: str = "/v1/credentials",
        method: str = "GET", timeout_s: float = 5.0) -> plain.Answer:
    """One request to the agent."""
    headers = {"Host": f"{emulator.host}:{emulator.port}" if host == "" else host, "Authorization": authorization}
    return plain.parse_answer(send(emulator, plain.request_bytes(method, path, headers), timeout_s))


def send(emulator: Emulator, data: bytes, timeout_s: float = 5.0) -> bytes:
    """Bytes to the agent, bytes back."""
    return plain.exchange(emulator.place.connect(emulator.host, emulator.port, timeout_s), data, timeout_s)


def get(emulator: Emulator, token: str) -> bytes:
    """A good request."""
    return plain.request_bytes("GET", "/v1/credentials", {"Host": emulator.host, "Authorization": token})


def is_text(answer: plain.Answer, status: int, text: str) -> None:
    """The shape of Go's http.Error."""
    assert (answer.status, answer.body.decode()) == (status, text + "\n")
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("x-content-type-options") == "nosniff"


# --- the agent's rules


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_success(emulator: Emulator) -> None:
    answer = ask(emulator, emulator.token())
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    body = answer.json
    assert list(body) == ["AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration"]
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", body["AccessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", body["SecretAccessKey"])
    assert 800 <= len(body["Token"]) <= 1200
    assert {"+", "/", "="} <= set(body["Token"])
    assert body["AccountId"] == ROLE_ARN.split(":")[4]
    left = datetime.strptime(body["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp() - time.time()
    assert 6 * HOUR - 5 < left <= 6 * HOUR


def test_real_addresses(agent_netns: Emulator) -> None:
    agent_netns.reset()
    assert agent_netns.url == "http://169.254.170.23/v1/credentials"
    with agent_netns.place.connect("fd00:ec2::23", 80) as sock:
        request = plain.request_bytes("GET", "/v1/credentials", {"Host": "[fd00:ec2::23]", "Authorization": agent_netns.token()})
        sock.sendall(request)
        assert plain.parse_answer(plain.read_all(sock)).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PURGE"])
def test_any_method(emulator: Emulator, method: str) -> None:
    assert ask(emulator, emulator.token(), method=method).status == 200


@pytest.mark.parametrize("path", ["/", "/v1/credentials/", "/v1/credential", "/healthz"])
def test_other_paths(emulator: Emulator, path: str) -> None:
    is_text(ask(emulator, emulator.token(), path=path), 404, "404 page not found")


@pytest.mark.parametrize("host", ["169.254.170.23", "169.254.170.23:80", "169.254.170.23:8080", "fd00:ec2::23", "[fd00:ec2::23]",
                                  "[fd00:ec2::23]:80"])
def test_host_accepted(emulator: Emulator, host: str) -> None:
    assert ask(emulator, emulator.token(), host=host).status == 200


@pytest.mark.parametrize(("host", "shown"), [
    ("localhost", "localhost"), ("localhost:80", "localhost"), ("169.254.170.2", "169.254.170.2"), ("[fd00:ec2::24]:80", "fd00:ec2::24"),
    ("169.254.170.23.nip.io", "169.254.170.23.nip.io"),
])
def test_host_refused_before_the_token_is_looked_at(emulator: Emulator, host: str, shown: str) -> None:
    is_text(ask(emulator, None, host=host), 403, "Access Denied. Called agent through invalid address, please use either "
            f"[169.254.170.23 fd00:ec2::23] address not {shown}")


def test_missing_host(emulator: Emulator) -> None:
    answer = ask(emulator, emulator.token(), host=None)
    assert (answer.status, answer.body) == (400, b"400 Bad Request: missing required Host header")


@pytest.mark.parametrize("authorization", [None, "", "   "])
def test_empty_authorization(emulator: Emulator, authorization: str | None) -> None:
    is_text(ask(emulator, authorization), 400, "Service account token cannot be empty")


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(("token", "why"), [
    ("nothing", "token is malformed: token contains an invalid number of segments"),
    ("a.b.c.d", "token is malformed: token contains an invalid number of segments"),
    ("!!.b.c", "token is malformed: could not base64 decode header: illegal base64 data at input byte 0"),
    ("eyJ=.b.c", "token is malformed: could not base64 decode header: illegal base64 data at input byte 3"),
    (f"{b64('{')}.b.c", "token is malformed: could not JSON decode header"),
    (f"{b64('[]')}.b.c", "token is malformed: could not JSON decode header"),
    (f"{b64('{}')}.!.c", "token is malformed: could not base64 decode claim: illegal base64 data at input byte 0"),
    (f"{b64('{}')}.{b64('7')}.c", "token is malformed: could not JSON decode claim"),
    (f"{b64('{}')}.{b64(json.dumps({'exp': []}))}.c", "token is malformed: could not JSON decode claim"),
    (f"{b64('{}')}.{b64('{}')}.c", "token is unverifiable: signing method (alg) is unspecified"),
    (f"{b64(json.dumps({'alg': 'XX'}))}.{b64('{}')}.c", "token is unverifiable: signing method (alg) is unavailable"),
    ("Bearer a.b.c", "token is malformed: tokenstring should not contain 'bearer '"),
])
def test_no_jwt(emulator: Emulator, token: str, why: str) -> None:
    answer = ask(emulator, token)
    assert answer.status == 400
    assert answer.body.decode().startswith(f"Service account token cannot be parsed: {why}")


@pytest.mark.parametrize(("params", "why"), [
    ({"expires_in_s": -1}, "token is expired"),
    ({"not_before_in_s": 60}, "token is not valid yet"),
    ({"expires_in_s": -1, "not_before_in_s": 60}, "token is expired, token is not valid yet"),
])
def test_times(emulator: Emulator, params: dict[str, float], why: str) -> None:
    is_text(ask(emulator, emulator.token(**params)), 400, f"Service account token failed basic claim validations: {why}")


def test_order_of_checks(emulator: Emulator) -> None:
    emulator.dissociate()
    expired_and_forged = emulator.token(expires_in_s=-1, forged=True)
    assert ask(emulator, "x", host="localhost").status == 403
    assert b"cannot be parsed" in ask(emulator, "x").body
    assert b"is expired" in ask(emulator, expired_and_forged).body
    assert b"(InvalidTokenException)" in ask(emulator, emulator.token(forged=True)).body
    assert b"(ResourceNotFoundException)" in ask(emulator, emulator.token()).body


ROW_6 = r"\[[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\]: \((\w+)\): (.+), fault: (client|server)\n"


def eks_auth_answer(answer: plain.Answer) -> tuple[int, str, str, str]:
    """Status, code, message and fault."""
    matched = re.fullmatch(ROW_6, answer.body.decode())
    assert matched, answer.body
    return (answer.status, *matched.groups())  # type: ignore[return-value]


@pytest.mark.parametrize(("code", "status", "fault"), [
    ("AccessDeniedException", 400, "client"), ("InvalidTokenException", 400, "client"), ("ExpiredTokenException", 400, "client"),
    ("InvalidParameterException", 400, "client"), ("InvalidRequestException", 400, "client"),
    ("ResourceNotFoundException", 404, "client"), ("ThrottlingException", 429, "client"),
    ("InternalServerException", 500, "server"), ("ServiceUnavailableException", 503, "server"),
])
def test_eks_auth_errors(emulator: Emulator, code: str, status: int, fault: str) -> None:
    emulator.eks_auth_error(code, "what went wrong", times=1)
    answer = ask(emulator, emulator.token())
    assert eks_auth_answer(answer) == (status, code, "what went wrong", fault)
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert ask(emulator, emulator.token()).status == 200


def test_no_association(emulator: Emulator) -> None:
    status, code, message, _ = eks_auth_answer(ask(emulator, emulator.token("team-a", "worker")))
    assert (status, code) == (404, "ResourceNotFoundException")
    assert "team-a" in message and "worker" in message


def test_role_that_cannot_be_assumed(emulator: Emulator) -> None:
    emulator.associate(assumable=False)
    assert eks_auth_answer(ask(emulator, emulator.token()))[:3] == (
        400, "AccessDeniedException", "Unauthorized Exception! EKS does not have permissions to assume the associated role.")


@pytest.mark.parametrize("params", [{"forged": True}, {"audience": "sts.amazonaws.com"}, {"audience": []}, {"claims": {"sub": None}}])
def test_invalid_token(emulator: Emulator, params: dict[str, Any]) -> None:
    assert eks_auth_answer(ask(emulator, emulator.token(**params)))[:2] == (400, "InvalidTokenException")


def test_altered_token(emulator: Emulator) -> None:
    header, payload, signature = emulator.token().split(".")
    other = emulator.token(service_account="other").split(".")[1]
    assert eks_auth_answer(ask(emulator, f"{header}.{other}.{signature}"))[1] == "InvalidTokenException"


def test_eks_auth_not_reachable(emulator: Emulator) -> None:
    emulator.fault("unreachable", service="eks-auth")
    answer = ask(emulator, emulator.token())
    assert (answer.status, answer.body) == (500, b"[]\n")
    emulator.fault("no_node_credentials", service="eks-auth")
    answer = ask(emulator, emulator.token())
    assert answer.status == 500
    assert answer.body.startswith(b"unable to fetch credentials from EKS Auth")


def test_inbound_limit(emulator: Emulator) -> None:
    emulator.settings(inbound_rate=4)
    token = emulator.token()
    statuses = [ask(emulator, token).status for _ in range(12)]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    is_text(next(answer for answer in iter(lambda: ask(emulator, None), None) if answer.status == 429), 429, "Too Many Requests")


# --- its credentials, cache and clock


def test_cache_off(emulator: Emulator) -> None:
    token = emulator.token()
    assert ask(emulator, token).json != ask(emulator, token).json


def test_cache_as_the_real_agent(emulator: Emulator) -> None:
    emulator.settings(renew_after_s=3 * HOUR)
    token = emulator.token()
    first = ask(emulator, token).json
    assert ask(emulator, token).json == first
    assert ask(emulator, emulator.token()).json != first  # another token is another entry
    emulator.dissociate()
    assert ask(emulator, token).json == first  # it asks EKS Auth only when it renews
    emulator.settings(clock_skew_s=3 * HOUR + 1)
    assert eks_auth_answer(ask(emulator, token))[1] == "ResourceNotFoundException"


def test_cache_serves_the_old_after_a_recoverable_error(emulator: Emulator) -> None:
    emulator.settings(renew_after_s=3 * HOUR)
    token = emulator.token()
    first = ask(emulator, token).json
    emulator.settings(clock_skew_s=3 * HOUR + 1)
    emulator.eks_auth_error("InternalServerException")
    assert ask(emulator, token).json == first
    emulator.settings(clock_skew_s=6 * HOUR - 10)
    assert ask(emulator, token).status == 500


def test_cache_refuses_what_ends_at_once(emulator: Emulator) -> None:
    emulator.settings(renew_after_s=3 * HOUR, lifetime_s=14)
    is_text(ask(emulator, emulator.token()), 500, "fetched credentials are expired or will expire within the next 14.00 seconds")


def test_lifetimes(emulator: Emulator) -> None:
    def left(answer: plain.Answer) -> float:
        return datetime.fromisoformat(answer.json["Expiration"]).timestamp() - time.time()
    emulator.settings(lifetime_s=100)
    assert 95 < left(ask(emulator, emulator.token())) <= 100
    emulator.associate(lifetime_s=7)
    assert 4 < left(ask(emulator, emulator.token())) <= 7
    emulator.associate(lifetime_s=-5)
    assert left(ask(emulator, emulator.token())) < -4


def test_clock_skew_shows_everywhere(emulator: Emulator) -> None:
    token = emulator.token(expires_in_s=HOUR)
    emulator.settings(clock_skew_s=2 * HOUR)
    answer = ask(emulator, token)
    assert b"token is expired" in answer.body
    date = datetime.strptime(answer.header("date") or "", "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
    assert abs(date.timestamp() - time.time() - 2 * HOUR) < 5


def test_fraction(emulator: Emulator) -> None:
    emulator.settings(fraction=True)
    assert re.search(r"\.\d{1,6}Z$", ask(emulator, emulator.token()).json["Expiration"])


def test_another_role(emulator: Emulator) -> None:
    emulator.associate(role_arn="arn:aws-cn:iam::444455556666:role/path/other")
    assert ask(emulator, emulator.token()).json["AccountId"] == "444455556666"


# --- its tokens


def test_token_looks_real(emulator: Emulator) -> None:
    token = emulator.token("team-a", "worker", expires_in_s=HOUR, pod="worker-0")
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    header, claims = json.loads(parts[0]), json.loads(parts[1])
    assert header["alg"] == "RS256" and re.fullmatch(r"[\w-]{43}", header["kid"]) and "typ" not in header
    assert len(parts[2]) == 256
    assert 1000 <= len(token) <= 1600
    assert claims["aud"] == ["pods.eks.amazonaws.com"]
    assert claims["sub"] == "system:serviceaccount:team-a:worker"
    assert claims["iat"] == claims["nbf"] and claims["exp"] == claims["iat"] + HOUR
    assert claims["kubernetes.io"]["pod"]["name"] == "worker-0"
    assert claims["iss"] == emulator.describe()["issuer"]


def test_token_command(emulator: Emulator, tmp_path: Path) -> None:
    key = tmp_path / "key"
    argv = [sys.executable, str(EMULATOR), "token", "--key-file", str(key), "--namespace", "n", "--service-account", "s"]
    made = [subprocess.run([*argv, *more], capture_output=True, text=True, check=True).stdout.strip()
            for more in ([], ["--expires-in", "1h", "--audience", "a", "--audience", "b"])]
    assert key.stat().st_mode & 0o777 == 0o600
    claims = [json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")) for token in made]
    assert claims[0]["iss"] == claims[1]["iss"]
    assert claims[1]["aud"] == ["a", "b"]
    assert claims[1]["exp"] - claims[1]["iat"] == HOUR


def test_command_line(tmp_path: Path) -> None:
    """The ready file, the key file, --late, TCP control, two addresses, SIGTERM."""
    ready_file, key = tmp_path / "ready.json", tmp_path / "key"
    process = subprocess.Popen(
        [sys.executable, str(EMULATOR), "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
         "--ready-file", str(ready_file), "--key-file", str(key), "--late", "700ms", "--association", f"demo/app={ROLE_ARN}"],
        stdout=subprocess.PIPE, text=True)
    try:
        started = time.monotonic()
        eventually(ready_file.exists)
        ready = json.loads(ready_file.read_text())
        assert process.stdout and json.loads(process.stdout.readline()) == ready
        ports = [listener["port"] for listener in ready["listeners"]]
        assert len(set(ports)) == 2 and 0 not in ports
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[0]))
        eventually(lambda: socket.create_connection(("127.0.0.1", ports[0])).close() is None)
        assert time.monotonic() - started > 0.3
        token = subprocess.run(
            [sys.executable, str(EMULATOR), "token", "--key-file", str(key), "--namespace", "demo", "--service-account", "app"],
            capture_output=True, text=True, check=True).stdout.strip()
        client = http.client.HTTPConnection("127.0.0.1", ports[1])
        client.request("GET", "/v1/credentials", headers={"Authorization": token})
        assert client.getresponse().status == 200
        client.close()
        control = http.client.HTTPConnection(ready["control"].removeprefix("http://"))
        control.request("GET", "/requests")
        assert json.loads(control.getresponse().read())["count"] == 1
        control.close()
    finally:
        process.terminate()
        assert process.wait(10) == 0
        if process.stdout:
            process.stdout.close()
    assert not ready_file.exists()


@pytest.mark.parametrize("argv", [["--listen", "80"], ["--listen", "::1:80"], ["--late", "soon"], ["--association", "x"], ["token"]])
def test_command_line_errors(argv: list[str]) -> None:
    assert subprocess.run([sys.executable, str(EMULATOR), *argv], capture_output=True, check=False).returncode == 2


def test_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run([sys.executable, str(EMULATOR), "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
                              capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1
    assert "in use" in done.stderr and "Traceback" not in done.stderr


# --- faults


def test_status_with_headers(emulator: Emulator) -> None:
    emulator.fault("answer", status=429, headers={"Retry-After": "7"}, body="slow down", times=2)
    token = emulator.token()
    for _ in range(2):
        answer = ask(emulator, token)
        assert (answer.status, answer.header("retry-after"), answer.body) == (429, "7", b"slow down")
    assert ask(emulator, token).status == 200


def test_any_json(emulator: Emulator) -> None:
    emulator.fault("answer", json={"AccessKeyId": None})
    answer = ask(emulator)
    assert (answer.status, answer.header("content-type"), answer.json) == (200, "application/json", {"AccessKeyId": None})


def test_queue_in_order_until_cleared(emulator: Emulator) -> None:
    emulator.fault("answer", status=503)
    emulator.fault("pass")
    emulator.fault("answer", status=500, times=None)
    token = emulator.token()
    assert [ask(emulator, token).status for _ in range(5)] == [503, 200, 500, 500, 500]
    emulator.clear_faults()
    assert ask(emulator, token).status == 200
    assert [request["fault"] for request in emulator.requests()] == ["answer", "pass", "answer", "answer", "answer", None]


def test_fault_for_one_path(emulator: Emulator) -> None:
    emulator.fault("answer", status=500, path="/v1/credentials", times=None)
    assert ask(emulator, path="/").status == 404
    assert ask(emulator).status == 500


def test_delay(emulator: Emulator) -> None:
    emulator.fault("pass", delay_s=0.5)
    started = time.monotonic()
    assert ask(emulator, emulator.token()).status == 200
    assert 0.5 <= time.monotonic() - started < 3


def test_patch(emulator: Emulator) -> None:
    emulator.fault("patch", set={"SecretAccessKey": None, "Expiration": "2026-02-30T25:61:61Z"}, drop=["AccountId"])
    body = ask(emulator, emulator.token()).json
    assert body["SecretAccessKey"] is None and body["Expiration"] == "2026-02-30T25:61:61Z" and "AccountId" not in body
    emulator.fault("patch", expires_in_s=-HOUR)
    assert datetime.fromisoformat(ask(emulator, emulator.token()).json["Expiration"]).timestamp() < time.time()


def test_truncated(emulator: Emulator) -> None:
    emulator.fault("truncate", keep=30)
    answer = ask(emulator, emulator.token())
    assert answer.status == 200 and len(answer.body) == 30
    assert int(answer.header("content-length") or 0) > 900


def test_drip(emulator: Emulator) -> None:
    emulator.fault("drip", bytes_per_s=2000)
    started = time.monotonic()
    answer = ask(emulator, emulator.token(), timeout_s=20)
    assert answer.status == 200 and answer.json["AccessKeyId"]
    assert time.monotonic() - started > len(answer.raw) / 2000 * 0.8


def test_garbage(emulator: Emulator) -> None:
    emulator.fault("garbage", bytes=300)
    raw = send(emulator, get(emulator, emulator.token()))
    assert len(raw) == 300 and not raw.startswith(b"HTTP/")


def test_raw(emulator: Emulator) -> None:
    emulator.fault("raw", data="HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc")
    assert send(emulator, get(emulator, "x")).endswith(b"\r\n\r\nabc")
    emulator.fault("raw", data_base64=base64.b64encode(b"\x00\xff").decode())
    assert send(emulator, get(emulator, "x")) == b"\x00\xff"


def test_reset(emulator: Emulator) -> None:
    emulator.fault("reset")
    with emulator.place.connect(emulator.host, emulator.port) as sock:
        sock.sendall(get(emulator, "x"))
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_close_without_answer(emulator: Emulator) -> None:
    emulator.fault("close")
    assert send(emulator, get(emulator, "x")) == b""


def test_hang(emulator: Emulator) -> None:
    emulator.fault("hang", times=None)
    with emulator.place.connect(emulator.host, emulator.port) as sock:
        sock.settimeout(0.5)
        sock.sendall(get(emulator, "x"))
        with pytest.raises(TimeoutError):
            sock.recv(1)
    emulator.clear_faults()
    emulator.fault("hang", seconds=0.3)
    assert send(emulator, get(emulator, "x")) == b""


def test_empty_body(emulator: Emulator) -> None:
    emulator.fault("empty")
    answer = ask(emulator)
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "0")


@pytest.mark.parametrize("chunked", [False, True])
def test_huge(emulator: Emulator, chunked: bool) -> None:
    emulator.fault("huge", chunked=chunked)
    answer = ask(emulator, emulator.token(), timeout_s=30)
    assert len(answer.body) >= 8 * 1024 * 1024
    assert (answer.header("content-length") is None) == chunked
    if not chunked:
        assert answer.json["AccessKeyId"].startswith("ASIA")


def test_nested(emulator: Emulator) -> None:
    emulator.fault("nested", depth=10_000)
    body = ask(emulator).body
    assert body.count(b"[") == 10_000 and body.count(b"]") == 10_000


def test_redirect(emulator: Emulator) -> None:
    emulator.fault("redirect", location="http://127.0.0.1:1/elsewhere", status=307)
    answer = ask(emulator)
    assert (answer.status, answer.header("location")) == (307, "http://127.0.0.1:1/elsewhere")


@pytest.mark.parametrize("spec", [{"kind": "nonsense"}, {"kind": "answer", "statsu": 500}, {"kind": "hang", "service": "nowhere"},
                                  {"kind": "hang", "service": "eks-auth"}, {"kind": "eks_auth_error", "service": "eks-auth", "code": "X"}])
def test_faults_are_checked(emulator: Emulator, spec: dict[str, Any]) -> None:
    with pytest.raises(ControlError):
        emulator.call("POST", "/faults", spec)


def test_settings_are_checked(emulator: Emulator) -> None:
    with pytest.raises(ControlError):
        emulator.settings(lifetime=5)
    with pytest.raises(ControlError):
        emulator.settings(lifetime_s="5")


# --- listening


def test_refused_then_listening_again(emulator: Emulator) -> None:
    emulator.listen("closed")
    with pytest.raises(ConnectionRefusedError):
        emulator.place.connect(emulator.host, emulator.port)
    emulator.listen("open", after_s=0.3)
    with pytest.raises(ConnectionRefusedError):
        emulator.place.connect(emulator.host, emulator.port)
    eventually(lambda: ask(emulator, emulator.token()).status == 200)


def test_deaf_times_out(emulator: Emulator) -> None:
    emulator.listen("deaf")
    with pytest.raises(TimeoutError):
        emulator.place.connect(emulator.host, emulator.port, 1.5)
    emulator.listen("open")
    assert ask(emulator, emulator.token()).status == 200


def test_closing_drops_what_hangs(emulator: Emulator) -> None:
    emulator.fault("hang", times=None)
    with emulator.place.connect(emulator.host, emulator.port) as sock:
        sock.sendall(get(emulator, "x"))
        emulator.wait_for_requests(1)
        emulator.listen("closed")
        sock.settimeout(5)
        assert plain.read_all(sock) == b""


# --- the journal


def test_journal(emulator: Emulator) -> None:
    token = emulator.token()
    ask(emulator, token)
    ask(emulator, None)
    seen = emulator.requests()
    assert [(one["number"], one["method"], one["path"], one["status"]) for one in seen] == [
        (1, "GET", "/v1/credentials", 200), (2, "GET", "/v1/credentials", 400)]
    assert token not in json.dumps(seen)
    assert dict(emulator.requests(with_secrets=True)[0]["headers"])["Authorization"] == token
    assert abs(seen[0]["at"] - time.time()) < 10
    emulator.forget_requests()
    assert (emulator.count(), emulator.requests()) == (0, [])


def test_wait_for_requests(emulator: Emulator) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(emulator.wait_for_requests, 2, 10.0)
        ask(emulator)
        ask(emulator)
        assert len(waiting.result(10)) == 2
    with pytest.raises(AssertionError, match="only 2 of 3"):
        emulator.wait_for_requests(3, 0.2)


def test_secrets_are_remembered(emulator: Emulator) -> None:
    token = emulator.token()
    body = ask(emulator, token).json
    emulator.reset()
    known = {secret["value"]: secret["kind"] for secret in emulator.secrets()}
    assert known[token] == "service_account_token"
    assert known[body["SecretAccessKey"]] == "secret_access_key"
    assert known[body["Token"]] == "session_token"


# --- the search for leaks: it must be able to fail


@pytest.mark.parametrize("how", ["whole", "beginning", "end"])
@pytest.mark.parametrize("kind", ["secret_access_key", "session_token", "service_account_token"])
def test_leaks_are_found(emulator: Emulator, runner: Runner, kind: str, how: str) -> None:
    ask(emulator, emulator.token())
    secret = [one["value"] for one in emulator.secrets() if one["kind"] == kind][-1]
    start = secret.index(".") + 1 if kind == "service_account_token" else 16 if kind == "session_token" else 0
    printed = {"whole": secret, "beginning": secret[start : start + 70], "end": secret[-30:]}[how]
    own = Leaks()
    Runner(runner.place, own).run(["/bin/echo", "log: ", printed], {})
    found = own.find(emulator.secrets())
    assert f"{kind} in echo: stdout" in found and f"{kind} in echo: arguments" in found
    assert printed not in " ".join(found)


def test_leaks_are_not_imagined(emulator: Emulator, runner: Runner) -> None:
    body = ask(emulator, emulator.token()).json
    own = Leaks()
    Runner(runner.place, own).run(["/bin/echo", body["AccessKeyId"], body["AccountId"], body["Expiration"]], {})
    Runner(runner.place, own).run(["/bin/echo", body["SecretAccessKey"]], {}, private_stdout=True)
    assert own.find(emulator.secrets()) == ["secret_access_key in echo: arguments"]


# --- HTTP


def test_keep_alive_and_pipelining(emulator: Emulator) -> None:
    one = plain.request_bytes("GET", "/v1/credentials", {"Host": emulator.host, "Connection": None})
    last = plain.request_bytes("GET", "/v1/credentials", {"Host": emulator.host})
    assert send(emulator, one * 4 + last).count(b"HTTP/1.1 400 Bad Request") == 5
    assert (emulator.count(), emulator.connections()) == (5, 1)


def test_head(emulator: Emulator) -> None:
    answer = ask(emulator, emulator.token(), method="HEAD")
    assert answer.status == 200 and answer.body == b"" and int(answer.header("content-length") or 0) > 900


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n"])
def test_bad_requests(emulator: Emulator, data: bytes) -> None:
    assert plain.parse_answer(send(emulator, data)).status in (400, 431)


def test_a_thousand_connections(emulator: Emulator) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"at most {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        request = get(emulator, emulator.token())
        socks = [emulator.place.connect(emulator.host, emulator.port, 30) for _ in range(1000)]
        started = time.monotonic()
        for sock in socks:
            sock.sendall(request)
        answers = [plain.parse_answer(plain.read_all(sock)) for sock in socks]
        seconds = time.monotonic() - started
        for sock in socks:
            sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [answer.status for answer in answers] == [200] * 1000
    assert len({answer.json["AccessKeyId"] for answer in answers}) == 1000
    assert seconds < 10, f"{1000 / seconds:.0f} requests a second"
