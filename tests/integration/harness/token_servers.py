"""Servers that let in whoever has a token of AWS, as RDS, ElastiCache and EKS do: the beginning of the real protocols over TLS, and the emulator's verifier of signatures."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

from .programs import ROOT
from .signed import review

sys.path.append(str(ROOT / "tests"))

from emulator import httpd, sigv4, state  # noqa: E402

REGION = "eu-central-1"


class Judge:
    """Verifies tokens by what the sidecar serves at that time, and keeps what it said."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members
        self.verdicts: list[str] = []

    def find(self, key_id: str) -> state.Credentials | None:
        m = self.members
        if key_id != m["AccessKeyId"]:
            return None
        return state.Credentials(key_id, m["SecretAccessKey"], m["Token"], m["AccountId"], "", 0.0, time.time() + 3600)

    def allows(self, token: str, service: str, host: str, user: str) -> bool:
        """Whether that is a presigned URL without its scheme, for this service, server and user, of credentials that are known."""
        named, _, query = token.partition("/")
        request = httpd.Request("GET", f"/{query}", "HTTP/1.1", [("Host", named)], b"", "", "")
        try:
            sigv4.verify(request, service, REGION, time.time(), self.find)
            verdict = ""
        except sigv4.Problem as problem:
            verdict = str(problem)
        wanted = {"Action": "connect", "DBUser" if service == "rds-db" else "User": user}
        if not verdict and (named != host or {name: request.query.get(name) for name in wanted} != wanted):
            verdict = "for another server or user"
        self.verdicts.append(verdict or "good")
        return not verdict


class TokenServer:
    """One protocol on one port of loopback; each connection has a thread."""

    def __init__(self, certificate: Path, key: Path, judge: Judge) -> None:
        self.judge = judge
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.errors: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        try:
            self.talk(connection)
        except (EOFError, OSError) as error:
            self.errors.append(repr(error))
        finally:
            connection.close()

    def talk(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def secure(self, connection: socket.socket) -> ssl.SSLSocket:
        return self.context.wrap_socket(connection, server_side=True)

    def close(self) -> None:
        self.listener.close()


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError("it hung up")
        data += part
    return data


class Postgres(TokenServer):
    """PostgreSQL 3.0: TLS, a password in clear text, and one answer to each query. Source: PostgreSQL documentation, "Message Formats"."""

    def talk(self, connection: socket.socket) -> None:
        assert exactly(connection, 8) == struct.pack("!ii", 8, 80877103), "SSLRequest"
        connection.sendall(b"S")
        with self.secure(connection) as tls:
            (size,) = struct.unpack("!i", exactly(tls, 4))
            words = exactly(tls, size - 4)[4:].split(b"\0")
            user = dict(zip(words[::2], words[1::2]))[b"user"].decode()
            tls.sendall(self.message(b"R", struct.pack("!i", 3)))
            kind, password = self.read(tls)
            assert kind == b"p"
            if not self.judge.allows(password.rstrip(b"\0").decode(), "rds-db", self.host, user):
                tls.sendall(self.message(b"E", f'SFATAL\0C28000\0MPAM authentication failed for user "{user}"\0\0'.encode()))
                return
            ready = self.message(b"Z", b"I")
            tls.sendall(self.message(b"R", struct.pack("!i", 0)) + self.message(b"S", b"client_encoding\0UTF8\0") + ready)
            while self.read(tls)[0] == b"Q":
                value = user.encode()
                tls.sendall(self.message(b"T", struct.pack("!h", 1) + b"current_user\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0))
                            + self.message(b"D", struct.pack("!hi", 1, len(value)) + value) + self.message(b"C", b"SELECT 1\0") + ready)

    @staticmethod
    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    @staticmethod
    def read(tls: socket.socket) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!ci", exactly(tls, 5))
        return kind, exactly(tls, size - 4)


class MySql(TokenServer):
    """MySQL 4.1: TLS, a switch to mysql_clear_password, and one answer to each query. Source: MySQL Internals, "Connection Phase"."""

    CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x800 | 0x2000 | 0x8000 | 0x80000

    def talk(self, connection: socket.socket) -> None:
        low, high = struct.pack("<I", self.CAPABILITIES)[:2], struct.pack("<I", self.CAPABILITIES)[2:]
        self.send(connection, 0, b"\x0a8.0.36\0" + struct.pack("<I", 1) + b"a" * 8 + b"\0" + low + b"\x21\x02\0" + high + b"\x15" + b"\0" * 10
                  + b"b" * 12 + b"\0mysql_native_password\0")
        self.read(connection)
        with self.secure(connection) as tls:
            number, response = self.read(tls)
            user = response[32:].split(b"\0")[0].decode()
            self.send(tls, number + 1, b"\xfemysql_clear_password\0")
            number, password = self.read(tls)
            if not self.judge.allows(password.rstrip(b"\0").decode(), "rds-db", self.host, user):
                self.send(tls, number + 1, b"\xff" + struct.pack("<H", 1045) + f"#28000Access denied for user '{user}'".encode())
                return
            fine, end = b"\0\0\0\x02\0\0\0", b"\xfe\0\0\x02\0"
            self.send(tls, number + 1, fine)
            while (command := self.read(tls)[1])[:1] != b"\x01":
                if command[:1] != b"\x03":
                    self.send(tls, 1, fine)
                    continue
                column = b"".join(self.text(word) for word in (b"def", b"", b"", b"", b"current_user()", b"")) + b"\x0c\x21\0" + struct.pack("<I", 255) + b"\xfd\0\0\0\0\0"
                for number, packet in enumerate((b"\x01", column, end, self.text(user.encode()), end), 1):
                    self.send(tls, number, packet)

    @staticmethod
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    @staticmethod
    def send(connection: socket.socket, number: int, packet: bytes) -> None:
        connection.sendall(struct.pack("<I", len(packet))[:3] + bytes([number]) + packet)

    @staticmethod
    def read(connection: socket.socket) -> tuple[int, bytes]:
        head = exactly(connection, 4)
        return head[3], exactly(connection, int.from_bytes(head[:3], "little"))


class Redis(TokenServer):
    """RESP 2 over TLS: AUTH USER TOKEN, then PING and ACL WHOAMI. The cache's name, and not its address, is what is signed."""

    cache = "orders"

    def talk(self, connection: socket.socket) -> None:
        user = ""
        with self.secure(connection) as tls, tls.makefile("rb") as lines:
            while line := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2].decode() for _ in range(int(line[1:]))]
                name = words[0].upper()
                if name == "AUTH":
                    allowed = len(words) == 3 and self.judge.allows(words[2], "elasticache", self.cache, words[1])
                    user = words[1] if allowed else ""
                    answer = "+OK" if allowed else "-WRONGPASS invalid username-password pair or user is disabled."
                elif not user:
                    answer = "-NOAUTH Authentication required."
                else:
                    answer = {"PING": "+PONG", "ACL": f"${len(user)}\r\n{user}"}.get(name, "+OK")
                tls.sendall(f"{answer}\r\n".encode())


@contextlib.contextmanager
def api_server(certificate: Path, key: Path, cluster: str) -> Iterator[int]:
    """A Kubernetes API server of that cluster's name, as far as authentication: it asks the token's STS whose the token is, and tells at /version. Yields its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, who = review(self.headers.get("Authorization", "").removeprefix("Bearer "), cluster) if "Authorization" in self.headers else (401, "")
            body = json.dumps({"who": who} if status == 200 else {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401}).encode()
            self.send_response(200 if status == 200 else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
