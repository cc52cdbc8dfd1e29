"""What the sidecar's benchmark starts: an agent that answers fast, sidecars, the bare server, and nginx if it can be had."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIFETIME_S = 6 * 3600
SERVER_CPU, LOAD_CPU = 0, 1
BEARER = "bench-bearer-of-some-forty-characters-0123456"


def agent_body() -> bytes:
    """What the agent answers, in the size of the real thing."""
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LIFETIME_S))
    return json.dumps({
        "AccessKeyId": "ASIAEXAMPLEEXAMPLE00", "SecretAccessKey": "s" * 40, "Token": "t" * 1100, "AccountId": "111122223333", "Expiration": expires,
    }).encode()


def web_token() -> str:
    """A token in the shape of the webhook's; nobody here checks its signature."""
    now = int(time.time())
    claims = {"aud": ["pods.eks.amazonaws.com"], "iss": "https://oidc.example.com", "sub": "system:serviceaccount:demo:app", "iat": now, "nbf": now,
              "exp": now + 86400, "kubernetes.io": {"namespace": "demo", "serviceaccount": {"name": "app"}, "pod": {"name": "app-0"}}}
    parts = (json.dumps({"alg": "RS256", "kid": "bench"}).encode(), json.dumps(claims).encode(), b"\1" * 256)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def http_bytes(status: str, body: bytes, close: bool) -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n" + ("Connection: close\r\n" if close else "")
    return head.encode() + b"\r\n" + body


def request_bytes(host: str, bearer: str | None, close: bool) -> bytes:
    """A request as an SDK sends it."""
    lines = ["GET /v1/credentials HTTP/1.1", f"Host: {host}", "User-Agent: aws-sdk-go-v2/1.30.0 os/linux lang/go#1.22", "Accept: application/json",
             "Accept-Encoding: identity"]
    lines += [f"Authorization: {bearer}"] if bearer else []
    lines += ["Connection: close"] if close else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask(where: str, request: bytes) -> bytes:
    """The whole answer to a request that says close; OSError while nobody listens."""
    family, address = (socket.AF_UNIX, where) if where.startswith("/") else (socket.AF_INET, ("127.0.0.1", int(where)))
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(10)
        sock.connect(address)
        sock.sendall(request)
        data = b""
        while part := sock.recv(65536):
            data += part
        return data


def wait_answering(where: str, request: bytes, limit_s: float = 20.0) -> None:
    """Returns after the first 200."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            if ask(where, request).startswith(b"HTTP/1.1 200"):
                return
        except OSError:
            pass
        time.sleep(0.0005)
    raise SystemExit(f"bench: no 200 from {where} within {limit_s:g} s")


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Started:
    """A process, and where it listens."""

    process: subprocess.Popen[bytes]
    unix: str = ""
    port: str = ""
    stdout_first: str = ""

    def where(self, transport: str) -> str:
        """Its address on unix or http."""
        return self.unix if transport == "unix" else self.port

    def end(self) -> str:
        """SIGTERM; what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            out, _ = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
        return (out or b"").decode()


@dataclass
class Bench:
    """The programs under build/, a folder for all that is written, and what to end at last."""

    binaries: Path
    folder: Path
    started: list[Started] = field(default_factory=list)
    agent_port: str = ""

    def program(self, name: str) -> str:
        """One of the benchmark's own programs."""
        return str(self.binaries / "bench" / name)

    def put(self, name: str, data: bytes) -> str:
        """A file in the folder."""
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def start(self, argv: list[str], cpu: int | None = None, **popen: Any) -> Started:
        """Starts a process, on one CPU if so wanted, to be ended with the rest."""
        popen.setdefault("stdout", subprocess.PIPE)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **popen)
        if cpu is not None:
            os.sched_setaffinity(process.pid, {cpu})
        self.started.append(Started(process))
        return self.started[-1]

    def end_all(self) -> None:
        """Ends what still runs."""
        for each in self.started:
            each.end()

    def start_agent(self, rate: float = 1e9, burst: float = 1e9) -> Started:
        """An agent of that rate; no others run beside it."""
        body = agent_body()
        files = [self.put("agent-keep", http_bytes("200 OK", body, False)), self.put("agent-close", http_bytes("200 OK", body, True))]
        refusal = self.put("agent-refusal", http_bytes("429 Too Many Requests", b"Rate limit exceeded\n", True))
        agent = self.start([self.program("bare_server"), "0", *files, str(rate), str(burst), refusal])
        assert agent.process.stdout
        agent.port = self.agent_port = agent.process.stdout.readline().decode().strip()
        return agent

    def sidecar_env(self, token: str) -> dict[str, str]:
        """The environment that the webhook makes."""
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self.agent_port}/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token,
                "POD_IDENTITY_HTTP_TOKEN": BEARER}

    def start_sidecar(self, name: str, *, http: bool = True, wait: bool = True, wrap: tuple[str, ...] = (), options: tuple[str, ...] = (),
                      **popen: Any) -> Started:
        """One sidecar in a folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        socket_path = str(folder / "credentials.sock")
        token = folder / "token"
        token.write_text(web_token())
        port = str(free_port()) if http else ""
        argv = [*wrap, str(self.binaries / "pod-identity-sidecar"), "serve", f"--unix-socket={socket_path}", *options]
        argv += [f"--http=127.0.0.1:{port}"] if http else []
        with open(folder / "log", "wb") as log:
            sidecar = self.start(argv, env=self.sidecar_env(str(token)), stderr=log, stdout=subprocess.DEVNULL, **popen)
        sidecar.unix, sidecar.port = socket_path, port
        if wait:
            wait_answering(socket_path, request_bytes("localhost", None, True), 60)
        return sidecar

    def start_bare(self, transport: str, keep: bytes, close: bytes) -> Started:
        """The bare server with those bytes."""
        where = str(self.folder / "bare.sock") if transport == "unix" else "0"
        argv = [self.program("bare_server"), where, self.put(f"bare-keep-{transport}", keep), self.put(f"bare-close-{transport}", close)]
        bare = self.start(argv, SERVER_CPU)
        assert bare.process.stdout
        printed = bare.process.stdout.readline().decode().strip()
        bare.unix, bare.port = (printed, "") if transport == "unix" else ("", printed)
        return bare

    def start_nginx(self, body: bytes) -> tuple[Started | None, str]:
        """nginx with the body as a static file, and its version or why there is none."""
        program = find_nginx(self.folder)
        if program is None:
            return None, "absent: neither installed nor to be had from the package index"
        root = self.folder / "nginx"
        (root / "v1").mkdir(parents=True)
        (root / "v1" / "credentials").write_bytes(body)
        port, unix = str(free_port()), str(root / "nginx.sock")
        config = f"""daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log stderr crit; user root;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off; sendfile on; tcp_nopush off; keepalive_requests 1000000000; default_type application/json; open_file_cache max=10;
  client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
  server {{ listen 127.0.0.1:{port} backlog=4096; listen unix:{unix} backlog=4096; root {root}; }}
}}
"""
        nginx = self.start([program, "-p", str(root), "-c", self.put("nginx.conf", config.encode())], SERVER_CPU)
        nginx.unix, nginx.port = unix, port
        wait_answering(unix, request_bytes("localhost", None, True))
        version = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr.strip().rpartition("/")[2]
        return nginx, version


def find_nginx(folder: Path) -> str | None:
    """An nginx that is installed, or else its package unpacked in the folder: no service is started, nothing is installed."""
    installed = shutil.which("nginx")
    if installed or not shutil.which("apt-get"):
        return installed
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, "check": False}
    subprocess.run(["apt-get", "download", "nginx"], timeout=60, **quiet)
    for package in folder.glob("nginx_*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), "unpacked"], timeout=60, **quiet)
    program = folder / "unpacked" / "usr" / "sbin" / "nginx"
    runs = program.exists() and subprocess.run([str(program), "-v"], **quiet).returncode == 0
    return str(program) if runs else None
