"""What was built: sizes, hardening, versions."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from harness.programs import ROOT, Binaries, Run, Runner

KIB = {"pod-identity-init": 448, "pod-identity-sidecar": 448, "pod-identity-get": 64, "pod-identity-agent": 512, "pod-identity-webhook": 448}
LIBRARIES = ("musl 1.2.5", "BearSSL 0.6", "curl 8.14.1", "cJSON 1.7.18")


@pytest.mark.parametrize("name", KIB)
def test_size(binaries: Binaries, name: str) -> None:
    size = (binaries.folder / name).stat().st_size
    assert size <= KIB[name] * 1024, f"{name} has {size} bytes, {size - KIB[name] * 1024} too many"


def test_hardening() -> None:
    """Static PIE, full RELRO, NX, stack protector, stripped, no path of the machine that built it."""
    if shutil.which("readelf") is None:
        pytest.skip("no readelf (make setup)")
    programs = [str(Binaries().folder / name) for name in KIB]  # beside what they were stripped of; not a copy of them
    done = subprocess.run(["sh", str(ROOT / "common/deps/check-binary.sh"), *programs], capture_output=True, text=True,
                          cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("static PIE, full RELRO, NX, stack protector, stripped") == len(programs)


@pytest.mark.parametrize("name", KIB)
def test_small_pages_before_anything_is_touched(name: str, tmp_path: Path) -> None:
    """Even the C library's own start: it writes into storage where a huge page could be. pod-identity-get would hand it on to what it runs."""
    program = Binaries().folder / name
    if shutil.which("readelf") is None or shutil.which("strace") is None:
        pytest.skip("no readelf (make setup), or no strace (make setup-test)")
    wanted = name != "pod-identity-get"
    shown = [subprocess.run(["readelf", *which], capture_output=True, text=True, check=True).stdout for which in (
        ["-hW", str(program)], ["-sW", str(program.parent / "debug" / name)])]
    begins = re.search(r"Entry point address: +0x([0-9a-f]+)", shown[0])
    symbols = {name: int(at, 16) for at, name in re.findall(r"^ *[0-9]+: ([0-9a-f]+) .* (\w+)$", shown[1], re.MULTILINE)}
    assert begins and int(begins[1], 16) == symbols["process_entry" if wanted else "_start"]
    subprocess.run(["strace", "-o", str(tmp_path / "calls"), str(program), "--version"], check=True, capture_output=True)
    calls = (tmp_path / "calls").read_text()
    assert ("PR_SET_THP_DISABLE" in calls) == wanted
    assert not wanted or calls.splitlines()[1].startswith("prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) ")


def folded(text: str) -> str:
    """For comparing names and versions whatever stands between them."""
    return re.sub(r"[^a-z0-9.]+", " ", text.lower())


@pytest.mark.parametrize("words", [("init", "--version"), ("sidecar", "--version"), ("sidecar", "version"), ("get", "--version"), ("agent", "version"), ("webhook", "version")])
def test_version(runner: Runner, binaries: Binaries, words: tuple[str, str]) -> None:
    """Version, revision and the four libraries, without anything being injected or served."""
    run = runner.run([getattr(binaries, words[0]), words[1]], {})
    assert (run.exit_code, run.stderr) == (0, "")
    shown = folded(run.stdout)
    assert f"pod identity {words[0]} " in shown
    assert re.search(r"\b\d+\.\d+\.\d+\b", run.stdout.splitlines()[0])
    for library in LIBRARIES:
        assert folded(library) in shown, run.stdout


def test_sidecar_command_version_is_the_option(run_sidecar: Callable[..., Run]) -> None:
    assert run_sidecar("version", env={}).stdout == run_sidecar("--version", env={}).stdout
