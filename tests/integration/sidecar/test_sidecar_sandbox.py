"""pod-identity-sidecar --sandbox: what cannot be done from inside, what still can, and what is said about it.

The attempts are made by a test build (tests/sandbox/attempts.c): the same objects, and code that runs inside."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Sequence

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import check_container, read_profile
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]
STOPPED = 70  # documented: a call that the sandbox stopped
NO_SANDBOX = 71
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
users = pytest.mark.parametrize("uid", [None, pytest.param(65532, marks=needs_root)])


def in_force(sidecar: Sidecar) -> str:
    """What the log says about it."""
    found = re.search(r'msg=sandbox sandbox=("[^"]*"|\S+)', sidecar.stderr)
    assert found, sidecar.stderr
    return found[1].strip('"')


def needs(sidecar: Sidecar, part: str, abi: int = 0) -> None:
    """Skips where the machine has no such part."""
    had = in_force(sidecar)
    found = re.search(r"landlock abi (\d+)", had)
    if part not in had or (abi and (not found or int(found[1]) < abi)):
        pytest.skip(f"this machine has no {part} {abi or ''}: {had}")


@pytest.fixture
def attempt(runner: Runner, binaries: Binaries, leaks: Any, injected: dict[str, str], folder: Path,
            request: pytest.FixtureRequest) -> Callable[..., Sidecar]:
    """attempt("exec", "passwd") starts the test build; how each went is on its standard output."""
    inside = Binaries()
    inside.__dict__.update(binaries.__dict__, sidecar=binaries.folder / "test" / "pod-identity-sidecar-sandbox")
    place = folder / "own"

    def start(*names: str, options: tuple[str, ...] = (), uid: int | None = None, file: Path | None = None) -> Sidecar:
        place.mkdir()
        if uid is not None:
            os.chown(place, uid, uid)
        env = {**injected, "TEST_SANDBOX_TRY": ",".join(names), "TEST_SANDBOX_FILE": str(file or folder / "outside")}
        sidecar = Sidecar(runner, inside, place, *options, env=env, uid=uid)
        request.addfinalizer(sidecar.close)
        eventually(lambda: sidecar.process.poll() is not None or len(sidecar.stdout.splitlines()) >= len(names), 10, "attempts")
        return sidecar
    return start


def results(sidecar: Sidecar) -> dict[str, str]:
    return dict(line.split(": ") for line in sidecar.stdout.splitlines())


def failed(number: int) -> str:
    return f"errno {number}"


# --- what cannot be done


# Numbers of amd64 and arm64.
STOPPED_CALLS = {
    "exec": (59, 221), "listen": (50, 201), "ptrace": (101, 117), "kill": (62, 129), "code": (9, 222),
    "protect": (10, 226), "dumpable": (157, 167), "io_uring": (425, 425), "tkill": (200, 130),
    "fastopen": (44, 206), "fastopen_message": (46, 211),
}


@pytest.mark.parametrize("name", STOPPED_CALLS)
def test_calls_that_end_it(attempt: Callable[..., Sidecar], name: str) -> None:
    sidecar = attempt(name)
    needs(sidecar, "seccomp")
    assert sidecar.wait() == STOPPED
    assert sidecar.stdout == ""
    line = sidecar.stderr.splitlines()[-1]
    assert "level=error" in line and "status=70" in line
    assert f"syscall={STOPPED_CALLS[name][os.uname().machine == 'aarch64']} " in line


@pytest.mark.parametrize("name", ["fork", "thread"])
def test_a_new_one_ends_it_without_a_word(attempt: Callable[..., Sidecar], name: str) -> None:
    """musl blocks all signals around it, and the kernel then ends the process by the signal."""
    sidecar = attempt(name)
    needs(sidecar, "seccomp")
    assert sidecar.wait() == -signal.SIGSYS
    assert sidecar.stdout == ""


def test_says_so_in_json(attempt: Callable[..., Sidecar]) -> None:
    sidecar = attempt("exec", options=("--log-format=json",))
    assert sidecar.wait() == STOPPED
    last = json.loads(sidecar.stderr.splitlines()[-1])
    assert last["level"] == "error" and isinstance(last["syscall"], int) and last["status"] == STOPPED


@users
def test_other_address_families(attempt: Callable[..., Sidecar], uid: int | None) -> None:
    sidecar = attempt("unix", "netlink", "packet", "raw", "udp", "clone3", uid=uid)
    needs(sidecar, "seccomp")
    refused = failed(errno.EAFNOSUPPORT)
    assert results(sidecar) == {"unix": refused, "netlink": refused, "packet": refused,
                                "raw": failed(errno.EPROTONOSUPPORT), "udp": failed(errno.EPROTONOSUPPORT), "clone3": failed(errno.ENOSYS)}
    sidecar.wait_ready()


@users
def test_other_files(attempt: Callable[..., Sidecar], folder: Path, uid: int | None) -> None:
    outside = folder / "outside"
    outside.write_text("kept")
    outside.chmod(0o666)
    folder.chmod(0o777)
    sidecar = attempt("passwd", "program", "write", "truncate", "unlink", uid=uid)
    needs(sidecar, "landlock", 3)
    refused = failed(errno.EACCES)
    assert results(sidecar) == {"passwd": refused, "program": refused, "write": refused, "truncate": refused, "unlink": refused}
    assert outside.read_text() == "kept"
    sidecar.wait_ready()


def test_the_token_can_only_be_read(attempt: Callable[..., Sidecar], token: ProjectedToken) -> None:
    sidecar = attempt("write", "truncate", "unlink", file=Path(str(token)))
    needs(sidecar, "landlock", 3)
    assert set(results(sidecar).values()) == {failed(errno.EACCES)}
    sidecar.wait_ready()


def test_other_ports(attempt: Callable[..., Sidecar]) -> None:
    sidecar = attempt("bind", "connect")
    needs(sidecar, "landlock", 4)
    assert results(sidecar) == {"bind": failed(errno.EACCES), "connect": failed(errno.EACCES)}
    sidecar.wait_ready()


def test_ways_around_the_port(attempt: Callable[..., Sidecar]) -> None:
    """Landlock looks at connect() and bind() on TCP sockets; what else could send is not there."""
    sidecar = attempt("mptcp", "sctp", "ping", "datagram")
    needs(sidecar, "seccomp")
    assert set(results(sidecar).values()) == {failed(errno.EPROTONOSUPPORT)}
    sidecar.wait_ready()


def test_datagrams_where_names_are_resolved(attempt: Callable[..., Sidecar]) -> None:
    sidecar = attempt("udp", "datagram", "mptcp", "ping", "bind", options=("--assume-role=arn:aws:iam::444455556666:role/target", "--region=eu-central-1"))
    needs(sidecar, "seccomp")
    refused = failed(errno.EPROTONOSUPPORT)
    assert results(sidecar) == {"udp": "ok", "datagram": "ok", "mptcp": refused, "ping": refused, "bind": failed(errno.EACCES)}


def test_off_lets_all_of_it(attempt: Callable[..., Sidecar]) -> None:
    """The attempts themselves are right: without the sandbox they succeed."""
    sidecar = attempt("passwd", "unix", "netlink", "write", "bind", "kill", "code", "fork", "thread", "datagram", "udp", options=("--sandbox=off",))
    assert set(results(sidecar).values()) == {"ok"}
    assert in_force(sidecar) == "off"


# --- what still can


@users
@EMULATORS
def test_the_whole_life_inside(start_sidecar: Start, emulator: Emulator, token: ProjectedToken, uid: int | None,
                               folder: Path) -> None:
    """Credentials file with another profile, rotation of the token, refresh on demand, both listeners, and the end."""
    output = folder / "output"
    output.mkdir()
    credentials = output / "credentials"
    credentials.write_text("[other]\naws_access_key_id = AKIDOTHER\n")
    for path in (output, credentials):
        os.chown(path, os.geteuid() if uid is None else uid, -1)
    sidecar = start_sidecar("--sandbox=auto", f"--credentials-file={credentials}", "--profile=mine", "--log-level=debug", uid=uid)
    assert "no_new_privs" in in_force(sidecar) and "no capabilities" in in_force(sidecar)
    check_container(sidecar.get())
    check_container(sidecar.get_http())
    for refresh in (2, 3):
        before, fresh = credentials.read_text(), emulator.token()
        token.rotate(fresh)
        eventually(lambda: sidecar.stderr.count("token was replaced") == refresh - 1, 10, "the rotation was seen")
        sidecar.send_signal(signal.SIGUSR1)
        eventually(lambda: credentials.read_text() != before, 10, "the file was replaced")
        assert "AKIDOTHER" in credentials.read_text() and read_profile(credentials.read_text(), "mine")
        emulator.wait_for_requests(refresh, 5)
        assert ["authorization", fresh] in [[name.lower(), value] for name, value in emulator.requests(with_secrets=True)[-1]["headers"]]
    status = Path(f"/proc/{sidecar.pid}/status").read_text()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{name}:\t0+$", status, re.MULTILINE), status
    assert "NoNewPrivs:\t1" in status
    assert sidecar.stop() == 0
    assert not sidecar.socket_path.exists() and not sidecar.token_path.exists()


@needs_root
def test_read_only_root(runner: Runner, binaries: Binaries, injected: dict[str, str], folder: Path) -> None:
    """As with readOnlyRootFilesystem: only the socket's volume can be written."""
    volume = folder / "volume"
    volume.mkdir()
    os.chown(volume, 65532, 65532)
    script = ('mount --make-rprivate / && mount -t tmpfs -o mode=0777 t "$1" && mount -o remount,bind,ro / && '
              'exec setpriv --reuid=65532 --regid=65532 --clear-groups --bounding-set=-all --no-new-privs '
              '"$2" --sandbox=auto --unix-socket="$1/s"')
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            runner.command(["unshare", "-m", "sh", "-c", script, "sh", volume, binaries.sidecar]), env={**os.environ, **injected},
            stdout=log, stderr=log)
    try:
        eventually(lambda: process.poll() is not None or "refreshed" in (folder / "log").read_text(), 10, "a refresh")
        assert process.poll() is None, (folder / "log").read_text()
        assert "msg=sandbox sandbox=" in (folder / "log").read_text()
    finally:
        process.terminate()
        assert process.wait(10) == 0


# What a whole life calls, on amd64 and arm64. All of these are in the default seccomp profiles of containerd and Docker: look there before
# anything is added, since a container that has such a profile (RuntimeDefault) gets an error, or a signal, for what is not.
CALLS = set("""accept4 arch_prctl bind brk capset close connect epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 execve exit_group
    faccessat fchmod fchmodat fchown fchownat fcntl fstat fsync futex getdents64 geteuid getpid getrandom getsockname getsockopt inotify_add_watch
    inotify_init1 inotify_rm_watch landlock_add_rule landlock_create_ruleset landlock_restrict_self listen lseek lstat madvise mmap mprotect
    munmap newfstatat open openat pidfd_open pidfd_send_signal poll ppoll prctl prlimit64 read readlink readlinkat recvfrom recvmsg rename renameat rt_sigaction rt_sigprocmask
    rt_sigreturn seccomp sendmsg sendto set_tid_address setsockopt shutdown signalfd4 socket timerfd_create timerfd_settime umask unlink unlinkat
    write writev""".split())


class Traced(Runner):
    """Under strace, which writes the calls down."""

    def __init__(self, runner: Runner, output: Path) -> None:
        super().__init__(runner.place, runner.leaks)
        self.output = output

    def command(self, argv: Sequence[str | Path], **user: Any) -> list[str]:
        return self.place.command([shutil.which("strace") or "strace", "-f", "-o", str(self.output), *map(str, argv)])


def test_calls_of_a_whole_life(runner: Runner, binaries: Binaries, folder: Path, injected: dict[str, str], emulator: Emulator,
                               token: ProjectedToken) -> None:
    """From exec to exit, with all listeners and files: nothing that the profile of a container runtime would refuse."""
    if shutil.which("strace") is None:
        pytest.skip("no strace (make setup-test)")
    own, output = folder / "own", folder / "calls"
    own.mkdir()
    (own / "pid").write_text("4194303")
    ports = [emulator.place.free_port() for _ in range(2)]
    sidecar = Sidecar(Traced(runner, output), binaries, own, f"--credentials-file={own}/c", f"--process-file={own}/p", f"--imds=127.0.0.1:{ports[0]}",
                      f"--metrics=127.0.0.1:{ports[1]}", "--allow-uid=1", f"--notify-pid-file={own}/pid", env=injected)
    try:
        sidecar.wait_ready(30)
        pid = int(output.read_text().split()[0])
        check_container(sidecar.get())
        check_container(sidecar.get_http())
        sidecar.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + b"\r\n\r\n")
        os.kill(pid, signal.SIGHUP)
        emulator.wait_for_requests(2)
        emulator.listen("closed")
        os.kill(pid, signal.SIGUSR1)
        eventually(lambda: "refresh failed" in sidecar.stderr, 30, "a failure")
        emulator.listen("open")
        token.rotate(emulator.token())
        eventually(lambda: "refreshing works again" in sidecar.stderr, 30, "the rotation was seen")
        os.kill(pid, signal.SIGTERM)
        assert sidecar.wait(30) == 0
    finally:
        sidecar.close()
    calls = re.findall(r"^\d+ +([a-z0-9_]+)\(", output.read_text(), re.MULTILINE)
    assert "sendmsg" in calls and set(calls) <= CALLS, set(calls) - CALLS
    assert calls.index("seccomp") < min(calls.index("accept4"), calls.index("recvfrom")), "within it before the first byte from outside"


# --- where a part is missing


def without(call: str) -> list[str]:
    """strace makes one call fail as a kernel or a container's profile would."""
    return ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error=EPERM"]


@pytest.mark.parametrize("call, part", [("landlock_create_ruleset", "landlock"), ("seccomp", "seccomp"), ("capset", "no capabilities")])
def test_a_part_that_cannot_be_had(runner: Runner, binaries: Binaries, injected: dict[str, str], folder: Path, call: str, part: str) -> None:
    """auto warns once and goes on; require ends with the part's name, and leaves no socket behind."""
    path = folder / "s"
    command = [*without(call), str(binaries.sidecar), f"--unix-socket={path}"]
    run = runner.run([*command, "--sandbox=require"], injected, timeout_s=20)
    assert run.exit_code == NO_SANDBOX
    assert f"--sandbox=require: {part}: " in run.stderr and "EPERM" not in run.stderr and "errno 1" in run.stderr
    assert not path.exists()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(runner.command(command), env=injected, stdout=log, stderr=log)
    try:
        eventually(lambda: process.poll() is not None or "refreshed" in (folder / "log").read_text(), 20, "a refresh")
        text = (folder / "log").read_text()
        assert text.count("without a part of its sandbox") == 1 and part in text
        assert process.poll() is None, text
    finally:
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in child:
            os.kill(int(pid), signal.SIGTERM)
        process.wait(10)


def test_an_agent_at_an_ipv6_address(start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    """libcurl looks for IPv6 with a datagram socket, which the sandbox does not have then."""
    listener = emulator.serve("agent", host="::1")
    env = {**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://[::1]:{listener['port']}/v1/credentials"}
    sidecar = start_sidecar("--sandbox=require", env=env)
    first = check_container(sidecar.get())
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "refresh failed" in sidecar.stderr or sidecar.stderr.count("credentials refreshed") > 1, 10, "a second fetch")
    assert "refresh failed" not in sidecar.stderr and first["AccessKeyId"]
