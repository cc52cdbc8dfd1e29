"""pod-identity-sidecar serve: never an expired answer, whosever clock is off and however long a round takes; and --expired=pass, which asks for one."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from harness import http
from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.both_agents import EMULATORS
from harness.emulator import ROLE_ARN, Emulator
from harness.made_up_clock import MadeUpClock, with_clock
from harness.programs import Binaries, Run, Runner
from harness.served import check_container, check_error, expires_at, read_profile
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

Start = Callable[..., Sidecar]
HOUR_S = 3600


def gauge(sidecar: Sidecar, name: str) -> float:
    found = re.search(rf"^pod_identity_{name} (\S+)$", sidecar.get("/metrics").body.decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


# --- AWS's clock


@pytest.fixture
def web_token(emulator: Emulator, write_token: Callable[..., ProjectedToken]) -> ProjectedToken:
    """The token that the webhook mounts for IRSA."""
    return write_token(emulator.token(audience="sts.amazonaws.com"))


@needs_openssl
@pytest.mark.parametrize("chain", [False, True], ids=["web identity", "assumed role"])
def test_they_end_by_awss_clock(start_sidecar: Start, emulator: Emulator, request: pytest.FixtureRequest, chain: bool) -> None:
    """STS grants an hour, and its Date shows that 3,588 s of it have passed by its clock: 12 s are left, whatever Expiration says to us."""
    aws = Aws(emulator)
    emulator.role(TARGET, trust(ROLE_ARN))
    env = {**request.getfixturevalue("injected"), **aws.sts()} if chain else aws.irsa(request.getfixturevalue("web_token"))
    emulator.fault("date", service="sts", skew_s=HOUR_S - 12)
    emulator.fault("answer", service="sts", status=503, body="down", times=None)
    sidecar = start_sidecar(*([f"--assume-role={TARGET}"] if chain else []), env=env)
    served = check_container(sidecar.get())
    began = time.time()
    assert expires_at(served["Expiration"]) > began + HOUR_S - 30, "Expiration is handed on as it came"
    assert gauge(sidecar, "credentials_expiry_seconds") <= 12
    assert "server_ahead_s=35" in sidecar.stderr
    while (answer := sidecar.get()).status == 200:
        assert time.time() - began <= 12, "AWS has ended them"
        time.sleep(0.05)
    assert time.time() - began >= 5, "they were good for longer"
    assert served["Expiration"] in check_error(answer, 503)


@needs_openssl
def test_a_server_that_is_behind_stretches_nothing(start_sidecar: Start, emulator: Emulator, web_token: ProjectedToken) -> None:
    env = Aws(emulator).irsa(web_token)
    emulator.fault("date", service="sts", skew_s=-2 * HOUR_S)
    sidecar = start_sidecar(env=env)
    assert HOUR_S - 30 <= gauge(sidecar, "credentials_expiry_seconds") <= HOUR_S


@EMULATORS
def test_the_agents_date_is_no_clock_of_awss(start_sidecar: Start, emulator: Emulator) -> None:
    """It is this node's, and nobody vouches for it."""
    emulator.settings(lifetime_s=HOUR_S)
    emulator.fault("date", skew_s=HOUR_S - 5)
    sidecar = start_sidecar()
    assert gauge(sidecar, "credentials_expiry_seconds") > HOUR_S - 30


# --- the moment of the answer


def arrived(sidecar: Sidecar, address: str) -> bool:
    """Whether bytes wait for the sidecar on a connection to that address (as /proc/net writes it)."""
    for line in Path(f"/proc/{sidecar.pid}/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, _, queues, *_ = line.split()
        if remote == address and int(queues.split(":")[1], 16) > 0:
            return True
    return False


@EMULATORS
def test_a_slow_disk_does_not_stretch_them(runner: Runner, binaries: Binaries, folder: Path, emulator: Emulator, injected: dict[str, str]) -> None:
    """In one round, a file of one profile takes an hour to be synced, and then a client asks for the other's credentials, which have ended meanwhile."""
    emulator.settings(lifetime_s=HOUR_S)
    clock = MadeUpClock(folder / "clock")
    config = folder / "config.json"
    config.write_text(json.dumps({"profiles": [{"name": name, "process-file": str(folder / f"{name}.json")} for name in ("one", "two")]}))
    sidecar = Sidecar(runner, with_clock(binaries), folder, f"--config={config}", env={**injected, **clock.env}, with_http=False)
    host = "".join(f"{int(part):02X}" for part in reversed(emulator.host.split(".")))
    clients = {}
    try:
        sidecar.wait_ready()
        for name in ("one", "two"):  # connected before, so that one event is all that is missing
            clients[name] = sidecar.connect_unix()
            clients[name].sendall(http.request_bytes("GET", f"/v1/credentials/{name}", {"Connection": None}))
            check_container(http.parse_answer(clients[name].recv(65536)))
        emulator.fault("pass", delay_s=1.0)
        emulator.fault("answer", status=500, body="oops", delay_s=2.5)
        clock.slow_sync(HOUR_S + 1)
        sidecar.send_signal(signal.SIGUSR1)
        emulator.wait_for_requests(4, 10)
        sidecar.send_signal(signal.SIGSTOP)
        eventually(lambda: arrived(sidecar, f"{host}:{emulator.port:04X}"), 10, "the answer for one of them")
        for name, client in clients.items():
            client.sendall(http.request_bytes("GET", f"/v1/credentials/{name}", {"Connection": None}))
        sidecar.send_signal(signal.SIGCONT)
        for client in clients.values():  # also what came late: it has ended while it was written
            check_error(http.parse_answer(client.recv(65536)), 503)
        eventually(lambda: "oops" in sidecar.stderr, 10, "the answer for the other")
    finally:
        for client in clients.values():
            client.close()
        sidecar.send_signal(signal.SIGCONT)
        sidecar.close()


# --- what upstream hands out expired


@pytest.fixture
def hands_out_expired(emulator: Emulator) -> str:
    """An agent that goes on handing out what it has, as newer ones do on purpose; the Expiration."""
    emulator.fault("replace", pattern=r'"Expiration": ?"[^"]*"', text='"Expiration":"2026-01-01T00:00:00Z"', times=None)
    return "2026-01-01T00:00:00Z"


@EMULATORS
def test_expired_ones_are_refused(start_sidecar: Start, emulator: Emulator, hands_out_expired: str) -> None:
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: hands_out_expired in check_error(sidecar.get(), 503), 10, "the refusal")


@EMULATORS
def test_expired_ones_are_passed_on_if_asked_for(start_sidecar: Start, emulator: Emulator, hands_out_expired: str, folder: Path) -> None:
    """As they are, marked in log, metrics and readiness, in every form; and what is good again is taken at once."""
    process, credentials = folder / "process.json", folder / "credentials"
    sidecar = start_sidecar("--expired=pass", f"--process-file={process}", f"--credentials-file={credentials}")
    assert sidecar.get().json["Expiration"] == sidecar.get_http().json["Expiration"] == hands_out_expired
    assert json.loads(process.read_text())["Expiration"] == hands_out_expired
    assert read_profile(credentials.read_text())["x_security_token_expires"] == hands_out_expired
    ready = sidecar.get("/readyz")
    assert ready.status == 200 and b"expired" in ready.body and b"--expired=pass" in ready.body
    assert "passed on (--expired=pass)" in sidecar.stderr
    assert gauge(sidecar, "credentials_valid") == 0 and gauge(sidecar, "credentials_passed_expired") == 1
    first = sidecar.get().json
    eventually(lambda: sidecar.get().json != first, 10, "asked again by itself")
    emulator.clear_faults()
    eventually(lambda: sidecar.get("/readyz").body == b"ready\n", 70, "good ones")
    check_container(sidecar.get())
    assert gauge(sidecar, "credentials_valid") == 1 and gauge(sidecar, "credentials_passed_expired") == 0


@EMULATORS
def test_passing_bridges_the_end_and_a_failing_agent(start_sidecar: Start, emulator: Emulator) -> None:
    """No gap from the last good credentials to expired ones; an agent that is gone for a moment withdraws nothing; a denial does."""
    emulator.settings(lifetime_s=4.0)
    sidecar = start_sidecar("--expired=pass")
    text = sidecar.get().json["Expiration"]
    emulator.fault("replace", pattern=r'"Expiration": ?"[^"]*"', text=f'"Expiration":"{text}"', times=None)
    while time.time() < expires_at(text) + 3:
        assert sidecar.get().status == 200
        time.sleep(0.02)
    eventually(lambda: gauge(sidecar, "credentials_passed_expired") == 1, 5, "expired ones are passed on")
    emulator.clear_faults()
    emulator.fault("answer", status=500, body="oops", times=None)
    eventually(lambda: "refresh failed" in sidecar.stderr, 70, "a failure")
    assert sidecar.get().status == 200
    emulator.clear_faults()
    emulator.fault("answer", status=400, body="[x]: (AccessDeniedException): no, fault: client", times=None)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get().status == 503, 70, "a denial is an end")


@EMULATORS
def test_passing_is_no_licence_to_keep_ones_own(start_sidecar: Start, emulator: Emulator) -> None:
    """Credentials that end while the agent fails end, as nobody handed them out expired."""
    emulator.settings(lifetime_s=4.0)
    sidecar = start_sidecar("--expired=pass")
    text = sidecar.get().json["Expiration"]
    emulator.fault("answer", status=500, body="oops", times=None)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "refresh failed" in sidecar.stderr, 10, "a failure")
    eventually(lambda: sidecar.get().status == 503, 10, "the end")
    assert abs(time.time() - expires_at(text)) < 2


@EMULATORS
def test_once_passes_them_on(run_sidecar: Callable[..., Run], hands_out_expired: str, folder: Path) -> None:
    path = folder / "process.json"
    refused = run_sidecar("once", f"--process-file={path}", "--wait=0")
    assert refused.exit_code == 23 and not path.exists()
    passed = run_sidecar("once", f"--process-file={path}", "--wait=0", "--expired=pass")
    assert passed.exit_code == 0 and json.loads(path.read_text())["Expiration"] == hands_out_expired
    assert "passed on (--expired=pass)" in passed.stderr


@EMULATORS
def test_init_passes_them_with_a_warning(run_init: Callable[..., Run], hands_out_expired: str) -> None:
    assert run_init().reason == "BAD_RESPONSE"
    passed = run_init("--expired=pass")
    assert passed.exit_code == 0
    [check] = [c for c in passed.report["checks"] if c["id"] == "credentials.lifetime"]
    assert check["status"] == "warn" and hands_out_expired in check["message"]


@EMULATORS
def test_the_setting_of_one_profile(start_sidecar: Start, hands_out_expired: str, folder: Path) -> None:
    config: dict[str, Any] = {"profiles": [{"name": "careful"}, {"name": "daring", "expired": "pass"}]}
    (folder / "config.json").write_text(json.dumps(config))
    sidecar = start_sidecar(f"--config={folder}/config.json", ready=False, with_http=False).wait_serving()
    eventually(lambda: sidecar.get("/v1/credentials/daring").status == 200, 10, "expired ones")
    check_error(sidecar.get("/v1/credentials/careful"), 503)


def test_an_unknown_word(run_sidecar: Callable[..., Run]) -> None:
    run = run_sidecar("--expired=maybe")
    assert run.exit_code == 64 and "refuse, pass" in run.stderr
