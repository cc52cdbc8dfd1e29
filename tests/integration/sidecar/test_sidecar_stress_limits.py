"""pod-identity-sidecar where the machine gives it little: disk, descriptors, memory."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest

from harness import http
from harness.emulator import Emulator
from harness.programs import Binaries, Runner
from harness.served import check_container, issued, limit, temporaries, triple
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
KEPT = http.request_bytes("GET", "/v1/credentials", {"Connection": None})
MEMORY = Path("/sys/fs/cgroup/memory")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Wrapped(Runner):
    """Runs programs by way of a shell script that ends in `exec "$@"`."""

    def __init__(self, runner: Runner, script: str) -> None:
        super().__init__(runner.place, runner.leaks)
        self.inner, self.script = runner, script

    def command(self, argv: Sequence[str | Path], **user: Any) -> list[str]:
        return ["/bin/sh", "-c", self.script, "sh", *self.inner.command(argv, **user)]


@pytest.fixture
def start_wrapped(runner: Runner, binaries: Binaries, folder: Path, injected: dict[str, str]) -> Iterator[Start]:
    """start_wrapped(script, *options, ready=True) -> Sidecar"""
    started: list[Sidecar] = []

    def start(script: str, *options: str, ready: bool = True) -> Sidecar:
        one = Sidecar(Wrapped(runner, script), binaries, folder, *options, env={**injected, "PATH": os.environ.get("PATH", "")}, with_http=False)
        started.append(one)
        return one.wait_ready() if ready else one
    yield start
    for one in started:
        one.close()


def refresh(sidecar: Sidecar, emulator: Emulator) -> None:
    """Forces one, and waits until its result is served."""
    before = sidecar.get().raw
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get().raw != before, 10, "a refresh")


# --- disk


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """A small file system of its own."""
    path = folder / "disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "none", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=False)


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True, capture_output=True)


def test_a_disk_that_becomes_read_only(start_sidecar: Start, emulator: Emulator, disk: Path) -> None:
    """As after an error of the device: clients are served the new credentials, readiness says why, and it mends itself."""
    path = disk / "process.json"
    sidecar = start_sidecar(f"--process-file={path}", with_http=False)
    before = path.read_bytes()
    remount(disk, "ro")
    refresh(sidecar, emulator)
    answer = sidecar.get("/readyz")
    assert answer.status == 503 and str(path) in answer.body.decode() and "Read-only" in answer.body.decode()
    assert triple(check_container(sidecar.get())) == issued(emulator)[-1]
    assert path.read_bytes() == before
    refresh(sidecar, emulator)
    assert sidecar.stderr.count("cannot write a credentials file") == 1, "logged once"
    remount(disk, "rw")
    refresh(sidecar, emulator)
    eventually(lambda: sidecar.get("/readyz").status == 200, 5, "ready")
    assert issued(emulator)[-1][0] in path.read_text() and temporaries(disk) == []


def test_no_more_inodes(start_sidecar: Start, emulator: Emulator, disk: Path) -> None:
    """The other way in which a disk is full."""
    path = disk / "process.json"
    sidecar = start_sidecar(f"--process-file={path}", with_http=False)
    before = path.read_bytes()
    remount(disk, "nr_inodes=2")
    refresh(sidecar, emulator)
    assert sidecar.get("/readyz").status == 503 and path.read_bytes() == before
    remount(disk, "nr_inodes=100")
    refresh(sidecar, emulator)
    eventually(lambda: sidecar.get("/readyz").status == 200, 5, "ready")


def test_a_quota_on_what_it_may_write(start_wrapped: Start, emulator: Emulator, folder: Path) -> None:
    """A limit on the size of files stands in for a quota, which few file systems have: here too a write fails in the
    middle, and the kernel adds a signal that ends whoever does not expect it."""
    path = folder / "credentials"
    path.write_text("# kept by hand\n" * 1000)
    before = path.read_bytes()
    sidecar = start_wrapped('ulimit -f 16; exec "$@"', f"--credentials-file={path}", ready=False).wait_serving()
    eventually(lambda: sidecar.get().status == 200, 5, "served all the same")
    answer = sidecar.get("/readyz")
    assert answer.status == 503 and str(path) in answer.body.decode()
    assert path.read_bytes() == before and temporaries(folder) == []
    path.write_text("")
    refresh(sidecar, emulator)
    eventually(lambda: sidecar.get("/readyz").status == 200, 5, "ready")
    assert issued(emulator)[-1][0] in path.read_text()


# --- descriptors


def cpu_s(pid: int) -> float:
    """Processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_clients_leave_descriptors_to_the_refresh(start_wrapped: Start, emulator: Emulator, folder: Path) -> None:
    """With a low limit, clients that stay take each other's places, and never those that a fetch and a file need."""
    path = folder / "process.json"
    sidecar = start_wrapped('ulimit -n 64; exec "$@"', f"--process-file={path}")
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            sock = stack.enter_context(sidecar.connect_unix())
            sock.sendall(KEPT)
            check_container(http.parse_answer(sock.recv(65536)))
        assert sidecar.open_files() <= 64 - 16
        refresh(sidecar, emulator)
        assert sidecar.get("/readyz").status == 200
        assert issued(emulator)[-1][0] in path.read_text()
    assert "cannot accept" not in sidecar.stderr


def stuck(sock: socket.socket) -> bool:
    """Asks on without reading: an answer has begun, and the rest of many finds no room."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(KEPT * 100)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(10_000))


def gone(sock: socket.socket) -> bool:
    """The other side has closed."""
    poll = select.poll()
    poll.register(sock, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def test_answers_that_nobody_takes_give_way(start_wrapped: Start, emulator: Emulator) -> None:
    """With every place held by a client that reads nothing, the oldest of them makes room for the next client, one at a time."""
    places = 21  # one of them is borrowed: it is for those who may not ask
    sidecar = start_wrapped(f'ulimit -n {limit("sidecar/serve.h", "SERVE_DESCRIPTORS_KEPT") + places}; exec "$@"')
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(sidecar.connect_unix()) for _ in range(places)]
        assert all(stuck(sock) for sock in socks) and not any(gone(sock) for sock in socks)
        for number in range(places):
            newcomer = stack.enter_context(sidecar.connect_unix())
            assert stuck(newcomer)
            eventually(lambda: gone(socks[number]), 10, "the oldest has given way")
            assert not any(gone(sock) for sock in socks[number + 1:]), "only the oldest"
        check_container(sidecar.get())


def test_a_pool_of_a_thousand_fits_on_one_listener(start_sidecar: Start) -> None:
    """The socket borrows what stands free, and gives it back at once: the other listener is served beside it, all the time."""
    sidecar = start_sidecar()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(sidecar.connect_unix()) for _ in range(1000)]
        for _ in range(2):
            for sock in socks:
                sock.sendall(KEPT)
                check_container(http.read_one(sock))
        more = [stack.enter_context(sidecar.connect_unix()) for _ in range(100)]
        for sock in more:
            sock.sendall(KEPT)
            check_container(http.read_one(sock))
        for _ in range(20):
            check_container(sidecar.get_http())
        assert sum(http.closed(sock) for sock in socks) < 150, "no more than had to give way"


def test_a_low_soft_limit_is_raised(start_wrapped: Start, emulator: Emulator) -> None:
    """Where the hard limit allows it, a thousand clients are held at a soft limit of 256."""
    sidecar = start_wrapped('ulimit -Sn 256; exec "$@"')
    assert resource.prlimit(sidecar.pid, resource.RLIMIT_NOFILE)[0] > 1024


@needs_root
def test_no_descriptor_left_at_all(start_sidecar: Start, emulator: Emulator) -> None:
    """It does not spin on a listener that stays readable, says so once, and serves who waited as soon as it can."""
    sidecar = start_sidecar(with_http=False)
    limits = resource.prlimit(sidecar.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(sidecar.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with sidecar.connect_unix() as waiting:
        waiting.sendall(KEPT)
        eventually(lambda: "cannot accept a connection" in sidecar.stderr, 5, "it is told")
        before, since = cpu_s(sidecar.pid), time.monotonic()
        time.sleep(1.5)  # the time that is looked at, not a wait for something
        used, seen = cpu_s(sidecar.pid) - before, time.monotonic() - since
        assert used <= seen / 10, f"it used {used:.2f} s of processor time in {seen:.2f} s"
        resource.prlimit(sidecar.pid, resource.RLIMIT_NOFILE, limits)
        check_container(http.parse_answer(waiting.recv(65536)))
    assert sidecar.stderr.count("cannot accept a connection") == 1
    eventually(lambda: "accepting connections again" in sidecar.stderr, 5, "and its end")


# --- memory


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group of 4 MiB."""
    if not (MEMORY / "memory.limit_in_bytes").exists() or os.geteuid() != 0:
        pytest.skip("no memory controller of cgroup v1, or not root")
    group = MEMORY / f"podid-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(4 << 20))
    except OSError as error:
        pytest.skip(f"no control group: {error}")
    yield group
    eventually(lambda: not (group / "cgroup.procs").read_text(), 10, "all its processes have ended")
    group.rmdir()


def kills(group: Path) -> int:
    found = dict(line.split() for line in (group / "memory.oom_control").read_text().splitlines())
    return int(found["oom_kill"])


def test_4_mib(start_wrapped: Start, emulator: Emulator, small_memory: Path, folder: Path) -> None:
    """Everything in a control group of 4 MiB: 200 clients at once, 40 that never take their answers, refreshes, files."""
    path = folder / "process.json"
    sidecar = start_wrapped(f'echo $$ >{small_memory}/cgroup.procs; exec "$@"', f"--process-file={path}")
    with contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(sidecar.connect_unix()) for _ in range(40)]
        for sock in deaf:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                while True:
                    sock.send(KEPT * 100)
        socks = [stack.enter_context(sidecar.connect_unix()) for _ in range(200)]
        for _ in range(5):
            for sock in socks:
                sock.sendall(KEPT)
            for sock in socks:
                check_container(http.parse_answer(sock.recv(65536)))
            refresh(sidecar, emulator)
    assert sidecar.process.poll() is None, "killed"
    assert kills(small_memory) == 0
    assert issued(emulator)[-1][0] in path.read_text()
    sidecar.close()


# --- places to remember requests in


def test_clients_that_ask_on_and_never_read_lock_nobody_out(start_sidecar: Start, emulator: Emulator) -> None:
    """More of them than there are places to remember a request in: whoever sends a request in two pieces still gets one."""
    sidecar = start_sidecar(with_http=False)
    with contextlib.ExitStack() as stack:
        for _ in range(limit("sidecar/doors.h", "DOORS_PARTIALS") + 6):
            sock = stack.enter_context(sidecar.connect_unix())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                while True:
                    sock.send(KEPT * 100)
        for _ in range(200):  # many turns of its loop, so that all of them have come to a stop
            check_container(sidecar.get())
        for _ in range(20):
            sock = stack.enter_context(sidecar.connect_unix())
            sock.sendall(KEPT[:20])
            check_container(sidecar.get())
            sock.sendall(KEPT[20:])
            check_container(http.parse_answer(sock.recv(65536)))
