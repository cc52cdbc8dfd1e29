"""pod-identity-sidecar: options, their environment variables, and every way not to start."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import threading
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import check_container, profile_triple, read_profile
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
OPTIONS = ("source", "unix-socket", "socket-mode", "socket-group", "http", "http-token-file", "credentials-file", "file-profile",
           "file-mode", "process-file", "linger", "log-level", "log-format")
SECRET_BEARER = "short-" + "s3cr3t"


# --- help, environment


def test_help_names_every_option(run_sidecar: Callable[..., Run]) -> None:
    run = run_sidecar("--help", env={})
    assert (run.exit_code, run.stderr) == (0, "")
    assert set(re.findall(r"^  (?:-[hV], )?--([a-z-]+)", run.stdout, re.MULTILINE)) >= {*OPTIONS, "help", "version"}
    for word in ("serve", "once", "probe", "version", "0660", "POD_IDENTITY_HTTP_TOKEN", "/run/pod-identity/credentials.sock"):
        assert word in run.stdout


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def choice(emulator: Emulator, folder: Path) -> Callable[[str], dict[str, str]]:
    """choice("a") is a value for every option, all different from those of choice("b")."""
    def make(name: str) -> dict[str, str]:
        first = name == "a"
        group = os.getegid() if os.geteuid() else (20001 if first else 20002)
        return {
            "source": "pod-identity" if first else "auto",
            "unix-socket": f"{folder}/{name}.sock",
            "socket-mode": "0600" if first else "0666",
            "socket-group": str(group),
            "http": f"127.0.0.1:{emulator.place.free_port()}",
            "http-token-file": f"{folder}/{name}.bearer",
            "credentials-file": f"{folder}/{name}.credentials",
            "file-profile": f"profile-{name}",
            "file-mode": "0640" if first else "0604",
            "process-file": f"{folder}/{name}.json",
            "linger": "0s" if first else "10ms",
            "log-level": "debug" if first else "info",
            "log-format": "json" if first else "text",
        }
    return make


def check_chosen(sidecar: Sidecar, values: dict[str, str]) -> None:
    """Everything that these values do can be seen."""
    sidecar.socket_path = Path(values["unix-socket"])
    sidecar.wait_ready()
    assert sidecar.socket_mode() == int(values["socket-mode"], 8)
    assert sidecar.socket_path.stat().st_gid == int(values["socket-group"])
    sidecar.port = int(values["http"].rpartition(":")[2])
    sidecar.token_path = Path(values["http-token-file"])
    served = check_container(sidecar.get_http())
    credentials, process = Path(values["credentials-file"]), Path(values["process-file"])
    assert profile_triple(credentials.read_text(), values["file-profile"])[0] == served["AccessKeyId"]
    assert json.loads(process.read_text())["AccessKeyId"] == served["AccessKeyId"]
    assert mode_of(credentials) == mode_of(process) == int(values["file-mode"], 8)
    assert sidecar.stop() == 0
    lines = sidecar.stderr.splitlines()
    assert lines
    assert all(line.startswith("{") == (values["log-format"] == "json") for line in lines)
    if values["log-format"] == "json":
        assert all(isinstance(json.loads(line), dict) for line in lines)
    assert ("10" if values["linger"] == "10ms" else "0") in re.findall(r'linger_ms"?[=:](\d+)', sidecar.stderr)


def variables(values: dict[str, str]) -> dict[str, str]:
    return {"POD_IDENTITY_" + name.upper().replace("-", "_"): value for name, value in values.items()}


def test_every_option_in_the_environment(start_sidecar: Start, folder: Path, choice: Callable[[str], dict[str, str]]) -> None:
    values = choice("a")
    assert set(values) == set(OPTIONS)
    check_chosen(start_sidecar(extra_env=variables(values), with_socket=False, with_http=False, ready=False), values)


def test_options_win_over_the_environment(start_sidecar: Start, folder: Path, choice: Callable[[str], dict[str, str]]) -> None:
    other, values = choice("a"), choice("b")
    options = [f"--{name}={value}" for name, value in values.items()]
    check_chosen(start_sidecar(*options, extra_env=variables(other), with_socket=False, with_http=False, ready=False), values)
    assert not [path.name for path in folder.iterdir() if path.name.startswith("a.")]


def test_options_win_even_over_unusable_variables(start_sidecar: Start, choice: Callable[[str], dict[str, str]]) -> None:
    values = choice("b")
    words = [word for name, value in values.items() for word in (f"--{name}", value)]
    unusable = variables({name: "\x01" for name in values})
    check_chosen(start_sidecar(*words, extra_env=unusable, with_socket=False, with_http=False, ready=False), values)


def test_empty_variables_count_as_unset(start_sidecar: Start) -> None:
    names = [name for name in OPTIONS if name not in ("unix-socket", "http", "http-token-file")]
    sidecar = start_sidecar(extra_env=variables(dict.fromkeys(names, "")))
    assert sidecar.socket_mode() == 0o660


def test_variables_that_kubernetes_makes_for_services_are_ignored(start_sidecar: Start) -> None:
    """A Service named pod-identity puts these into every pod of its namespace."""
    start_sidecar(extra_env={"POD_IDENTITY_SERVICE_HOST": "10.0.0.1", "POD_IDENTITY_PORT": "tcp://10.0.0.1:80",
                             "POD_IDENTITY_PORT_80_TCP_ADDR": "10.0.0.1"})


# --- usage errors


@pytest.mark.parametrize("words, shown", [
    (["--no-such-option"], "--no-such-option"),
    (["--imds=0.0.0.0:1"], "--imds"),
    (["--metrics=9912"], "--metrics"),
    (["--allow-uid=nobody"], "--allow-uid"),
    (["--notify-signal=KILL"], "--notify-signal"),
    (["--notify-pid-file=relative"], "--notify-pid-file"),
    (["--linger"], "--linger"),
    (["--linger=5"], "--linger"),
    (["--linger=-1s"], "--linger"),
    (["--linger=5 s"], "--linger"),
    (["--linger=99999999999999999999h"], "--linger"),
    (["--wait=soon"], "--wait"),
    (["--socket-mode=rw"], "--socket-mode"),
    (["--socket-mode=0999"], "--socket-mode"),
    (["--socket-mode=416"], "416 in decimal is 0640"),
    (["--file-mode=0420"], "gives others what the owner lacks"),
    (["--socket-mode=07777"], "--socket-mode"),
    (["--socket-mode="], "--socket-mode"),
    (["--file-mode=888"], "--file-mode"),
    (["--socket-group=users"], "--socket-group"),
    (["--socket-group=-1"], "--socket-group"),
    (["--socket-group=4294967295"], "--socket-group"),
    (["--unix-socket=relative.sock"], "--unix-socket"),
    (["--unix-socket=/" + "x" * 107], "--unix-socket"),
    (["--unix-socket=/tmp/"], "--unix-socket"),
    (["--credentials-file=relative"], "--credentials-file"),
    (["--credentials-file=/a\nb"], "--credentials-file"),
    (["--credentials-file=/" + "x" * 5000], "--credentials-file"),
    (["--process-file=."], "--process-file"),
    (["--profile=a]b"], "--profile"),
    (["--profile="], "--profile"),
    (["--profile=" + "x" * 129], "--profile"),
    (["--source=node"], "--source"),
    (["--log-level=loud"], "--log-level"),
    (["--log-format=xml"], "--log-format"),
    (["--credentials-file=/tmp/x", "--process-file=/tmp/x"], "--process-file"),
    (["--unix-socket=off", "--http=127.0.0.1:1"], "--http"),
    (["launch"], "launch"),
    (["serve", "again"], "again"),
    (["-x"], "-x"),
    (["once"], "once"),
    (["probe", "--unix-socket=off"], "--unix-socket"),
])
@EMULATORS
def test_usage_error(run_sidecar: Callable[..., Run], words: list[str], shown: str) -> None:
    run = run_sidecar(*words, env={}, timeout_s=10)
    assert run.exit_code == 64, run
    assert run.stdout == "" and run.stderr.count("\n") == 1 and shown in run.stderr
    assert len(run.stderr) < 1024


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "10.0.0.1:8080", "169.254.170.23:8080", "[::]:8080", "[fd00:ec2::23]:8080", ":8080",
                                     "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
                                     "localhost:8080", "[::1]", "::1:8080", "[::ffff:10.0.0.1]:8080", "127.1:80",
                                     "127.0.0.1.evil.example:80", "0x7f000001:80", "2130706433:80"])
def test_only_loopback_is_listened_on(run_sidecar: Callable[..., Run], address: str) -> None:
    run = run_sidecar("serve", f"--http={address}", env={}, timeout_s=10)
    assert run.exit_code == 64 and "--http" in run.stderr and "loopback" in run.stderr


@pytest.mark.parametrize("name, value", [("LINGER", "5"), ("HTTP", "0.0.0.0:80"), ("SOCKET_MODE", "x"), ("UNIX_SOCKET", "x")])
def test_usage_error_in_a_variable(run_sidecar: Callable[..., Run], name: str, value: str) -> None:
    run = run_sidecar("serve", env={f"POD_IDENTITY_{name}": value}, timeout_s=10)
    assert run.exit_code == 64
    assert f"--{name.lower().replace('_', '-')}" in run.stderr or f"POD_IDENTITY_{name}" in run.stderr


@pytest.mark.parametrize("bearer", [SECRET_BEARER, "with a blank in it here", "x" * 257, "line\nbreak-and-more-text", "b\xe9ar\xe9r-of-latin-letters"])
def test_unusable_bearer_is_not_shown(run_sidecar: Callable[..., Run], injected: dict[str, str], bearer: str) -> None:
    run = run_sidecar("serve", "--http=127.0.0.1:1", env={**injected, "POD_IDENTITY_HTTP_TOKEN": bearer}, timeout_s=10)
    assert run.exit_code == 64 and "POD_IDENTITY_HTTP_TOKEN" in run.stderr
    assert bearer not in run.stderr and bearer[:12] not in run.stderr


def test_a_port_of_the_kernels_choice_is_logged(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--http=127.0.0.1:0", with_http=False)
    sidecar.port = int(re.search(r'msg=serving .*http=127\.0\.0\.1:(\d+)', sidecar.stderr).group(1))  # type: ignore[union-attr]
    sidecar.token_path = sidecar.folder / "http-token"
    check_container(sidecar.get_http())


# --- what was injected


def serve_options(folder: Path) -> list[str]:
    return ["serve", f"--unix-socket={folder}/s.sock"]


@pytest.mark.parametrize("env", [{}, {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}])
def test_nothing_injected(run_sidecar: Callable[..., Run], folder: Path, env: dict[str, str]) -> None:
    for words in (serve_options(folder), ["once", f"--process-file={folder}/p.json"]):
        run = run_sidecar(*words, "--source=pod-identity", env=env, timeout_s=10)
        assert run.exit_code == 10 and "NOT_INJECTED" in run.stderr and run.stdout == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("changes", [
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": None},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": None},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.169.254/v1/credentials"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/v1/credentials"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23.evil.example/v1/credentials"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://169.254.170.23/v1/credentials"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "169.254.170.23/v1/credentials"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23:70000/v1/credentials"},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/" + "x" * 5000},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "relative/token"},
])
@EMULATORS
def test_unusable_injection(run_sidecar: Callable[..., Run], injected: dict[str, str], emulator: Emulator, folder: Path,
                            changes: dict[str, Any]) -> None:
    env = {name: value for name, value in {**injected, **changes}.items() if value is not None}
    for words in (serve_options(folder), ["once", f"--process-file={folder}/p.json", "--wait=30s"]):
        run = run_sidecar(*words, env=env, timeout_s=10)
        assert run.exit_code == 11 and "INJECTION_INVALID" in run.stderr
    assert not (folder / "s.sock").exists()
    assert emulator.count() == 0


# --- sockets and addresses that cannot be had


def check_cannot(run: Run, *shown: str) -> None:
    assert run.exit_code == 73, run
    assert run.stdout == "" and run.stderr.count("\n") == 1
    for part in shown:
        assert part in run.stderr, run.stderr


@EMULATORS
def test_a_living_sidecar_keeps_its_socket(start_sidecar: Start, run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    sidecar = start_sidecar()
    inode = sidecar.socket_path.stat().st_ino
    run = run_sidecar("serve", f"--unix-socket={sidecar.socket_path}", timeout_s=10)
    check_cannot(run, str(sidecar.socket_path), str(sidecar.pid))
    assert sidecar.socket_path.stat().st_ino == inode
    check_container(sidecar.get())
    assert emulator.count() == 1, "the second one asked the agent"


@EMULATORS
def test_of_many_that_start_at_once_one_stays(start_sidecar: Start, runner: Runner, binaries: Binaries, injected: dict[str, str],
                                              emulator: Emulator) -> None:
    """Also over a stale socket, where two could each remove the other's."""
    sidecar = start_sidecar()
    for _ in range(3):
        sidecar.kill()
        runs: list[Run] = []
        threads = [threading.Thread(target=lambda: runs.append(
            runner.run([binaries.sidecar, "serve", f"--unix-socket={sidecar.socket_path}"], injected))) for _ in range(5)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(runs) >= 4, 10, "four of five have ended")
        assert sidecar.get("/healthz").status == 200
        pid = int(re.search(r"pid (\d+)", runs[0].stderr).group(1))  # type: ignore[union-attr]
        for run in runs:
            check_cannot(run, f"pid {pid}")
        os.kill(pid, 15)
        for thread in threads:
            thread.join(10)
        assert runs[-1].exit_code == 0 and not sidecar.socket_path.exists()
        sidecar.restart().wait_ready()


def test_a_stale_socket_is_taken_over(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    sidecar.kill()
    assert sidecar.socket_path.is_socket()
    sidecar.restart().wait_ready()
    check_container(sidecar.get())


@pytest.mark.parametrize("kind", ["file", "directory", "fifo", "link to a file"])
@EMULATORS
def test_what_is_no_socket_is_left_alone(run_sidecar: Callable[..., Run], injected: dict[str, str], folder: Path, kind: str) -> None:
    path, other = folder / "s.sock", folder / "other"
    other.write_text("kept")
    {"file": lambda: path.write_text("kept"), "directory": path.mkdir, "fifo": lambda: os.mkfifo(path),
     "link to a file": lambda: path.symlink_to(other)}[kind]()
    before = path.lstat()
    check_cannot(run_sidecar(*serve_options(folder), timeout_s=10), str(path))
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert other.read_text() == "kept"


@EMULATORS
def test_a_foreign_listener_keeps_its_socket(run_sidecar: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    """Even one that never accepts."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / "s.sock"))
        listener.listen(0)
        check_cannot(run_sidecar(*serve_options(folder), timeout_s=10), f"pid {os.getpid()}")
        run = run_sidecar(*serve_options(folder), timeout_s=10)  # its queue is full now: nobody knows whose it is
        check_cannot(run, f"{folder}/s.sock")
        assert "pid 0" not in run.stderr and "4294967295" not in run.stderr
        assert (folder / "s.sock").is_socket()


@EMULATORS
def test_missing_directory(run_sidecar: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    check_cannot(run_sidecar("serve", f"--unix-socket={folder}/none/s.sock", timeout_s=10), f"{folder}/none/s.sock")


@EMULATORS
def test_port_in_use(start_sidecar: Start, run_sidecar: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    sidecar = start_sidecar()
    run = run_sidecar(*serve_options(folder), f"--http=127.0.0.1:{sidecar.port}", timeout_s=10)
    check_cannot(run, f"127.0.0.1:{sidecar.port}")
    assert list(folder.glob("*.sock")) == [] and list(folder.glob("http-token")) == []
    check_container(sidecar.get_http())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
@EMULATORS
def test_directory_of_somebody_else(run_sidecar: Callable[..., Run], injected: dict[str, str], folder: Path, emulator: Emulator) -> None:
    check_cannot(run_sidecar(*serve_options(folder), uid=12345, timeout_s=10), f"{folder}/s.sock")
    port = emulator.place.free_port()
    mine = folder / "mine"
    mine.mkdir()
    os.chown(mine, 12345, 12345)
    run = run_sidecar("serve", f"--unix-socket={mine}/s.sock", f"--http=127.0.0.1:{port}", f"--http-token-file={folder}/bearer", uid=12345,
                      timeout_s=10)
    check_cannot(run, f"{folder}/bearer")
    assert list(mine.iterdir()) == []


@EMULATORS
def test_defaults_cannot_be_had_here(run_sidecar: Callable[..., Run], injected: dict[str, str]) -> None:
    """The default socket is named when its folder is missing: the first thing a newcomer meets."""
    if os.path.exists("/run/pod-identity"):
        pytest.skip("/run/pod-identity is there")
    check_cannot(run_sidecar(timeout_s=10), "/run/pod-identity/credentials.sock", "emptyDir")


def test_profile_option_alone_changes_nothing_else(start_sidecar: Start, folder: Path) -> None:
    path = folder / "credentials"
    sidecar = start_sidecar(f"--credentials-file={path}", "--profile=eu/team.a+b@c:d,e=f-_")
    assert read_profile(path.read_text(), "eu/team.a+b@c:d,e=f-_")
    assert sidecar.stop() == 0
