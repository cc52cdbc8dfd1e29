"""A pod that mounts its own token does not depend on the webhook: --self-injected, of init and sidecar, and --pod-labels."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.reports import assert_failed, assert_ok
from harness.token_files import ProjectedToken

STANDARD_FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
STANDARD_TOKEN = f"{STANDARD_FOLDER}/eks-pod-identity-token"
URI, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
MOUNTED = 'mount -t tmpfs none "$(readlink -f /var/run)" && mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'


def why_no_mounts() -> str | None:
    """None where the standard path can be had in a mount namespace, otherwise the reason."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("unshare") is None:
        return "no `unshare` program (util-linux)"
    done = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, text=True, check=False)
    return f"no mounts: {done.stderr.strip()}" if done.returncode else None


WHY_NOT = why_no_mounts()
mounts = pytest.mark.skipif(WHY_NOT is not None, reason=f"the standard path cannot be had: {WHY_NOT}")
netns = pytest.mark.parametrize("place", ["netns"], indirect=True)


def mounted(folder: Path, *argv: str | Path) -> list[str | Path]:
    """What to start so that argv finds the folder at the standard path."""
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", MOUNTED, "sh", folder, STANDARD_FOLDER, *argv]


@pytest.fixture
def run_mounted(runner: Runner, binaries: Binaries, token: ProjectedToken) -> Callable[..., Run]:
    """run_mounted(*options, env={}) -> Run of init, with the token at the standard path."""
    def run(*options: str, env: dict[str, str] | None = None) -> Run:
        argv = mounted(token.folder, binaries.init, "--format=json", "--wait=0", "--termination-log=/nonexistent/log", *options)
        return runner.run(argv, {**PATH, **(env or {})})
    return run


@mounts
@netns
def test_used_when_nothing_was_injected(run_mounted: Callable[..., Run], emulator: Emulator) -> None:
    run = run_mounted()
    assert_ok(run)
    pair = next(check for check in run.report["checks"] if check["id"] == "injection.pair")
    assert pair["status"] == "warn" and "own token" in pair["message"] and "--self-injected=require" in pair["remedy"]
    assert emulator.count() == 1
    strict = run_mounted("--strict", env={"AWS_REGION": "x", "AWS_EC2_METADATA_DISABLED": "true"})
    assert strict.exit_code == 10


@mounts
@netns
def test_required(run_mounted: Callable[..., Run], emulator: Emulator) -> None:
    run = run_mounted("--self-injected=require", "--strict", env={"AWS_REGION": "x", "AWS_EC2_METADATA_DISABLED": "true"})
    assert_ok(run)
    assert run.checks("warn") == []
    assert "own token" in next(check for check in run.report["checks"] if check["id"] == "injection.pair")["message"]


@mounts
@netns
def test_never(run_mounted: Callable[..., Run], emulator: Emulator) -> None:
    assert_failed(run_mounted("--self-injected=never"), "NOT_INJECTED", URI)
    assert emulator.count() == 0


@mounts
@netns
@pytest.mark.parametrize("half", [URI, TOKEN_FILE])
def test_not_beside_half_a_pair(run_mounted: Callable[..., Run], emulator: Emulator, injected: dict[str, str], half: str) -> None:
    assert_failed(run_mounted(env={half: injected[half]}), "INJECTION_INVALID", half)


@mounts
@netns
def test_what_was_injected_comes_first(run_mounted: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    for option in ("auto", "require", "never"):
        report = assert_ok(run_mounted(f"--self-injected={option}", env=injected))
        assert "are set" in next(check for check in report["checks"] if check["id"] == "injection.pair")["message"]


@mounts
@netns
def test_web_identity_beside_it_is_named(run_mounted: Callable[..., Run], emulator: Emulator) -> None:
    run = run_mounted(env={"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/irsa", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"})
    assert_ok(run)
    warned = {check["id"] for check in run.checks("warn")}
    assert {"injection.pair", "shadow.web-identity"} <= warned


@mounts
@netns
def test_unreadable_own_token_is_not_called_missing(runner: Runner, binaries: Binaries, token: ProjectedToken, emulator: Emulator) -> None:
    token.real().chmod(0o600)
    argv = mounted(token.folder, "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", binaries.init, "--format=json", "--wait=0")
    assert_failed(runner.run(argv, PATH), "TOKEN_UNREADABLE", STANDARD_TOKEN, "12345")


def test_required_and_not_there(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    if os.path.lexists(STANDARD_TOKEN):
        pytest.skip("this machine has a token at the standard path")
    for env in ({}, injected):
        text = assert_failed(run_init("--self-injected=require", env=env), "NOT_INJECTED", STANDARD_TOKEN)
        assert "restarting cannot help" in text
    assert emulator.count() == 0


@mounts
@netns
def test_other_address_is_used(run_mounted: Callable[..., Run], emulator: Emulator) -> None:
    """Nothing says which IP version the cluster has: with --try-other-family the one that answers is taken."""
    subprocess.run(["ip", "-netns", emulator.place.name, "addr", "del", "169.254.170.23/32", "dev", "lo"], check=True)
    try:
        run = run_mounted("--try-other-family", "--wait=20s")
        assert_ok(run)
        assert "fd00:ec2::23" in next(check for check in run.report["checks"] if check["id"] == "agent.reachable")["message"]
        assert_failed(run_mounted(), "AGENT_UNREACHABLE", "169.254.170.23")
    finally:
        subprocess.run(["ip", "-netns", emulator.place.name, "addr", "add", "169.254.170.23/32", "dev", "lo"], check=True)


@mounts
@netns
def test_sidecar(runner: Runner, binaries: Binaries, token: ProjectedToken, emulator: Emulator, folder: Path) -> None:
    target = folder / "credentials.json"
    argv = mounted(token.folder, binaries.sidecar, "once", "--wait=0", f"--process-file={target}")
    done = runner.run(argv, PATH)
    assert done.exit_code == 0, done.stderr
    assert target.exists()
    assert runner.run([*argv, "--self-injected=never"], PATH).exit_code == 10
    assert runner.run([*argv, "--self-injected=require"], PATH).exit_code == 0
    missing = runner.run([binaries.sidecar, "once", "--wait=0", f"--process-file={target}", "--self-injected=require"], PATH)
    assert missing.exit_code == 10 and STANDARD_TOKEN in missing.stderr


def test_unknown_value(run_init: Callable[..., Run]) -> None:
    run = run_init("--self-injected=maybe", env={}, text=True)
    assert run.exit_code == 64 and "auto, never, require" in run.stderr


# --- labels


@pytest.fixture
def labels(folder: Path) -> Callable[[bytes], Path]:
    """labels(content) -> the file."""
    def write(content: bytes) -> Path:
        path = folder / "labels"
        path.write_bytes(content)
        return path
    return write


@pytest.mark.parametrize(("content", "says"), [
    (b'app="demo"\neks.amazonaws.com/pod-identity="enabled"\n', "this container was skipped"),
    (b'eks.amazonaws.com/pod-identity="enabled"', "this container was skipped"),
    (b'eks.amazonaws.com/skip-pod-identity-webhook=""', "asks not to be injected"),
    (b'app="demo"', "missed this whole pod"), (b"", "missed this whole pod"),
    (b'eks.amazonaws.com/pod-identity="disabled"', "missed this whole pod"),
    (b'x/eks.amazonaws.com/pod-identity="enabled"', "missed this whole pod"),
    (b'note="eks.amazonaws.com/pod-identity=\\"enabled\\" \\u00e9\\n"', "missed this whole pod"),
])
def test_labels_tell_why(run_init: Callable[..., Run], labels: Callable[[bytes], Path], content: bytes, says: str) -> None:
    text = assert_failed(run_init(f"--pod-labels={labels(content)}", env={}), "NOT_INJECTED", says)
    assert "restarting this container cannot help" in text
    if "skipped" in says:
        assert "eks.amazonaws.com/skip-containers" in text


def test_labels_of_an_injected_container(run_init: Callable[..., Run], labels: Callable[[bytes], Path], emulator: Emulator) -> None:
    path = labels(b'eks.amazonaws.com/pod-identity="enabled"')
    report = assert_ok(run_init(f"--pod-labels={path}"))
    check = next(check for check in report["checks"] if check["id"] == "injection.labels")
    assert check["status"] == "pass" and "has been at this pod" in check["message"]
    assert next(check for check in run_init().report["checks"] if check["id"] == "injection.labels")["status"] == "skip"


BAD_LABELS: dict[str, bytes] = {
    "no quotes": b"app=demo", "no value": b"app", "no key": b'="x"', "not closed": b'app="demo', "text behind": b'app="demo" x',
    "blank line": b'app="demo"\n\nb="c"', "blank in a key": b'a b="c"', "bad escape": b'a="\\q"', "escape cut": b'a="\\x1', "CRLF": b'a="b"\r\n',
    "twice": b'eks.amazonaws.com/pod-identity="enabled"\neks.amazonaws.com/pod-identity="enabled"', "NUL": b"\x00" * 100, "binary": bytes(range(256)),
    "control": b'a="\x01"', "huge": b'a="b"\n' * 200_000, "long key": b"k" * 400 + b'="v"', "open for ever": b'a="' + b"x" * 60_000,
    "long value": b'eks.amazonaws.com/pod-identity="' + b"x" * 64 + b'"',
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels_are_a_warning(run_init: Callable[..., Run], labels: Callable[[bytes], Path], emulator: Emulator, name: str) -> None:
    path = labels(BAD_LABELS[name])
    run = run_init(f"--pod-labels={path}")
    assert_ok(run)
    check = next(check for check in run.report["checks"] if check["id"] == "injection.labels")
    assert check["status"] == "warn" and str(path) in check["message"]
    assert_failed(run_init(f"--pod-labels={path}", env={}), "NOT_INJECTED")
    assert run_init(f"--pod-labels={path}", "--strict").exit_code == 11


@pytest.mark.parametrize("path", ["/nonexistent/labels", "/", "/proc/self/mem", "/dev/zero"])
def test_labels_that_cannot_be_read(run_init: Callable[..., Run], emulator: Emulator, path: str) -> None:
    run = run_init(f"--pod-labels={path}", timeout_s=20)
    assert_ok(run)
    assert next(check for check in run.report["checks"] if check["id"] == "injection.labels")["status"] == "warn"


def test_labels_in_a_pipe_do_not_hang(run_init: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert_ok(run_init(f"--pod-labels={folder / 'pipe'}", timeout_s=20))
