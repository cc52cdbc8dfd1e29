"""A running `pod-identity-sidecar serve`."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import socket
import struct
import stat
import subprocess
from pathlib import Path
from typing import Any, Mapping

import pytest

from . import http
from .http import Answer
from .programs import Binaries, Runner
from .sizes import memory_kib, resident_kib
from .waiting import end, eventually

LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1


@functools.cache
def wanted_sandbox() -> str:
    """`require` where the machine has all parts of the sandbox, so that each test also shows that nothing it needs is forbidden;
    `auto` elsewhere. POD_IDENTITY_SANDBOX in the environment of the tests wins."""
    abi = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    had = abi >= 1 and actions.exists() and "trap" in actions.read_text().split()
    return os.environ.get("POD_IDENTITY_SANDBOX", "require" if had else "auto")


class Sidecar:
    """Starts it in a folder of its own, asks it over its interfaces, and stops it by its process id."""

    def __init__(self, runner: Runner, binaries: Binaries, folder: Path, *options: str, env: Mapping[str, str],
                 with_socket: bool = True, with_http: bool = True, bearer: str | None = None, command: str = "serve",
                 **user: Any) -> None:
        self.runner, self.folder = runner, folder
        self.socket_path = folder / "credentials.sock"
        self.token_path = folder / "http-token"
        argv: list[str | Path] = [binaries.sidecar, command]
        argv += [f"--unix-socket={self.socket_path}"] if with_socket else []
        environment = {"POD_IDENTITY_SANDBOX": wanted_sandbox(), **env}
        if runner.place.real_address:  # of the agent, as only a node has it
            environment.setdefault("POD_IDENTITY_HOST_NETWORK", "accept")
        self.port: int | None = None
        self._bearer = bearer
        if with_http:
            self.port = runner.place.free_port()
            argv += [f"--http=127.0.0.1:{self.port}"]
            if bearer:
                environment["POD_IDENTITY_HTTP_TOKEN"] = bearer
            elif not any(option.startswith("--http-token-file") for option in options):
                argv += [f"--http-token-file={self.token_path}"]
        self.argv = [str(word) for word in [*argv, *options]]
        self._stdout = open(folder / "stdout", "w+b")
        self._stderr = open(folder / "stderr", "w+b")
        self._environment, self._user = environment, user
        self._start()

    # --- its life

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self.runner.command(self.argv, **self._user), env=self._environment, stdin=subprocess.DEVNULL,
            stdout=self._stdout, stderr=self._stderr, cwd=self.folder,
        )
        self.pid = self.process.pid  # `ip netns exec` and setpriv become the program, so this is its own id
        self._collected = False

    def restart(self) -> "Sidecar":
        """The same command again, in the same folder, once it has ended; its output goes on in the same files."""
        assert self.process.poll() is not None, "it still runs"
        self._start()
        return self

    def wait_serving(self, timeout_s: float = 10.0) -> "Sidecar":
        """Returns once the socket answers, whatever it says."""
        eventually(lambda: self._alive() and self.get("/healthz"), timeout_s, f"the socket answers; {self.argv}")
        return self

    def wait_ready(self, timeout_s: float = 10.0) -> "Sidecar":
        """Returns once /readyz says 200: there are credentials, and every sink has them."""
        eventually(lambda: self._alive() and self.get("/readyz").status == 200, timeout_s, f"ready; {self.argv}")
        return self

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the sidecar ended with {self.process.returncode}: {self.stderr}")
        return True

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.process.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Its exit code, once it has ended by itself."""
        code = self.process.wait(timeout_s)
        self._collect()
        return code

    def stop(self, timeout_s: float = 10.0, number: int = signal.SIGTERM) -> int:
        """Ends it; the exit code (negative: by that signal). Safe to call again."""
        self.send_signal(number)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait(timeout_s)
            raise AssertionError(f"the sidecar did not end within {timeout_s:g} s after signal {number}") from None

    def kill(self) -> None:
        """SIGKILL, and gone."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def _collect(self) -> None:
        if self._collected:
            return
        self._collected = True
        leaks = self.runner.leaks
        leaks.add_output("pod-identity-sidecar: arguments", " ".join(self.argv))
        leaks.add_output("pod-identity-sidecar: stdout", self.stdout)
        leaks.add_output("pod-identity-sidecar: stderr", self.stderr)

    @property
    def stdout(self) -> str:
        """What it has printed until now."""
        return (self.folder / "stdout").read_text("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What it has logged until now."""
        return (self.folder / "stderr").read_text("utf-8", "replace")

    def close(self) -> None:
        """For the fixture: ends what still runs, and releases the files."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            end(self.process)
        self._collect()
        self._stdout.close()
        self._stderr.close()

    # --- its Unix socket

    def connect_unix(self, timeout_s: float = 10.0) -> socket.socket:
        """A connection to the Unix socket."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Blocking, as most clients connect: with Python's own timeout a full queue would be an error at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(timeout_s) + 1, 0))
        try:
            sock.connect(str(self.socket_path))
        except BaseException:
            sock.close()
            raise
        sock.settimeout(timeout_s)
        return sock

    def raw(self, data: bytes, timeout_s: float = 10.0, half_close: bool = False) -> bytes:
        """Bytes to the Unix socket, bytes back until it closes."""
        return http.exchange(self.connect_unix(timeout_s), data, timeout_s, half_close)

    def get(self, path: str = "/v1/credentials", method: str = "GET", timeout_s: float = 10.0,
            **headers: str | None) -> Answer:
        """One request over the Unix socket."""
        return http.parse_answer(self.raw(http.request_bytes(method, path, headers), timeout_s))

    # --- its loopback endpoint

    @property
    def bearer(self) -> str:
        """What --http wants in Authorization: given, or read from the file that it generated."""
        if self._bearer is None:
            self._bearer = self.token_path.read_text().strip()
            self.runner.leaks.add_secret("bearer", self._bearer)
        return self._bearer

    @property
    def url(self) -> str:
        """What goes into AWS_CONTAINER_CREDENTIALS_FULL_URI of an app."""
        return f"http://127.0.0.1:{self.port}/v1/credentials"

    @property
    def app_env(self) -> dict[str, str]:
        """The environment of an app that uses this sidecar."""
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.bearer}

    def connect_http(self, timeout_s: float = 10.0) -> socket.socket:
        """A connection to the loopback endpoint, in the sidecar's own place."""
        assert self.port
        return self.runner.place.connect("127.0.0.1", self.port, timeout_s)

    def raw_http(self, data: bytes, timeout_s: float = 10.0, half_close: bool = False) -> bytes:
        """Bytes to the loopback endpoint, bytes back until it closes."""
        return http.exchange(self.connect_http(timeout_s), data, timeout_s, half_close)

    def get_http(self, path: str = "/v1/credentials", method: str = "GET", authorization: str | None = "",
                 host: str | None = "", timeout_s: float = 10.0, **headers: str | None) -> Answer:
        """One request to the loopback endpoint, with the right bearer and Host unless told otherwise (None: none)."""
        wanted = {
            "Host": f"127.0.0.1:{self.port}" if host == "" else host,
            "Authorization": self.bearer if authorization == "" else authorization,
            **headers,
        }
        return http.parse_answer(self.raw_http(http.request_bytes(method, path, wanted), timeout_s))

    # --- what it costs

    def memory_kib(self) -> dict[str, int]:
        """The sizes of /proc/PID/status, such as VmRSS and VmHWM, in KiB."""
        return memory_kib(self.pid)

    def resident_kib(self) -> int:
        """Exactly; as VmRSS, which is rounded by what each CPU has not yet told, where only root may look."""
        with contextlib.suppress(PermissionError):
            return resident_kib(self.pid)
        return self.memory_kib()["VmRSS"]

    def open_files(self) -> int:
        """How many descriptors it has. Skips the test where only root may look into a process that is not dumpable."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except PermissionError:
            pytest.skip("needs root to count the descriptors of a process that is not dumpable")

    def socket_mode(self) -> int:
        """Permission bits of the Unix socket."""
        return stat.S_IMODE(os.stat(self.socket_path).st_mode)
