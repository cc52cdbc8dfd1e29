"""Where programs run: the machine's own loopback, or a network namespace that holds the agent's real addresses."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from typing import Sequence

AGENT_IPV4 = "169.254.170.23"
AGENT_IPV6 = "fd00:ec2::23"
CLONE_NEWNET = 0x40000000
PREFIX = "podid"
NETNS_ETC = "/etc/netns"


class Place:
    """The machine's own network."""

    name = "loopback"
    real_address = False

    def command(self, argv: Sequence[str]) -> list[str]:
        """What to start so that argv runs in this place."""
        return list(argv)

    def socket(self, family: int = socket.AF_INET) -> socket.socket:
        """A stream socket of this place."""
        return socket.socket(family, socket.SOCK_STREAM)

    def connect(self, host: str, port: int, timeout_s: float = 10.0) -> socket.socket:
        """A connection made in this place."""
        sock = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.settimeout(timeout_s)
        try:
            sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def free_port(self, host: str = "127.0.0.1") -> int:
        """A port that nobody has at the moment."""
        with self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            sock.bind((host, 0))
            return int(sock.getsockname()[1])


class Namespace(Place):
    """A network namespace of its own, with loopback up; with the agent's addresses on it if wanted."""

    def __init__(self, suffix: str = "", agent_addresses: bool = True) -> None:
        self.name = f"{PREFIX}-{os.getpid()}{suffix}"
        self.real_address = agent_addresses
        ip("netns", "add", self.name)
        try:
            self.ip("link", "set", "lo", "up")
            if agent_addresses:
                self.ip("addr", "add", f"{AGENT_IPV4}/32", "dev", "lo")
                self.ip("addr", "add", f"{AGENT_IPV6}/128", "dev", "lo", "nodad")
        except BaseException:
            self.remove()
            raise

    def ip(self, *args: str) -> None:
        """Runs `ip` inside."""
        ip("-netns", self.name, *args)

    def command(self, argv: Sequence[str]) -> list[str]:
        # By its path: the environment that is passed on need not have a PATH.
        return [shutil.which("ip") or "ip", "netns", "exec", self.name, *argv]

    def socket(self, family: int = socket.AF_INET) -> socket.socket:
        made: list[socket.socket] = []
        wrong: list[BaseException] = []

        def make() -> None:
            # setns moves only the calling thread, and a socket stays where it was made.
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                with open(f"/run/netns/{self.name}", "rb") as handle:
                    if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.socket(family, socket.SOCK_STREAM))
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                wrong.append(error)
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if wrong:
            raise wrong[0]
        return made[0]

    def add_address(self, address: str) -> None:
        """One more address that services may have in here; one that is there already stays."""
        self.ip("addr", "replace", address, "dev", "lo", *(["nodad"] if ":" in address else []))

    def use_name_server(self, address: str = "127.0.0.1", conf: str | None = None, hosts: str = "") -> None:
        """Programs that start inside from now on ask this name server, at port 53, once and for at most 2 s; or have this resolv.conf."""
        folder = os.path.join(NETNS_ETC, self.name)  # `ip netns exec` lays what is in there over /etc
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "resolv.conf"), "w", encoding="ascii") as file:
            file.write(conf or f"nameserver {address}\noptions timeout:2 attempts:1\n")
        with open(os.path.join(folder, "hosts"), "w", encoding="ascii") as file:
            file.write(f"127.0.0.1 localhost\n{hosts}\n")

    def remove(self) -> None:
        """Takes the namespace away; what still runs inside keeps it alive until it ends."""
        shutil.rmtree(os.path.join(NETNS_ETC, self.name), ignore_errors=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def ip(*args: str) -> None:
    """Runs the `ip` program; RuntimeError with its own words if it fails."""
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(args)}: {done.stderr.strip()}")


def why_no_namespace() -> str | None:
    """None where namespaces with the agent's addresses can be made, otherwise the reason."""
    if os.environ.get("POD_IDENTITY_TEST_PLACE") == "loopback":
        return "POD_IDENTITY_TEST_PLACE=loopback"
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("ip") is None:
        return "no `ip` program (make setup-test)"
    remove_orphans()
    try:
        probe = Namespace("-probe")
    except RuntimeError as error:
        return str(error)
    try:
        with probe.socket() as sock:
            sock.bind((AGENT_IPV4, 80))
        done = subprocess.run(probe.command(["true"]), capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else f"ip netns exec: {done.stderr.strip()}"
    except OSError as error:
        return f"{AGENT_IPV4}:80 inside a namespace: {error}"
    finally:
        probe.remove()


def remove_orphans() -> None:
    """Takes away namespaces of earlier runs that were killed: ours by name, with a process id that is gone."""
    try:
        names = os.listdir("/run/netns")
    except FileNotFoundError:
        return
    for name in names:
        owner = name.removeprefix(PREFIX + "-").split("-")[0]
        if name.startswith(PREFIX + "-") and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
            shutil.rmtree(os.path.join(NETNS_ETC, name), ignore_errors=True)
