"""Requests as Go's net/http takes them, in which the real agent is written: what is refused, with which words, and what is read how.

Held against a server of Go 1.26 with the agent's handler, request by request; tests/integration/test_real_agent_raw.py has them.
"""

from __future__ import annotations

import asyncio
import html
import posixpath
import re
from urllib.parse import quote, unquote_to_bytes

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HOST = re.compile(r"[0-9A-Za-z!$%&'()*+,\-.:;=\[\]_~]*")
VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)(.*)", re.S)


class BadRequest(Exception):
    """The request cannot be parsed; the text goes to the client, as text unless `kind` says otherwise."""

    def __init__(self, status: int, text: str, plain: bool = True) -> None:
        super().__init__(text)
        self.status, self.plain = status, plain


async def read_lines(reader: asyncio.StreamReader, most: int) -> list[str] | None:
    """The lines of a head, which end in CR LF or LF alone; None if the client closes within it."""
    lines: list[str] = []
    left = most
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            line = b"x" * (most + 1)
        left -= len(line)
        if left < 0:
            raise BadRequest(431, "431 Request Header Fields Too Large")
        if not line.endswith(b"\n"):
            return None
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if not line and lines:
            return lines
        lines.append(line.decode("latin-1"))
        if not line:
            raise BadRequest(400, "400 Bad Request")


def request_line(line: str) -> tuple[str, str, str]:
    """Method, target and version."""
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    number = VERSION.fullmatch(version)
    if not number or not TOKEN.fullmatch(method):
        raise BadRequest(400, "400 Bad Request")
    absolute = ABSOLUTE.fullmatch(target)
    path = (absolute.group(3) if absolute else target).partition("?")[0]
    connect = method == "CONNECT" and not target.startswith("/")
    if CONTROL.search(target) or BAD_ESCAPE.search(path) or not (target.startswith("/") or absolute or target == "*" or connect):
        raise BadRequest(400, "400 Bad Request")
    return method, target, version


def header_lines(lines: list[str]) -> list[tuple[str, str]]:
    """Names and values; a line that begins with a blank goes on with the one before it."""
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if not headers:
                raise BadRequest(400, "400 Bad Request")
            name, value = headers.pop()
            line = f"{name}:{value} {line.strip(chr(32) + chr(9))}"
        name, colon, value = line.partition(":")
        if not colon or not name or CONTROL.search(value):
            raise BadRequest(400, "400 Bad Request")
        if not TOKEN.fullmatch(name):
            raise BadRequest(400, "400 Bad Request: invalid header name" if name == name.lstrip() else "400 Bad Request")
        headers.append((name, value.strip(" \t")))
    return headers


def check(method: str, version: str, headers: list[tuple[str, str]]) -> None:
    """What is refused before a handler is asked."""
    def values(wanted: str) -> list[str]:
        return [value for name, value in headers if name.lower() == wanted]
    hosts, lengths = values("host"), values("content-length")
    if len(hosts) > 1 or len(set(lengths)) > 1 or any(not (value.isascii() and value.isdigit()) for value in lengths):
        raise BadRequest(400, "400 Bad Request")
    if [coding.lower() for coding in values("transfer-encoding")] not in ([], ["chunked"]):
        raise BadRequest(501, "Unsupported transfer encoding")
    if not version.startswith("HTTP/1."):
        raise BadRequest(505, "505 HTTP Version Not Supported: unsupported protocol version")
    if not hosts and version != "HTTP/1.0" and method != "CONNECT":
        raise BadRequest(400, "400 Bad Request: missing required Host header")
    if hosts and not HOST.fullmatch(hosts[0]):
        raise BadRequest(400, "400 Bad Request: malformed Host header")
    if values("expect") and values("expect")[0].lower() != "100-continue":
        raise BadRequest(417, "", plain=False)


def split_target(target: str) -> tuple[str | None, str, str]:
    """The host of an absolute target, the path as it was sent, and the query; there is no fragment."""
    absolute = ABSOLUTE.fullmatch(target)
    rest = absolute.group(3) if absolute else target
    path, _, query = rest.partition("?")
    return (absolute.group(2) if absolute else None), path, query


def cleaned(path: str) -> str:
    """The path without empty and dotted parts, as Go's ServeMux wants it; equal if it is clean."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def path_parts(path: str) -> list[bytes]:
    """Its parts, decoded one by one: a slash that was escaped separates nothing."""
    return [unquote_to_bytes(part) for part in path.split("/")]


def redirect(method: str, path: str, query: str) -> tuple[str, str, str]:
    """Location, type and body of the redirect to a clean path."""
    location = quote(path, safe="/%:@!$&'()*+,;=~-._") + (f"?{query}" if query else "")
    body = f'<a href="{html.escape(location)}">Temporary Redirect</a>.\n\n' if method == "GET" else ""
    return location, "text/html; charset=utf-8" if method in ("GET", "HEAD") else "", body
