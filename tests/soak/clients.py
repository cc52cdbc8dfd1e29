"""Clients: readers, who look at every answer and file, and rude ones, who cost the readers nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

from harness import hog, http
from harness.http import Answer
from harness.served import check_container, check_error, check_process_members, profile_triple, read_profile, triple
from harness.sidecar import Sidecar

from .check import Checker

OTHERS = "# kept as it is\n[other]\naws_access_key_id = OF-SOMEBODY-ELSE\n\n"
PATIENCE_S = 30.0
NOBODY = 65534
IMDS_ROLE = "/latest/meta-data/iam/security-credentials/pod-identity"
WRONG = (AssertionError, ValueError, KeyError, OSError)
Connect = Callable[[], socket.socket]


class Soaked:
    """The sidecar under test: how to reach each listener, and its files."""

    def __init__(self, sidecar: Sidecar, ports: dict[str, int], credentials: Path, process: Path) -> None:
        self.sidecar, self.ports, self.credentials, self.process = sidecar, ports, credentials, process
        self.imds_token, self.imds_until = "", 0.0

    def connect(self, listener: str) -> socket.socket:
        """A connection to `socket`, `http`, `imds` or `metrics`."""
        if listener == "socket":
            return self.sidecar.connect_unix(PATIENCE_S)
        return self.sidecar.runner.place.connect("127.0.0.1", self.ports[listener], PATIENCE_S)

    def headers(self, listener: str) -> dict[str, str | None]:
        """What a request for credentials needs there, for a connection that is kept."""
        headers: dict[str, str | None] = {"Connection": None}
        if listener != "socket":
            headers["Host"] = f"127.0.0.1:{self.ports[listener]}"
        if listener == "http":
            headers["Authorization"] = self.sidecar.bearer
        if listener == "imds":
            headers["X-aws-ec2-metadata-token"] = self.imds_token
        return headers

    def new_imds_token(self) -> None:
        """One for a minute, of which the last half is not used."""
        with self.connect("imds") as sock:
            ask = {**self.headers("imds"), "X-aws-ec2-metadata-token": None, "X-aws-ec2-metadata-token-ttl-seconds": "60"}
            sock.sendall(http.request_bytes("PUT", "/latest/api/token", ask))
            answer = http.read_one(sock)
        assert answer.status == 200, answer.status
        self.imds_token, self.imds_until = answer.body.decode(), time.monotonic() + 30
        self.sidecar.runner.leaks.add_secret("IMDS token", self.imds_token)


def check_answer(checker: Checker, listener: str, answer: Answer, asked_at: float) -> None:
    """An answer for credentials: whole, and right for the moment."""
    if answer.status == 503:
        check_error(answer, 503)
        checker.refusal(listener, time.time(), asked_at)
        return
    members: dict[str, Any] = answer.json if listener == "imds" else check_container(answer)
    assert answer.status == 200, answer.status
    assert all(members[name] for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")), "an empty member"
    checker.answer(listener, triple(members), members["Expiration"], asked_at)


def read_listener(soaked: Soaked, checker: Checker, listener: str, chance: random.Random) -> None:
    """A few requests over one connection."""
    if listener == "imds" and time.monotonic() > soaked.imds_until:
        soaked.new_imds_token()
    path = IMDS_ROLE if listener == "imds" else "/v1/credentials"
    with soaked.connect(listener) as sock:
        for _ in range(chance.choice((1, 1, 5))):
            asked_at = time.time()
            sock.sendall(http.request_bytes("GET", path, soaked.headers(listener)))
            check_answer(checker, listener, http.read_one(sock), asked_at)


def read_metrics(soaked: Soaked, checker: Checker, _listener: str, chance: random.Random) -> None:
    """Whole, in numbers."""
    with soaked.connect("metrics") as sock:
        sock.sendall(http.request_bytes("GET", "/metrics", soaked.headers("metrics")))
        answer = http.read_one(sock)
    assert answer.status == 200 and re.search(rb"^pod_identity_connections \d+$", answer.body, re.M), answer.status
    checker.count("metrics answers")


def read_files(soaked: Soaked, checker: Checker, _listener: str, chance: random.Random) -> None:
    """Both files, each as one read gives it."""
    read_at = time.time()
    text = soaked.credentials.read_text()
    assert text.startswith(OTHERS), "what others have in the credentials file is not as it was"
    checker.file("credentials file", profile_triple(text), read_profile(text)["x_security_token_expires"], read_at)
    read_at = time.time()
    members = check_process_members(json.loads(soaked.process.read_text()))
    checker.file("process file", triple(members), members["Expiration"], read_at)


class Repeated(threading.Thread):
    """Does one thing again and again, with pauses, until it is told to end. What goes wrong is a fault, and goes on."""

    def __init__(self, name: str, checker: Checker, pause_s: float, act: Callable[[], None], over: threading.Event) -> None:
        super().__init__(daemon=True, name=name)
        self.checker, self.pause_s, self.act, self.over = checker, pause_s, act, over

    def run(self) -> None:
        chance = random.Random(self.name)
        while not self.over.wait(chance.random() * self.pause_s):
            try:
                self.act()
            except WRONG as error:
                self.checker.fault(self.name, f"{type(error).__name__}: {str(error)[:200]}")


def readers(soaked: Soaked, checker: Checker, seed: int, over: threading.Event) -> list[Repeated]:
    """Each listener twice, and the files."""
    made = []
    for number, (what, read) in enumerate([*[(name, read_listener) for name in ("socket", "socket", "http", "http", "imds")],
                                           ("metrics", read_metrics), ("files", read_files)]):
        chance = random.Random(f"{seed} reader {number}")
        made.append(Repeated(what, checker, 0.1, lambda read=read, what=what, chance=chance: read(soaked, checker, what, chance), over))
    return made


# --- without manners

WHOLE = b"GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def be_rude(soaked: Soaked, checker: Checker, chance: random.Random, over: threading.Event) -> None:
    """One connection, and no good use of it. That it is cut off is right."""
    with contextlib.suppress(OSError), soaked.connect(chance.choice(("socket", "http", "imds", "metrics"))) as sock:
        sock.settimeout(3)
        manner = chance.choice(("noise", "pipeline", "part", "bytes", "idle", "half close", "no bearer"))
        checker.count(f"rude: {manner}")
        if manner == "noise":
            sock.sendall(chance.randbytes(chance.randrange(1, 5000)))
        elif manner == "pipeline":  # and never reads
            sock.sendall(WHOLE * chance.randrange(1, 300))
            over.wait(chance.random() * 3)
        elif manner == "part":
            sock.sendall(WHOLE[:chance.randrange(1, len(WHOLE) - 1)])
            over.wait(chance.random() * 5)
        elif manner == "bytes":
            for at in range(len(WHOLE)):
                sock.sendall(WHOLE[at:at + 1])
                over.wait(0.005)
            sock.recv(65536)
        elif manner == "idle":
            over.wait(chance.random() * 5)
        elif manner == "half close":
            sock.sendall(WHOLE * 20)
            sock.shutdown(socket.SHUT_WR)
            over.wait(chance.random())
        else:
            sock.sendall(WHOLE.replace(b"\r\n\r\n", b"\r\nAuthorization: no-bearer-of-anybody\r\n\r\n"))
            sock.recv(65536)


def run_hog(soaked: Soaked, listener: str, manner: str, count: int, seconds: int) -> None:
    """A neighbour with many connections for some seconds; on the Unix socket one without the right to it, which only root can be."""
    where = ["unix", str(soaked.sidecar.socket_path)] if listener == "socket" else ["inet", "127.0.0.1", str(soaked.ports[listener])]
    uid = NOBODY if listener == "socket" else os.geteuid()
    command = [sys.executable, hog.__file__, manner, str(count), str(seconds), str(uid), *where]
    done = subprocess.run(soaked.sidecar.runner.place.command(command), capture_output=True, text=True, check=False,
                          timeout=seconds + 60)
    assert done.returncode == 0, f"hog.py ended with {done.returncode}: {done.stderr[-200:]}"


def use_all_places(soaked: Soaked) -> None:
    """Every place for a connection, and what a place keeps of half a request. Storage has a fixed size, but takes memory only when it
    is first used: without this, that would look like growth whenever it happens."""
    for listener in ("http", "imds", "metrics"):
        run_hog(soaked, listener, "part", 1024, 1)


def send_hog(soaked: Soaked, checker: Checker, chance: random.Random) -> None:
    """Any of them."""
    manner, seconds = chance.choice(("idle", "part", "refused", "churn")), chance.choice((1, 2, 4))
    listener, count = chance.choice(("socket", "http", "imds", "metrics")), chance.choice((20, 200, 1024))
    if listener == "socket" and os.geteuid() != 0:
        listener = "http"
    run_hog(soaked, listener, manner, count, seconds)
    checker.count(f"hogs: {manner}")
