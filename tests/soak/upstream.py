"""An upstream that misbehaves at random, and yet the same for the same seed: the emulator's queue of faults, filled from a plan."""

from __future__ import annotations

import random
import threading
from typing import Any

from harness.emulator import Emulator

LIFETIMES_S = (1, 2, 3, 5, 8, 20, 40, 90, 300, 1200, 1300, 3600, 7200)
MEMBERS = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
QUEUED = 40
WEIGHTS = {
    "good": 55, "slow": 6, "500": 4, "429": 4, "503": 3, "truncate": 4, "cut": 3, "garbage": 3, "close": 4, "reset": 3, "drip": 2, "hang": 1,
    "missing": 2, "empty member": 2, "null member": 2, "empty": 2, "expired": 3, "huge": 2, "nested": 1, "redirect": 2, "html": 2,
}


def plan(chance: random.Random) -> dict[str, Any]:
    """What the next request gets, as the emulator's control endpoint wants it."""
    kind = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    lifetime_s, member, retry_after_s = chance.choice(LIFETIMES_S), chance.choice(MEMBERS), chance.choice((1, 2, 3))
    good = {"kind": "patch", "expires_in_s": lifetime_s}
    others: dict[str, dict[str, Any]] = {
        "slow": {**good, "delay_s": chance.uniform(0.05, 2.0)},
        "500": {"kind": "answer", "status": 500, "body": "an internal error"},
        "429": {"kind": "answer", "status": 429, "body": "Too Many Requests", "headers": {"Retry-After": str(retry_after_s)}},
        "503": {"kind": "answer", "status": 503, "headers": {"Retry-After": str(retry_after_s)}},
        "truncate": {"kind": "truncate", "keep": chance.randrange(1, 300), "end": chance.choice(("close", "reset"))},
        "drip": {"kind": "drip", "bytes_per_s": chance.choice((100.0, 2000.0))},
        "missing": {**good, "drop": [member]},
        "empty member": {"kind": "patch", "set": {member: ""}},
        "null member": {"kind": "patch", "set": {member: None}},
        "expired": {"kind": "patch", "expires_in_s": -chance.randrange(1, 4000)},
        "huge": {"kind": "huge", "bytes": 200_000, "chunked": chance.random() < 0.5},
        "nested": {"kind": "nested", "depth": 2000},
        "html": {"kind": "answer", "body": "<html>hello</html>", "content_type": "text/html"},
        "good": good,
    }
    if kind == "missing" and member == "Expiration":
        others["missing"] = {"kind": "patch", "drop": [member]}
    return others.get(kind, {"kind": kind})


class Upstream(threading.Thread):
    """Keeps the queue filled until it is told to end."""

    def __init__(self, emulator: Emulator, seed: int) -> None:
        super().__init__(daemon=True)
        self.emulator, self.chance, self.over = emulator, random.Random(f"{seed} upstream"), threading.Event()

    def run(self) -> None:
        while True:
            for _ in range(QUEUED - len(self.emulator.call("GET", "/faults"))):
                self.emulator.fault(**plan(self.chance))
            if self.over.wait(1):
                return

    def end(self) -> None:
        """As well behaved as before."""
        self.over.set()
        self.join()
        self.emulator.clear_faults()
