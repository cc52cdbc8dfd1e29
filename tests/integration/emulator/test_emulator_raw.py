"""The emulator as the agent, at the level of bytes: what a server of Go makes of a request, it makes of it, too."""

from __future__ import annotations

import pytest

from harness.agent import send
from harness.emulator import Emulator
from harness.raw_requests import EXPECTED, RAW, facts


def test_every_request_has_its_answer() -> None:
    assert set(RAW) == set(EXPECTED) and len(RAW) > 100


@pytest.mark.parametrize("name", RAW)
def test_raw_request(emulator: Emulator, name: str) -> None:
    data = RAW[name].replace("TOKEN", emulator.token()).encode("latin-1")
    assert facts(send(emulator, data)) == EXPECTED[name]
