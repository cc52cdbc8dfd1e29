"""pod-identity-sidecar serve: the token is read afresh, its rotation is noticed, and a bad one costs nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.refreshing import authorizations, failures
from harness.served import check_error
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@EMULATORS
def test_the_token_is_read_afresh_for_each_fetch(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, ending: str) -> None:
    first, second = emulator.token(), emulator.token()
    token.rotate(first + ending)
    sidecar = start_sidecar(with_http=False)
    token.rotate(second + ending)
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    assert authorizations(emulator) == [first, second]


@EMULATORS
def test_rotation_while_all_is_well_asks_for_nothing(start_sidecar: Start, emulator: Emulator, token: ProjectedToken) -> None:
    sidecar = start_sidecar("--log-level=debug", with_http=False)
    token.rotate(emulator.token())
    eventually(lambda: "token was replaced" in sidecar.stderr, 5, "the rotation was seen")
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    assert len(emulator.requests()) == 2


@pytest.mark.parametrize("how", ["kubelet", "rename", "in place"])
@EMULATORS
def test_rotation_while_failing_is_noticed(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, how: str) -> None:
    """However the file is replaced. The agent asked for a pause, and gets it; what comes then has the new token."""
    if how != "kubelet":
        token.path.unlink()
        token.path.write_text(emulator.token())
    emulator.fault("answer", status=429, headers={"Retry-After": "3"}, body="Too Many Requests")
    sidecar = start_sidecar("--log-level=debug", ready=False, with_http=False).wait_serving()
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
    eventually(lambda: "token was replaced" in sidecar.stderr, 20, "the rotation was seen")
    first, second = emulator.wait_for_requests(2, 30)
    assert second["monotonic"] - first["monotonic"] >= 3
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
@EMULATORS
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


@EMULATORS
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
