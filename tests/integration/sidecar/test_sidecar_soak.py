"""pod-identity-sidecar: a minute of the soak (`make soak` runs it for longer), and that its checker sees what it is to see.

SOAK_SECONDS and SOAK_SEED in the environment change how long, and what happens."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.emulator import Emulator
from harness.programs import ROOT
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken

sys.path.append(str(ROOT / "tests"))
from soak import clients  # noqa: E402
from soak.check import FILE_LAG_S, Checker  # noqa: E402
from soak.soak import Cost, judge_cost, soak, start  # noqa: E402

SETS = [(f"ASIA{number:016}", f"secret-{number}", f"token-{number}") for number in range(4)]


def stamp(from_now_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + from_now_s))


@pytest.mark.place("loopback")
def test_soak(start_sidecar: Callable[..., Sidecar], emulator: Emulator, token: ProjectedToken, folder: Path) -> None:
    """No answer and no file is expired, empty, torn, mixed or older than what was there before; nothing grows; the end is at once."""
    seconds, seed = float(os.environ.get("SOAK_SECONDS", "60")), int(os.environ.get("SOAK_SEED", "13"))
    print(f"soak: {seconds:g} s, SEED={seed}", flush=True)
    report = soak(start(start_sidecar, folder, emulator), emulator, token, seconds, seed, say=lambda text: print(text, flush=True))
    print(report.text(), flush=True)
    assert report.faults == [], report.text()
    for name in ("socket", "http", "imds"):
        assert report.counts[f"{name} answers"] > seconds, "the readers did not read"
    assert report.counts["credentials file reads"] > seconds / 2 and report.counts["process file reads"] > seconds / 2
    assert report.issues > seconds / 20 and report.upstream_requests > report.issues, "there was something to go wrong"


# --- that it can fail


@pytest.fixture
def checker() -> Checker:
    """One that has seen issue 1, which is good for another minute."""
    made = Checker(lambda: SETS)
    made.answer("socket", SETS[1], stamp(60), time.time())
    assert made.faults == []
    return made


def only_fault(checker: Checker) -> str:
    assert len(checker.faults) == checker.counts["faults"] == 1, checker.faults
    return checker.faults[0]


def test_it_sees_what_has_expired(checker: Checker) -> None:
    checker.answer("http", SETS[2], stamp(-1), time.time())
    assert "had expired" in only_fault(checker)


@pytest.mark.parametrize("member", [1, 2])
def test_it_sees_what_is_mixed_or_torn(checker: Checker, member: int) -> None:
    mixed, torn = list(SETS[2]), list(SETS[2])
    mixed[member], torn[member] = SETS[1][member], SETS[2][member][:-1]
    for got in (mixed, torn):
        checker.answer("imds", (got[0], got[1], got[2]), stamp(60), time.time())
    assert len(checker.faults) == 2 and all("another" in one for one in checker.faults)


def test_it_sees_what_nobody_issued(checker: Checker) -> None:
    checker.answer("socket", ("ASIANOBODY", "x", "y"), stamp(60), time.time())
    assert "never issued" in only_fault(checker)


def test_it_sees_another_issues_expiration(checker: Checker) -> None:
    checker.answer("socket", SETS[1], stamp(3600), time.time())
    assert "elsewhere" in only_fault(checker)


def test_it_sees_an_old_answer(checker: Checker) -> None:
    """Older than what was served before it was asked for; not what was on its way already."""
    checker.answer("http", SETS[0], stamp(60), time.time() - 5)
    assert checker.faults == []
    checker.answer("http", SETS[0], checker._expirations[SETS[0][0]], time.time())
    assert "issue 0, though issue 1" in only_fault(checker)


def test_it_sees_a_file_that_stays_behind(checker: Checker) -> None:
    checker.file("process file", SETS[0], stamp(-5), time.time())
    assert checker.faults == [], "it may be about to be written"
    checker.file("process file", SETS[0], checker._expirations[SETS[0][0]], time.time() + FILE_LAG_S + 1)
    assert "issue 0, though issue 1" in only_fault(checker)


def test_it_sees_a_needless_refusal(checker: Checker) -> None:
    checker.refusal("socket", time.time() + 61, time.time())
    assert checker.faults == [], "it had ended"
    checker.refusal("socket", time.time(), time.time())
    assert "refused" in only_fault(checker)


@pytest.mark.parametrize("end, said", [(Cost(90, 500, 100, 12), []), (Cost(90, 700, 100, 12), ["resident"]),
                                       (Cost(90, 500, 220, 12), ["anonymous"]), (Cost(90, 500, 100, 40), ["descriptors"])])
def test_it_sees_growth(end: Cost, said: list[str]) -> None:
    """Against the first minute, whatever came later."""
    samples = [Cost(5, 480, 96, 200), Cost(50, 500, 100, 300), Cost(80, 900, 400, 500)]
    assert [one.split()[0].rstrip(":") for one in judge_cost(samples, end, 12, 60)] == said


@pytest.mark.place("loopback")
def test_it_sees_a_sidecar_that_serves_an_old_answer(start_sidecar: Callable[..., Sidecar], emulator: Emulator, token: ProjectedToken,
                                                     folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of it, with a wrapper between readers and sidecar that hands out the first answer again and again."""
    kept: dict[str, Any] = {}
    check = clients.check_answer

    def old(checker: Checker, listener: str, answer: Any, asked_at: float) -> None:
        check(checker, listener, kept.setdefault(listener, answer) if listener == "http" else answer, asked_at)
    monkeypatch.setattr(clients, "check_answer", old)
    report = soak(start(start_sidecar, folder, emulator), emulator, token, 15, 13)
    assert any(" http: " in one and "had been served before" in one for one in report.faults), report.text()
