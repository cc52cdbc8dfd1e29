"""The emulator's faults of the agent: each must be the fault it claims to be."""

from __future__ import annotations

import base64
import time
from datetime import datetime
from typing import Any

import pytest

from harness import http as plain
from harness.agent import ask, get, send
from harness.emulator import ControlError, Emulator
from harness.waiting import eventually

HOUR = 3600


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
