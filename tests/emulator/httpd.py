"""A small HTTP/1.1 server on asyncio, which lets a fault decide what goes over the wire."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Awaitable, Callable, Union
from urllib.parse import parse_qsl

from emulator.goserver import BadRequest, check, header_lines, read_lines, request_line, split_target

HEAD_MAX = 64 * 1024
BODY_MAX = 4 * 1024 * 1024
ILL = {  # modes in which connections are accepted, and what is sent once the client has begun; None: nothing, for ever
    "mute": None,
    "hangup": b"",
    "noise": b"220 mail.example ESMTP\r\n" * 20,
    "alert-version": bytes.fromhex("15030300020246"),  # protocol_version: the server speaks no TLS that the client offers
    "alert-handshake": bytes.fromhex("15030300020228"),  # handshake_failure: no cipher suite in common, for instance
}
MODES = ("open", "closed", "deaf", *ILL)
IDLE_S = 120.0
AGENT_IDLE_S = 30.0
PLAIN = "text/plain; charset=utf-8"


@dataclass
class Request:
    """One parsed request."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    remote: str
    listener: str
    path: str = ""
    """As it was sent."""
    query: dict[str, str] = field(default_factory=dict)
    host: str = ""
    """Of an absolute target, or else of the header."""

    def __post_init__(self) -> None:
        authority, self.path, query = split_target(self.target)
        self.host = self.header("host") if authority is None else authority
        self.query = dict(parse_qsl(query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string (as Go's Header.Get)."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


@dataclass
class Response:
    """One answer; Content-Length, Date and Connection are added when it is sent."""

    status: int
    body: bytes = b""
    content_type: str = PLAIN
    headers: list[tuple[str, str]] = field(default_factory=list)

    def encode(self, date: float, head_only: bool = False, close: bool = False) -> bytes:
        """The bytes on the wire."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        names = {name.lower() for name, _ in self.headers}
        if "date" not in names:
            lines.append(f"Date: {formatdate(date, usegmt=True)}")
        if "content-length" not in names and "transfer-encoding" not in names:
            lines.append(f"Content-Length: {len(self.body)}")
        if close:
            lines.append("Connection: close")
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + (b"" if head_only else self.body)


class Exchange:
    """One request on its connection, for handlers that need more than a well-formed answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Writes, and waits for room in the socket."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self, seconds: float | None = None) -> None:
        """Says nothing until the client has closed, or the time is over."""
        async def drained() -> None:
            while await self.reader.read(65536):
                pass
        try:
            await asyncio.wait_for(drained(), seconds)
        except asyncio.TimeoutError:
            pass


Script = Callable[[Exchange], Awaitable[None]]
Handler = Callable[[Request], Awaitable[Union[Response, Script]]]


async def read_request(reader: asyncio.StreamReader, remote: str, listener: str, idle_s: float = IDLE_S) -> Request | None:
    """Reads one request; None when the client has closed between two, or says nothing for so long."""
    try:
        lines = await asyncio.wait_for(read_lines(reader, HEAD_MAX), idle_s)
    except (asyncio.TimeoutError, ConnectionError):
        return None
    if lines is None:
        return None
    method, target, version = request_line(lines[0])
    headers = header_lines(lines[1:])
    check(method, version, headers)
    request = Request(method, target, version, headers, b"", remote, listener)
    request.body = await read_body(reader, request)
    return request


async def read_body(reader: asyncio.StreamReader, request: Request) -> bytes:
    """Reads a body by Content-Length or in chunks."""
    try:
        if request.header("transfer-encoding").lower() == "chunked":
            body = b""
            while True:
                size = int(await reader.readline(), 16)
                if len(body) + size > BODY_MAX:
                    raise BadRequest(413, "413 Request Entity Too Large")
                body += await reader.readexactly(size)
                await reader.readline()
                if size == 0:
                    return body
        length = int(request.header("content-length") or 0)
        if not 0 <= length <= BODY_MAX:
            raise BadRequest(413, "413 Request Entity Too Large")
        return await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError):
        raise BadRequest(400, "400 Bad Request") from None


class Listener:
    """One address of one service. The port stays ours in every mode.

    open: serves. closed: no listening socket, so connecting is refused. deaf: listens with a full queue and never
    accepts, so connecting times out, as behind a rule that drops packets. Those of ILL accept, and are no use.
    """

    def __init__(self, service: str, host: str, port: int, handler: Handler, now: Callable[[], float],
                 tls: ssl.SSLContext | None = None, certificate: str | None = None) -> None:
        self.service, self.host, self.port = service, host, port
        self.certificate, self._tls = certificate, tls
        self.mode = "closed"
        self.accepted: Callable[[str], None] = lambda service: None
        self._handler, self._now = handler, now
        self._server: asyncio.Server | None = None
        self._fillers: list[socket.socket] = []
        self._live: set[asyncio.StreamWriter] = set()
        self._reserved = self._bind()
        if not host.startswith("unix:"):
            self.port = self._reserved.getsockname()[1]

    @property
    def authority(self) -> str:
        """host:port as it stands in a URL, or unix:PATH."""
        if self.host.startswith("unix:"):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def _bind(self) -> socket.socket:
        if self.host.startswith("unix:"):
            return self._bind_unix(self.host[len("unix:"):])
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((self.host, self.port))
        return sock

    def _bind_unix(self, path: str) -> socket.socket:
        if os.path.exists(path):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.bind(path)
        return sock

    async def set_mode(self, mode: str) -> None:
        """Changes the mode; leaving `open` drops the connections there are, as a dying agent does."""
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        if mode == self.mode:
            return
        if self.mode != "closed":
            self.shut()
            self._reserved = self._bind()
        if mode == "open":
            self._server = await asyncio.start_server(
                self._serve, sock=self._reserved, limit=HEAD_MAX, backlog=4096, start_serving=True, ssl=self._tls
            )
        elif mode in ILL:
            self._server = await asyncio.start_server(self._ill, sock=self._reserved, backlog=4096)
        elif mode == "deaf":
            self._reserved.listen(0)
            await self._fill()
        self.mode = mode

    async def _ill(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Treats a connection as a server does that is not well."""
        self._live.add(writer)
        self.accepted(self.service)
        try:
            said = ILL[self.mode]
            begun = await reader.read(65536)
            while begun and said is None:
                begun = await reader.read(65536)
            writer.write(said or b"")
            await writer.drain()
        except OSError:
            pass
        finally:
            self._live.discard(writer)
            writer.close()

    def shut(self) -> None:
        """Closes everything, the port too."""
        if self._server:
            self._server.close()
            self._server = None
        self.drop_connections()
        for sock in self._fillers:
            sock.close()
        self._fillers = []
        self._reserved.close()
        if self.host.startswith("unix:"):
            os.unlink(self.host[len("unix:"):])

    def drop_connections(self) -> None:
        """Aborts what is being served, hanging requests too."""
        for writer in list(self._live):
            writer.transport.abort()

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock = socket.socket(self._reserved.family, socket.SOCK_STREAM)
            sock.setblocking(False)
            self._fillers.append(sock)
            try:
                await asyncio.wait_for(loop.sock_connect(sock, (self.host, self.port)), 0.3)
            except asyncio.TimeoutError:
                return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._live.add(writer)
        self.accepted(self.service)
        peer = writer.get_extra_info("peername")
        remote = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unix"
        try:
            while await self._one(reader, writer, remote):
                pass
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._live.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote: str) -> bool:
        """Serves one request; True if the connection stays."""
        exchange = Exchange(reader, writer)
        try:
            request = await read_request(reader, remote, self.authority, AGENT_IDLE_S if self.service == "agent" else IDLE_S)
        except BadRequest as bad:
            kind = PLAIN if bad.plain else ""
            await exchange.send(Response(bad.status, str(bad).encode(), kind).encode(self._now(), close=True))
            return False
        if request is None:
            return False
        answer = await self._handler(request)
        if not isinstance(answer, Response):
            await answer(exchange)
            return False
        connection = request.header("connection").lower()
        close = "close" in connection or (request.version == "HTTP/1.0" and "keep-alive" not in connection)
        await exchange.send(answer.encode(self._now(), request.method == "HEAD", close))
        return not close
