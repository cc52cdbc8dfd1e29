"""What a running `pod-identity-agent server` of a test has, whatever it asks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Mapping, Sequence

from .http import Answer, exchange, parse_answer, read_one, request_bytes
from .leaks import Leaks
from .places import AGENT_IPV4, Place
from .sizes import memory_kib
from .waiting import eventually


class AgentProcess:
    """Started at the agent's real addresses of a namespace, asked, and stopped by its process id."""

    def __init__(self, place: Place, leaks: Leaks | None, port: int = 80, probe_port: int = 2703) -> None:
        self.place, self.leaks, self.port, self.probe_port = place, leaks, port, probe_port
        self.folder = Path(tempfile.mkdtemp(prefix="agent-"))
        self.folder.chmod(0o755)

    def authority(self, ca_file: str) -> Path:
        """A copy where whoever the agent becomes may read it."""
        copy = self.folder / "ca.pem"
        shutil.copy(ca_file, copy)
        copy.chmod(0o644)
        return copy

    def start(self, argv: Sequence[str], env: Mapping[str, str], wait: bool = True) -> None:
        """Returns when it answers."""
        self.argv, self.env = list(argv), dict(env)
        self._log = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(self.place.command(self.argv), env=self.env, stdin=subprocess.DEVNULL, stdout=self._log,
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
        """The value of a metric, named with its labels; 0 where it has not counted those yet. One that nobody has is an error."""
        page = self.page("/metrics", metrics=True).body.decode()
        assert f"# TYPE {line.partition('{')[0]} " in page, f"no metric {line}"
        return next((float(found.rpartition(" ")[2]) for found in page.splitlines() if found.rpartition(" ")[0] == line), 0.0)

    def memory_kib(self) -> dict[str, int]:
        """The sizes of /proc/PID/status, such as VmRSS and VmHWM, in KiB."""
        return memory_kib(self.pid)

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
