"""`make demo` as its reader sees it: what each step shows, on how many lines; a set-up that fails names its log."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest

from harness.programs import ROOT, Binaries

COLUMNS, LINES = 100, 100


def demo(folder: Path, build: Path, make: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script of `make demo`. What installs and builds is not what is tested here: the programs are there."""
    argv = ["sh", "tests/demo.sh", make, os.path.relpath(build, ROOT)]
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, "DEMO_DIR": str(folder / "demo"), **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120, check=False)


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo shows, on a machine whose own settings would lead SDKs astray."""
    own = {"AWS_PROFILE": "own", "AWS_ACCESS_KEY_ID": "AKIDOWN", "POD_IDENTITY_WAIT": "nonsense", "http_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
    run = demo(tmp_path_factory.mktemp("demo"), Binaries().folder, "true", **own)
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_fits_the_screen(screen: str) -> None:
    lines = screen.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert 60 < len(lines) < LINES


def test_every_step_is_there(screen: str) -> None:
    """The pain and its end, in this order, each with the words that count."""
    steps = [" ".join(step.split()) for step in re.split(r"^== ", screen, flags=re.MULTILINE)]
    assert [step.split(".")[0] for step in steps[2:]] == [str(number) for number in range(1, 12)]
    setup, denied, unreadable, late, good, serving, sdk, others, refreshed, without_agent, costs, end = steps[1:]
    assert "Debian's packages ok" in setup and "setup.log" in setup
    assert "exit code 21 ACCESS_DENIED:" in denied and "Remedy: make the association" in denied and "--service-account forgotten" in denied
    assert "exit code 12 TOKEN_UNREADABLE:" in unreadable and "Remedy:" in unreadable
    if os.geteuid() == 0:
        assert "mode 0600: this process counts as others" in unreadable and "set securityContext.fsGroup: 65532" in unreadable
    assert re.search(r"without init: curl: \(7\) Failed to connect", late) and "AGENT_UNREACHABLE" in late and re.search(r'"credentials received" attempts=\d+ .*result: ok', late)
    assert "agent.credentials received access key" in good and re.search(r"\d\d checks passed, 0 warned result: ok", good)
    assert "credentials refreshed: access_key_id=ASIA" in serving
    assert '"SecretAccessKey":"***"' in sdk and '"Token":"***"' in sdk and "without the bearer: 401" in sdk
    key = re.search(r"all three have access key id (ASIA\w+)", others)
    assert key and f'"AccessKeyId":"{key[1]}"' in sdk
    new = re.search(rf"{key[1]} became (ASIA\w+), in the file too", refreshed)
    assert new and f"still served: {new[1]}" in without_agent and "reason=AGENT_UNREACHABLE" in without_agent
    assert "kB resident" in costs and costs.count("bytes: pod-identity-") == 3
    assert "exit status 0; left in its folder: credentials" in end and "demo: 11 steps done" in end


@pytest.mark.skipif(os.geteuid() != 0, reason="the record is of root's demo")
def test_the_record_is_what_it_shows(screen: str) -> None:
    """images/pictures/demo.txt, which the documentation shows, but for what differs from run to run."""
    shape = runpy.run_path(str(ROOT / "images/pictures/record.py"))["shape"]
    recorded = (ROOT / "images/pictures/demo.txt").read_text()
    assert shape(recorded) == shape(screen), "make pictures"
    assert shape(recorded) != shape(recorded.replace("Remedy", "Advice", 1))


def test_a_set_up_that_fails_names_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "make"
    broken.write_text("#!/bin/sh\necho 'cc1: error: of this build'\nexit 3\n")
    broken.chmod(0o755)
    run = demo(tmp_path, Binaries().folder, str(broken))
    log = tmp_path / "demo" / "setup.log"
    assert run.returncode == 1 and f"FAILED (exit status 3); the last lines of {log}:" in run.stdout
    assert "cc1: error: of this build" in run.stdout and "cc1: error: of this build" in log.read_text()
    assert "== 1." not in run.stdout
