"""pod-identity-sidecar: how it ends, and what others on the machine can see of it (rules 6 and 7)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest

from harness.both_agents import EMULATORS
from harness import http
from harness.emulator import Emulator
from harness.places import Place
from harness.programs import Binaries, Runner
from harness.served import check_container, expires_at
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
OTHER_UID = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")


# --- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@EMULATORS
def test_ends_at_once(start_sidecar: Start, emulator: Emulator, number: int) -> None:
    """With clients connected, and with a fetch under way."""
    sidecar = start_sidecar()
    emulator.fault("hang")
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 5)
    with sidecar.connect_unix() as idle, sidecar.connect_unix() as half:
        half.sendall(b"GET /v1/cred")
        started = time.monotonic()
        assert sidecar.stop(number=number) == 0
        assert time.monotonic() - started < 5
        assert idle.recv(1) == b""
    assert not sidecar.socket_path.exists() and not sidecar.token_path.exists()
    assert [path.name for path in sidecar.folder.iterdir() if path.name not in ("stdout", "stderr")] == []
    assert sidecar.stdout == ""


@EMULATORS
def test_ends_before_the_first_answer(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.listen("deaf")
    sidecar = start_sidecar(ready=False).wait_serving()
    assert sidecar.stop() == 0
    assert not sidecar.socket_path.exists()


def test_lingers(start_sidecar: Start, emulator: Emulator) -> None:
    """Apps that end slowly are answered on; nothing is fetched any more; connections are not kept."""
    emulator.settings(lifetime_s=8.0)
    sidecar = start_sidecar("--linger=3s")
    bearer = sidecar.bearer
    ends = expires_at(check_container(sidecar.get())["Expiration"])
    sidecar.send_signal(signal.SIGTERM)
    ended = time.monotonic()
    eventually(lambda: "msg=ending" in sidecar.stderr, 5, "the signal has come")
    emulator.forget_requests()
    sidecar.send_signal(signal.SIGUSR1)
    request = http.request_bytes("GET", "/v1/credentials", {"Connection": None})
    while time.monotonic() - ended < 2.5:
        answer = http.parse_answer(sidecar.raw(request))
        assert answer.header("Connection") == "close"
        assert expires_at(check_container(answer)["Expiration"]) == ends
        check_container(sidecar.get_http(authorization=bearer))
    assert sidecar.wait(5) == 0
    assert 2.5 <= time.monotonic() - ended <= 8
    assert emulator.count() == 0
    assert not sidecar.socket_path.exists() and not sidecar.token_path.exists()


@EMULATORS
def test_lingering_serves_nothing_expired(start_sidecar: Start, emulator: Emulator) -> None:
    emulator.settings(lifetime_s=2.0)
    sidecar = start_sidecar("--linger=20s", with_http=False)
    ends = expires_at(check_container(sidecar.get())["Expiration"])
    sidecar.send_signal(signal.SIGTERM)
    eventually(lambda: sidecar.get().status == 503, 5, "expired")
    assert time.time() >= ends - 0.1
    assert sidecar.stop() == 0, "a second signal ends it at once"


def test_a_full_log_does_not_stop_it(start_sidecar: Start, runner: Runner, binaries: Binaries, injected: dict[str, str], folder: Path) -> None:
    """Standard error may be closed, full, or a pipe that nobody reads."""
    for redirection in ("2>&-", "2>/dev/full"):
        path = folder / "s.sock"
        process = subprocess.Popen(runner.command(["/bin/sh", "-c", f"exec {binaries.sidecar} serve --unix-socket={path} {redirection}"]),
                                   env=injected, stdout=subprocess.DEVNULL)
        try:
            done = [binaries.sidecar, "probe", f"--unix-socket={path}"]
            eventually(lambda: runner.run(done, {}).exit_code == 0, 5, f"ready with {redirection}")
        finally:
            process.terminate()
            assert process.wait(10) == 0


# --- what others can see


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): (line[26:47].strip(), line[47:68].strip()) for line in lines}


def test_no_core_dump(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    assert limits_of(sidecar.pid)["Max core file size"] == ("0", "0")
    sidecar.stop(number=signal.SIGQUIT)
    assert not list(sidecar.folder.glob("core*"))


@needs_root
@EMULATORS
def test_the_same_user_cannot_look_inside(start_sidecar: Start, runner: Runner, emulator: Emulator) -> None:
    """Memory, environment and descriptors of a process that is not dumpable are closed to its own user."""
    look = ('for name in mem environ maps; do if (exec 3<"/proc/$1/$name") 2>/dev/null; then echo open; else echo closed; fi; done; '
            'if ls "/proc/$1/fd" >/dev/null 2>&1; then echo open; else echo closed; fi')

    def seen(pid: int) -> str:
        run = runner.run(["/bin/sh", "-c", look, "sh", str(pid)], {"PATH": os.environ.get("PATH", "")}, uid=OTHER_UID)
        assert run.stdout.count("\n") == 4, run
        return run.stdout
    ordinary = subprocess.Popen(runner.command([shutil.which("sleep") or "sleep", "60"], uid=OTHER_UID))
    try:
        eventually(lambda: Path(f"/proc/{ordinary.pid}/comm").read_text() == "sleep\n", 5, "it is another user's")
        if "closed" in seen(ordinary.pid):
            pytest.skip("this machine closes even an ordinary process to its own user")
    finally:
        ordinary.kill()
        ordinary.wait()
    sidecar = start_sidecar(uid=OTHER_UID)
    assert seen(sidecar.pid).count("closed") == 4
    assert Path(f"/proc/{sidecar.pid}/mem").stat().st_uid == 0


@EMULATORS
def test_secrets_are_not_in_the_command_line_or_log(start_sidecar: Start, emulator: Emulator) -> None:
    """Of all that a debug log says, through refreshes and failures; the fixture `leaks` searches it."""
    sidecar = start_sidecar("--log-level=debug")
    sidecar.get_http(authorization="wrong-bearer-that-is-long-enough")
    for fault in ({"kind": "truncate"}, {"kind": "patch", "set": {"Expiration": "x"}}, {"kind": "patch", "drop": ["Token"]}):
        emulator.fault(**fault)
        failed = sidecar.stderr.count("refresh failed")
        sidecar.send_signal(signal.SIGUSR1)
        eventually(lambda: sidecar.stderr.count("refresh failed") > failed, 5, "a failure")
    assert "wrong-bearer" not in sidecar.stderr
    assert Path(f"/proc/{sidecar.pid}/cmdline").read_bytes().count(b"\0") == len(sidecar.argv)


@EMULATORS
def test_an_agent_that_echoes_the_token_gives_nothing_away(start_sidecar: Start, emulator: Emulator, token: Any, leaks: Any) -> None:
    text = token.path.read_text()
    emulator.fault("answer", status=400, body=f"Service account token cannot be parsed: {text}", times=None)
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: sidecar.get().json["code"] == "TOKEN_INVALID", 5, "refused")
    leaks.add_output("503", sidecar.get().raw)
    leaks.add_output("readyz", sidecar.get("/readyz").raw)
    assert text[:40] not in sidecar.get().body.decode()


# --- where it can run


@needs_root
@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_any_user(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    files = folder / "files"
    files.mkdir()
    os.chown(files, 987654, 987654)
    sidecar = start_sidecar(f"--credentials-file={files}/c", f"--process-file={files}/p", uid=987654)
    check_container(sidecar.get())
    check_container(sidecar.get_http())
    assert {path.stat().st_uid for path in (sidecar.socket_path, sidecar.token_path, files / "c", files / "p")} == {987654}
    capabilities = Path(f"/proc/{sidecar.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in capabilities and "NoNewPrivs:\t1" in capabilities
    assert sidecar.stop() == 0


class ReadOnlyRoot(Runner):
    """Everything is read-only but one folder, as with readOnlyRootFilesystem and an emptyDir."""

    def __init__(self, place: Place, leaks: Any, writable: Path) -> None:
        super().__init__(place, leaks)
        self.writable = writable

    def command(self, argv: Sequence[str | Path], **user: Any) -> list[str]:
        words = Runner.command(Runner(Place(), self.leaks), argv, **user)
        script = (f"mount --make-rprivate / && mount --bind {self.writable} {self.writable} && "
                  "mount -o remount,bind,ro / && exec \"$@\"")
        return self.place.command([shutil.which("unshare") or "unshare", "-m", "/bin/sh", "-c", script, "sh", *words])


@needs_root
def test_read_only_root(runner: Runner, binaries: Binaries, folder: Path, injected: dict[str, str], leaks: Any) -> None:
    writable = folder / "emptydir"
    writable.mkdir()
    os.chown(writable, OTHER_UID, OTHER_UID)
    confined = ReadOnlyRoot(runner.place, leaks, writable)
    environment = {**injected, "PATH": os.environ.get("PATH", "")}
    trial = confined.run(["/bin/sh", "-c", f"touch {folder}/x || touch {writable}/ok"], environment)
    if not (writable / "ok").exists() or (folder / "x").exists():
        pytest.skip(f"no read-only root here: {trial.stderr.strip()}")
    (writable / "ok").unlink()
    sidecar = Sidecar(confined, binaries, writable, f"--process-file={writable}/p.json", env=environment, uid=OTHER_UID)
    try:
        sidecar.wait_ready()
        check_container(sidecar.get_http())
        assert (writable / "p.json").exists()
        assert sidecar.stop() == 0
    finally:
        sidecar.close()


# --- the lock that decides which of two goes on


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """By a process of the same user, as another sidecar would hold it."""
    with open(path, "w") as file:
        path.chmod(0o600)
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def test_a_lock_that_is_held_is_waited_for_and_then_named(start_sidecar: Start, folder: Path) -> None:
    """Whoever holds it may be stuck: bounded, and then 73 with his process id."""
    with held(folder / "s.lock"):
        sidecar = start_sidecar(f"--unix-socket={folder}/s", ready=False, with_http=False, with_socket=False)
        assert sidecar.wait(20) == 73
    assert f"held by process {os.getpid()}" in sidecar.stderr and "s.lock" in sidecar.stderr


def test_a_lock_that_is_given_back_in_time(start_sidecar: Start, folder: Path) -> None:
    with held(folder / "s.lock"):
        sidecar = start_sidecar(f"--unix-socket={folder}/s", ready=False, with_http=False, with_socket=False)
        time.sleep(0.5)
    sidecar.socket_path = folder / "s"
    sidecar.wait_ready()
    assert not (folder / "s.lock").exists(), "nothing is left beside the socket"


def test_sigterm_while_it_waits(start_sidecar: Start, folder: Path) -> None:
    with held(folder / "s.lock"):
        sidecar = start_sidecar(f"--unix-socket={folder}/s", ready=False, with_http=False, with_socket=False)
        time.sleep(0.5)
        began = time.monotonic()
        assert sidecar.stop() == 0
        assert time.monotonic() - began < 5
    assert not (folder / "s").exists()


NEIGHBOUR = """
import fcntl, os, sys
os.setgroups([]); os.setgid(4242); os.setuid(4242)
directory = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(directory, fcntl.LOCK_EX)
path = sys.argv[1] + "/s.lock"
if sys.argv[2] == "file":
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    os.chmod(path, 0o666)
    fcntl.lockf(file, fcntl.LOCK_EX)
elif sys.argv[2] == "link":
    os.symlink(sys.argv[1] + "/target", path)
elif sys.argv[2] == "fifo":
    os.mkfifo(path)
print("held", flush=True)
sys.stdin.read()
"""


@needs_root
@pytest.mark.parametrize("how", ["directory", "file", "link", "fifo"])
def test_a_neighbours_lock_holds_nothing_up(start_sidecar: Start, folder: Path, how: str) -> None:
    """Another user with a lock on the directory, or with what he likes in the lock's place: the start does not wait, and follows no link."""
    volume = folder / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    with subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(volume), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as neighbour:
        assert neighbour.stdout and neighbour.stdout.readline() == "held\n"
        sidecar = start_sidecar(f"--unix-socket={volume}/s", ready=False, with_http=False, with_socket=False)
        sidecar.socket_path = volume / "s"
        sidecar.wait_ready()
        assert not (volume / "target").exists()
        assert neighbour.stdin
        neighbour.stdin.close()


@needs_root
@pytest.mark.parametrize("mode", ["0600", "0660", "0666", "0622"])
def test_mode_and_group_of_the_socket(start_sidecar: Start, folder: Path, mode: str) -> None:
    """Right from its first moment: neither chmod nor chown goes by its path."""
    umask = os.umask(0o077)
    try:
        sidecar = start_sidecar(f"--socket-mode={mode}", "--socket-group=4243", with_http=False)
    finally:
        os.umask(umask)
    found = sidecar.socket_path.stat()
    assert stat.S_IMODE(found.st_mode) == int(mode, 8) and found.st_gid == 4243 and found.st_uid == 0
