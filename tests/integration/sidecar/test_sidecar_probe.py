"""The command probe: what it says while the sidecar has no credentials, and that it can wait until there are some."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Callable

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.programs import Run
from harness.waiting import eventually

Start = Callable[..., Any]


@EMULATORS
def test_it_says_what_init_would(start_sidecar: Start, run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    """Reason, message and remedy in one line: it is all that `kubectl describe pod` shows where there is no init container."""
    emulator.eks_auth_error("AccessDeniedException")
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: "ACCESS_DENIED" in sidecar.get("/readyz").body.decode(), 10, "the reason")
    run = run_sidecar("probe", f"--unix-socket={sidecar.socket_path}", env={})
    assert run.exit_code == 1 and run.stdout == "" and run.stderr.count("\n") == 1
    assert run.stderr.startswith("pod-identity-sidecar: not ready: ACCESS_DENIED: ") and ". Remedy: " in run.stderr
    message = sidecar.get().json["message"]
    assert message.split(". Remedy: ")[1].split(". More: ")[0] in run.stderr


@EMULATORS
def test_the_longest_reason_is_not_cut(start_sidecar: Start, run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    emulator.fault("answer", status=400, body="[] " + "long " * 400, times=None)
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: "long" in sidecar.get("/readyz").body.decode(), 10, "the answer")
    run = run_sidecar("probe", f"--unix-socket={sidecar.socket_path}", env={})
    assert ". Remedy: " in run.stderr and "pod-identity-sidecar explain" in run.stderr and not run.stderr.rstrip().endswith("...")


@EMULATORS
def test_it_waits(start_sidecar: Start, run_sidecar: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    """From before there is a socket until there are credentials; then it ends at once."""
    emulator.fault("answer", status=503, body="not now", times=None)
    runs: list[Run] = []
    path = folder / "later.sock"
    thread = threading.Thread(target=lambda: runs.append(run_sidecar("probe", f"--unix-socket={path}", "--wait=60s", env={}, timeout_s=70)))
    thread.start()
    sidecar = start_sidecar(f"--unix-socket={path}", ready=False)
    eventually(path.exists, 10, "the socket")
    assert run_sidecar("probe", f"--unix-socket={path}", env={}).exit_code == 1 and runs == []
    emulator.clear_faults()
    thread.join(60)
    assert [run.exit_code for run in runs] == [0] and runs[0].stderr == ""
    sidecar.kill()


def test_it_stops_waiting(run_sidecar: Callable[..., Run], folder: Path) -> None:
    begun = time.monotonic()
    run = run_sidecar("probe", f"--unix-socket={folder}/none.sock", "--wait=1s", env={}, timeout_s=30)
    assert run.exit_code == 1 and time.monotonic() - begun >= 1 and f"{folder}/none.sock" in run.stderr
    once = run_sidecar("probe", env={"POD_IDENTITY_UNIX_SOCKET": f"{folder}/none.sock", "POD_IDENTITY_WAIT": "100ms"}, timeout_s=30)
    assert once.exit_code == 1
