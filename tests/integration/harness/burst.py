"""Many clients of the webhook at once, each with several requests on one connection: as API servers make pods."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .reviews import review
from .webhook_process import WebhookProcess

LIMIT_S = 120.0  # for all of it, on the slowest machine


@dataclass
class Burst:
    """What became of it: `answers` has what was right, `wrong` says what was not."""

    answers: int = 0
    connections: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


class _Client:
    """One at a time on a connection, which is opened anew where the server has ended it between two requests, as HTTP clients do."""

    def __init__(self, server: WebhookProcess, context: ssl.SSLContext, burst: Burst) -> None:
        self.server, self.context, self.burst = server, context, burst
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self.reader is None or self.reader.at_eof():
            await self.close()
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.port, ssl=self.context, ssl_handshake_timeout=LIMIT_S)
            self.burst.connections += 1
        self.writer.write(b"POST /mutate?timeout=10s HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        return int(head.split()[1]), await self.reader.readexactly(int(fields["content-length"]))

    async def close(self) -> None:
        """Without waiting for the server's farewell."""
        if self.reader is not None:
            self.writer.transport.abort()
            self.reader = None


def burst(server: WebhookProcess, pod: Any, clients: int, requests: int, patch: str, keep: bool = False) -> Burst:
    """All clients start at once, and each posts its own reviews of the pod, one behind the other. A right answer has the review's uid, and that patch.

    keep: a client that is done keeps its connection until all are."""
    found, shared, busy = Burst(), server.context(), clients

    async def one(number: int, all_done: asyncio.Event) -> None:
        nonlocal busy
        client = _Client(server, shared, found)
        for i in range(requests):
            asked = review(pod)
            asked["request"]["uid"] = f"{number}-{i}"
            try:
                status, content = await client.post(json.dumps(asked).encode())
                said = json.loads(content)["response"] if status == 200 else {}
                if (said.get("uid"), said.get("patch")) == (f"{number}-{i}", patch):
                    found.answers += 1
                else:
                    found.wrong[f"{status} {content[:200]!r}"] += 1
            except (OSError, ssl.SSLError, EOFError) as e:
                found.wrong[f"{type(e).__name__}: {e}"] += 1
                await client.close()
        busy -= 1
        if busy == 0:
            all_done.set()
        if keep:
            await all_done.wait()
        await client.close()

    async def crowd() -> None:
        all_done = asyncio.Event()
        await asyncio.wait_for(asyncio.gather(*(one(number, all_done) for number in range(clients))), LIMIT_S)

    asyncio.run(crowd())
    return found
