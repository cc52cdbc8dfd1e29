"""PostgreSQL's own server, and the LDAP server that it asks whether a password is right: a token is verified behind it."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Sequence

import pytest

from .programs import Runner
from .token_servers import TokenServer, exactly
from .tools import FOLDER
from .waiting import SLOWNESS, end, eventually

AT_LEAST = 14  # those before take passwords of up to 1000 bytes; a token is longer
NOBODY = 65534


def element(connection: socket.socket) -> tuple[int, bytes]:
    """The tag and the content of the next element. Source: X.690, 8.1."""
    tag, size = exactly(connection, 2)
    if size >= 0x80:
        size = int.from_bytes(exactly(connection, size - 0x80), "big")
    return tag, exactly(connection, size)


def elements(content: bytes) -> list[tuple[int, bytes]]:
    """All that a content is made of."""
    found = []
    while content:
        tag, size, content = content[0], content[1], content[2:]
        if size >= 0x80:
            size, content = int.from_bytes(content[:size - 0x80], "big"), content[size - 0x80:]
        found.append((tag, content[:size]))
        content = content[size:]
    return found


class Ldap(TokenServer):
    """LDAP 3 without TLS, as far as simple binds, whose password has to be a token for `database`. Source: RFC 4511, 4.2 and 5.1."""

    BIND, BIND_RESPONSE, UNBIND, SIMPLE = 0x60, 0x61, 0x42, 0x80
    SUCCESS, INVALID_CREDENTIALS = 0, 49
    PREFIX, SUFFIX = "uid=", ",ou=tokens"
    database = ""

    def talk(self, connection: socket.socket) -> None:
        while True:
            (_, number), (kind, content), *_ = elements(element(connection)[1])
            if kind == self.UNBIND:
                return
            assert kind == self.BIND, hex(kind)
            (_, version), (_, name), (method, password) = elements(content)
            assert (version, method) == (b"\3", self.SIMPLE), (version, method)
            user = name.decode().removeprefix(self.PREFIX).removesuffix(self.SUFFIX)
            allowed = self.judge.allows(password.decode(), "rds-db", self.database, user)
            result = bytes([0x0a, 1, self.SUCCESS if allowed else self.INVALID_CREDENTIALS, 4, 0, 4, 0])
            answer = bytes([2, len(number), *number, self.BIND_RESPONSE, len(result), *result])
            connection.sendall(bytes([0x30, len(answer), *answer]))


def programs() -> Path:
    """The newest bin folder of a server that was unpacked for the tests, else of the machine's; or a skip that says how to have one."""
    for root in (FOLDER.parent / "postgres", Path("/")):
        found = [Path(path).parent for path in glob.glob(f"{root}/usr/lib/postgresql/*/bin/initdb")]
        fit = [path for path in found if int(path.parent.name) >= AT_LEAST]
        if fit:
            return max(fit, key=lambda path: int(path.parent.name))
    pytest.skip(f"no PostgreSQL server of version {AT_LEAST} or later: make setup-test")


class PostgresServer:
    """A server with a new database, on 127.0.0.1, with TLS only; everything that it has or makes lies in the folder. As root, it runs as nobody, because it refuses root."""

    def __init__(self, runner: Runner, folder: Path, certificate: Path, key: Path, ldap: Ldap, users: Sequence[str]) -> None:
        self.runner, self.folder, self.data = runner, folder, folder / "data"
        self.uid = NOBODY if os.geteuid() == 0 else None
        folder.mkdir()
        self.bin = self._reachable(programs())
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "GMT", "LDAPNOINIT": "1"}
        if self.bin.parents[4] != Path("/"):  # its libraries are beside it
            self.env["LD_LIBRARY_PATH"] = ":".join(glob.glob(f"{self.bin.parents[2]}/*-linux-gnu"))
        self.data.mkdir(mode=0o700)
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            shutil.copyfile(source, folder / name)
            (folder / name).chmod(0o600)
        if self.uid is not None:
            for path in (folder, self.data, folder / "server.crt", folder / "server.key"):
                os.chown(path, self.uid, self.uid)
        self._run("initdb", "--pgdata", self.data, "--username=postgres", "--auth=reject", "--locale=C", "--encoding=UTF8", "--no-sync")
        self._run("postgres", "--single", "-D", self.data, "-c", "exit_on_error=on", "postgres", stdin="".join(f"create role {user} login;\n" for user in users))
        (self.data / "pg_hba.conf").write_text(f'hostssl all all 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={ldap.port} ldapprefix="{ldap.PREFIX}" ldapsuffix="{ldap.SUFFIX}"\n')
        self._log = open(folder / "log", "wb")
        for _ in range(5):  # a port that was free may be taken by then
            self.port = runner.place.free_port()
            ldap.database = f"localhost:{self.port}"
            self.process = self._start()
            try:
                eventually(self._decided, 60, "PostgreSQL is ready")
            except BaseException:
                self.stop()
                raise
            if self.process.poll() is None:
                return
            assert "Address already in use" in self.log, self.log
        raise AssertionError(self.log)

    def _reachable(self, bin_folder: Path) -> Path:
        """A copy for nobody, where the programs are in a folder that is closed to others, as root's home is."""
        root = bin_folder.parents[4]
        if self.uid is None or root == Path("/") or all(part.stat().st_mode & 0o001 for part in (bin_folder, *bin_folder.parents)):
            return bin_folder
        shutil.copytree(root, self.folder / "programs", symlinks=True)
        (self.folder / "programs").chmod(0o755)
        return self.folder / "programs" / bin_folder.relative_to(root)

    def _command(self, program: str, *words: str | Path) -> list[str]:
        return self.runner.command([self.bin / program, *words], uid=self.uid)

    def _run(self, program: str, *words: str | Path, stdin: str = "") -> None:
        done = subprocess.run(self._command(program, *words), env=self.env, cwd=self.folder, input=stdin, capture_output=True, text=True, timeout=120 * SLOWNESS, check=False)
        assert done.returncode == 0, done

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "ssl": "on", "ssl_cert_file": self.folder / "server.crt",
                    "ssl_key_file": self.folder / "server.key", "dynamic_shared_memory_type": "mmap", "fsync": "off", "jit": "off", "log_connections": "on"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return subprocess.Popen(self._command("postgres", "-D", self.data, *words), env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def _decided(self) -> bool:
        return self.process.poll() is not None or "ready to accept connections" in self.log

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def stop(self) -> None:
        end(self.process, signal.SIGINT, 60)  # without waiting for clients
        self._log.close()
        self.runner.leaks.add_output("postgres", self.log)
