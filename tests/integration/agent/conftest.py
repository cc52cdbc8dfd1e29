"""Fixtures of the agent's tests: a namespace whose agent is ours, with an emulator that has loopback addresses only there."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest

from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.our_agent import OurAgent
from harness.places import Place
from harness.programs import Binaries


@pytest.fixture(scope="session")
def node_place(places: Any) -> Iterator[Place]:
    """A node: the agent's addresses, and nobody at them."""
    with places.without_agent("-node") as place:
        yield place


@pytest.fixture
def node(node_place: Place, places: Any) -> Emulator:
    """The emulator there, as after its start."""
    emulator: Emulator = places.emulator(node_place)
    emulator.reset()
    return emulator


@pytest.fixture
def start_agent(node_place: Place, node: Emulator, binaries: Binaries, leaks: Leaks) -> Iterator[Callable[..., OurAgent]]:
    """start_agent(*options, env={…}) -> OurAgent, stopped in the end."""
    started: list[OurAgent] = []

    def start(*options: str, **how: Any) -> OurAgent:
        agent = OurAgent(node_place, node, binaries, *options, leaks=leaks, **how)
        started.append(agent)
        return agent
    yield start
    running = [agent for agent in started if agent.process.poll() is None]
    codes = [agent.stop() for agent in running]
    for agent in started:
        agent.stop()
    assert codes == [0] * len(running)


@pytest.fixture
def agent(start_agent: Callable[..., OurAgent]) -> OurAgent:
    """One that runs as a chart starts it."""
    return start_agent()
