"""A build with DOCS_URL: messages end with an address, whose anchor images/TROUBLESHOOTING.md has. A build without: none."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from harness.emulator import Emulator
from harness.programs import ROOT, Binaries, Run, Runner
from harness.sidecar import Sidecar
from harness.waiting import eventually

URL = "https://docs.example.com/pod-identity/TROUBLESHOOTING.md"
PAGE = ROOT / "images" / "TROUBLESHOOTING.md"
ANCHORS = runpy.run_path(str(ROOT / "tests" / "lint" / "links.py"))["anchors"](PAGE)
SEE = re.compile(rf"\. See {re.escape(URL)}#([a-z0-9_-]+)")


def anchor(name: str) -> str:
    return name.lower().replace(".", "")


@pytest.fixture
def documented(monkeypatch: pytest.MonkeyPatch, binaries: Binaries) -> Binaries:
    """The programs that were built with DOCS_URL, in place of the others."""
    folder = Binaries().folder / "test"
    if not (folder / "pod-identity-init-docs").exists():
        pytest.skip("not built: make integration builds them")
    monkeypatch.setattr(binaries, "init", folder / "pod-identity-init-docs")
    monkeypatch.setattr(binaries, "sidecar", folder / "pod-identity-sidecar-docs")
    return binaries


def test_every_reason_and_check_has_its_anchor(runner: Runner, binaries: Binaries) -> None:
    reasons = re.findall(r'return "([A-Z_]+)";', (ROOT / "common/base/failure.c").read_text())
    checks = [line.split()[0] for line in runner.run([binaries.init, "--list-checks"], {}).stdout.splitlines()]
    assert len(set(reasons)) == 15 and len(checks) > 25
    assert {anchor(name) for name in reasons + checks} <= ANCHORS


def test_init(documented: Binaries, runner: Runner, tmp_path: Path) -> None:
    """The termination message, the last line of the report, and each remedy."""
    log = tmp_path / "log"
    run = runner.run([documented.init, f"--termination-log={log}"], {})
    assert SEE.findall(log.read_text()) == ["not_injected"] and log.read_text().endswith("#not_injected\n")
    assert run.stdout.endswith(f". See {URL}#not_injected\n")
    failed = re.search(r"^fail  (\S+) ", run.stdout, re.MULTILINE)[1]  # type: ignore[index]
    assert SEE.findall(run.stdout) == [anchor(failed), "not_injected"]
    assert set(SEE.findall(run.stdout)) <= ANCHORS


def test_warnings_have_the_address_of_their_check(documented: Binaries, run_init: Callable[..., Run], injected: dict[str, str]) -> None:
    run = run_init(env={**injected, "AWS_PROFILE": "x", "AWS_ACCESS_KEY_ID": "AKIDX"}, text=True)
    warned = [anchor(name) for name in re.findall(r"^warn  (\S+) ", run.stdout, re.MULTILINE)]
    assert len(warned) >= 2 and [name for name in SEE.findall(run.stdout) if "_" not in name] == warned
    assert set(warned) <= ANCHORS


def test_sidecar(documented: Binaries, start_sidecar: Callable[..., Sidecar], run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    """The 503, the log, and what `once` ends with."""
    emulator.fault("answer", status=503, body="busy", times=None)
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "THROTTLED", 10, "an answer that names the cause")
    assert sidecar.get().json["message"].endswith(f". See {URL}#throttled") and "explain" not in sidecar.get().json["message"]
    eventually(lambda: "refresh failed" in sidecar.stderr, 10, "a line of the log")
    assert SEE.findall(sidecar.stderr) == ["throttled"]
    run = run_sidecar("once", "--process-file=/nonexistent/x", env={})
    assert run.exit_code == 10 and run.stderr.endswith(f". See {URL}#not_injected\n")


def test_without_an_address(start_sidecar: Callable[..., Sidecar], emulator: Emulator, runner: Runner, binaries: Binaries) -> None:
    """The 503 names the command that says more, and the command knows the reason."""
    emulator.fault("answer", status=503, body="busy", times=None)
    sidecar = start_sidecar(ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "THROTTLED", 10, "an answer that names the cause")
    command = re.search(r"\. More: pod-identity-sidecar (explain \w+)$", sidecar.get().json["message"])
    assert command and "See " not in sidecar.stderr
    explained = runner.run([binaries.sidecar, *command[1].split()], {})
    assert explained.exit_code == 0 and explained.stdout.startswith("THROTTLED ")


def test_the_address_is_checked() -> None:
    """One that cannot be an address of a page is refused by the build, with the reason."""
    def header(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "common/deps/describe.sh", "docs", url], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f'#define DOCS_URL "{URL}"' in header(URL).stdout
    assert "define" not in header("").stdout and header("").returncode == 0
    for url, why in (("docs.example.com", "begins with neither"), (f"{URL}#x", "a character"), (f'{URL}"', "a character"), (f"{URL} x", "a character"),
                     ("https://" + "x" * 200, "longer than 200")):
        run = header(url)
        assert run.returncode == 1 and run.stdout == "" and why in run.stderr, url
