"""tests/tls/https_server.c: common/serve with TLS and bodies, and keys and certificates that openssl makes for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from types import TracebackType

from .cluster import openssl
from .programs import Binaries

DEADLINE_S = 30.0
KEPT, READ, LARGE = 262144, 3145728, 300000


class Pki:
    """Keys and certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def key(self, name: str, kind: str = "ec") -> Path:
        path = self.folder / f"{name}.key"
        if kind.startswith("rsa"):
            openssl("genrsa", "-out", path, kind[3:] or "2048")
        elif kind == "ed25519":
            openssl("genpkey", "-algorithm", "ed25519", "-out", path)
        else:
            curve = {"ec": "prime256v1"}.get(kind, kind)
            openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", path)
        return path

    def certificate(self, name: str, key: Path, issuer: str | None = None, days: str = "30", extensions: str = "", times: tuple[str, str] | None = None) -> Path:
        """A certificate for localhost, signed by itself or by an authority of that name; times: from and until, YYYYMMDDHHMMSSZ."""
        path, request, config = (self.folder / f"{name}.{end}" for end in ("crt", "csr", "ext"))
        config.write_text(extensions or "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        by = ["-signkey", key] if issuer is None else ["-CA", self.folder / f"{issuer}.crt", "-CAkey", self.folder / f"{issuer}.key", "-CAcreateserial"]
        if times:
            self._dated(path, request, config, times, issuer or name)
        else:
            openssl("x509", "-req", "-in", request, *by, "-days", days, "-extfile", config, "-out", path)
        return path

    def _dated(self, path: Path, request: Path, config: Path, times: tuple[str, str], issuer: str) -> None:
        state = self.folder / f"{path.stem}.ca"
        state.mkdir()
        (state / "index").touch()
        (state / "serial").write_text("01\n")
        (state / "conf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={state}/index\nserial={state}/serial\nnew_certs_dir={state}\npolicy=p\ndefault_md=sha256\n[p]\ncommonName=supplied\n")
        signer = ["-selfsign", "-keyfile", self.folder / f"{issuer}.key"] if issuer == path.stem else ["-cert", self.folder / f"{issuer}.crt", "-keyfile", self.folder / f"{issuer}.key"]
        openssl("ca", "-batch", "-config", state / "conf", *signer, "-in", request, "-extfile", config, "-startdate", times[0], "-enddate", times[1], "-notext", "-out", path)

    def authority(self, name: str, kind: str = "ec") -> Path:
        return self.certificate(name, self.key(name, kind), extensions="basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")

    def pair(self, name: str, kind: str = "ec", issuer: str | None = None, **more: object) -> tuple[Path, Path]:
        key = self.key(name, kind)
        return self.certificate(name, key, issuer, **more), key  # type: ignore[arg-type]


class HttpsServer:
    """A running server; its files may be replaced, and read anew by reload()."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        program = Binaries().folder / "test" / "https_server"
        argv = [program, "0", certificate, key, client_ca or "-", "0"]
        self.certificate = certificate
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "DEBUG": "1"})
        self.said = self.line()
        self.refusal = "" if self.said == "loaded" else f"{self.line()}\n{self.line()}"
        self.port = self.plain_port = 0
        if not self.refusal:
            self.port, self.plain_port = int(self.line()), int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def reload(self) -> str:
        self.process.send_signal(signal.SIGHUP)
        said = self.line()
        if said == "refused":
            self.refusal = f"{self.line()}\n{self.line()}"
        return said

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.plain_port), timeout=DEADLINE_S)

    def context(self, *client: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # of Python 3.13: the server's certificate may be its own authority
        if client:
            context.load_cert_chain(*map(str, client))
        return context

    def tls(self, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        return (context or self.context()).wrap_socket(self.connect(), server_hostname="localhost", session=session)

    def counts(self) -> tuple[int, ...]:
        """Handshakes, resumed ones, failed ones."""
        with self.plain() as s:
            return tuple(map(int, ask(s, b"GET /counts HTTP/1.1\r\nHost: x\r\n\r\n")[1].split()))

    def memory_kib(self) -> int:
        """Of its own, without code: exact, which VmRSS is not."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(text.split("Anonymous:")[1].split()[0])

    def __enter__(self) -> "HttpsServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.terminate()
        _, self.log = self.process.communicate(timeout=DEADLINE_S)
        if kind is None and not self.refusal:
            assert self.process.returncode == 0, self.log


def read_answer(s: socket.socket, buffer: bytearray | None = None) -> tuple[int, bytes]:
    """Status and body of the next answer; what is behind it stays in the buffer."""
    buffer = bytearray() if buffer is None else buffer

    def more() -> None:
        piece = s.recv(65536)
        if not piece:
            raise ConnectionError(f"the end after {bytes(buffer[:200])!r}")
        buffer.extend(piece)

    while b"\r\n\r\n" not in buffer:
        more()
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head.lower() else 0
    while len(buffer) < len(head) + 4 + length:
        more()
    body = bytes(buffer[len(head) + 4 : len(head) + 4 + length])
    del buffer[: len(head) + 4 + length]
    return int(head.split()[1]), body


def ask(s: socket.socket, request: bytes) -> tuple[int, bytes]:
    s.sendall(request)
    return read_answer(s)


def ended(s: socket.socket) -> bool:
    """Whether the other end has closed, within the deadline."""
    until = time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < until:
            if not s.recv(65536):
                return True
    except (ConnectionError, ssl.SSLError):
        return True
    return False


def curl(server: HttpsServer, *words: str | Path, path: str = "/") -> subprocess.CompletedProcess[str]:
    argv = ["curl", "-sS", "--max-time", "30", "--cacert", server.certificate, *words, f"https://localhost:{server.port}{path}"]
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60)


def client_hello(server: HttpsServer) -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = server.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
