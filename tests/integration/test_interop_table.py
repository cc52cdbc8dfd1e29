"""The page of SDKs is what the last run of the matrix found, and what the families' files say: one changes only with the others."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from harness.families import CLIENTS, SCENARIOS, WAYS, Release, releases, word_of
from harness.programs import ROOT


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("interop_table", ROOT / "tests" / "interop" / "table.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TABLE = load()
RESULTS = TABLE.load_results()


def test_the_page_is_what_the_results_say() -> None:
    assert TABLE.PAGE.read_text() == TABLE.page(RESULTS), "make interop-table"


def test_the_families_say_what_the_last_run_found() -> None:
    assert RESULTS and not TABLE.disagreements(RESULTS)


def test_a_changed_cell_is_seen() -> None:
    """Better or worse, and one that was not run."""
    name = next(iter(RESULTS))
    cell = next(iter(RESULTS[name]["cells"]))
    for changed in ({cell: "broken"}, {"keys nowhere": "ok"}):
        other = {**RESULTS, name: {**RESULTS[name], "cells": {**RESULTS[name]["cells"], **changed}}}
        assert len(TABLE.disagreements(other)) == 1 and name in TABLE.disagreements(other)[0]
    fewer = {**RESULTS, name: {**RESULTS[name], "cells": {other: word for other, word in RESULTS[name]["cells"].items() if other != cell}}}
    assert len(TABLE.disagreements(fewer)) == 1


def test_measured_with_the_versions_that_the_families_have() -> None:
    assert {one.name: one.version for one in releases() if one.name in RESULTS} == {name: entry["version"] for name, entry in RESULTS.items()}


@pytest.mark.parametrize("release", [pytest.param(one, id=one.name) for one in releases()])
def test_a_release_is_as_the_readme_says(release: Release) -> None:
    assert set(release.ways) == set(WAYS) and set(release.scenarios) <= set(SCENARIOS)
    assert set(release.env_by_way) <= set(WAYS) and (release.source / "build.sh").exists()
    for (scenario, _), outcome in release.cells().items():
        assert re.fullmatch(r"ok|ok: .+[^.]|(fails|none): .+[^.]" if scenario != "wrong-bearer" else "refused|(fails|none): .+[^.]", outcome), outcome
        assert word_of(outcome) in ("ok", "fails", "refused")


def test_names_are_unique_and_each_family_is_whole() -> None:
    names = [one.name for one in releases()]
    assert len(names) == len(set(names))
    assert {path.name for path in CLIENTS.iterdir() if path.is_dir() and path.name != "__pycache__"} == {one.family for one in releases()}
