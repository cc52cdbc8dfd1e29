"""A name server for tests: answers as told, late, wrongly or not at all; for one question a message.

By TCP it answers whole what it truncates by UDP."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import struct
from typing import Any

TYPE_A, TYPE_CNAME, TYPE_AAAA = 1, 5, 28
NOERROR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 2, 3, 4, 5
RCODES = {"ok": NOERROR, "empty": NOERROR, "nxdomain": NXDOMAIN, "servfail": SERVFAIL, "refused": REFUSED, "notimp": NOTIMP, "truncated": NOERROR}
MODES = (*RCODES, "silent", "garbage")
TTL_S = 5
UDP_MAX = 512
RESPONSE, TRUNCATED, RECURSION = 0x8000, 0x0200, 0x0180


class Dns:
    """One name server; `names` maps a name, or `*` for all others, to its addresses, or to an alias, which ends in a dot.

    What is special: `zones` maps the end of a name to a mode, `types` A or AAAA; `lost` counts datagrams that do not arrive;
    with `forged` others answer first, with `tcp` False it has no TCP."""

    def __init__(self) -> None:
        self.transports: list[asyncio.DatagramTransport] = []
        self.servers: list[asyncio.AbstractServer] = []
        self.reset()

    def reset(self) -> None:
        """Knows no names; the addresses that it listens on stay."""
        self.names: dict[str, list[str]] = {}
        self.mode, self.delay_s = "ok", 0.0
        self.zones: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.lost, self.forged, self.tcp = 0, False, True
        self.asked: list[str] = []

    def change(self, names: dict[str, list[str]] | None = None, mode: str | None = None, delay_s: float | None = None,
               **special: Any) -> None:
        """Sets what is named; ValueError for what cannot be."""
        for one in ({mode} - {None}) | {*special.get("zones", {}).values(), *special.get("types", {}).values()}:
            if one not in MODES:
                raise ValueError(f"unknown mode {one!r} of the name server; there are {list(MODES)}")
        for address in (one for listed in (names or {}).values() for one in listed):
            if not address.endswith("."):
                ipaddress.ip_address(address)
        for name, value in special.items():
            if name not in ("zones", "types", "lost", "forged", "tcp"):
                raise ValueError(f"unknown setting {name!r} of the name server")
            setattr(self, name, value)
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
        port = transport.get_extra_info("sockname")[1]
        self.servers.append(await asyncio.start_server(self.serve_stream, host, port))
        return {"host": host, "port": port}

    def shut(self) -> None:
        """Gives all addresses back."""
        for transport in self.transports:
            transport.close()
        for server in self.servers:
            server.close()
        self.transports.clear()
        self.servers.clear()

    async def serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question by TCP."""
        try:
            query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            answer = self.answer(query, by_tcp=True) if self.tcp else None
            if answer is not None:
                await asyncio.sleep(self.delay_s)
                for at in range(0, len(answer) + 2, 7):  # in pieces, as TCP may
                    writer.write((len(answer).to_bytes(2, "big") + answer)[at : at + 7])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ValueError, struct.error, OSError):
            pass
        finally:
            writer.close()

    def mode_of(self, name: str, kind: str) -> str:
        """What a question meets."""
        for end, mode in self.zones.items():
            if name.endswith(end):
                return mode
        return self.types.get(kind, self.mode)

    def answer(self, query: bytes, by_tcp: bool = False) -> bytes | None:
        """The answer to a question, None for none."""
        name, number, end = parse_question(query)
        kind = {TYPE_A: "A", TYPE_AAAA: "AAAA"}.get(number, str(number))
        self.asked.append(f"{name} {kind}" + (" TCP" if by_tcp else ""))
        mode = self.mode_of(name, kind)
        if self.lost > 0 and not by_tcp:
            self.lost -= 1
            return None
        if mode == "silent":
            return None
        if mode == "garbage":
            return query[:2] + os.urandom(40)
        mode = "ok" if mode == "truncated" and by_tcp else mode
        found = [] if mode != "ok" else self.names.get(name, self.names.get("*"))
        flags = RESPONSE | RECURSION | (TRUNCATED if mode == "truncated" else 0) | (NXDOMAIN if found is None else RCODES[mode])
        records, owner = [], b"\xc0\x0c"
        for _ in range(20):
            aliases = [one for one in found or [] if one.endswith(".")]
            if not aliases:
                break
            target = b"".join(bytes([len(label)]) + label.encode() for label in aliases[0].rstrip(".").split(".")) + b"\0"
            records.append(owner + struct.pack("!HHIH", TYPE_CNAME, 1, TTL_S, len(target)) + target)
            owner, found = target, self.names.get(aliases[0].rstrip(".").lower())
        for address in (ipaddress.ip_address(one) for one in found or [] if not one.endswith(".")):
            if address.version == {"A": 4, "AAAA": 6}.get(kind):
                records.append(owner + struct.pack("!HHIH", number, 1, TTL_S, len(address.packed)) + address.packed)
        while not by_tcp and end + sum(map(len, records)) > UDP_MAX:
            records.pop()
            flags |= TRUNCATED
        return query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0) + query[12:end] + b"".join(records)

    def forge(self, query: bytes) -> list[bytes]:
        """Answers with another identifier or question, all with an address that is not the name's; and what is no answer."""
        _, number, end = parse_question(query)
        evil = ipaddress.ip_address("192.0.2.66" if number == TYPE_A else "2001:db8::66").packed
        record = b"\xc0\x0c" + struct.pack("!HHIH", number, 1, TTL_S, len(evil)) + evil
        whole = query[:2] + struct.pack("!5H", RESPONSE | RECURSION, 1, 1, 0, 0) + query[12:end] + record
        other_id = bytes([whole[0] ^ 1]) + whole[1:]
        other_name = whole[:13] + bytes([whole[13] ^ 2]) + whole[14:]
        return [other_id, other_name, query, b"", whole[:11], whole[:20], os.urandom(60)]


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
            for forged in self.dns.forge(data) if self.dns.forged else []:
                self.send(forged, addr)
        except (ValueError, struct.error):
            return
        if answer is not None:
            asyncio.get_running_loop().call_later(self.dns.delay_s, self.send, answer, addr)

    def send(self, answer: bytes, addr: Any) -> None:
        """Sends, unless the address was given back meanwhile."""
        if not self.transport.is_closing():
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]
