"""An HTTP proxy that knows CONNECT, and remembers whom it was asked to reach. Faults of "proxy" make it refuse."""

from __future__ import annotations

import asyncio
import base64

from emulator.httpd import Exchange, Request, Response, Script

CONNECT_S = 10.0


class Proxy:
    """Counts the targets; it lets everybody through, or one user only."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets the targets and the user."""
        self.targets: list[str] = []
        self.user: str | None = None  # USER:PASSWORD

    async def handle(self, request: Request) -> Response | Script:
        """Opens a tunnel, or says why not."""
        if request.method != "CONNECT":
            return Response(405, b"CONNECT only\n")
        if self.user is not None and request.header("Proxy-Authorization") != "Basic " + base64.b64encode(self.user.encode()).decode():
            return Response(407, b"<html>Who are you?</html>\n", headers=[("Proxy-Authenticate", 'Basic realm="proxy"')])
        self.targets.append(request.target)
        host, _, port = request.target.rpartition(":")
        if host.endswith(".localhost"):  # RFC 6761: loopback, which not every resolver knows
            host = "127.0.0.1"
        try:
            far_reader, far_writer = await asyncio.wait_for(
                asyncio.open_connection(host.strip("[]"), int(port)), CONNECT_S)
        except (OSError, ValueError, asyncio.TimeoutError):
            return Response(502, b"cannot connect\n")

        async def tunnel(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(copy(exchange.reader, far_writer), copy(far_reader, exchange.writer))
            finally:
                far_writer.close()
        return tunnel


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries one direction to its end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()
