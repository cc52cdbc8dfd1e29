"""tokens in --config: files with signed tokens that are kept fresh."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import Emulator
from harness.made_up_clock import MadeUpClock, with_clock
from harness.programs import Binaries, Run, Runner
from harness.served import check_container, triple
from harness.sidecar import Sidecar
from harness.waiting import eventually

pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

from harness import signed  # noqa: E402

pytestmark = pytest.mark.place("loopback")
Start = Callable[..., Sidecar]
REGION = "eu-central-1"
KINDS: dict[str, dict[str, str]] = {
    "rds": {"host": "db.example.com", "port": "5432", "user": "app"}, "elasticache": {"cache": "orders", "user": "app"},
    "memorydb": {"cache": "orders", "user": "app"}, "msk": {}, "eks": {"cluster": "prod"},
}


@pytest.fixture
def env(emulator: Emulator, injected: dict[str, str]) -> dict[str, str]:
    """Pod Identity, and an STS that verifies."""
    return {**injected, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_STS": str(emulator.serve("sts")["url"])}


@pytest.fixture
def write(folder: Path) -> Callable[[Any], str]:
    """write(tokens, …) -> --config=FILE with one profile for each list"""
    def make(*tokens: Any) -> str:
        path = folder / "config.json"
        path.write_text(json.dumps({"profiles": [{"name": f"p{i}", "tokens": one} for i, one in enumerate(tokens)]}, indent=1))
        return f"--config={path}"
    return make


def wanted(folder: Path, **more: Any) -> list[dict[str, Any]]:
    """A file of each kind."""
    return [{"kind": kind, "file": f"{folder}/{kind}", **parameters, **more} for kind, parameters in KINDS.items()]


def check_all(folder: Path, members: dict[str, Any], sts: str, mode: int = 0o600) -> dict[str, str]:
    """Each file is what botocore makes of these credentials at its second, and nothing else is in the folder."""
    found = {}
    assert sorted(os.listdir(folder)) == sorted(KINDS)
    for kind, parameters in KINDS.items():
        found[kind] = (folder / kind).read_text()
        assert found[kind] == signed.reference(kind, found[kind], members, REGION, sts, **parameters)
        assert (folder / kind).stat().st_mode & 0o777 == mode
    return found


@EMULATORS
def test_all_kinds(start_sidecar: Start, env: dict[str, str], write: Callable[..., str], tmp_path: Path, emulator: Emulator) -> None:
    """Written at the start and at each refresh."""
    tokens = wanted(tmp_path)
    tokens[0]["port"] = 5432
    sidecar = start_sidecar(write(tokens), env=env)
    members = check_container(sidecar.get())
    first = check_all(tmp_path, members, env["AWS_ENDPOINT_URL_STS"])
    assert signed.review(first["eks"], "prod")[0] == 200
    emulator.settings(renew_after_s=0)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: triple(check_container(sidecar.get())) != triple(members), 10, "a refresh")
    second = check_all(tmp_path, check_container(sidecar.get()), env["AWS_ENDPOINT_URL_STS"])
    assert not set(first.values()) & set(second.values())
    metrics = sidecar.get("/metrics").body.decode()
    assert 'pod_identity_tokens_total{result="signed"} 10' in metrics and 'file_writes_total{result="success"} 2' in metrics


def test_once(run_sidecar: Callable[..., Run], env: dict[str, str], write: Callable[..., str], tmp_path: Path) -> None:
    """Tokens alone are enough for it."""
    run = run_sidecar("once", write(wanted(tmp_path, mode="0640")), env=env)
    assert run.exit_code == 0, run.stderr
    assert sorted(os.listdir(tmp_path)) == sorted(KINDS)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
    assert signed.review((tmp_path / "eks").read_text(), "prod")[0] == 200


def test_nothing_else_served(start_sidecar: Start, env: dict[str, str], write: Callable[..., str], tmp_path: Path) -> None:
    """Files with tokens are something to serve."""
    start_sidecar(write(wanted(tmp_path)[:1]), "--unix-socket=off", env=env, with_socket=False, with_http=False, ready=False)
    eventually(lambda: (tmp_path / "rds").exists(), 10, "the file")


@EMULATORS
def test_renewed_at_two_thirds(runner: Runner, binaries: Binaries, folder: Path, env: dict[str, str], write: Callable[..., str],
                               tmp_path: Path, emulator: Emulator) -> None:
    """Of each profile by itself, and without a refresh: the credentials live for hours."""
    clock = MadeUpClock(folder / "clock")
    sidecar = Sidecar(runner, with_clock(binaries), folder, write([wanted(tmp_path)[0]], [wanted(tmp_path)[4]]),
                      env={**env, **clock.env}, with_http=False)

    def later(seconds: float) -> None:
        """Both clocks go on, without an event; a request wakes the loop."""
        clock.suspend(seconds, event=False)
        for _ in range(3):
            assert sidecar.get("/readyz").status == 200

    def age_s(kind: str) -> float:
        return (signed.signed_at((tmp_path / kind).read_text()) - first[kind]).total_seconds()
    try:
        sidecar.wait_ready()
        first = {kind: signed.signed_at((tmp_path / kind).read_text()) for kind in ("rds", "eks")}
        later(500)
        assert age_s("rds") == age_s("eks") == 0, "two thirds are 600 and 560 s"
        later(65)
        eventually(lambda: sidecar.get("/readyz") and age_s("eks") >= 560, 30, "a renewal")
        assert age_s("rds") == 0
        later(50)
        eventually(lambda: sidecar.get("/readyz") and age_s("rds") >= 600, 30, "a renewal")
        assert emulator.count() == 2, "one request for each profile"
        for kind, profile in (("rds", "p0"), ("eks", "p1")):
            text, members = (tmp_path / kind).read_text(), check_container(sidecar.get(f"/v1/credentials/{profile}"))
            assert text == signed.reference(kind, text, members, REGION, env["AWS_ENDPOINT_URL_STS"], **KINDS[kind])
    finally:
        sidecar.close()


def test_signed_anew_when_the_clock_jumps(runner: Runner, binaries: Binaries, folder: Path, env: dict[str, str],
                                          write: Callable[..., str], tmp_path: Path) -> None:
    """What was signed with a wrong clock is of no use."""
    clock = MadeUpClock(folder / "clock")
    sidecar = Sidecar(runner, with_clock(binaries), folder, write(wanted(tmp_path)[:1]), env={**env, **clock.env}, with_http=False)
    try:
        sidecar.wait_ready()
        query = "/v1/token/rds?host=db.example.com&port=5432&user=app"
        first, asked = signed.signed_at((tmp_path / "rds").read_text()), signed.signed_at(sidecar.get(query).body.decode())
        clock.set_wall(-3600)
        eventually(lambda: signed.signed_at((tmp_path / "rds").read_text()) < first, 10, "an earlier date")
        assert signed.signed_at(sidecar.get(query).body.decode()) < asked
    finally:
        sidecar.close()


@EMULATORS
def test_a_folder_that_is_gone(start_sidecar: Start, env: dict[str, str], write: Callable[..., str], tmp_path: Path) -> None:
    """Readiness says which file; it is written once it can be."""
    folder = tmp_path / "gone"
    tokens = [{"kind": "msk", "file": f"{tmp_path}/msk"}, {"kind": "eks", "cluster": "prod", "file": f"{folder}/eks"}]
    folder.mkdir()
    sidecar = start_sidecar(write(tokens), "--sandbox=off", env=env)
    (folder / "eks").unlink()
    folder.rmdir()
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get("/readyz").status == 503, 10, "not ready")
    answer = sidecar.get("/readyz").body.decode()
    assert f"{folder}/eks" in answer and f"{tmp_path}/msk" not in answer
    folder.mkdir()
    eventually(lambda: sidecar.get("/readyz").status == 200, 30, "written again")
    assert signed.review((folder / "eks").read_text(), "prod")[0] == 200


@pytest.mark.parametrize(("tokens", "says"), [
    ({}, "tokens: a list is wanted"), (["rds"], "tokens: the kind of a token is rds"), ([{}], "tokens: the kind of a token is rds"),
    ([{"kind": "ssm", "file": "/x"}], "line 7: kind: the kind of a token is rds"), ([{"kind": "msk"}], 'a token without a "file"'),
    ([{"kind": "msk", "file": "x"}], "line 8: file: not an absolute file path"), ([{"kind": "msk", "file": "off"}], 'a token without a "file"'),
    ([{"kind": "msk", "file": "/x/y", "mode": 416}], "mode: it gives others what the owner lacks; a mode is octal, as in 0660 (416 in decimal is 0640)"),
    ([{"kind": "msk", "file": "/x/y", "mode": "0999"}], "mode: no octal mode"),
    ([{"kind": "rds", "file": "/x/y", "host": "db", "port": 70000}], "port: not a number from 1 to 65535"),
    ([{"kind": "rds", "file": "/x/y", "host": ["db"]}], "host: a text, a number, true or false is wanted"),
    ([{"kind": "rds", "file": "/x/y", "host": "db", "port": 1}], "user: rds needs it"),
    ([{"kind": "eks", "file": "/x/y", "cluster": "a", "role": "b"}], "role: no parameter of eks, which takes cluster, region"),
    ([{"kind": "msk", "file": f"/x/{i}"} for i in range(9)], "more than 8 of them"),
    ([{"kind": "msk", "file": "/x/y"}, {"kind": "msk", "file": "/x/y"}], "tokens of the profile p0: two things are written to the same file"),
])
def test_wrong_ones_are_named(run_sidecar: Callable[..., Run], env: dict[str, str], write: Callable[..., str], tokens: Any, says: str) -> None:
    run = run_sidecar("serve", write(tokens), env=env)
    assert run.exit_code == 64 and says in run.stderr, run.stderr


def test_another_file_of_the_profile(run_sidecar: Callable[..., Run], env: dict[str, str], folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({"profiles": [{"name": "a", "process-file": "/x/y", "tokens": [{"kind": "msk", "file": "/x/y"}]}]}))
    run = run_sidecar("serve", f"--config={path}", env=env)
    assert run.exit_code == 64 and "tokens of the profile a: two things are written to the same file" in run.stderr


def test_misspelt_key(run_sidecar: Callable[..., Run], env: dict[str, str], folder: Path) -> None:
    path = folder / "config.json"
    path.write_text('{"profiles": [{"name": "a", "tokns": []}]}')
    assert "did you mean tokens?" in run_sidecar("serve", f"--config={path}", env=env).stderr


def test_readable_by_everybody(start_sidecar: Start, env: dict[str, str], write: Callable[..., str], tmp_path: Path) -> None:
    sidecar = start_sidecar(write(wanted(tmp_path, mode="0644")[:1]), env=env)
    assert "every user may read the credentials there" in sidecar.stderr and "option=tokens" in sidecar.stderr
