"""Byte for byte: what the real EKS Pod Identity Agent makes of raw requests, the emulator's agent makes of them, too. Left out, with the
reason, where the agent's module cannot be had or there is no network namespace."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from harness.emulator import Emulator
from harness.http import exchange
from harness.places import Place
from harness.raw_requests import RAW, facts
from harness.real_agent import RealAgent, real_agent

real_agent()


@pytest.fixture(scope="module")
def agents_place(places: Any) -> Iterator[Place]:
    """A namespace whose agent is the real one."""
    with places.without_agent("-raw") as place:
        yield place


@pytest.fixture
def place(agents_place: Place) -> Place:
    """Where these tests run."""
    return agents_place


@pytest.fixture(scope="module")
def agent(agents_place: Place, places: Any) -> Iterator[RealAgent]:
    """An agent that asks EKS Auth each time."""
    one = RealAgent(agents_place, places.emulator(agents_place), "--max-credential-retention-before-renewal", "0")
    yield one
    one.stop()


@pytest.mark.parametrize("name", RAW)
def test_same_answer_to_a_raw_request(agent: RealAgent, emulator: Emulator, name: str) -> None:
    data = RAW[name].replace("TOKEN", emulator.token()).encode("latin-1")
    real = facts(exchange(agent.place.connect("169.254.170.23", 80), data, 40))
    ours = facts(exchange(emulator.place.connect(emulator.host, emulator.port), data, 40))
    assert ours == real
