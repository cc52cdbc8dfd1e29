"""One cell of the matrix: a sidecar of its own, and the files and variables of one way to it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

from .emulator import NAMESPACE, Emulator
from .families import Release
from .leaks import Leaks
from .places import Namespace, Place
from .programs import Binaries, Runner
from .sdk_client import Look, SdkClient
from .served import expires_at
from .sidecar import Sidecar
from .token_files import ProjectedToken

BEARER = "a-bearer-that-both-containers-know-0123456789"
WRONG_BEARER = "another-bearer-which-is-not-that-of-the-sidecar"
FIRST_PORT, PORTS, WORKERS = 20_000, 1_000, 12  # below those that the kernel gives to connections; each worker has its own
POLL_S = 0.3
_numbers = itertools.count()
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_ports = itertools.cycle(range(FIRST_PORT + _worker * PORTS, FIRST_PORT + (_worker + 1) * PORTS))
_lock = threading.Lock()


def _own_port(place: Place) -> int:
    """A port that stays free while nobody listens at it. In a namespace nobody else is there, and it is not tried: a program that starts at
    that moment would hold the socket of the trial for a while."""
    with _lock:
        for port in itertools.islice(_ports, PORTS):
            if isinstance(place, Namespace):
                return port
            with contextlib.suppress(OSError), place.socket() as sock:
                sock.bind(("127.0.0.1", port))
                return port
    raise AssertionError("there is no port left")


class Cell:
    """Holds what the app has, and what the sidecar served. Close it."""

    def __init__(self, release: Release, way: str, emulator: Emulator, binaries: Binaries, lifetime_s: float = 3600.0) -> None:
        self.release, self.way, self.emulator, self.binaries, self.lifetime_s = release, way, emulator, binaries, lifetime_s
        self.place = emulator.place
        self.leaks = Leaks()
        self.runner = Runner(self.place, self.leaks)
        self.folder = Path(tempfile.mkdtemp(prefix="pi-"))
        self.home = self.folder / "home"
        self.home.mkdir()
        self.account = f"cell-{next(_numbers)}"
        self.port, self.imds_port = _own_port(self.place), _own_port(self.place)
        self.served: dict[str, tuple[str, str, float]] = {}
        self.sidecar: Sidecar | None = None
        self.client: SdkClient | None = None
        self._over = threading.Event()
        self._poller = threading.Thread(target=self._poll, daemon=True)
        self._polling = threading.Lock()
        self._poller.start()

    # --- the sidecar

    def associate(self) -> None:
        """From now on there are credentials."""
        self.emulator.associate(NAMESPACE, self.account, lifetime_s=self.lifetime_s)

    def start(self, ready: bool = True) -> None:
        """The sidecar, with all that an app may ask."""
        token = ProjectedToken(self.folder / "token", self.emulator.token(NAMESPACE, self.account),
                               on_write=lambda text: self.leaks.add_secret("service_account_token", text))
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.emulator.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}
        options = [f"--http=127.0.0.1:{self.port}", f"--imds=127.0.0.1:{self.imds_port}", f"--credentials-file={self.folder}/credentials"]
        if self._by_value():
            env["POD_IDENTITY_HTTP_TOKEN"] = BEARER
            self.leaks.add_secret("bearer", BEARER)
        else:
            options.append(f"--http-token-file={self.folder}/http-token")
        self.sidecar = Sidecar(self.runner, self.binaries, self.folder, *options, env=env, with_http=False, bearer=BEARER)
        self._wait(ready)

    def _wait(self, ready: bool) -> None:
        assert self.sidecar
        self.sidecar.wait_ready(30) if ready else self.sidecar.wait_serving(30)
        if not self._by_value():
            self.leaks.add_secret("bearer", (self.folder / "http-token").read_text())

    def restart(self) -> None:
        """After kill()."""
        assert self.sidecar
        self.sidecar.restart()
        self._wait(ready=True)

    def fetch_now(self) -> None:
        """The sidecar has credentials when this returns."""
        assert self.sidecar
        self.sidecar.send_signal(signal.SIGUSR1)
        self.sidecar.wait_ready(30)
        self.look_at_sidecar()

    def upstream_requests(self) -> int:
        """How often this cell's sidecar asked the agent."""
        assert self.sidecar
        return int(self.sidecar.get("/metrics").body.decode().partition("\npod_identity_upstream_duration_seconds_count ")[2].split()[0])

    def _by_value(self) -> bool:
        return self.way == "http-value"

    def _poll(self) -> None:
        while not self._over.wait(POLL_S):
            self.look_at_sidecar()

    def look_at_sidecar(self) -> None:
        """Notes what is served at the moment."""
        with self._polling, contextlib.suppress(OSError, AssertionError, ValueError, IndexError):
            answer = self.sidecar.get(timeout_s=5) if self.sidecar else None
            if answer and answer.status == 200:
                found = answer.json
                self.served[found["AccessKeyId"]] = (found["SecretAccessKey"], found["Token"], expires_at(found["Expiration"]))

    # --- the app

    def environment(self, wrong_bearer: bool = False) -> dict[str, str]:
        """All that the app has."""
        url, imds = f"http://127.0.0.1:{self.port}/v1/credentials", f"http://127.0.0.1:{self.imds_port}"
        paths = {"config": self.folder / "config", "credentials": self.folder / "credentials", "token_file": self.folder / "http-token",
                 "socket": self.folder / "credentials.sock", "home": self.home, "out": self.release.out, "src": self.release.source}
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
               "AWS_CONFIG_FILE": str(paths["config"]), "AWS_SHARED_CREDENTIALS_FILE": f"{self.folder}/none"}
        config = f"[{self.release.config_section}]\nregion = eu-central-1\n"
        if not self.way.startswith("imds"):
            env["AWS_EC2_METADATA_DISABLED"] = "true"
        if self.way.startswith("http"):
            env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url
        if self._by_value():
            env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = WRONG_BEARER if wrong_bearer else BEARER
        elif self.way == "http-file":
            wrong = self.folder / "wrong-token"
            wrong.write_text(WRONG_BEARER)
            env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(wrong if wrong_bearer else paths["token_file"])
        elif self.way == "process":
            config += f"credential_process = {self.binaries.get} --socket {paths['socket']}\n"
        elif self.way == "file":
            env["AWS_SHARED_CREDENTIALS_FILE"] = str(paths["credentials"])
        else:
            env |= {"AWS_EC2_METADATA_SERVICE_ENDPOINT": imds + ("/" if self.way == "imds-slash" else ""), "AWS_EC2_METADATA_V1_DISABLED": "true"}
        paths["config"].write_text(config)
        more = {**self.release.env, **self.release.env_by_way.get(self.way, {})}
        known = {**{name: str(path) for name, path in paths.items()}, "url": url, "imds": imds}
        return {**env, **{name: filled(text, known) for name, text in more.items()}}

    def run(self, times: int, interval_ms: int, wrong_bearer: bool = False) -> SdkClient:
        """Starts the client."""
        known = {"out": str(self.release.out), "src": str(self.release.source)}
        argv = [filled(word, known) for word in self.release.command]
        self.client = SdkClient(self.place, argv, self.environment(wrong_bearer), self.folder, times, interval_ms)
        return self.client

    def is_right(self, look: Look) -> bool:
        """Key, secret and token are of one set that this cell's sidecar served."""
        if look.triple is None:
            return False
        if look.triple[0] not in self.served:
            self.look_at_sidecar()
        secret, token, _ = self.served.get(look.triple[0], (None, None, 0.0))
        return look.triple[2] == token and look.triple[1] in (secret, None) and token is not None

    def ended_before(self, number: int) -> float:
        """How long before that look of the client, which is right, its credentials had ended, in seconds."""
        assert self.client
        found = self.client.looks[number].triple
        return self.client.began(number) - self.served[found[0]][2] if found else 0.0

    def close(self) -> list[str]:
        """Ends all; where a secret was printed by our programs."""
        self._over.set()
        self._poller.join(30)
        if self.client:
            self.client.stop()
        if self.sidecar:
            self.sidecar.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.leaks.find([{"kind": kind, "value": value} for secret, token, _ in self.served.values()
                                for kind, value in (("secret_access_key", secret), ("session_token", token))])


def filled(text: str, known: dict[str, str]) -> str:
    """The text with {name} replaced."""
    for name, value in known.items():
        text = text.replace("{" + name + "}", value)
    return text
