"""pod-identity-sidecar with as many profiles as it takes, each with all that a profile can have: no table is sized for fewer."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable
from urllib.parse import quote

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.both_agents import EMULATORS
from harness.emulator import ROLE_ARN, Emulator
from harness.programs import Run
from harness.served import check_container, check_process_members, read_profile
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
EIGHT = 8
APP = "import signal, time; signal.signal(signal.SIGHUP, lambda *_: print('told', flush=True)); print('ready', flush=True)\nwhile True: signal.pause()"


def eight(folder: Path, **more: Any) -> list[dict[str, Any]]:
    """Each with two files, each in a folder of its own."""
    for i in range(EIGHT):
        for what in ("c", "p"):
            (folder / f"{what}{i}").mkdir()
    return [{"name": f"p{i}", "assume-role": TARGET, "credentials-file": str(folder / f"c{i}" / "credentials"),
             "process-file": str(folder / f"p{i}" / "process.json"), **more} for i in range(EIGHT)]


def ids(sidecar: Sidecar) -> list[str]:
    """Which credentials each profile serves."""
    return [check_container(sidecar.get(f"/v1/credentials/p{i}"))["AccessKeyId"] for i in range(EIGHT)]


def check_all(sidecar: Sidecar, folder: Path, before: list[str]) -> list[str]:
    """Every profile has new credentials, everywhere; waits for them."""
    now = eventually(lambda: sidecar.get("/readyz").status == 200 and not set(found := ids(sidecar)) & set(before) and found, 30, "all are new")
    assert len(set(now)) == EIGHT
    for i, access_key_id in enumerate(now):
        assert check_container(sidecar.get_http(f"/v1/credentials/p{i}"))["AccessKeyId"] == access_key_id
        assert read_profile((folder / f"c{i}" / "credentials").read_text(), f"p{i}")["aws_access_key_id"] == access_key_id
        assert check_process_members(json.loads((folder / f"p{i}" / "process.json").read_text()))["AccessKeyId"] == access_key_id
    return now


def run_eight(start_sidecar: Start, env: dict[str, str], folder: Path) -> None:
    """All listeners, TLS, notification; at the start, and again within the sandbox."""
    config = folder / "config.json"
    config.write_text(json.dumps({"profiles": eight(folder)}))
    output, pid_file = folder / "app.out", folder / "app.pid"
    with open(output, "w") as file, subprocess.Popen([sys.executable, "-c", APP], stdout=file) as app:
        try:
            eventually(lambda: "ready" in output.read_text(), 10, "the app")
            pid_file.write_text(str(app.pid))
            sidecar = start_sidecar(f"--config={config}", "--imds=127.0.0.1:0", "--metrics=127.0.0.1:0", f"--notify-pid-file={pid_file}", env=env,
                                    ready=False).wait_serving()
            first = check_all(sidecar, folder, [])
            sidecar.send_signal(signal.SIGUSR1)
            check_all(sidecar, folder, first)
            eventually(lambda: "told" in output.read_text(), 10, "the app is told")
            assert sidecar.get("/metrics").body.count(b"pod_identity_credentials_valid{") == EIGHT
            wrong = [line for line in sidecar.stderr.splitlines() if "level=error" in line or "cannot" in line or "failed" in line]
            assert not wrong, wrong
        finally:
            app.kill()


@needs_openssl
@pytest.mark.place("loopback")
@EMULATORS
def test_eight_profiles_with_everything(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    emulator.role(TARGET, trust(ROLE_ARN))
    run_eight(start_sidecar, {**injected, **Aws(emulator).sts()}, folder)


@needs_openssl
@pytest.mark.place("netns")
@EMULATORS
def test_eight_profiles_while_one_ip_version_is_dropped(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """STS has addresses of both, and what is sent to one of them vanishes: eight rivals at once, and a name server to ask."""
    place: Any = emulator.place
    place.add_address("fd00:dead::1/128")
    emulator.role(TARGET, trust(ROLE_ARN))
    emulator.name_server(port=53)
    place.use_name_server()
    emulator.names(names={"*": ["fd00:dead::1", "127.0.0.1"]})
    env = {**injected, **Aws(emulator).sts("wrong-host")}  # its certificate is for other.example
    port = env["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    env["AWS_ENDPOINT_URL_STS"] = f"https://other.example:{port}"
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(place.socket(socket.AF_INET6))  # a queue that is full drops what comes
        deaf.bind(("fd00:dead::1", int(port)))
        deaf.listen(0)
        for _ in range(4):
            filler = stack.enter_context(place.socket(socket.AF_INET6))
            filler.setblocking(False)
            filler.connect_ex(("fd00:dead::1", int(port)))
        run_eight(start_sidecar, env, folder)


# --- names

LONG = "a" + "-_.@+=,:/" * 14 + "b"  # 128, with every sign that a name may have
assert len(LONG) == 128


@EMULATORS
def test_the_longest_name_goes_every_way(start_sidecar: Start, run_get: Callable[..., Run], emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """In the file, in a path as it is, with all or some of it escaped, in metrics and log, by get, and as a section of a file."""
    config = folder / "config.json"
    config.write_text(json.dumps({"profiles": [{"name": "x"}, {"name": LONG, "credentials-file": f"{folder}/credentials"}]}))
    sidecar = start_sidecar(f"--config={config}")
    wanted = sidecar.get(f"/v1/credentials/{LONG}").json
    assert wanted["AccessKeyId"] != sidecar.get("/v1/credentials/x").json["AccessKeyId"]
    everything = "".join(f"%{ord(c):02X}" for c in LONG)
    for name in (LONG, quote(LONG), quote(LONG, safe=""), everything, everything.lower()):
        assert sidecar.get(f"/v1/credentials/{name}").json == sidecar.get_http(f"/v1/credentials/{name}").json == wanted, name
        assert sidecar.get(f"/v1/credentials/{name}?x=%20").json == wanted
    for name in (LONG[:-1], LONG + "b", LONG.replace("@", "%2540", 1), LONG.replace("@", "%%340", 1), LONG.replace("a", "%", 1), LONG.replace("a", "%00", 1), "%"):
        assert sidecar.get(f"/v1/credentials/{name}").status == 404, name
    assert json.loads(run_get(f"--profile={LONG}", f"--socket={sidecar.socket_path}").stdout)["AccessKeyId"] == wanted["AccessKeyId"]
    assert f'{{profile="{LONG}"}} 1' in sidecar.get("/metrics").body.decode()
    assert read_profile((folder / "credentials").read_text(), LONG)["aws_access_key_id"] == wanted["AccessKeyId"]


@pytest.mark.parametrize("name", [LONG + "c", "a b", "a%41", "ä", ""])
def test_names_that_are_none(run_sidecar: Callable[..., Run], run_get: Callable[..., Run], folder: Path, name: str) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps({"profiles": [{"name": name}]}))
    run = run_sidecar(f"--config={config}")
    assert run.exit_code == 64 and "1 to 128" in run.stderr
    if name:
        run = run_get(f"--profile={name}")
        assert run.exit_code == 64 and "1 to 128" in run.stderr


@EMULATORS
def test_metrics_of_eight_long_names_are_whole(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    names = [f"{i}{LONG[1:]}" for i in range(EIGHT)]
    config = folder / "config.json"
    config.write_text(json.dumps({"profiles": [{"name": name} for name in names]}))
    sidecar = start_sidecar(f"--config={config}")
    for path in ("/nothing", "/healthz", "/readyz"):
        sidecar.get(path)
    text = sidecar.get("/metrics").body.decode()
    for name in names:
        assert text.count(f'{{profile="{name}"}}') == 5
    assert re.search(r"pod_identity_connections \d+\n$", text), "to the last line"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look into a process that is not dumpable")
def test_the_clock_watch_ends_with_the_kernels_time(start_sidecar: Start, emulator: Emulator) -> None:
    """Not in 2038, when a timer of 32 bits would have been over, and fire for ever."""
    sidecar = start_sidecar()
    [number] = [path.name for path in Path(f"/proc/{sidecar.pid}/fd").iterdir() if os.readlink(path) == "anon_inode:[timerfd]"]
    found = re.search(r"^it_value: \((\d+), \d+\)$", Path(f"/proc/{sidecar.pid}/fdinfo/{number}").read_text(), re.MULTILINE)
    assert found and int(found[1]) > 200 * 365 * 86400
