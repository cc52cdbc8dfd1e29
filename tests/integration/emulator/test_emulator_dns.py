"""The emulator's name server, as the C library's resolver sees it from a namespace."""

from __future__ import annotations

import json
import sys
from typing import Any, Iterator

import pytest

from harness.emulator import Emulator
from harness.programs import Runner

pytestmark = pytest.mark.place("netns")
RESOLVE = """
import json, socket, sys, time
started = time.monotonic()
try:
    found = sorted({one[4][0] for one in socket.getaddrinfo(sys.argv[1], 443, type=socket.SOCK_STREAM)})
except socket.gaierror as error:
    found = error.errno
print(json.dumps([found, time.monotonic() - started, socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_NODATA]))
"""


@pytest.fixture
def resolve(emulator: Emulator, runner: Runner) -> Iterator[Any]:
    """resolve(name) asks inside the namespace; it returns the addresses, or the name of the error, and the seconds it took."""
    assert emulator.place.real_address
    emulator.name_server(port=53)
    emulator.place.use_name_server()  # type: ignore[attr-defined]

    def ask(name: str) -> tuple[Any, float]:
        run = runner.run([sys.executable, "-c", RESOLVE, name], {"PATH": "/usr/bin:/bin"}, timeout_s=60)
        found, seconds, no_name, again, no_data = json.loads(run.stdout)
        return {no_name: "no name", again: "again", no_data: "no data"}.get(found, found) if isinstance(found, int) else found, seconds
    yield ask


def test_names(resolve: Any, emulator: Emulator) -> None:
    emulator.names(names={"sts.eu-central-1.amazonaws.com": ["127.0.0.1", "::1"], "*": ["127.0.0.2"]})
    assert resolve("sts.eu-central-1.amazonaws.com")[0] == ["127.0.0.1", "::1"]
    assert resolve("other.example")[0] == ["127.0.0.2"]
    assert "sts.eu-central-1.amazonaws.com A" in emulator.names_asked() and "other.example AAAA" in emulator.names_asked()


@pytest.mark.parametrize(("mode", "expected"), [
    ("nxdomain", ["no name"]), ("empty", ["no name", "no data"]), ("servfail", ["again"]), ("refused", ["again"]), ("silent", ["again"]),
    ("garbage", ["again", "no name"])])
def test_failures(resolve: Any, emulator: Emulator, mode: str, expected: list[str]) -> None:
    emulator.names(mode=mode, names={"*": ["127.0.0.1"]})
    assert resolve("sts.eu-central-1.amazonaws.com")[0] in expected


def test_late(resolve: Any, emulator: Emulator) -> None:
    emulator.names(names={"*": ["127.0.0.1"]}, delay_s=0.7)
    found, seconds = resolve("sts.eu-central-1.amazonaws.com")
    assert found == ["127.0.0.1"] and seconds >= 0.7
