"""A running `pod-identity-agent server`, at the agent's real addresses of a namespace, which asks the emulator's EKS Auth over TLS."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .emulator import Emulator
from .http import Answer, exchange, parse_answer, read_one, request_bytes
from .leaks import Leaks
from .places import AGENT_IPV4, AGENT_IPV6, Place
from .programs import Binaries
from .sidecar import wanted_sandbox
from .waiting import eventually

NODE = "arn:aws:iam::111122223333:role/demo-node"


class OurAgent:
    """Starts it, asks it, and stops it by its process id."""

    def __init__(self, place: Place, emulator: Emulator, binaries: Binaries, *options: str, port: int = 80, probe_port: int = 2703,
                 leaks: Leaks | None = None, env: dict[str, str | None] | None = None, wait: bool = True) -> None:
        self.place, self.emulator, self.port, self.probe_port, self.leaks = place, emulator, port, probe_port, leaks
        self.folder = Path(tempfile.mkdtemp(prefix="agent-"))
        self.folder.chmod(0o755)
        listener: dict[str, Any] = emulator.serve("eks-auth-api", "good")
        node = emulator.caller(NODE, lifetime_s=86400.0)
        ca_file = self.folder / "ca.pem"  # where whoever the agent becomes may read it
        shutil.copy(listener["ca_file"], ca_file)
        ca_file.chmod(0o644)
        merged: dict[str, str | None] = {
            "SSL_CERT_FILE": str(ca_file), "AWS_REGION": "eu-central-1", "POD_IDENTITY_AGENT_SANDBOX": wanted_sandbox(),
            "AWS_ACCESS_KEY_ID": node["access_key_id"], "AWS_SECRET_ACCESS_KEY": node["secret_access_key"],
            "AWS_SESSION_TOKEN": node["session_token"], **(env or {})}
        self.env = {name: value for name, value in merged.items() if value is not None}
        self.argv = [str(binaries.agent), "server", "--cluster-name", "demo", "--endpoint", listener["url"], "--port", str(port),
                     "--bind-hosts", AGENT_IPV4, "--bind-hosts", f"[{AGENT_IPV6}]", "--probe-port", str(probe_port),
                     "--metrics-address", "127.0.0.1", "--metrics-port", str(probe_port + 2), *options]
        self._log = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(place.command(self.argv), env=self.env, stdin=subprocess.DEVNULL, stdout=self._log,
                                        stderr=self._log)
        self.pid = self.process.pid  # `ip netns exec` becomes the program
        try:
            if wait:
                eventually(lambda: self.alive() and self.answers(), 20, "the agent answers")
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What the webhook injects."""
        return f"http://{AGENT_IPV4}{'' if self.port == 80 else f':{self.port}'}/v1/credentials"

    @property
    def log(self) -> str:
        """What it has logged until now."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def alive(self) -> bool:
        """True, or an AssertionError with its log."""
        if self.process.poll() is not None:
            raise AssertionError(f"the agent ended with {self.process.returncode}: {self.log}")
        return True

    def answers(self) -> bool:
        """Whether it says 404 to what nobody serves."""
        try:
            return self.ask(path="/").status == 404
        except (OSError, ValueError):
            return False

    def connect(self, host: str = AGENT_IPV4, timeout_s: float = 30.0, source: str | None = None) -> socket.socket:
        """A connection from that address of the namespace."""
        if source is None:
            return self.place.connect(host, self.port, timeout_s)
        sock = self.place.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.settimeout(timeout_s)
        sock.bind((source, 0))
        sock.connect((host, self.port))
        return sock

    def ask(self, token: str | None = None, path: str = "/v1/credentials", host: str = AGENT_IPV4, method: str = "GET",
            to: str = AGENT_IPV4, source: str | None = None, timeout_s: float = 30.0) -> Answer:
        """One request on a connection of its own."""
        data = request_bytes(method, path, {"Host": host, "Authorization": token})
        return parse_answer(exchange(self.connect(to, timeout_s, source), data, timeout_s))

    def ask_on(self, sock: socket.socket, token: str) -> Answer:
        """One request on a connection that stays open."""
        sock.sendall(request_bytes("GET", "/v1/credentials", {"Host": AGENT_IPV4, "Authorization": token, "Connection": None}))
        return read_one(sock)

    def page(self, path: str, metrics: bool = False) -> Answer:
        """A page of the probe port, or of the metrics port."""
        sock = self.place.connect("127.0.0.1", self.probe_port + (2 if metrics else 0))
        return parse_answer(exchange(sock, request_bytes("GET", path, {}), 10))

    def metric(self, line: str) -> float:
        """The value of a metric, named with its labels."""
        for found in self.page("/metrics", metrics=True).body.decode().splitlines():
            name, _, value = found.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def memory_kib(self) -> dict[str, int]:
        """The sizes of /proc/PID/status, such as VmRSS and VmHWM, in KiB."""
        sizes = {}
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.strip().endswith(" kB"):
                sizes[name] = int(value.split()[0])
        return sizes

    def upstream(self) -> int:
        """How many requests EKS Auth has seen since the reset."""
        return int(self.emulator.call("GET", "/requests?service=eks-auth-api&last=1")["count"])

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 30.0) -> int:
        """Ends it; its exit code. Safe to call again."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"the agent did not end: {self.log}") from None
        finally:
            if not self._log.closed:
                if self.leaks:
                    self.leaks.add_output("pod-identity-agent: log", self.log)
                self._log.close()
                shutil.rmtree(self.folder, ignore_errors=True)
        return code
