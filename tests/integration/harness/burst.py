"""Many clients of the webhook at once, each with several requests on one connection: as API servers make pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable

from .reviews import review
from .webhook_process import WebhookProcess

LIMIT_S = 240.0  # for all of it, on the slowest machine
BEAT_S = 0.05
PROMPT_S = 0.5  # a client that takes longer than this to go on may be cut off by the server, which waits for a second, or for three


@dataclass
class Burst:
    """What became of it: `answers` has what was right, `wrong` says what was not."""

    answers: int = 0
    connections: int = 0
    slowest_s: float = 0.0  # how long the clients were kept from their work at most
    wrong: Counter[str] = field(default_factory=Counter)


class _Client:
    """One request at a time on a connection, which is opened anew where the server has ended it between two of them, as HTTP clients do.

    TLS is done by hand, so that the hello is there before the connection: it is the server that is to be busy.
    """

    def __init__(self, server: WebhookProcess, context: ssl.SSLContext, burst: Burst) -> None:
        self.server, self.context, self.burst = server, context, burst
        self.writer: asyncio.StreamWriter | None = None
        self.reader: asyncio.StreamReader
        self.prepare()

    def prepare(self) -> None:
        """For a new connection."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()

    async def run(self, step: Callable[..., Any], *words: Any) -> Any:
        """A step of TLS, with what it has to send and to read."""
        assert self.writer is not None
        while True:
            try:
                result = step(*words)
                self.writer.write(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.writer.write(self.outgoing.read())
                if not (piece := await self.reader.read(65536)):
                    raise ConnectionError("the server has ended the connection") from None
                self.incoming.write(piece)

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self.writer is not None and self.reader.at_eof():
            self.close()
            self.prepare()
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            self.burst.connections += 1
            await self.run(self.tls.do_handshake)
        await self.run(self.tls.write, b"POST /mutate?timeout=10s HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head, content = b"", b""
        while not content:
            head += await self.run(self.tls.read, 65536)
            _, _, content = head.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        while len(content) < length:
            content += await self.run(self.tls.read, 65536)
        return int(head.split()[1]), content

    def close(self) -> None:
        """Without waiting for the server's farewell."""
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None


def burst(server: WebhookProcess, pod: Any, clients: int, requests: int, patch: str, keep: bool = False) -> Burst:
    """All clients start at once, and each posts its own reviews of the pod, one behind the other. A right answer has the review's uid, and that patch.

    keep: a client that is done keeps its connection until all are."""
    found, shared, busy = Burst(), server.context(), clients
    shared.check_hostname, shared.verify_mode = False, ssl.CERT_NONE  # others look at the certificate; here many are to be quick on few processors

    async def ask(client: _Client, asked: dict[str, Any]) -> bool:
        """False if the machine was too slow to blame the server: then it has to be asked again."""
        try:
            status, content = await client.post(json.dumps(asked).encode())
        except (OSError, EOFError) as e:
            await asyncio.sleep(2 * BEAT_S)
            client.close()
            client.prepare()
            if found.slowest_s >= PROMPT_S:
                return False
            found.wrong[f"{type(e).__name__}: {e}"] += 1
            return True
        said = json.loads(content)["response"] if status == 200 else {}
        if (said.get("uid"), said.get("patch")) == (asked["request"]["uid"], patch):
            found.answers += 1
        else:
            found.wrong[f"{status} {content[:200]!r}"] += 1
        return True

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT_S)
            found.slowest_s = max(found.slowest_s, time.monotonic() - before - BEAT_S)

    async def one(number: int, client: _Client, all_done: asyncio.Event) -> None:
        nonlocal busy
        for i in range(requests):
            asked = review(pod)
            asked["request"]["uid"] = f"{number}-{i}"
            while not await ask(client, asked):
                pass
        busy -= 1
        if busy == 0:
            all_done.set()
        if keep:
            await all_done.wait()
        client.close()

    async def start() -> None:
        all_done = asyncio.Event()
        crowd = [_Client(server, shared, found) for _ in range(clients)]
        watcher = asyncio.create_task(watch())
        await asyncio.wait_for(asyncio.gather(*(one(number, client, all_done) for number, client in enumerate(crowd))), LIMIT_S)
        watcher.cancel()

    asyncio.run(start())
    return found
