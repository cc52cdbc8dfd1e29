"""pod-identity-sidecar serve: metrics, who may ask on the socket, whom it signals, and what its own signals do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import http
from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.programs import ROOT
from harness.served import check_container, check_error
from harness.sidecar import Sidecar
from harness.waiting import eventually

Start = Callable[..., Sidecar]
OTHER_UID = 12345
GROUP = 23456
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
SAMPLE = re.compile(r'^([a-z_]+)(\{(?:[a-z]+="[^"\\\n]*",?)*\})? (-?[0-9.]+)$')


# --- metrics


def metrics(text: str) -> dict[str, float]:
    """The samples of a Prometheus text, each checked for its form, and each family for its HELP and TYPE."""
    assert text.endswith("\n")
    samples, described = {}, set()
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            assert kind in ("HELP", "TYPE") and rest
            described.add((kind, name))
            continue
        found = SAMPLE.match(line)
        assert found, line
        family = re.sub(r"_(bucket|sum|count)$", "", found[1]) if "duration" in found[1] else found[1]
        assert {("HELP", family), ("TYPE", family)} <= described, f"{family} has no HELP and TYPE before it"
        key = found[1] + (found[2] or "")
        assert key not in samples, f"{key} twice"
        samples[key] = float(found[3])
    return samples


def test_metrics_on_an_address_of_their_own(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--metrics=0.0.0.0:0")
    port = int(re.search(r" metrics=0\.0\.0\.0:(\d+)", sidecar.stderr)[1])

    def ask(path: str, host: str = "pod.example:1") -> http.Answer:
        connection = sidecar.runner.place.connect("127.0.0.1", port, 10)
        return http.parse_answer(http.exchange(connection, http.request_bytes("GET", path, {"Host": host}), 10))
    sidecar.get_http(authorization="wrong-bearer-0123456789")
    check_container(sidecar.get_http())
    answer = ask("/metrics")
    assert answer.status == 200 and answer.header("Content-Type").startswith("text/plain")
    samples = metrics(answer.body.decode())
    assert samples['pod_identity_refreshes_total{result="success",reason="OK"}'] == 1
    assert samples['pod_identity_upstream_duration_seconds_bucket{le="+Inf"}'] == 1
    assert samples['pod_identity_requests_total{listener="http",code="200"}'] == 1
    assert samples['pod_identity_requests_total{listener="http",code="401"}'] == 1
    assert samples["pod_identity_credentials_valid"] == 1
    assert 0 < samples["pod_identity_credentials_expiry_seconds"] <= 6 * 3600 + 1
    assert 0 <= samples["pod_identity_credentials_age_seconds"] < 60
    assert ask("/healthz").status == ask("/readyz").status == 200
    for path in ("/v1/credentials", "/v1/credential-process", "/latest/api/token", "/"):
        check_error(ask(path), 404)
    assert metrics(sidecar.get("/metrics").body.decode()).keys() >= samples.keys()


@EMULATORS
def test_metrics_of_failures(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    emulator.fault("answer", status=503, body="busy", times=None)
    sidecar = start_sidecar(f"--credentials-file={folder}/no-such-folder/credentials", ready=False).wait_serving()
    key = 'pod_identity_refreshes_total{result="failure",reason="THROTTLED"}'
    eventually(lambda: metrics(sidecar.get("/metrics").body.decode())[key] >= 1, 10, "the failure is counted")
    samples = metrics(sidecar.get("/metrics").body.decode())
    assert samples["pod_identity_credentials_valid"] == 0
    assert "pod_identity_credentials_expiry_seconds" not in samples
    emulator.clear_faults()
    sidecar.send_signal(signal.SIGUSR1)
    key = 'pod_identity_file_writes_total{result="failure"}'
    eventually(lambda: metrics(sidecar.get("/metrics").body.decode())[key] >= 1, 10, "the failed file is counted")


def test_requests_are_logged_only_if_asked_for(start_sidecar: Start, emulator: Emulator) -> None:
    quiet, chatty = start_sidecar(), start_sidecar("--log-level=debug")
    for sidecar in (quiet, chatty):
        sidecar.get("/v1/credential-process")
    assert "credential-process" not in quiet.stderr
    line = next(x for x in chatty.stderr.splitlines() if "/v1/credential-process" in x)
    assert "listener=socket" in line and "method=GET" in line and "status=200" in line


# --- who may ask


CLIENT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /v1/credentials HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
data = b""
while part := s.recv(65536):
    data += part
print(data.split(b" ")[1].decode(), b"--allow-uid" in data)
"""


def ask_as(sidecar: Sidecar, uid: int, gid: int, groups: tuple[int, ...] = ()) -> str:
    """The status that a process of that user gets, and whether the answer names the option."""
    command = sidecar.runner.command([sys.executable, "-c", CLIENT, str(sidecar.socket_path)], uid=uid, gid=gid, groups=groups)
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


@needs_root
def test_only_listed_users(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--socket-mode=0777", f"--allow-uid={OTHER_UID}", "--allow-uid=4242")
    assert ask_as(sidecar, OTHER_UID, 1) == ask_as(sidecar, 4242, 1) == "200 False"
    assert ask_as(sidecar, 4243, 1) == ask_as(sidecar, 4243, OTHER_UID) == "403 True"
    assert sidecar.get().status == 200, "the sidecar's own user may ask: its probe"
    assert start_sidecar("--socket-mode=0777", extra_env={"POD_IDENTITY_ALLOW_UID": "1 2"}).get().status == 200


@needs_root
def test_only_members_of_the_group(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--socket-mode=0777", f"--socket-group={GROUP}", f"--allow-uid={OTHER_UID}")
    assert ask_as(sidecar, 4242, GROUP) == ask_as(sidecar, 4242, 1, (7, GROUP)) == "200 False"
    assert ask_as(sidecar, OTHER_UID, 1) == "200 False"
    assert ask_as(sidecar, 4242, 1, (7, 8)) == "403 True"


@needs_root
def test_root_is_no_exception(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--socket-mode=0777", f"--allow-uid={OTHER_UID}", uid=4242, ready=False)
    eventually(sidecar.socket_path.exists, 10, "the socket is there")
    check_error(eventually(sidecar.get, 10), 403)


# --- whom it signals


APP = f"""
import signal, sys
sys.path.insert(0, {str(ROOT)!r})
def told(number, frame):
    print("told", number, flush=True)
for number in (signal.SIGHUP, signal.SIGUSR2):
    signal.signal(number, told)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def app(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that says when it is signalled; its output is in the file."""
    output = folder / "app.out"
    with open(output, "w") as file, subprocess.Popen([sys.executable, "-c", APP], stdout=file, text=True) as process:
        eventually(lambda: "ready" in output.read_text(), 10, "the app is ready")
        yield process, output
        process.kill()


@EMULATORS
def test_notifies_after_each_refresh(start_sidecar: Start, emulator: Emulator, folder: Path,
                                     app: tuple[subprocess.Popen[str], Path]) -> None:
    process, output = app
    pid_file = folder / "app.pid"
    emulator.fault("answer", status=503, body="busy", times=None)
    pid_file.write_text(f"{process.pid}\n")
    sidecar = start_sidecar(f"--notify-pid-file={pid_file}", "--notify-signal=USR2", ready=False).wait_serving()
    emulator.wait_for_requests(2, 10)
    assert "told" not in output.read_text(), "before the first success"
    emulator.clear_faults()
    sidecar.wait_ready(30)
    eventually(lambda: output.read_text().count(f"told {signal.SIGUSR2:d}") == 1, 10, "told once")
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: output.read_text().count(f"told {signal.SIGUSR2:d}") == 2, 10, "told again")
    assert "cannot notify" not in sidecar.stderr


@pytest.mark.parametrize("content, shown", [
    (None, "No such file"), ("", "no process id"), ("0\n", "no process id"), ("1\n", "no process id"), ("-5\n", "no process id"),
    ("12 13\n", "no process id"), ("4194305\n", "no process id"), ("x", "no process id"), (" " * 40 + "7", "no process id"),
    ("\x00" * 3, "no process id"), ("4194303\n", "no process with that pid"),
])
@EMULATORS
def test_nobody_there_is_said_once(start_sidecar: Start, emulator: Emulator, folder: Path, content: str | None, shown: str) -> None:
    if content is not None:
        (folder / "app.pid").write_text(content)
    sidecar = start_sidecar(f"--notify-pid-file={folder}/app.pid")
    for asked in (2, 3):
        sidecar.send_signal(signal.SIGUSR1)
        emulator.wait_for_requests(asked, 10)
    sidecar.wait_ready()
    eventually(lambda: sidecar.stderr.count("cannot notify") == 1, 10, "said")
    assert shown in next(x for x in sidecar.stderr.splitlines() if "cannot notify" in x)
    check_container(sidecar.get())


@needs_root
@EMULATORS
def test_never_signals_another_user(start_sidecar: Start, emulator: Emulator, folder: Path,
                                    app: tuple[subprocess.Popen[str], Path]) -> None:
    """Not even as root, which could."""
    process, output = app
    with subprocess.Popen(["setpriv", f"--reuid={OTHER_UID}", "--regid=1", "--clear-groups", "sleep", "60"]) as other:
        eventually(lambda: f"\nUid:\t{OTHER_UID}\t" in Path(f"/proc/{other.pid}/status").read_text(), 10, "it is that user")
        (folder / "app.pid").write_text(str(other.pid))
        sidecar = start_sidecar(f"--notify-pid-file={folder}/app.pid")
        eventually(lambda: "another user" in sidecar.stderr, 10, "said")
        assert other.poll() is None
        (folder / "app.pid").write_text(str(process.pid))
        sidecar.send_signal(signal.SIGUSR1)
        eventually(lambda: f"told {signal.SIGHUP:d}" in output.read_text(), 10, "the right one is told")
        assert "notifying again" in sidecar.stderr
        other.kill()


def spoil(how: str, path: Path, folder: Path) -> None:
    """Makes a good file one that a neighbour could have had a hand in."""
    if how == "link":
        path.rename(folder / "elsewhere")
        path.symlink_to(folder / "elsewhere")
    elif how == "owner":
        os.chown(path, OTHER_UID, OTHER_UID)
    elif how == "fifo":
        path.unlink()
        os.mkfifo(path)
    else:
        path.chmod(int(how, 8))


@needs_root
@pytest.mark.parametrize("how, shown", [("link", "symbolic link"), ("owner", "belongs to another user"), ("0666", "others may write"), ("0664", "others may write"),
                                        ("fifo", "it is no file")])
@EMULATORS
def test_a_file_that_others_have_a_hand_in(start_sidecar: Start, emulator: Emulator, folder: Path, app: tuple[subprocess.Popen[str], Path], how: str, shown: str) -> None:
    """Refused, and said once; and taken again when it is right."""
    process, output = app
    pid_file = folder / "app.pid"
    pid_file.write_text(str(process.pid))
    spoil(how, pid_file, folder)
    sidecar = start_sidecar(f"--notify-pid-file={pid_file}")
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(2, 10)
    eventually(lambda: sidecar.stderr.count("credentials refreshed") == 2, 10, "two refreshes")
    eventually(lambda: sidecar.stderr.count("cannot notify") == 1, 10, "said once")
    assert shown in next(x for x in sidecar.stderr.splitlines() if "cannot notify" in x)
    assert "told" not in output.read_text()
    pid_file.unlink()
    pid_file.write_text(str(process.pid))
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "told" in output.read_text(), 10, "the signal")


@pytest.mark.parametrize("number", ["HUP", "TERM"])
@EMULATORS
def test_never_signals_itself(start_sidecar: Start, emulator: Emulator, folder: Path, number: str) -> None:
    """HUP would make it refresh, which signals it, for ever; TERM would end it."""
    pid_file = folder / "app.pid"
    pid_file.write_text("")
    sidecar = start_sidecar(f"--notify-pid-file={pid_file}", f"--notify-signal={number}")
    pid_file.write_text(f"{sidecar.pid}\n")
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "that is the sidecar itself" in sidecar.stderr, 10, "said")
    sidecar.send_signal(signal.SIGUSR1)
    emulator.wait_for_requests(3, 10)
    eventually(lambda: sidecar.stderr.count("credentials refreshed") == 3, 10, "the third")
    assert sidecar.stderr.count("refresh requested") == 2 and len([x for x in sidecar.stderr.splitlines() if "the sidecar itself" in x]) == 1 and emulator.count() == 3
    assert sidecar.process.poll() is None


# --- SIGHUP


@EMULATORS
def test_hangup_opens_files_again(start_sidecar: Start, emulator: Emulator, folder: Path) -> None:
    sidecar = start_sidecar(f"--credentials-file={folder}/credentials")
    bearer = sidecar.bearer
    sidecar.token_path.unlink()
    (folder / "credentials").unlink()
    sidecar.send_signal(signal.SIGHUP)
    eventually(lambda: sidecar.token_path.read_text() == bearer, 10, "the bearer's file is back, and the same")
    eventually((folder / "credentials").exists, 10, "the credentials file is back")
    assert emulator.count() == 2 and sidecar.process.poll() is None


def test_a_bearer_from_a_secret_may_end_in_a_newline(start_sidecar: Start, emulator: Emulator) -> None:
    bearer = "0123456789abcdefghijklmnop"
    sidecar = start_sidecar(bearer=bearer + "\n")
    assert check_container(sidecar.get_http(authorization=bearer))
