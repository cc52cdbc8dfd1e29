"""A name server for tests: answers as told, late, wrongly or not at all. UDP only, for one question a message."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import struct
from typing import Any

TYPE_A, TYPE_AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
RCODES = {"ok": NOERROR, "empty": NOERROR, "nxdomain": NXDOMAIN, "servfail": SERVFAIL, "refused": REFUSED, "truncated": NOERROR}
MODES = (*RCODES, "silent", "garbage")
TTL_S = 5
RESPONSE, TRUNCATED, RECURSION = 0x8000, 0x0200, 0x0180


class Dns:
    """One name server; `names` maps a name, or `*` for all others, to its addresses."""

    def __init__(self) -> None:
        self.transports: list[asyncio.DatagramTransport] = []
        self.reset()

    def reset(self) -> None:
        """Knows no names; the addresses that it listens on stay."""
        self.names: dict[str, list[str]] = {}
        self.mode, self.delay_s = "ok", 0.0
        self.asked: list[str] = []

    def change(self, names: dict[str, list[str]] | None = None, mode: str | None = None, delay_s: float | None = None) -> None:
        """Sets what is named; ValueError for what cannot be."""
        if mode is not None and mode not in MODES:
            raise ValueError(f"unknown mode {mode!r} of the name server; there are {list(MODES)}")
        for address in (one for listed in (names or {}).values() for one in listed):
            ipaddress.ip_address(address)
        self.mode = self.mode if mode is None else mode
        self.delay_s = self.delay_s if delay_s is None else delay_s
        self.names = self.names if names is None else {name.lower().rstrip("."): listed for name, listed in names.items()}

    async def listen(self, host: str, port: int) -> dict[str, Any]:
        """Takes an address; one that it has already stays."""
        for transport in self.transports:
            if transport.get_extra_info("sockname")[:2] == (host, port):
                return {"host": host, "port": port}
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Answers(self), local_addr=(host, port))
        self.transports.append(transport)
        return {"host": host, "port": transport.get_extra_info("sockname")[1]}

    def shut(self) -> None:
        """Gives all addresses back."""
        for transport in self.transports:
            transport.close()
        self.transports.clear()

    def answer(self, query: bytes) -> bytes | None:
        """The answer to a question, None for none."""
        name, kind, end = parse_question(query)
        self.asked.append(f"{name} {'AAAA' if kind == TYPE_AAAA else 'A' if kind == TYPE_A else kind}")
        if self.mode == "silent":
            return None
        if self.mode == "garbage":
            return query[:2] + os.urandom(40)
        found = [] if self.mode != "ok" else self.names.get(name, self.names.get("*"))
        rcode = NXDOMAIN if found is None else RCODES[self.mode]
        version = {TYPE_A: 4, TYPE_AAAA: 6}.get(kind)
        addresses = [one for one in map(ipaddress.ip_address, found or []) if one.version == version]
        flags = RESPONSE | RECURSION | (TRUNCATED if self.mode == "truncated" else 0) | rcode
        head = query[:2] + struct.pack("!5H", flags, 1, len(addresses), 0, 0)
        records = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, TTL_S, len(one.packed)) + one.packed for one in addresses]
        return head + query[12:end] + b"".join(records)


def parse_question(query: bytes) -> tuple[str, int, int]:
    """Name and type of the one question, and where it ends; ValueError if there is none."""
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    if at + 5 > len(query):
        raise ValueError("no question")
    return ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0], at + 5


class Answers(asyncio.DatagramProtocol):
    """One address of the name server."""

    def __init__(self, dns: Dns) -> None:
        self.dns = dns

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers where to send."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answers now or later."""
        try:
            answer = self.dns.answer(data)
        except (ValueError, struct.error):
            return
        if answer is not None:
            asyncio.get_running_loop().call_later(self.dns.delay_s, self.send, answer, addr)

    def send(self, answer: bytes, addr: Any) -> None:
        """Sends, unless the address was given back meanwhile."""
        if not self.transport.is_closing():
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]
