"""What the matrix of SDKs (test_interop_matrix.py) does not ask: single providers instead of the default chain, when credentials end, and
an empty root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.clients import go_client, node_client, old_botocore_client, shown
from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import expires_at, issued
from harness.sidecar import Sidecar

Start = Callable[..., Sidecar]
EARLY_S = 300


def isolated(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which an SDK finds nothing of this machine."""
    return {"HOME": str(folder), "AWS_CONFIG_FILE": f"{folder}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{folder}/none",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1", "PATH": "/usr/bin:/bin", **more}


def by_file(sidecar: Sidecar) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": sidecar.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(sidecar.token_path)}


def command(client: str, way: str) -> list[str | Path]:
    return [*(node_client() if client == "js" else [go_client()]), way]


def check_current(run: Run, sidecar: Sidecar, emulator: Emulator) -> dict[str, Any]:
    """The client got what the sidecar has, whole; Go takes credentials from an endpoint for expired 5 minutes early."""
    found = shown(run)
    assert found["accessKeyId"] == issued(emulator)[-1][0] and found["complete"] is True
    if "expiration" in found:
        assert expires_at(sidecar.get().json["Expiration"]) - expires_at(found["expiration"]) in (0, EARLY_S)
    return found


# --- the loopback endpoint


@pytest.mark.parametrize("how", ["value", "file"])
@pytest.mark.parametrize("client, way", [("go", "default"), ("go", "minio"), ("js", "http")])
def test_loopback_endpoint(start_sidecar: Start, emulator: Emulator, runner: Runner, folder: Path, client: str, way: str, how: str) -> None:
    argv = command(client, way)
    sidecar = start_sidecar()
    env = isolated(folder, **(sidecar.app_env if how == "value" else by_file(sidecar)))
    check_current(runner.run(argv, env), sidecar, emulator)
    assert emulator.count() == 1


def test_botocore_from_before_pod_identity(start_sidecar: Start, emulator: Emulator, runner: Runner, folder: Path) -> None:
    """It takes the bearer by value only, and no address but loopback."""
    argv = old_botocore_client()
    sidecar = start_sidecar(bearer="a-bearer-that-both-containers-know-0123456789")
    found = check_current(runner.run(argv, isolated(folder, **sidecar.app_env)), sidecar, emulator)
    assert found["source"] == "container-role" and found["version"].startswith("1.29.")
    assert runner.run(argv, isolated(folder, **by_file(sidecar))).exit_code != 0, "it knows the token file: not the old one"


@pytest.mark.parametrize("client, way", [("go", "minio"), ("js", "http")])
def test_wrong_bearer_is_an_error(start_sidecar: Start, emulator: Emulator, runner: Runner, folder: Path, client: str, way: str) -> None:
    argv = command(client, way)
    env = isolated(folder, **{**start_sidecar().app_env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong-bearer-of-some-length"})
    run = runner.run(argv, env)
    assert run.exit_code == 1 and run.stdout == "" and run.stderr


# --- credential_process


def test_credential_process_through_a_shell(start_sidecar: Start, emulator: Emulator, runner: Runner, binaries: Binaries, folder: Path) -> None:
    argv = command("js", "process")
    sidecar = start_sidecar()
    (folder / "config").write_text(f"[default]\ncredential_process = {binaries.get} --socket {sidecar.socket_path}\n")
    check_current(runner.run(argv, isolated(folder)), sidecar, emulator)


@pytest.mark.place("loopback")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for chroot")
def test_go_in_an_empty_root(start_sidecar: Start, emulator: Emulator, runner: Runner, run_init: Callable[..., Run], folder: Path) -> None:
    """A static Go program, its config file, the socket, and what init installed: nothing else is there."""
    client = go_client()
    root = folder / "root"
    (root / "pod").mkdir(parents=True)
    shutil.copy(client, root / "app")
    sidecar = start_sidecar()
    os.link(sidecar.socket_path, root / "pod" / "credentials.sock")
    (root / "config").write_text("[default]\ncredential_process = /pod/pod-identity-get --socket '/pod/credentials.sock'\n")
    env = {"PATH": "/pod", "AWS_CONFIG_FILE": "/config", "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1"}
    argv = [shutil.which("chroot") or "chroot", root, "/app"]

    assert run_init(f"--install={root}/pod").exit_code == 0
    without = runner.run(argv, env)
    assert without.exit_code == 1 and '"sh": executable file not found' in without.stderr, without

    assert run_init(f"--install={root}/pod", "--install-sh").exit_code == 0
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == [
        "app", "config", "pod", "pod/credentials.sock", "pod/pod-identity-get", "pod/sh"]
    found = shown(runner.run(argv, env))
    served = sidecar.get().json
    assert found["accessKeyId"] == served["AccessKeyId"] and found["expiration"] == served["Expiration"] and found["complete"]

    os.unlink(root / "pod" / "credentials.sock")
    failed = runner.run(argv, env)
    assert failed.exit_code == 1 and "/pod/credentials.sock" in failed.stderr, "the reason reaches the app's log"
