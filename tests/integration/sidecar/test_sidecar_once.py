"""pod-identity-sidecar once and probe."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS, OURS
from harness.emulator import ACCOUNT, Emulator
from harness.programs import Run
from harness.reports import EXITS
from harness.served import check_process_members, issued, profile_triple, read_profile, temporaries, triple
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken

Start = Callable[..., Sidecar]
Once = Callable[..., Run]


@pytest.fixture
def once(run_sidecar: Callable[..., Run], folder: Path, injected: dict[str, str]) -> Once:
    """once(*options, wait="0") writes folder/credentials and folder/process.json."""
    def run(*options: str, wait: str = "0", **how: Any) -> Run:
        return run_sidecar("once", f"--credentials-file={folder}/credentials", f"--process-file={folder}/process.json",
                           f"--wait={wait}", *options, **how)
    return run


def check_failed(run: Run, reason: str, folder: Path) -> None:
    assert run.exit_code == EXITS[reason], run
    assert reason in run.stderr and "Remedy" in run.stderr and run.stdout == ""
    assert not (folder / "credentials").exists() and not (folder / "process.json").exists()
    assert temporaries(folder) == []


@pytest.mark.parametrize("place", ["loopback", "netns", OURS], indirect=True)
@EMULATORS
def test_once_writes_its_files_and_ends(once: Once, emulator: Emulator, folder: Path) -> None:
    run = once()
    assert (run.exit_code, run.stdout) == (0, "")
    credentials, process = folder / "credentials", folder / "process.json"
    members = check_process_members(json.loads(process.read_text()))
    keys = read_profile(credentials.read_text())
    assert profile_triple(credentials.read_text()) == triple(members) == issued(emulator)[-1]
    assert keys["aws_account_id"] == ACCOUNT
    for path in (credentials, process):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().endswith(b"\n")
    assert temporaries(folder) == []
    assert emulator.count() == 1
    assert not list(folder.glob("*.sock")), "once serves nothing"


def test_once_again_replaces(once: Once, emulator: Emulator, folder: Path) -> None:
    assert once().exit_code == 0
    first = (folder / "process.json").read_text()
    assert once().exit_code == 0
    assert (folder / "process.json").read_text() != first
    assert profile_triple((folder / "credentials").read_text()) == issued(emulator)[-1]


def test_once_waits_for_a_late_agent(once: Once, emulator: Emulator) -> None:
    emulator.listen("closed")
    emulator.listen("open", after_s=1.5)
    run = once(wait="30s")
    assert run.exit_code == 0 and 1.4 <= run.seconds < 8


@pytest.mark.parametrize("mode", ["closed", "deaf"])
@EMULATORS
def test_once_unreachable_until_the_deadline(once: Once, emulator: Emulator, folder: Path, mode: str) -> None:
    emulator.listen(mode)
    run = once(wait="2s")
    check_failed(run, "AGENT_UNREACHABLE", folder)
    assert emulator.host in run.stderr
    assert run.seconds < 2 + 6
    if mode == "closed":
        assert run.seconds > 1, "it gave up at the first refusal"


@EMULATORS
def test_once_with_one_attempt(once: Once, emulator: Emulator, folder: Path) -> None:
    emulator.fault("answer", status=500, times=None)
    run = once(wait="0")
    check_failed(run, "THROTTLED", folder)
    assert run.seconds < 5 and emulator.count() == 1


def test_once_denied_is_believed_after_some_seconds(once: Once, emulator: Emulator, folder: Path) -> None:
    """An association can be a few seconds old."""
    emulator.dissociate()
    run = once(wait="60s")
    check_failed(run, "ACCESS_DENIED", folder)
    assert 4 <= run.seconds <= 14.5, run.seconds  # the first attempt after 5 s, and the back-off grows: 2 + 4 + 8 at most
    assert emulator.count() >= 2


def test_once_denied_at_first(once: Once, emulator: Emulator) -> None:
    emulator.eks_auth_error("ResourceNotFoundException", times=1)
    run = once(wait="30s")
    assert run.exit_code == 0 and run.seconds < 6


@pytest.mark.parametrize("fault, reason, shown", [
    ({"kind": "answer", "status": 429, "body": "Too Many Requests"}, "THROTTLED", "429"),
    ({"kind": "answer", "status": 500, "body": "x"}, "THROTTLED", "500"),
    ({"kind": "empty"}, "BAD_RESPONSE", "JSON"),
    ({"kind": "garbage"}, "BAD_RESPONSE", ""),
    ({"kind": "huge"}, "BAD_RESPONSE", ""),
    ({"kind": "patch", "drop": ["Token"]}, "BAD_RESPONSE", "Token"),
    ({"kind": "patch", "expires_in_s": -5}, "BAD_RESPONSE", "expired"),
    ({"kind": "redirect"}, "BAD_RESPONSE", "302"),
    ({"kind": "reset"}, "AGENT_UNREACHABLE", ""),
])
@EMULATORS
def test_once_with_a_bad_agent(once: Once, emulator: Emulator, folder: Path, fault: dict[str, Any], reason: str, shown: str) -> None:
    emulator.fault(**fault, times=None)
    run = once()
    check_failed(run, reason, folder)
    assert shown in run.stderr


@pytest.mark.parametrize("content, reason", [(b"", "TOKEN_UNREADABLE"), (b"x" * 65537, "TOKEN_UNREADABLE"), (b"a\x00b", "TOKEN_INVALID"),
                                             (b"two\nlines", "TOKEN_INVALID"), (b"no-jwt", "TOKEN_INVALID")])
@EMULATORS
def test_once_with_a_bad_token(once: Once, emulator: Emulator, token: ProjectedToken, folder: Path, content: bytes, reason: str) -> None:
    token.rotate(content)
    run = once()
    check_failed(run, reason, folder)
    if content != b"no-jwt":
        assert str(token) in run.stderr and emulator.count() == 0


def test_once_without_a_token(once: Once, emulator: Emulator, token: ProjectedToken, folder: Path) -> None:
    token.path.unlink()
    check_failed(once(), "TOKEN_UNREADABLE", folder)


def test_once_into_a_missing_directory(run_sidecar: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    run = run_sidecar("once", f"--process-file={folder}/none/p.json", f"--credentials-file={folder}/credentials")
    assert run.exit_code == 73 and f"{folder}/none/p.json" in run.stderr
    assert (folder / "credentials").exists(), "one bad target keeps the other from being written"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_once_into_a_directory_of_somebody_else(once: Once, emulator: Emulator, folder: Path) -> None:
    run = once(uid=12345)
    assert run.exit_code == 73 and f"{folder}/process.json" in run.stderr and f"{folder}/credentials" in run.stderr


def test_once_keeps_what_cannot_be_read_as_profiles(once: Once, emulator: Emulator, folder: Path) -> None:
    """Huge or binary files would lose what they hold."""
    for content in (b"[a]\nb = \x00c\n", b"[a]\n" + b"# line\n" * 40_000):
        (folder / "credentials").write_bytes(content)
        run = once()
        assert run.exit_code == 73 and f"{folder}/credentials" in run.stderr
        assert (folder / "credentials").read_bytes() == content
        check_process_members(json.loads((folder / "process.json").read_text()))


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_once_onto_something_else(once: Once, emulator: Emulator, folder: Path, kind: str) -> None:
    path = folder / "credentials"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    run = once(timeout_s=10)
    assert run.exit_code == 73 and str(path) in run.stderr
    assert path.is_dir() if kind == "directory" else path.is_fifo()
    assert temporaries(folder) == []


@EMULATORS
def test_probe(start_sidecar: Start, run_sidecar: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    emulator.fault("answer", status=503, body="not now", times=None)
    sidecar = start_sidecar(ready=False).wait_serving()

    def probe(path: Path) -> Run:
        return run_sidecar("probe", f"--unix-socket={path}", env={}, timeout_s=10)
    unready = probe(sidecar.socket_path)
    assert unready.exit_code == 1 and "not ready" in unready.stderr and unready.stdout == ""
    missing = probe(folder / "none.sock")
    assert missing.exit_code == 1 and f"{folder}/none.sock" in missing.stderr
    emulator.clear_faults()
    sidecar.wait_ready()
    ready = probe(sidecar.socket_path)
    assert (ready.exit_code, ready.stdout, ready.stderr) == (0, "", "")
    sidecar.kill()
    assert probe(sidecar.socket_path).exit_code == 1


def test_probe_takes_the_socket_from_the_environment(start_sidecar: Start, run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    sidecar = start_sidecar()
    assert run_sidecar("probe", env={"POD_IDENTITY_UNIX_SOCKET": str(sidecar.socket_path)}).exit_code == 0
