"""A running `pod-identity-webhook`, its certificates, and a client that keeps a connection."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .reviews import Answer, Webhook, review
from .sidecar import wanted_sandbox
from .sizes import memory_kib
from .waiting import eventually

NAME = "webhook.default.svc"


def openssl(*words: str, cwd: Path) -> None:
    """Runs it; its own words, if it fails."""
    done = subprocess.run(["openssl", *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """An authority with what it signs, in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{name}.crt"
        self._key(name, "ec")
        openssl("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "30", "-out", f"{name}.crt",
                "-addext", "keyUsage=critical,keyCertSign", cwd=folder)

    def _key(self, name: str, kind: str) -> None:
        if kind == "ec":
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key", cwd=self.folder)
        else:
            openssl("genrsa", "-out", f"{name}.key", kind, cwd=self.folder)

    def pair(self, name: str, kind: str = "ec", from_s: float = -60, until_s: float = 864000) -> tuple[Path, Path]:
        """Certificate and key; kind: ec, or the bits of RSA. `openssl ca` is the command that takes any dates."""
        self._key(name, kind)
        start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + shift)) for shift in (from_s, until_s))
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\nunique_subject = no\npolicy = any\n"
            f"default_md = sha256\nx509_extensions = ext\n[any]\ncommonName = supplied\n[ext]\nsubjectAltName=DNS:{NAME},IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr", cwd=self.folder)
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.crt", "-startdate", start, "-enddate", end,
                "-cert", f"{self.name}.crt", "-keyfile", f"{self.name}.key", cwd=self.folder)
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"


class Mounted:
    """Files as the kubelet mounts them: a change is one rename of the link `..data`."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.folder, self.version = folder, 0
        folder.mkdir(parents=True)
        self.put(files)

    def put(self, files: dict[str, bytes]) -> None:
        """All files anew."""
        self.version += 1
        real = self.folder / f"..version-{self.version}"
        real.mkdir()
        for name, content in files.items():
            (real / name).write_bytes(content)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(Path("..data") / name)
        (self.folder / "..next").symlink_to(real.name)
        os.rename(self.folder / "..next", self.folder / "..data")

    def put_pair(self, pair: tuple[Path, Path]) -> None:
        """A certificate and its key, as a Secret has them."""
        self.put({"tls.crt": pair[0].read_bytes(), "tls.key": pair[1].read_bytes()})


class WebhookProcess:
    """Started at ports of the system's choice; asked, and ended by its process id."""

    def __init__(self, webhook: Webhook, folder: Path, authority: Authority, *options: str, which: str = "both",
                 pair: tuple[Path, Path] | None = None, identity_of_client: tuple[Path, Path] | None = None) -> None:
        self.webhook, self.authority, self.client_pair = webhook, authority, identity_of_client
        folder.mkdir(parents=True, exist_ok=True)
        self.secret = Mounted(folder / "tls", {})
        self.secret.put_pair(pair or authority.pair("server"))
        self.log_file = folder / "log"
        self.argv = [str(webhook.program), "--https=127.0.0.1:0", "--metrics=127.0.0.1:0", f"--sandbox={wanted_sandbox()}",
                     f"--certificate={folder}/tls/tls.crt", f"--key={folder}/tls/tls.key", *webhook.options(which), *options]
        self.start()

    def start(self) -> None:
        """Returns when it serves."""
        self._log = open(self.log_file, "ab")
        begin = self.log_file.stat().st_size
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env={})
        try:
            eventually(lambda: self.process.poll() is not None or "option=metrics" in self.log[begin:], 20, "the webhook serves")
            ports = dict(re.findall(r"msg=serving option=(\w+) .*port=(\d+)", self.log[begin:]))
            self.port, self.metrics_port = int(ports["https"]), int(ports["metrics"])
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """What it has logged until now."""
        return self.log_file.read_text("utf-8", "replace")

    def context(self) -> ssl.SSLContext:
        """Of a client that trusts the authority, as the API server does."""
        made = ssl.create_default_context(cafile=str(self.authority.file))
        if self.client_pair:
            made.load_cert_chain(*map(str, self.client_pair))
        return made

    def connect(self) -> http.client.HTTPSConnection:
        """A connection that can be kept."""
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.context())

    def post(self, body: bytes | str, path: str = "/mutate?timeout=10s", connection: http.client.HTTPSConnection | None = None) -> tuple[int, bytes]:
        """Status and body."""
        own = connection or self.connect()
        own.request("POST", path, body, {"Content-Type": "application/json"})
        answer = own.getresponse()
        content = answer.read()
        if connection is None:
            own.close()
        return answer.status, content

    def ask(self, obj: Any, path: str = "/mutate?timeout=10s", connection: http.client.HTTPSConnection | None = None, **request: Any) -> Answer:
        """The answer to a review of that object."""
        status, content = self.post(json.dumps(review(obj, **request)), path, connection)
        assert status == 200, content
        return Answer(json.loads(content), obj)

    def page(self, path: str) -> tuple[int, str]:
        """Of the plain listener."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def metric(self, name: str) -> float:
        """`name` as it stands in /metrics, with its labels."""
        _, page = self.page("/metrics")
        return float(re.search(rf"^{re.escape('pod_identity_webhook_' + name)} (\S+)$", page, re.MULTILINE)[1])  # type: ignore[index]

    def memory_kib(self) -> dict[str, int]:
        """The sizes of /proc/PID/status."""
        return memory_kib(self.process.pid)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self._log.close()
        return status
