"""A rude neighbour, run as a process of its own: hog.py MANNER COUNT SECONDS UID FAMILY ADDRESS [PORT]

It keeps COUNT connections, and makes a new one whenever one is closed. MANNER: `idle` (says nothing), `part` (half a request),
`refused` (asks on and on without the right to it, and reads nothing), `churn` (closes and comes back by itself). Prints how many
connections it made. It becomes the user UID first; the interpreter may lie where that user cannot read.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import sys
import time

REQUEST = b"GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: not-the-bearer-that-was-given-out\r\n\r\n"


def main(manner: str, count: int, seconds: float, uid: int, family: str, address: str, port: int) -> None:
    """Until the time is over."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    held: dict[int, socket.socket] = {}
    poll = select.poll()
    made = 0

    def connect() -> None:
        sock = socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(address if family == "unix" else (address, port))
        sock.setblocking(False)
        held[sock.fileno()] = sock
        poll.register(sock, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
        if manner != "idle":
            with contextlib.suppress(OSError):
                sock.send(REQUEST[:40] if manner == "part" else REQUEST)

    def drop(number: int) -> None:
        poll.unregister(number)
        held.pop(number).close()

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            while len(held) < count and time.monotonic() < end:
                connect()
                made += 1
        if manner == "refused":
            for sock in held.values():
                with contextlib.suppress(OSError):
                    sock.send(REQUEST)
        if manner == "churn":
            for number in list(held)[: count // 2]:
                drop(number)
        for number, _ in poll.poll(2):
            drop(number)
    print(made)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6],
         int(sys.argv[7]) if len(sys.argv) > 7 else 0)
