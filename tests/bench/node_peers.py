"""What the node agent's benchmark needs: an EKS Auth that can stall, pods' tokens, agents of either make, and many pods that ask at once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import selectors
import shutil
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from peers import SERVER_CPU, Bench, Started, free_port, request_bytes

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "emulator"))
from tls import Tls  # noqa: E402  # pylint: disable=wrong-import-position

HOST = "169.254.170.23"
BEGAN_S = int(time.time())
LIFETIME_S = 6 * 3600
TOKEN_BYTES = 1200
SESSION_TOKEN_BYTES = 1000  # an answer of 1.2 KB with the rest
ADDRESSES = 200  # that pods ask from: no limit for one address is met


def pod_token(number: int) -> str:
    """A token of the size that Kubernetes makes, of that pod."""
    claims = {"aud": ["pods.eks.amazonaws.com"], "iss": "https://oidc.example.com", "sub": "system:serviceaccount:demo:app", "iat": BEGAN_S, "nbf": BEGAN_S,
              "exp": BEGAN_S + 86400, "kubernetes.io": {"namespace": "demo", "serviceaccount": {"name": "app", "uid": "0" * 36}, "node": {"name": "node-1"},
                                                    "pod": {"name": f"app-{number}", "uid": f"00000000-0000-4000-8000-{number:012}"}}}
    header, signature = b'{"alg":"RS256","kid":"bench"}', hashlib.shake_256(b"%d" % number).digest(256)  # no two tokens have the same
    claims["jti"] = "j" * (TOKEN_BYTES * 3 // 4 - len(header) - len(signature) - len(json.dumps(claims)) - 15)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, json.dumps(claims).encode(), signature))


def pod_request(number: int, close: bool) -> bytes:
    """What that pod asks."""
    return request_bytes(HOST, pod_token(number), close)


class EksAuth:
    """Answers each request behind TLS with credentials; a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self.tls = Tls()
        self.ca_file = folder / "ca.pem"  # where whoever the agent becomes may read it
        shutil.copy(self.tls.ca_file, self.ca_file)
        self.ca_file.chmod(0o644)
        self.calls = self.held = self.most = 0
        self.delay_s, self.port = 0.0, 0
        self.open, self.ready = asyncio.Event(), threading.Event()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.run, daemon=True).start()
        self.ready.wait(20)

    def run(self) -> None:
        self.loop.run_until_complete(self.listen())
        self.loop.run_forever()

    async def listen(self) -> None:
        self.open.set()
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.tls.context("good"), backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if b"expect: 100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
                self.calls += 1
                self.held += 1
                self.most = max(self.most, self.held)
                try:
                    await asyncio.sleep(self.delay_s)
                    await self.open.wait()
                finally:
                    self.held -= 1
                writer.write(self.answer())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self) -> bytes:
        body = json.dumps({
            "subject": {"namespace": "demo", "serviceAccount": "app"}, "audience": "pods.eks.amazonaws.com",
            "podIdentityAssociation": {"associationArn": "arn:aws:eks:eu-central-1:111122223333:podidentityassociation/demo/a-1", "associationId": "a-1"},
            "assumedRoleUser": {"arn": "arn:aws:sts::111122223333:assumed-role/app/eks-demo-app", "assumeRoleId": "AROAEXAMPLE:eks-demo-app"},
            "credentials": {"accessKeyId": "ASIAEXAMPLEEXAMPLE00", "secretAccessKey": "s" * 40, "sessionToken": "t" * SESSION_TOKEN_BYTES,
                            "expiration": int(time.time()) + LIFETIME_S}}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def stall(self, stalled: bool) -> None:
        """From now on it takes requests and answers none; or all."""
        self.loop.call_soon_threadsafe(self.open.clear if stalled else self.open.set)

    def remove(self) -> None:
        self.tls.remove()


def start_node_agent(bench: Bench, program: str, eks: EksAuth, wait: bool = True) -> Started:
    """Ours or the real one: they take the same flags."""
    env = {"HOME": str(bench.folder), "PATH": os.environ["PATH"], "SSL_CERT_FILE": str(eks.ca_file), "AWS_REGION": "eu-central-1",
           "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00", "AWS_SECRET_ACCESS_KEY": "s" * 40, "AWS_EC2_METADATA_DISABLED": "true",
           "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    port = str(free_port())
    argv = [program, "server", "--cluster-name", "demo", "--endpoint", f"https://localhost:{eks.port}", "--port", port, "--bind-hosts", "127.0.0.1",
            "--probe-port", str(free_port()), "--metrics-address", "127.0.0.1", "--metrics-port", str(free_port()), "--max-cache-size", "2000"]
    with open(bench.folder / "log", "ab") as log:
        agent = bench.start(argv, SERVER_CPU, env=env, stderr=log, stdout=log)
    agent.port = port
    if wait:
        end = time.monotonic() + 20
        while not listens(port):
            if time.monotonic() > end or agent.process.poll() is not None:
                raise SystemExit(f"bench: {program} does not listen: {(bench.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.01)
    return agent


def listens(port: str) -> bool:
    """Whether anybody does."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", int(port))) == 0


def connect(port: str, number: int) -> socket.socket:
    """A connection from one of many addresses."""
    sock = socket.socket()
    sock.settimeout(30)
    sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    sock.bind((f"127.2.0.{1 + number % ADDRESSES}", 0))
    sock.connect(("127.0.0.1", int(port)))
    return sock


def ask_as(port: str, number: int) -> bytes:
    """The whole answer to that pod."""
    with connect(port, number) as sock:
        sock.sendall(pod_request(number, True))
        data = b""
        while part := sock.recv(65536):
            data += part
        return data


def fill(port: str, numbers: range) -> None:
    """All those pods have their credentials in the cache then. The real agent takes 1,000 requests a second."""
    def one(number: int) -> None:
        end = time.monotonic() + 60
        while not (said := ask_as(port, number)).startswith(b"HTTP/1.1 200"):
            if not said.startswith(b"HTTP/1.1 429") or time.monotonic() > end:
                raise SystemExit(f"bench: pod {number} got {said[:200]!r}")
            time.sleep(0.05)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, numbers))


def send_all(port: str, numbers: list[int]) -> list[socket.socket]:
    """A connection of each, from its pod's address, all made before the first asks."""
    requests, socks = [pod_request(number, False) for number in numbers], [connect(port, number) for number in numbers]
    for sock, request in zip(socks, requests):
        sock.sendall(request)
    return socks


def answers(socks: list[socket.socket], for_s: float) -> tuple[list[bytes], float]:
    """The first bytes of those that come within that time, and how long it took until the last of them."""
    began, last, found = time.monotonic(), 0.0, []
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            selector.register(sock, selectors.EVENT_READ)
        while selector.get_map() and (left := began + for_s - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                found.append(key.fileobj.recv(12))  # type: ignore[union-attr]
                selector.unregister(key.fileobj)
                last = time.monotonic() - began
    return found, last
