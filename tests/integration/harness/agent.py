"""Requests to the emulator as the agent, and the shapes of its answers."""

from __future__ import annotations

import re

from . import http as plain
from .emulator import Emulator


def ask(emulator: Emulator, authorization: str | None = None, host: str | None = "", path: str = "/v1/credentials",
        method: str = "GET", timeout_s: float = 5.0) -> plain.Answer:
    """One request to the agent."""
    headers = {"Host": f"{emulator.host}:{emulator.port}" if host == "" else host, "Authorization": authorization}
    return plain.parse_answer(send(emulator, plain.request_bytes(method, path, headers), timeout_s))


def send(emulator: Emulator, data: bytes, timeout_s: float = 5.0) -> bytes:
    """Bytes to the agent, bytes back."""
    return plain.exchange(emulator.place.connect(emulator.host, emulator.port, timeout_s), data, timeout_s)


def get(emulator: Emulator, token: str) -> bytes:
    """A good request."""
    return plain.request_bytes("GET", "/v1/credentials", {"Host": emulator.host, "Authorization": token})


def is_text(answer: plain.Answer, status: int, text: str) -> None:
    """The shape of Go's http.Error."""
    assert (answer.status, answer.body.decode()) == (status, text + "\n")
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("x-content-type-options") == "nosniff"


ROW_6 = r"\[[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\]: \((\w+)\): (.+), fault: (client|server)\n"


def eks_auth_answer(answer: plain.Answer) -> tuple[int, str, str, str]:
    """Status, code, message and fault."""
    matched = re.fullmatch(ROW_6, answer.body.decode())
    assert matched, answer.body
    return (answer.status, *matched.groups())  # type: ignore[return-value]
