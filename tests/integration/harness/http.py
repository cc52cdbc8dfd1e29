"""The smallest HTTP client that shows everything: status, headers, body, and the bytes as they came."""

from __future__ import annotations

import json
import select
import socket
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def request_bytes(method: str, path: str, headers: dict[str, str | None], body: bytes = b"") -> bytes:
    """A request; Host defaults to localhost, a header of None is left out."""
    merged: dict[str, str | None] = {"Host": "localhost", "Connection": "close", **headers}
    if body:
        merged.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in merged.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def read_all(sock: socket.socket, limit: int = 64 * 1024 * 1024) -> bytes:
    """Everything until the other side closes (or resets: what had come until then)."""
    data = b""
    while len(data) < limit:
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        data += part
    return data


def parse_answer(raw: bytes) -> Answer:
    """Splits one answer; ValueError if it is no HTTP."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not separator or not lines[0].startswith("HTTP/1."):
        raise ValueError(f"no HTTP answer: {raw[:200]!r}")
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return Answer(int(lines[0].split(" ")[1]), headers, body, raw)


def exchange(sock: socket.socket, data: bytes, timeout_s: float = 10.0, half_close: bool = False) -> bytes:
    """Sends bytes, and returns all that comes until the other side closes. Closes the socket."""
    with sock:
        sock.settimeout(timeout_s)
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may answer and close before it has read everything
        return read_all(sock)


def read_one(sock: socket.socket) -> Answer:
    """One answer with a Content-Length from a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + int(parse_answer(data).header("Content-Length") or 0):
        part = sock.recv(65536)
        if not part:
            raise ConnectionError(f"closed after {len(data)} bytes")
        data += part
    return parse_answer(data)


def closed(sock: socket.socket) -> bool:
    """Whether the other side has closed a connection on which nothing is expected."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
