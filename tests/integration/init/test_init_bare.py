"""pod-identity-init where there is next to nothing: no rights, no file to write to, nothing but the program itself."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.reports import assert_failed, assert_ok
from harness.token_files import ProjectedToken

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, change its root and mount")
STRIPPED = ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
# A private copy of all mounts, each made read-only; then what follows.
READ_ONLY = 'cut -d" " -f5 /proc/self/mountinfo | while read -r m; do mount -o remount,bind,ro "$m" 2>/dev/null; done; ! touch /tmp/x 2>/dev/null && exec "$@"'


@pytest.fixture
def image(folder: Path, binaries: Binaries, token: ProjectedToken) -> Path:
    """A folder with the two programs and the token, as an image from scratch has them, and a termination log."""
    root = folder / "image"
    (root / "dev").mkdir(parents=True)
    for program in (binaries.init, binaries.get):
        shutil.copy(program, root / program.name)
    shutil.copytree(token.folder, root / "token", symlinks=True)
    log = root / "dev" / "termination-log"
    log.touch()
    log.chmod(0o666)
    return root


@pytest.fixture
def run_image(runner: Runner, image: Path, emulator: Emulator) -> Callable[..., Run]:
    """run_image(*options) -> Run of init with that folder as root, as a user who may nothing."""
    def run(*options: str) -> Run:
        chroot = ["unshare", f"--root={image}", "--setuid=65532", "--setgid=65532"]
        argv = ["setpriv", "--clear-groups", "--bounding-set=-all,+sys_chroot,+setuid,+setgid", *chroot, "/pod-identity-init", "--wait=0", "--format=json"]
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": emulator.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token/eks-pod-identity-token",
               "PATH": os.environ["PATH"]}
        return runner.run([*argv, *options], env)
    return run


@needs_root
@EMULATORS
def test_in_an_empty_root(run_image: Callable[..., Run], image: Path, emulator: Emulator) -> None:
    """No /proc, no /etc, no /tmp, no shell."""
    before = sorted(str(path) for path in image.rglob("*"))
    for _ in range(3):
        assert_ok(run_image())
    assert sorted(str(path) for path in image.rglob("*")) == before
    assert (image / "dev" / "termination-log").read_text() == ""
    emulator.dissociate()
    run = run_image()
    assert run.exit_code == 21
    assert "ACCESS_DENIED" in (image / "dev" / "termination-log").read_text()
    emulator.associate()
    assert_ok(run_image())
    assert (image / "dev" / "termination-log").read_text() == "", "the reason of an earlier run stays"


@needs_root
def test_without_dev(run_image: Callable[..., Run], image: Path) -> None:
    shutil.rmtree(image / "dev")
    assert_ok(run_image())
    assert not (image / "dev").exists()


@needs_root
def test_read_only_without_rights(runner: Runner, binaries: Binaries, injected: dict[str, str], termination_log: Path, emulator: Emulator) -> None:
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", READ_ONLY, "sh", *STRIPPED, "--", binaries.init, "--wait=0", "--format=json",
            f"--termination-log={termination_log}"]
    env = {**injected, "PATH": os.environ["PATH"]}
    for _ in range(2):
        run = runner.run(argv, env)
        if run.exit_code == 1 and not run.stdout:
            pytest.skip(f"mounts cannot be made read-only here: {run.stderr.strip()}")
        assert_ok(run)
    emulator.dissociate()
    run = runner.run(argv, env)
    assert_failed(run, "ACCESS_DENIED")
    assert termination_log.read_text() == ""


@needs_root
def test_without_rights_it_has_none(runner: Runner, binaries: Binaries, injected: dict[str, str], emulator: Emulator) -> None:
    """The same user and sets that the other tests take for granted."""
    status = subprocess.run([*STRIPPED, "cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    sets = {line.split(":")[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith("Cap")}
    assert set(sets.values()) == {0}
    assert_ok(runner.run([*STRIPPED, "--", binaries.init, "--wait=0", "--format=json"], {**injected, "PATH": os.environ["PATH"]}))


@needs_root
def test_install_is_idempotent(run_init: Callable[..., Run], binaries: Binaries, folder: Path, emulator: Emulator) -> None:
    target = folder / "bin"
    target.mkdir()
    os.chown(target, 65532, 65532)
    for _ in range(3):
        assert_ok(run_init(f"--install={target}", uid=65532))
    (installed,) = target.iterdir()
    assert installed.read_bytes() == binaries.get.read_bytes() and stat.S_IMODE(installed.stat().st_mode) == 0o755


def test_runs_beside_itself(runner: Runner, binaries: Binaries, injected: dict[str, str], emulator: Emulator) -> None:
    """Ten at once, as the init containers of ten pods of a node."""
    argv = runner.command([binaries.init, "--wait=10s", "--format=json", "--termination-log=/nonexistent/log"])
    running = [subprocess.Popen(argv, env=injected, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(10)]
    outputs = [one.communicate(timeout=30) for one in running]
    for stdout, stderr in outputs:
        runner.leaks.add_output("init: stdout", stdout)
        runner.leaks.add_output("init: stderr", stderr)
    assert [one.returncode for one in running] == [0] * 10
