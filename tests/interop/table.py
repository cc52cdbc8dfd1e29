"""Writes tests/interop/results.json and sidecar/SDKS.md: make interop-table, after make interop-all.

Each release that has left its results in build/interop/results replaces what results.json has of it; the others stay. The page says of a
cell what family.json says, and only where the last run found the same: tests/integration/test_interop_table.py compares all three."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness.families import WAYS, Release, releases, word_of  # noqa: E402

RUN = ROOT / "build" / "interop" / "results"
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "sidecar" / "SDKS.md"
WIDTH = 100
WAY_TITLES = {"http-file": "bearer's file", "http-value": "by value", "process": "process", "file": "file", "imds": "IMDS", "imds-slash": "IMDS/"}
SCENARIO_TITLES = {"refresh": "moves on", "recover": "recovers", "restart": "restart", "late": "early app", "wrong-bearer": "wrong bearer"}
HEAD = """# What each SDK does, measured

Written by `make interop-table` from the last run of `make interop-all`; do not edit. {cells:,} cells of
{releases} releases of {sdks} SDKs, last run on {day}: unchanged SDKs, the static sidecar and the emulator of the
agent, in a network namespace of their own. What each cell does is in
[tests/interop](../tests/interop/README.md); how to set each way up is in [APPS.md](APPS.md).

## Which ways work

`yes`: three resolutions have the right key, secret and token, with one request upstream. `no` and `none` were
tried as well. `IMDS/` is the same URL with a slash at its end.
"""
LIFE = """## While it runs

All with one provider object, as a service has it.

- `{refresh}`: with credentials of 16 seconds (or what the release's `family.json` says), it is never seen
  with ended ones, and takes the new ones.
- `{recover}`: the sidecar has no credentials at first, then some.
- `{restart}`: the sidecar is killed and comes back; a generated bearer is new then.
- `{late}`: the app starts before the sidecar, whose files are not there yet.
- `{wrong}`: the answer to another bearer is an error.
"""


def load_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def merge(results: dict[str, Any]) -> int:
    """Takes what the last runs left; how many releases that were."""
    revision = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    known = {release.name for release in releases()}
    for name in [name for name in results if name not in known]:
        del results[name]
    taken = 0
    for path in sorted(RUN.glob("*.json")):
        if path.stem in known:
            found = json.loads(path.read_text(encoding="utf-8"))
            results[path.stem] = {"version": found["version"], "day": time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime)),
                                  "on": platform.machine(), "revision": revision,
                                  "cells": {cell: one["word"] for cell, one in found["cells"].items()}}
            taken += 1
    return taken


def measured(results: dict[str, Any]) -> list[Release]:
    """The releases that a run has shown, in the order of the page."""
    return sorted((one for one in releases() if one.name in results), key=lambda one: (one.sdk.lower(), one.family))


def disagreements(results: dict[str, Any]) -> list[str]:
    """Cells of which family.json says something else than the last run."""
    found = []
    for release in measured(results):
        expected = {f"{scenario} {way}": word_of(text) for (scenario, way), text in release.cells().items()}
        got = results[release.name]["cells"]
        found += [f"{release.name}: {cell}: family.json says {expected.get(cell, 'nothing')}, the run {got.get(cell, 'nothing')}"
                  for cell in sorted({*expected, *got}) if expected.get(cell) != got.get(cell)]
    return found


class Notes:
    """Reasons, each once, by number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def cell(self, outcome: str) -> str:
        word, _, why = outcome.partition(": ")
        shown = {"ok": "yes", "fails": "no"}.get(word, word)
        if not why:
            return shown
        if why not in self.texts:
            self.texts.append(why)
        return f"{shown} ({self.texts.index(why) + 1})"

    def lines(self) -> str:
        return "\n".join(textwrap.fill(f"{number}. {text[0].upper()}{text[1:]}.", WIDTH, subsequent_indent="   ", break_long_words=False,
                                       break_on_hyphens=False) for number, text in enumerate(self.texts, 1))


def row(*cells: str) -> str:
    return " ".join(["|", *(f"{cell} |" if cell else "|" for cell in cells)])


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([row(*head), "|" + " --- |" * len(head), *(row(*cells) for cells in rows)])


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    shown = measured(results)
    ways, life = Notes(), Notes()
    first = [[one.sdk, one.version, *(ways.cell(one.ways[way]) for way in WAYS)] for one in shown]
    second = []
    for one in shown:
        cells = one.cells()
        for way in WAYS:
            found = {scenario: life.cell(cells[(scenario, way)]) if (scenario, way) in cells else "" for scenario in SCENARIO_TITLES}
            if any(found.values()):
                second.append([one.sdk, one.version.partition(" ")[0], WAY_TITLES[way], *found.values()])
    facts = {"cells": sum(len(results[one.name]["cells"]) for one in shown), "releases": len(shown), "sdks": len({one.sdk for one in shown}),
             "day": max((results[one.name]["day"] for one in shown), default="")}
    titles = {"wrong" if name == "wrong-bearer" else name: title for name, title in SCENARIO_TITLES.items()}
    parts = [HEAD.format(**facts), table(["SDK", "release", *WAY_TITLES.values()], first) + "\n", ways.lines() + "\n", LIFE.format(**titles),
             table(["SDK", "release", "way", *SCENARIO_TITLES.values()], second) + "\n", life.lines() + "\n"]
    return "\n".join(part for part in parts if part.strip())


def main() -> int:
    results = load_results()
    if merge(results) == 0:
        print("interop-table: no run has left results in build/interop/results: make interop-all", file=sys.stderr)
        return 1
    wrong = disagreements(results)
    if wrong:
        print("interop-table: nothing is written: correct family.json, or find out what changed", *wrong, sep="\n  ", file=sys.stderr)
        return 1
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(results)} releases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
