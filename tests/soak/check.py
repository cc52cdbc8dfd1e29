"""What must hold of every answer, whoever asks whenever: not expired, not mixed, never an older issue than was served before, and no
refusal while there are credentials."""

from __future__ import annotations

import bisect
import threading
import time
from collections import Counter
from typing import Callable

from harness.served import expires_at

Triple = tuple[str, str, str]
FILE_LAG_S = 20.0  # how much later than an answer a file may have the same credentials: a write that is slow, on a busy machine
REFUSAL_MARGIN_S = 2.0  # the upstream's Date is in whole seconds, so the sidecar may believe an end to have come that much earlier
MOST_KEPT = 50


class Checker:
    """Judges what the clients got, from any thread. `issued` lists all that the upstream made, in order."""

    def __init__(self, issued: Callable[[], list[Triple]]) -> None:
        self._issued, self._lock = issued, threading.Lock()
        self._sets: dict[str, tuple[int, Triple]] = {}
        self._expirations: dict[str, str] = {}
        self._seen_at: list[float] = []  # when each of the next list was first served
        self._seen: list[int] = []  # numbers of issues, rising
        self._newest_ends_at = 0.0
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()

    def fault(self, where: str, what: str) -> None:
        """One more thing that is wrong; the first of them are kept, all are counted."""
        with self._lock:
            self.counts["faults"] += 1
            if len(self.faults) < MOST_KEPT:
                self.faults.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {where}: {what}")

    def count(self, what: str) -> None:
        """One more of these, for the summary."""
        with self._lock:
            self.counts[what] += 1

    def issues(self) -> int:
        """How many different issues were served."""
        return len(self._seen)

    def answer(self, where: str, got: Triple, expiration: str, asked_at: float) -> None:
        """Credentials that came for a request that was sent then. Only what had ended before it was sent is certainly too late: the
        answer was made after that."""
        self.count(f"{where} answers")
        ends_at = expires_at(expiration)
        if ends_at <= asked_at:
            self.fault(where, f"{got[0]} had expired at {expiration}, {asked_at - ends_at:.3f} s before it was asked for")
        self._belongs(where, got, expiration, ends_at, asked_at)

    def file(self, where: str, got: Triple, expiration: str, read_at: float) -> None:
        """Credentials in a file. What has expired may stay there, but only as long as nothing newer is served."""
        self.count(f"{where} reads")
        self._belongs(where, got, expiration, expires_at(expiration), read_at - FILE_LAG_S)

    def refusal(self, where: str, answered_at: float, asked_at: float) -> None:
        """A 503: right only if what was served before has ended."""
        self.count(f"{where} refusals")
        with self._lock:
            seen = bool(self._seen_at) and self._seen_at[0] <= asked_at
            left_s = self._newest_ends_at - answered_at
        if seen and left_s > REFUSAL_MARGIN_S:
            self.fault(where, f"refused, though credentials that were served before are good for another {left_s:.3f} s")

    def _belongs(self, where: str, got: Triple, expiration: str, ends_at: float, since: float) -> None:
        """One issue, whole, and none older than the newest that was served by `since`."""
        number = self._number(where, got)
        if number is None:
            return
        with self._lock:
            known = self._expirations.setdefault(got[0], expiration)
            place = bisect.bisect_right(self._seen_at, since)
            newest = self._seen[place - 1] if place else -1
            if not self._seen or number > self._seen[-1]:
                self._seen_at.append(time.time())
                self._seen.append(number)
                self._newest_ends_at = ends_at
        if known != expiration:
            self.fault(where, f"{got[0]} expires at {expiration}, and at {known} elsewhere")
        if number < newest:
            self.fault(where, f"{got[0]}, issue {number}, though issue {newest} had been served before")

    def _number(self, where: str, got: Triple) -> int | None:
        """The issue's number; None, and a fault, if there is none or these three are not of one."""
        if got[0] not in self._sets:
            made = {one[0]: (number, one) for number, one in enumerate(self._issued())}
            with self._lock:
                self._sets.update(made)
        found = self._sets.get(got[0])
        if found is None:
            self.fault(where, f"{got[0]} was never issued")
            return None
        if found[1] != got:
            which = [name for name, one, other in zip(("id", "secret", "token"), found[1], got) if one != other]
            self.fault(where, f"{got[0]} comes with another {' and '.join(which)} than it was issued with")
            return None
        return found[0]
