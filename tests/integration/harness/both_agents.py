"""Tests of init and sidecar, with two agents: the emulator's, and ours in front of the emulator's EKS Auth.

Each test in the folders BOTH_IN that has an emulator runs with both (pytest_generate_tests of conftest.py), but for the files BOTH_NOT, which
ask nobody, or are about the sidecar's own limits. `@EMULATORS` keeps one with the emulator's agent, for what only that can do: answers that
are cut, made up or late, a clock that is wrong, telling what it was asked and how often while that is under way; and for what ours does
otherwise: it has no Date of its own, tries again by itself, and remembers a failure for a second.
"""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from .emulator import Emulator
from .leaks import Leaks
from .our_agent import OurAgent
from .places import AGENT_IPV4, AGENT_IPV6, Place
from .programs import Binaries
from .waiting import eventually

OURS = "ours"
BOTH_IN = ("init", "sidecar")
BOTH_NOT = re.compile("shadows|shared_files|stress|sandbox|hogs|cost|memory|soak|bad_requests")
EMULATORS = pytest.mark.emulators_agent


class NotRecorded(list[Any]):
    """Requests that our agent was asked: nobody may conclude anything from there being none."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("what our agent was asked is not recorded")

    __iter__ = __getitem__ = __len__ = __bool__ = __contains__ = __eq__ = _refuse


class BehindOurs(Emulator):
    """The emulator of AWS, at whose node our agent runs, asking EKS Auth each time. Requests are those that our agent has got."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, as_agent=False)
        self.host, self.port = AGENT_IPV4, 80
        self.url, self.url6 = (f"http://{host}/v1/credentials" for host in (AGENT_IPV4, f"[{AGENT_IPV6}]"))
        self.agent: OurAgent | None = None
        self._starting: threading.Timer | None = None

    def begin(self, binaries: Binaries, leaks: Leaks) -> None:
        """Before a test."""
        self._how = (binaries, leaks)
        self._answered_before = 0
        self._start()

    def _start(self) -> None:
        binaries, leaks = self._how
        self.agent = OurAgent(self.place, self, binaries, "--max-credential-retention-before-renewal", "0", leaks=leaks)
        self._at_start = self._answered()

    def _answered(self) -> int:
        assert self.agent
        page = self.agent.page("/metrics", metrics=True).body.decode()
        counted = ("pod_identity_http_response{", "pod_identity_agent_waiting ")  # those whose answer is not there yet, too
        return sum(int(float(line.rpartition(" ")[2])) for line in page.splitlines() if line.startswith(counted))

    def _stop(self) -> None:
        if self.agent:
            self._answered_before = self.count()
            assert self.agent.stop() == 0
        self.agent = None

    def end(self) -> None:
        """After a test."""
        if self._starting:
            self._starting.join()
            self._starting = None
        self.clear_faults(wait=False)
        self._stop()

    def listen(self, mode: str = "open", after_s: float = 0.0, service: str = "agent") -> None:
        if service != "agent":
            super().listen(mode, after_s, service)
            return
        assert mode in ("open", "closed"), "only the emulator's own agent can do that"
        if mode == "closed":
            self._stop()
        elif after_s > 0:
            self._starting = threading.Timer(after_s, self._start)
            self._starting.start()
        elif self.agent is None:
            self._start()

    def fault(self, kind: str, **params: Any) -> None:
        if kind == "pass":
            params.setdefault("service", "eks-auth")
        assert params.get("service", "agent") != "agent", "only the emulator's own agent can do that"
        super().fault(kind, **params)

    def clear_faults(self, wait: bool = True) -> None:
        """What the agent remembers of them is forgotten, too, after a second or two."""
        super().clear_faults()
        if wait and self.agent:
            eventually(lambda: self.agent is None or self.agent.metric("pod_identity_agent_failures_remembered") == 0, 35, "it forgets")

    def count(self) -> int:
        return self._answered_before + (self._answered() - self._at_start if self.agent else 0)

    def requests(self, with_secrets: bool = False) -> list[dict[str, Any]]:
        raise AssertionError("what our agent was asked is not recorded")

    def connections(self) -> int:
        raise AssertionError("what our agent was asked is not recorded")

    def wait_for_requests(self, count: int, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        eventually(lambda: self.count() >= count, timeout_s, f"{count} requests")
        return NotRecorded()

    def forget_requests(self) -> None:
        if self.agent:
            self._at_start = self._answered()
        self._answered_before = 0
