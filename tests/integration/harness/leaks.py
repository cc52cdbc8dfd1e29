"""Remembers what programs printed during a test, and searches it for secrets at the test's end."""

from __future__ import annotations

from typing import Iterable

SHORTEST = 16  # shorter values would be found by accident
SESSION_TOKEN_PREFIX = "IQoJb3JpZ2luX2Vj"  # the same in every session token


class Leaks:
    """Outputs and secrets of one test."""

    def __init__(self) -> None:
        self.outputs: list[tuple[str, str]] = []
        self.extra: dict[str, str] = {}

    def add_secret(self, kind: str, value: str) -> None:
        """A value that nothing may print, besides those that the emulator issued."""
        if len(value.strip()) >= SHORTEST:
            self.extra[value.strip()] = kind

    def add_output(self, where: str, text: str | bytes) -> None:
        """Something that a program printed or wrote, or its command line."""
        self.outputs.append((where, text.decode("utf-8", "replace") if isinstance(text, bytes) else text))

    def find(self, secrets: Iterable[dict[str, str]]) -> list[str]:
        """Where a secret, or its beginning or end, was printed. The findings do not repeat the secret."""
        found = []
        needles = dict(self.extra)
        needles.update({secret["value"]: secret["kind"] for secret in secrets})
        for value, kind in needles.items():
            if kind == "access_key_id":
                continue  # an identifier, which logs may show
            for part in parts_of(value, kind):
                found += [f"{kind} in {where}" for where, text in self.outputs if part in text]
        return sorted(set(found))


def parts_of(value: str, kind: str) -> set[str]:
    """The value, and the pieces by which a shortened print would still give it away."""
    parts = {value}
    if kind == "secret_access_key":
        parts |= {value[:16], value[-16:]}
    elif kind == "session_token":
        body = value.removeprefix(SESSION_TOKEN_PREFIX)
        parts |= {body[:24], body[-24:]}
    elif kind == "service_account_token":
        # The header is the same for all tokens; payload and signature are what must not be seen.
        segments = value.split(".")
        parts |= {piece for segment in segments[1:] for piece in (segment[:64], segment[-24:]) if len(piece) >= 24}
    return parts
