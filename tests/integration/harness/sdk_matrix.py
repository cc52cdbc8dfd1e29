"""Runs the cells of a release beside one another: most of the time they wait. What each scenario is, says tests/interop/README.md."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from .emulator import Emulator
from .families import Release, word_of
from .programs import Binaries
from .sdk_cell import Cell
from .sdk_client import Look

AT_ONCE = int(os.environ.get("INTEROP_AT_ONCE", "8"))
ANSWER_S = 60.0  # for one look of a client that works, on a busy machine
HANGS_S = 40.0  # a client that is expected to fail, and says nothing for so long, hangs
SLACK_S = 3.0  # between what a client did and when its line was read
LOOKS_AFTER = 8  # so many errors, each of a look that began when there were credentials, mean: it does not recover


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a cell came to: `ok`, `refused` or `fails`, and what was seen; no secrets."""

    word: str
    detail: str = ""
    leaks: tuple[str, ...] = ()


def no_secrets(text: str | None) -> str:
    """What an SDK said may repeat anything: only what kind of error it was."""
    return (text or "").partition(":")[0][:60]


def fails(detail: str) -> Outcome:
    return Outcome("fails", detail)


def expected(cell: Cell, scenario: str) -> str:
    """The word of this cell in family.json."""
    return word_of(cell.release.cells()[(scenario, cell.way)])


def bounded(cell: Cell, scenario: str) -> float:
    """How long to wait for a line: those that are expected to fail may hang."""
    return ANSWER_S if expected(cell, scenario) == "ok" else HANGS_S


def keys(cell: Cell) -> Outcome:
    """Three looks at one set, for which upstream is asked once."""
    cell.associate()
    cell.start()
    client = cell.run(3, 100)
    client.wait(lambda looks: len(looks) == 3, bounded(cell, "keys"))
    looks = list(client.looks)
    if len(looks) < 3:
        return fails(f"{len(looks)} of 3 answers" + (f", then it ended with {client.process.poll()}" if client.ended() else ""))
    wrong = [look for look in looks if not cell.is_right(look)]
    if wrong:
        return fails(f"{len(wrong)} of 3 without the right credentials: {no_secrets(wrong[0].error)}")
    return Outcome("ok") if cell.upstream_requests() == 1 else fails(f"{cell.upstream_requests()} requests upstream")


def refresh(cell: Cell) -> Outcome:
    """So many looks, each two seconds after the other, over more than two lives of the credentials."""
    cell.associate()
    cell.start()
    times = round(cell.lifetime_s * 2.25 / 2)
    client = cell.run(times, 2000)
    client.wait(lambda looks: len(looks) == times, 3 * cell.lifetime_s + 4 * ANSWER_S)
    looks = list(client.looks)
    if len(looks) < times:
        return fails(f"{len(looks)} of {times} answers")
    wrong = [look for look in looks if not cell.is_right(look)]
    if wrong:
        return fails(f"{len(wrong)} of {times} without the right credentials: {no_secrets(wrong[0].error)}")
    ended = [number for number in range(times) if cell.ended_before(number) > SLACK_S]
    if ended:
        return fails(f"{len(ended)} of {times} with credentials that had ended")
    return Outcome("ok") if len({look.triple for look in looks}) > 1 else fails("it never moved on")


def gets_them(cell: Cell, since: int, good: Callable[[Look], bool], scenario: str) -> Outcome:
    """After `since` looks of the client, and now that there are credentials: does it find them?"""
    client = cell.client
    assert client
    found = client.wait(lambda looks: any(good(look) for look in looks[since:]) or len(looks) > since + LOOKS_AFTER + 1,
                        HANGS_S if expected(cell, scenario) != "ok" else 2 * ANSWER_S)
    looks = client.looks[since:]
    if any(good(look) for look in looks):
        return Outcome("ok")
    if client.ended():
        return fails(f"the program ended with {client.process.poll()}")
    return fails(f"still without after {len(looks)} looks: {no_secrets(looks[-1].error)}" if found else f"{len(looks)} answers: it hangs")


def recover(cell: Cell) -> Outcome:
    """No credentials, then some."""
    cell.start(ready=False)
    client = cell.run(1000, 1000)
    client.wait(lambda looks: bool(looks), bounded(cell, "recover"))
    if any(look.triple for look in client.looks):
        return fails("it had credentials when there were none")
    cell.associate()
    cell.fetch_now()
    return gets_them(cell, len(client.looks), cell.is_right, "recover")


def restart(cell: Cell) -> Outcome:
    """The sidecar is killed, and comes back; a generated bearer is another one then."""
    cell.associate()
    cell.start()
    client = cell.run(1000, 1000)
    if not client.wait(lambda looks: any(cell.is_right(look) for look in looks), ANSWER_S):
        return fails("no credentials before")
    assert cell.sidecar
    cell.look_at_sidecar()
    cell.sidecar.kill()
    seen = len(client.looks)
    client.wait(lambda looks: len(looks) > seen + 1, ANSWER_S)
    before = set(cell.served)
    cell.restart()
    since = len(client.looks)

    def of_the_new_one(look: Look) -> bool:
        return look.triple is not None and look.triple[0] not in before and cell.is_right(look)
    client.wait(lambda looks: any(of_the_new_one(look) for look in looks) or any(look.error for look in looks[since + LOOKS_AFTER:]),
                cell.lifetime_s + 2 * ANSWER_S)
    if any(of_the_new_one(look) for look in client.looks):
        return Outcome("ok")
    return fails(f"the program ended with {client.process.poll()}" if client.ended() else f"{len(client.looks) - since} looks without new ones")


def late(cell: Cell) -> Outcome:
    """The client is there first."""
    cell.associate()
    client = cell.run(1000, 1000)
    client.wait(lambda looks: bool(looks), bounded(cell, "late"))
    if any(look.triple for look in client.looks):
        return fails("it had credentials when there were none")
    cell.start()
    cell.look_at_sidecar()
    return gets_them(cell, len(client.looks), cell.is_right, "late")


def wrong_bearer(cell: Cell) -> Outcome:
    """Another bearer than the sidecar's."""
    cell.associate()
    cell.start()
    client = cell.run(2, 100, wrong_bearer=True)
    client.wait(lambda looks: len(looks) == 2, 2 * ANSWER_S)
    if any(look.triple for look in client.looks):
        return fails("it had credentials")
    return Outcome("refused") if len(client.looks) == 2 else fails(f"{len(client.looks)} of 2 answers")


SCENARIOS: dict[str, Callable[[Cell], Outcome]] = {"keys": keys, "refresh": refresh, "recover": recover, "restart": restart, "late": late,
                                                   "wrong-bearer": wrong_bearer}
SHORT_LIVED = ("refresh", "restart")


def run_cell(release: Release, scenario: str, way: str, emulator: Emulator, binaries: Binaries) -> Outcome:
    cell = Cell(release, way, emulator, binaries, release.lifetime_s if scenario in SHORT_LIVED else 3600.0)
    try:
        outcome = SCENARIOS[scenario](cell)
    except AssertionError as error:
        outcome = Outcome("broken", str(error))
    finally:
        leaks = cell.close()
    return dataclasses.replace(outcome, leaks=tuple(leaks))


def run_release(release: Release, emulator: Emulator, binaries: Binaries) -> dict[tuple[str, str], Outcome]:
    """Every cell that family.json has; those that take longest first."""
    order = sorted(release.cells(), key=lambda cell: list(SCENARIOS).index(cell[0]) or len(SCENARIOS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {(scenario, way): pool.submit(run_cell, release, scenario, way, emulator, binaries) for scenario, way in order}
        return {cell: future.result() for cell, future in futures.items()}
