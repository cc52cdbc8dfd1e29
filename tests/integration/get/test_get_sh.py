"""pod-identity-get under the name sh: it runs itself, and nothing else, for SDKs that start a credential_process through a shell."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Callable

import pytest

from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import check_process_members, issued, triple
from harness.sidecar import Sidecar

Sh = Callable[..., Run]


@pytest.fixture
def pod(binaries: Binaries, run_init: Callable[..., Run], emulator: Emulator, folder: Path) -> Path:
    """What `pod-identity-init --install=DIR --install-sh` makes."""
    target = folder / "pod"
    target.mkdir()
    assert run_init(f"--install={target}", "--install-sh").exit_code == 0
    return target


@pytest.fixture
def run_sh(runner: Runner, pod: Path) -> Sh:
    """run_sh(*words, env={}) -> Run; its standard output may hold credentials."""
    def run(*words: str, env: dict[str, str] | None = None, **how: object) -> Run:
        return runner.run([pod / "sh", *words], env or {}, private_stdout=True, **how)
    return run


def check_refused(run: Run, status: int, *shown: str) -> None:
    assert run.exit_code == status, run
    assert run.stdout == ""
    assert run.stderr.startswith("sh: ") and run.stderr.count("\n") == 1
    for part in ("pod-identity-get", *shown):
        assert part in run.stderr, run.stderr


# --- --install-sh


def test_installed_twice(pod: Path, binaries: Binaries) -> None:
    assert sorted(path.name for path in pod.iterdir()) == ["pod-identity-get", "sh"]
    for path in pod.iterdir():
        held = path.lstat()
        assert stat.S_ISREG(held.st_mode) and stat.S_IMODE(held.st_mode) == 0o755 and held.st_nlink == 1
        assert path.read_bytes() == binaries.get.read_bytes()


def test_report_names_both(run_init: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    for _ in range(2):
        (check,) = [one for one in run_init(f"--install={folder}", "--install-sh").checks("pass") if one["id"] == "install.get"]
        assert f"{folder}/pod-identity-get and {folder}/sh, " in check["message"]


def test_what_stood_there_is_replaced_whole(run_init: Callable[..., Run], emulator: Emulator, binaries: Binaries, folder: Path) -> None:
    """A link is replaced, never written through."""
    shell = folder / "real-shell"
    shell.write_text("a shell")
    (folder / "sh").symlink_to(shell)
    assert run_init(f"--install={folder}", "--install-sh").exit_code == 0
    assert shell.read_text() == "a shell"
    assert not (folder / "sh").is_symlink() and (folder / "sh").read_bytes() == binaries.get.read_bytes()


def test_cannot_be_written(run_init: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    (folder / "sh").mkdir()
    run = run_init(f"--install={folder}", "--install-sh")
    assert run.exit_code == 70 and run.reason == "INTERNAL" and f"{folder}/sh" in run.stdout


def test_only_with_install(run_init: Callable[..., Run], emulator: Emulator) -> None:
    run = run_init("--install-sh")
    assert run.exit_code == 64 and "--install=DIRECTORY" in run.stderr


# --- what it does


@pytest.mark.parametrize("form", [
    "{get} --socket {socket}", "{get} --socket={socket}", "  {get}\t--socket={socket}  ", "'{get}' \"--socket\" '{socket}'",
    "{get} --sock'et='\"{socket}\"", "\\{get} --socket=\\{socket}", "pod-identity-get --socket={socket}", "../bin/pod-identity-get --socket={socket}",
    "/nowhere/pod-identity-get --socket={socket}", "{get} --socket={socket} 2> /dev/null", "{get} --socket={socket} 2>/dev/null",
    "{get} --socket={socket} 2>&1", "{get} --socket={socket} 2>&1 2> /dev/null",
], ids=range(13))
def test_runs_itself(start_sidecar: Callable[..., Sidecar], run_sh: Sh, emulator: Emulator, pod: Path, form: str) -> None:
    sidecar = start_sidecar()
    line = form.format(get=pod / "pod-identity-get", socket=sidecar.socket_path)
    for words in (["-c", line], ["-c", "--", line], ["-c", line, "name", "argument"]):
        run = run_sh(*words)
        assert (run.exit_code, run.stderr) == (0, ""), run
        assert triple(check_process_members(json.loads(run.stdout))) == issued(emulator)[-1]


def test_environment_counts(start_sidecar: Callable[..., Sidecar], run_sh: Sh, emulator: Emulator) -> None:
    run = run_sh("-c", "pod-identity-get", env={"POD_IDENTITY_UNIX_SOCKET": str(start_sidecar().socket_path)})
    assert (run.exit_code, run.stderr) == (0, "") and json.loads(run.stdout)["Version"] == 1


def test_status_and_reason_of_the_program(run_sh: Sh, folder: Path) -> None:
    line = f"/pod/pod-identity-get --socket={folder}/none.sock"
    plain = run_sh("-c", line)
    assert plain.exit_code == 1 and plain.stdout == "" and plain.stderr.startswith("pod-identity-get: ") and "none.sock" in plain.stderr
    dropped = run_sh("-c", line + " 2> /dev/null")
    assert (dropped.exit_code, dropped.stdout, dropped.stderr) == (1, "", "")
    merged = run_sh("-c", line + " 2>&1")
    assert (merged.exit_code, merged.stdout, merged.stderr) == (1, plain.stderr, "")
    usage = run_sh("-c", "pod-identity-get --no-such")
    assert usage.exit_code == 64 and "--no-such" in usage.stderr
    assert run_sh("-c", "pod-identity-get 'a b'").exit_code == 64


def test_quoted_path_arrives_whole(start_sidecar: Callable[..., Sidecar], run_sh: Sh, emulator: Emulator) -> None:
    sidecar = start_sidecar()
    odd = sidecar.folder / "a b'c\"d$e"
    odd.symlink_to(sidecar.socket_path)
    quoted = str(odd).replace("'", "'\\''")
    assert run_sh("-c", f"pod-identity-get --socket='{quoted}'").exit_code == 0


# --- what it does not


@pytest.mark.parametrize("tail", ["; {touch}", ";{touch}", " | {touch}", " || {touch}", " & {touch}", " && {touch}", " $({touch})", " `{touch}`", " \"$({touch})\"",
                                  " \"`{touch}`\"", " > {mark}", " >>{mark}", " 2>{mark}", " 2>/dev/null; {touch}", " 2>&1 | {touch}", "\n{touch}", " < /dev/null",
                                  " ({touch})", " $HOME", " \"$HOME\"", " *", " ?", " [a]", " ~", " {{a,b}}", " # x", " 'open", " \"open", " \\", "\r", " 2>&1 x"],
                         ids=range(31))
def test_shell_syntax_is_refused(run_sh: Sh, folder: Path, tail: str) -> None:
    mark = folder / "mark"
    line = "/pod/pod-identity-get" + tail.format(touch=f"touch {mark}", mark=mark)
    check_refused(run_sh("-c", line, env={"PATH": "/usr/bin:/bin", "HOME": "/"}), 2, "character ")
    assert not mark.exists()


@pytest.mark.parametrize("line", ["/bin/sh", "sh", "sh -c pod-identity-get", "id", "/usr/bin/id 'pod-identity-get'", "pod-identity-getx", "/x/pod-identity-get/", "./not-pod-identity-get",
                                  "exec pod-identity-get", "POD-IDENTITY-GET", "''", "env pod-identity-get", "busybox"])
def test_no_other_program(run_sh: Sh, line: str) -> None:
    check_refused(run_sh("-c", line, env={"PATH": "/usr/bin:/bin"}), 127, "not found")


def test_no_file_of_that_name_is_executed(run_sh: Sh, folder: Path) -> None:
    """Not even one that the line names by its path."""
    mark = folder / "mark"
    other = folder / "pod-identity-get"
    other.write_text(f"#!/bin/sh\ntouch {mark}\n")
    other.chmod(0o755)
    run = run_sh("-c", f"{other} --socket={folder}/none.sock", env={"PATH": str(folder)})
    assert run.exit_code == 1 and "none.sock" in run.stderr
    assert not mark.exists()


@pytest.mark.parametrize("words", [[], ["-c"], ["-c", "--"], ["-c", ""], ["-c", " \t"], ["-i"], ["-l", "-c", "pod-identity-get"], ["-ec", "pod-identity-get"],
                                   ["pod-identity-get"], ["--help"], ["-c", "A=b pod-identity-get"], ["-c", "A=/x/pod-identity-get"]])
def test_nothing_to_run(run_sh: Sh, words: list[str]) -> None:
    check_refused(run_sh(*words, stdin=b"pod-identity-get\n"), 2)


def test_other_programs_are_named_without_their_arguments(run_sh: Sh) -> None:
    run = run_sh("-c", "/bin/vault\x1b[2J")
    check_refused(run, 2)
    run = run_sh("-c", "/bin/vault --key=a-secret-key")
    check_refused(run, 127, "vault")
    assert "a-secret-key" not in run.stderr
    run = run_sh("-c", "x" * 8000)
    assert run.exit_code == 127 and len(run.stderr) < 500
    assert run_sh("-c", "x" * 9000).exit_code == 2


def test_the_name_decides(binaries: Binaries, runner: Runner, pod: Path) -> None:
    """Under its own name it takes no line."""
    assert runner.run([pod / "pod-identity-get", "-c", "pod-identity-get"], {}).exit_code == 64
    renamed = pod / "bash"
    os.link(pod / "sh", renamed)
    assert runner.run([renamed, "-c", "pod-identity-get"], {}).exit_code == 64


@pytest.mark.place("loopback")
def test_through_popen(start_sidecar: Callable[..., Sidecar], pod: Path, emulator: Emulator, runner: Runner) -> None:
    """The C library's own popen(), as the CRT and C++ use it, where /bin/sh is this program."""
    if os.geteuid() != 0:
        pytest.skip("needs root to put another /bin/sh in place, in a mount namespace of its own")
    sidecar = start_sidecar()
    program = (
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.unshare(0x20000) == 0, os.strerror(ctypes.get_errno())\n"  # CLONE_NEWNS
        "assert libc.mount(b'none', b'/', None, 0x44000, None) == 0\n"  # MS_REC | MS_PRIVATE
        "assert libc.mount(sys.argv[1].encode(), os.path.realpath('/bin/sh').encode(), None, 0x1000, None) == 0\n"  # MS_BIND
        "libc.popen.restype = ctypes.c_void_p\n"
        "libc.pclose.argtypes = [ctypes.c_void_p]\n"
        "libc.fileno.argtypes = [ctypes.c_void_p]\n"
        "stream = libc.popen(sys.argv[2].encode(), b'r')\n"
        "text = b''\n"
        "while piece := os.read(libc.fileno(stream), 4096):\n"
        "    text += piece\n"
        "status = libc.pclose(stream)\n"
        "os.write(1, text)\n"
        "sys.exit(os.waitstatus_to_exitcode(status))\n"
    )
    for tail in (" 2> /dev/null", " 2>&1"):
        line = f"/pod/pod-identity-get --socket={sidecar.socket_path}{tail}"
        run = runner.run([sys.executable, "-c", program, pod / "sh", line], {}, private_stdout=True)
        if "Operation not permitted" in run.stderr:
            pytest.skip("no mount namespace can be made here")
        assert (run.exit_code, run.stderr) == (0, ""), run
        assert triple(json.loads(run.stdout)) == issued(emulator)[-1]
    missing = runner.run([sys.executable, "-c", program, pod / "sh", "id 2>&1"], {})
    assert missing.exit_code == 127
