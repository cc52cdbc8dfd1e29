"""Starts the emulator, and speaks to its control endpoint."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .places import AGENT_IPV4, AGENT_IPV6, Place
from .waiting import end, eventually

EMULATOR = Path(__file__).resolve().parents[2] / "emulator"
NAMESPACE, SERVICE_ACCOUNT = "demo", "app"
ACCOUNT = "111122223333"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/demo-app"


class ControlError(Exception):
    """The control endpoint refused a command: an error in the test."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Emulator:
    """A running emulator in one place. Its control endpoint is a Unix socket, so it can be reached from anywhere."""

    def __init__(self, place: Place, *options: str, as_agent: bool = True) -> None:
        """Where the place has the agent's addresses, they are taken, unless another is to be the agent there."""
        real_address = place.real_address and as_agent
        self.place = place
        self.folder = tempfile.mkdtemp(prefix="emulator-")
        self.control = os.path.join(self.folder, "control.sock")
        self.ready_file = os.path.join(self.folder, "ready.json")
        addresses = [f"{AGENT_IPV4}:80", f"[{AGENT_IPV6}]:80"] if real_address else ["127.0.0.1:0", "[::1]:0"]
        if not real_address and not _has_ipv6_loopback():
            addresses.pop()
        argv = [sys.executable, str(EMULATOR), "--control", f"unix:{self.control}", "--ready-file", self.ready_file,
                "--association", f"{NAMESPACE}/{SERVICE_ACCOUNT}={ROLE_ARN}", "--renew-after", "0", "--watch-stdin"]
        for address in addresses:
            argv += ["--listen", address]
        self._stderr = open(os.path.join(self.folder, "stderr"), "w+b")
        self.process = subprocess.Popen(
            place.command([*argv, *options]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._stderr
        )
        eventually(self._ready, 20, "the emulator's ready file")
        listeners = self.describe()["listeners"]
        self.url = listeners[0]["url"] + "/v1/credentials"
        self.host, self.port = listeners[0]["host"], listeners[0]["port"]
        self.url6 = listeners[1]["url"] + "/v1/credentials" if len(listeners) > 1 else None
        if real_address:
            self.url, self.url6 = self.url.replace(":80/", "/"), f"http://[{AGENT_IPV6}]/v1/credentials"

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the emulator ended: {self.stderr()}")
        return os.path.exists(self.ready_file)

    def stderr(self) -> str:
        """What it complained about: nothing, unless it has a bug."""
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def stop(self) -> str:
        """Ends it; returns its stderr."""
        end(self.process)
        if self.process.stdin:
            self.process.stdin.close()
        complaints = self.stderr()
        self._stderr.close()
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)
        return complaints

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = 60.0) -> Any:
        """One command to the control endpoint."""
        connection = _UnixConnection(self.control, timeout_s)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            value = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ControlError(value.get("error"))
        return value

    def describe(self) -> dict[str, Any]:
        """Where it listens."""
        return self.call("GET", "/")

    def reset(self) -> None:
        """As after its start."""
        self.call("POST", "/reset")

    def settings(self, **values: Any) -> dict[str, Any]:
        """Changes knobs: lifetime_s, renew_after_s, clock_skew_s, inbound_rate, fraction, audience, cluster_name,
        region."""
        return self.call("PATCH", "/settings", values)

    def fault(self, kind: str, **params: Any) -> None:
        """Queues one fault; times=None keeps it until it is cleared."""
        self.call("POST", "/faults", {"kind": kind, **params})

    def clear_faults(self) -> None:
        """Forgets all faults that are left."""
        self.call("DELETE", "/faults")

    def eks_auth_error(self, code: str, message: str | None = None, times: int | None = None) -> None:
        """Makes EKS Auth, behind the agent, answer with an error."""
        self.fault("eks_auth_error", service="eks-auth", code=code, message=message, times=times)

    def associate(self, namespace: str = NAMESPACE, service_account: str = SERVICE_ACCOUNT, role_arn: str = ROLE_ARN,
                  lifetime_s: float | None = None, assumable: bool = True) -> None:
        """Makes or changes an association."""
        self.call("PUT", "/associations", {"namespace": namespace, "service_account": service_account,
                                           "role_arn": role_arn, "lifetime_s": lifetime_s, "assumable": assumable})

    def dissociate(self, namespace: str = NAMESPACE, service_account: str = SERVICE_ACCOUNT) -> None:
        """Removes an association."""
        self.call("DELETE", "/associations?" + urlencode({"namespace": namespace, "service_account": service_account}))

    def token(self, namespace: str = NAMESPACE, service_account: str = SERVICE_ACCOUNT, **params: Any) -> str:
        """Issues a token: audience, expires_in_s, not_before_in_s, issued_ago_s, claims, header, forged, pod, node."""
        return self.call("POST", "/tokens", {"namespace": namespace, "service_account": service_account, **params})["token"]

    def sign(self, header: bytes, payload: bytes, forged: bool = False) -> str:
        """A token of any two byte strings."""
        body = {"header": base64.b64encode(header).decode(), "payload": base64.b64encode(payload).decode(), "forged": forged}
        return self.call("POST", "/tokens/sign", body)["token"]

    def listen(self, mode: str = "open", after_s: float = 0.0, service: str = "agent") -> None:
        """open; closed: connections are refused; deaf: they time out; mute, hangup, noise, alert-version, alert-handshake: they are
        accepted, and then nothing, the end, something else, or a TLS alert comes."""
        self.call("PUT", "/listeners", {"mode": mode, "after_s": after_s, "service": service})

    def name_server(self, host: str = "127.0.0.1", port: int = 0) -> dict[str, Any]:
        """A name server at this address: host and port. It knows no names until it is told; see names()."""
        return self.call("POST", "/dns", {"host": host, "port": port})

    def names(self, **answers: Any) -> None:
        """What the name server says: names (a dictionary, `*` for all others, to lists of addresses), mode (ok, empty, nxdomain,
        servfail, refused, notimp, truncated, silent, garbage), delay_s, and what is special (emulator/dns.py)."""
        self.call("PUT", "/dns", answers)

    def names_asked(self) -> list[str]:
        """What the name server was asked since the reset: `example.org A`."""
        return self.call("GET", "/dns")

    def serve(self, service: str, certificate: str | None = None, host: str = "127.0.0.1", port: int = 0) -> dict[str, Any]:
        """One more address of a service: url, host, port, and ca_file where a kind of certificate was named. With a port, an address
        that is served so already stays."""
        return self.call("POST", "/listeners", {"service": service, "certificate": certificate, "host": host, "port": port})

    def role(self, arn: str, trust: dict[str, Any], max_session_s: int = 3600) -> None:
        """Makes a role known, or changes its trust policy."""
        self.call("PUT", "/roles", {"arn": arn, "trust": trust, "max_session_s": max_session_s})

    def caller(self, arn: str, **params: Any) -> dict[str, str]:
        """Credentials of a role or user: access_key_id, secret_access_key, session_token, arn. Params: lifetime_s, session_name."""
        return self.call("POST", "/callers", {"arn": arn, **params})

    def node(self, role_arn: str | None) -> None:
        """The role of the node at IMDS; None: it has none."""
        self.call("PUT", "/node", {"role_arn": role_arn})

    def proxy_user(self, user: str | None) -> None:
        """The one user, USER:PASSWORD, that the proxy lets through."""
        self.call("PUT", "/proxy", {"user": user})

    def proxied(self) -> list[str]:
        """What the proxy was asked to connect to."""
        return self.call("GET", "/proxy")

    def requests(self, with_secrets: bool = False) -> list[dict[str, Any]]:
        """The requests seen since the reset."""
        return self.call("GET", "/requests?secrets=" + ("1" if with_secrets else "0"))["requests"]

    def count(self) -> int:
        """How many requests were seen since the reset."""
        return self.call("GET", "/requests?last=1")["count"]

    def connections(self) -> int:
        """How many connections were accepted since the reset."""
        return self.call("GET", "/requests?last=1")["connections"]

    def wait_for_requests(self, count: int, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """Returns the requests seen as soon as there are so many; AssertionError after the timeout."""
        seen = self.call("GET", f"/requests?wait={count}&timeout={timeout_s}", timeout_s=timeout_s + 10)
        assert seen["reached"], f"only {seen['count']} of {count} requests within {timeout_s:g} s"
        return seen["requests"]

    def forget_requests(self) -> None:
        """Counts from zero again."""
        self.call("DELETE", "/requests")

    def secrets(self) -> list[dict[str, str]]:
        """Everything that it ever issued, as kind and value."""
        return self.call("GET", "/secrets")


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False
