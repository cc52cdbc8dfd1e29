"""Real SDKs, each release in each way and scenario of tests/interop, against the static sidecar: a cell that changes fails.

INTEROP_RELEASES: `test` (the newest of what is quick to install, as `make test` has them), `newest` (`make interop`), `all`
(`make interop-all`), or names of releases, SDKs or families."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from harness.families import Release, build, chosen, word_of
from harness.programs import ROOT, Binaries
from harness.sdk_matrix import Outcome, run_release

RESULTS = ROOT / "build" / "interop" / "results"
CHOSEN = chosen(os.environ.get("INTEROP_RELEASES", "test"))
CELLS = [pytest.param(release, *cell, id=f"{release.name}-{cell[0]}-{cell[1]}", marks=pytest.mark.xdist_group(f"interop {release.name}"))
         for release in CHOSEN for cell in release.cells()]
RELEASES = [pytest.param(release, id=release.name, marks=pytest.mark.xdist_group(f"interop {release.name}")) for release in CHOSEN]
_done: dict[str, dict[tuple[str, str], Outcome] | str] = {}


@pytest.fixture
def outcomes(release: Release, places: Any, binaries: Binaries) -> dict[tuple[str, str], Outcome]:
    """Those of all cells of the release, run once, when the first of its tests needs them."""
    if release.name not in _done:
        missing = build(release)
        if missing is None:
            emulator = places.emulator(places.get("best"))
            emulator.reset()
            _done[release.name] = run_release(release, emulator, binaries)
            keep(release, _done[release.name])
        else:
            _done[release.name] = missing
    found = _done[release.name]
    if isinstance(found, str):
        pytest.skip(f"{release.sdk} is not to be had: {found}")
    return found


def keep(release: Release, outcomes: dict[tuple[str, str], Outcome]) -> None:
    """For `make interop-table`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {"sdk": release.sdk, "version": release.version,
                "cells": {f"{scenario} {way}": {"word": one.word, "detail": one.detail} for (scenario, way), one in outcomes.items()}}
    (RESULTS / f"{release.name}.json").write_text(json.dumps(document, indent=1) + "\n")


@pytest.mark.parametrize("release, scenario, way", CELLS)
def test_cell(outcomes: dict[tuple[str, str], Outcome], release: Release, scenario: str, way: str) -> None:
    expected = release.cells()[(scenario, way)]
    outcome = outcomes[(scenario, way)]
    assert outcome.word == word_of(expected), f"expected: {expected}; found: {outcome.word}: {outcome.detail}"


@pytest.mark.parametrize("release", RELEASES)
def test_our_programs_printed_no_secret(outcomes: dict[tuple[str, str], Outcome], release: Release) -> None:
    assert not [leak for one in outcomes.values() for leak in one.leaks]
