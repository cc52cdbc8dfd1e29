"""pod-identity-init: the way it passes, its reports, its termination message, its options."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.programs import Binaries, Run, Runner
from harness.reports import assert_failed, assert_ok, check_shape
from harness.token_files import ProjectedToken

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_passes(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    report = assert_ok(run_init(wait="10s"))
    assert report["source"] == "pod-identity"
    assert [check for check in report["checks"] if check["status"] == "fail"] == []
    seen = emulator.requests(with_secrets=True)
    assert [(one["method"], one["path"], one["status"]) for one in seen] == [("GET", "/v1/credentials", 200)]
    headers = {name.lower(): value for name, value in seen[0]["headers"]}
    assert headers["authorization"] == token.path.read_text()
    assert headers["accept"] == "application/json"


def test_passes_over_ipv6(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    if not emulator.url6:
        pytest.skip("no IPv6 loopback on this machine")
    injected["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = emulator.url6
    assert_ok(run_init(env=injected))


def test_text_report(run_init: Callable[..., Run], emulator: Emulator) -> None:
    report = run_init().report
    text = run_init(text=True)
    assert text.exit_code == 0
    lines = text.stdout.splitlines()
    for check in report["checks"]:
        assert any(check["id"] in line for line in lines), check["id"]
    assert "\x1b" not in text.stdout, "colour though this is no terminal"


def on_a_terminal(argv: list[str], env: dict[str, str]) -> tuple[int, str]:
    """What a program shows on a terminal of its own, and its exit code."""
    master, slave = os.openpty()
    try:
        running = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 30)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not part:
                break
            shown += part
        return running.wait(30), shown.decode("utf-8", "surrogateescape")
    finally:
        os.close(master)


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_colour_on_a_terminal(runner: Runner, binaries: Binaries, emulator: Emulator, injected: dict[str, str], leaks: Leaks,
                              no_color: str | None, coloured: bool) -> None:
    """Colour is for the status alone; without it the columns are the same. NO_COLOR takes it away, JSON never has it."""
    emulator.dissociate()
    env = {**injected, **({} if no_color is None else {"NO_COLOR": no_color})}
    argv = runner.command([binaries.init, "--wait=0", "--termination-log=/nonexistent/log"])
    code, shown = on_a_terminal(argv, env)
    leaks.add_output("init: terminal", shown.encode("utf-8", "surrogateescape"))
    assert code == 21
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert ("\x1b[31mfail\x1b[0m" in shown and "\x1b[32mpass\x1b[0m" in shown) == coloured, shown
    assert (plain != shown) == coloured and "\x1b" not in plain
    rows = [line for line in plain.splitlines() if line[:4] in ("pass", "warn", "fail", "skip")]
    names = max(len(row.split()[1]) for row in rows)
    assert all(row[4:6] == "  " and row[6 + names : 8 + names] == "  " and row[8 + names] != " " for row in rows), plain
    assert "\x1b" not in on_a_terminal([*argv, "--format=json"], env)[1]


def test_text_report_of_a_failure(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    run = run_init(text=True)
    failure = run_init().failure
    assert run.exit_code == 21
    assert "ACCESS_DENIED" in run.stdout
    assert failure["id"] in run.stdout and failure["remedy"] in run.stdout


def test_json_is_all_of_stdout(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    run = run_init()
    json.loads(run.stdout)
    check_shape(run.report)


def test_no_network_with_verify_injection(run_init: Callable[..., Run], emulator: Emulator) -> None:
    report = assert_ok(run_init("--verify=injection"))
    assert emulator.count() == 0
    assert report["checks"]


def test_runs_again(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert_ok(run_init())
    assert_ok(run_init())


@needs_root
def test_as_a_plain_user(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert_ok(run_init(uid=12345))


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_proxies_are_not_used(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str], name: str) -> None:
    assert_ok(run_init(env={**injected, name: "http://127.0.0.1:9/"}))


@EMULATORS
def test_waited(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("answer", status=503, times=2)
    report = assert_ok(run_init(wait="30s"))
    assert report["waitedMs"] > 0
    assert emulator.count() == 3


# --- termination log


def test_termination_log_of_a_failure(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    run = run_init()
    assert_failed(run, "ACCESS_DENIED")
    assert run.termination_log and run.failure["remedy"] in run.termination_log


def test_termination_log_is_replaced(run_init: Callable[..., Run], emulator: Emulator, termination_log: Path) -> None:
    termination_log.write_text("an older, longer text " * 150)
    emulator.dissociate()
    run = run_init()
    assert_failed(run, "ACCESS_DENIED")
    assert run.termination_log and "older" not in run.termination_log


def test_termination_log_says_nothing_when_all_is_well(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert run_init().termination_log == ""


def test_termination_log_in_text_mode(run_init: Callable[..., Run], emulator: Emulator) -> None:
    emulator.dissociate()
    run = run_init(text=True)
    assert run.termination_log and "ACCESS_DENIED" in run.termination_log


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", ["missing folder", "folder", "pipe without reader", "socket-less path under a file"])
def test_termination_log_is_never_an_error(run_init: Callable[..., Run], emulator: Emulator, folder: Path, kind: str, fails: bool) -> None:
    path = folder / "log"
    if kind == "missing folder":
        path = folder / "no" / "log"
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe without reader":
        os.mkfifo(path)
    else:
        (folder / "file").touch()
        path = folder / "file" / "log"
    if fails:
        emulator.dissociate()
    run = run_init(termination_log=path, timeout_s=20)
    assert run.exit_code == (21 if fails else 0)


@needs_root
def test_termination_log_not_writable(run_init: Callable[..., Run], emulator: Emulator, termination_log: Path) -> None:
    termination_log.chmod(0o644)
    emulator.dissociate()
    run = run_init(uid=12345)
    assert run.exit_code == 21
    assert run.termination_log == ""


def test_termination_log_off_the_command_line(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    path = folder / "other-log"
    path.touch()
    emulator.dissociate()
    assert run_init(termination_log=None, env={**injected, "POD_IDENTITY_TERMINATION_LOG": str(path)}).exit_code == 21
    assert "ACCESS_DENIED" in path.read_text()


# --- options


@pytest.mark.parametrize("options", [
    ["--no-such-option"], ["--wait=soon"], ["--wait=-1s"], ["--wait="], ["--format=xml"], ["--verify=everything"], ["--source=node"],
    ["--min-ttl=1w"], ["operand", "operand"], ["--install="], ["--wait"], ["-x"],
])
def test_usage_errors(run_init: Callable[..., Run], options: list[str]) -> None:
    run = run_init(*options, env={}, wait=None, text=True)
    assert run.exit_code == 64
    assert options[0].split("=")[0] in run.stderr + run.stdout


def test_options_from_the_environment(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    assert run_init(env={**injected, "POD_IDENTITY_FORMAT": "json"}, text=True).report["result"] == "ok"
    assert run_init(env={**injected, "POD_IDENTITY_FORMAT": "text"}).report["result"] == "ok", "the option wins"
    bad = run_init(env={**injected, "POD_IDENTITY_WAIT": "soon"}, text=True, wait=None)
    assert bad.exit_code == 64 and "POD_IDENTITY_WAIT" in bad.stderr + bad.stdout


def test_help(run_init: Callable[..., Run]) -> None:
    run = run_init("--help", env={}, text=True)
    assert run.exit_code == 0
    for option in ("wait", "source", "verify", "expect-namespace", "expect-service-account", "expect-account", "min-ttl", "format",
                   "termination-log", "install", "help", "version"):
        assert f"--{option}" in run.stdout
    for exit_code in (10, 11, 12, 13, 14, 20, 21, 22, 23, 30, 64, 70):
        assert str(exit_code) in run.stdout


def test_version(run_init: Callable[..., Run]) -> None:
    run = run_init("--version", env={}, text=True)
    assert run.exit_code == 0
    for library in ("musl", "bearssl", "curl", "cjson"):
        assert library in run.stdout.lower()


# --- where it runs


@needs_root
def test_in_an_empty_image(runner: Runner, binaries: Binaries, emulator: Emulator, folder: Path) -> None:
    """Nothing but the program and the token: no shell, no /dev, no /proc, no /tmp, no passwd, and a plain user."""
    image = folder / "image"
    mount = image / "var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
    ProjectedToken(mount, emulator.token())
    shutil.copy(binaries.init, image / "init")
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": emulator.url,
           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/" + str((mount / "eks-pod-identity-token").relative_to(image))}
    chroot = [shutil.which("chroot") or "chroot", "--userspec=12345:12345", "--groups=", str(image)]
    run = runner.run([*chroot, "/init", "--wait=0", "--format=json"], env)
    assert_ok(run)


@needs_root
def test_whose_association_is_missing(runner: Runner, binaries: Binaries, emulator: Emulator, folder: Path) -> None:
    """The mounted token of the API server names the account: with the command to paste."""
    image = folder / "image"
    mounted = ProjectedToken(image / "var/run/secrets/kubernetes.io/serviceaccount", emulator.token(audience="https://kubernetes.default.svc"), "token")
    shutil.copy(binaries.init, image / "init")
    for host in (None, "oidc.eks.cn-north-1.amazonaws.com.cn", "oidc-eks.eu-central-1.api.aws"):
        if host:
            claims = {"iss": f"https://{host}/id/0123456789ABCDEF0123456789ABCDEF"}
            mounted.rotate(emulator.token(audience="https://kubernetes.default.svc", claims=claims))
        run = runner.run([shutil.which("chroot") or "chroot", str(image), "/init", "--wait=0", "--format=json"], {})
        says = assert_failed(run, "NOT_INJECTED", 'service account "app" in namespace "demo"')
        assert "aws eks create-pod-identity-association --cluster-name CLUSTER --namespace demo --service-account app --role-arn ROLE" in says
    (image / "var/run/secrets/kubernetes.io/serviceaccount/token").unlink()
    other = emulator.token(audience="https://kubernetes.default.svc", claims={"iss": "https://kubernetes.default.svc.cluster.local"})
    ProjectedToken(image / "other", other, "token")
    shutil.copy(image / "other" / "token", image / "var/run/secrets/kubernetes.io/serviceaccount/token")
    run = runner.run([shutil.which("chroot") or "chroot", str(image), "/init", "--wait=0", "--format=json"], {})
    says = assert_failed(run, "NOT_INJECTED", 'service account "app" in namespace "demo"', "this cluster is not EKS, so give demo.app a role")
    assert "aws eks" not in says
    (image / "var/run/secrets/kubernetes.io/serviceaccount/token").unlink()
    (image / "var/run/secrets/kubernetes.io/serviceaccount/token").write_text("nonsense")
    run = runner.run([shutil.which("chroot") or "chroot", str(image), "/init", "--wait=0", "--format=json"], {})
    says = assert_failed(run, "NOT_INJECTED", "on EKS: aws eks list-pod-identity-associations", "ConfigMap of pod-identity-agent")
    assert "service account \"" not in says


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_closed_or_full_streams(runner: Runner, binaries: Binaries, injected: dict[str, str], emulator: Emulator, closed: str) -> None:
    """No stream, no report; but the exit code, and nothing else opened in its place, where a log line could go."""
    script = f'exec "$0" --wait=0 --termination-log=/nonexistent/log {closed}'
    assert runner.run(["/bin/sh", "-c", script, binaries.init], injected).exit_code == 0
    emulator.dissociate()
    assert runner.run(["/bin/sh", "-c", script, binaries.init], injected).exit_code == 21


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@EMULATORS
def test_signal_while_it_waits(runner: Runner, binaries: Binaries, injected: dict[str, str], emulator: Emulator, leaks: Leaks, number: int) -> None:
    """A pod that is deleted while it waits must not take its whole grace period."""
    emulator.fault("answer", status=503, times=None)
    process = subprocess.Popen(runner.command([binaries.init, "--wait=60s", "--termination-log=/nonexistent/log"]), env=injected,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        emulator.wait_for_requests(1)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=5)
    finally:
        process.kill()
        process.wait()
    leaks.add_output("init: stdout", stdout)
    leaks.add_output("init: stderr", stderr)
    assert process.returncode == 128 + number


# --- install


def test_install(run_init: Callable[..., Run], emulator: Emulator, binaries: Binaries, folder: Path) -> None:
    target = folder / "bin"
    target.mkdir()
    for _ in range(2):
        assert_ok(run_init(f"--install={target}"))
    installed = target / "pod-identity-get"
    assert installed.read_bytes() == binaries.get.read_bytes()
    assert stat.S_IMODE(installed.stat().st_mode) == 0o755
    assert [path.name for path in target.iterdir()] == ["pod-identity-get"]


def test_install_replaces_what_is_being_executed(run_init: Callable[..., Run], emulator: Emulator, binaries: Binaries, folder: Path) -> None:
    old = folder / "pod-identity-get"
    old.write_bytes(b"old")
    inode = old.stat().st_ino
    with old.open("rb") as held:
        assert_ok(run_init(f"--install={folder}"))
        assert held.read() == b"old", "the old file was written into"
    assert old.stat().st_ino != inode


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_install_where_it_cannot(run_init: Callable[..., Run], emulator: Emulator, folder: Path, kind: str) -> None:
    target = folder / "nowhere"
    if kind == "file":
        target.touch()
    run = run_init(f"--install={target}")
    assert run.exit_code == 70
    assert str(target) in run.stdout + run.stderr


@needs_root
def test_install_without_permission(run_init: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    target = folder / "bin"
    target.mkdir(mode=0o755)
    run = run_init(f"--install={target}", uid=12345)
    assert run.exit_code == 70
    assert str(target) in run.stdout + run.stderr
    assert list(target.iterdir()) == []
