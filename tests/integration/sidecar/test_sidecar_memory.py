"""pod-identity-sidecar: what stays resident when everything that it serves is in use, and after rude neighbours on every listener."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

from harness import http
from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.emulator import ROLE_ARN, Emulator
from harness.neighbours import COUNT, LISTENERS, rude
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.waiting import eventually

pytestmark = pytest.mark.alone
RESIDENT_KIB = 512
RESIDENT_OF_EIGHT_KIB = 1280  # each with its sources, refresher and answers, a role and two files
SECONDS = 2
Start = Callable[..., Sidecar]


class Everything:
    """A sidecar with all listeners and files, and those who use them."""

    def __init__(self, start: Start, emulator: Emulator, profiles: list[dict[str, Any]], folder: Path, env: dict[str, str]) -> None:
        self.place, self.names = emulator.place, [profile["name"] for profile in profiles]
        self.ports = {name: self.place.free_port() for name in ("imds", "metrics")}
        for name in self.names:
            (folder / name).mkdir()
        files = [{"credentials-file": f"{folder}/{name}/credentials", "process-file": f"{folder}/{name}/process.json"} for name in self.names]
        config = folder / "config.json"
        config.write_text(json.dumps({"profiles": [{**profile, **paths} for profile, paths in zip(profiles, files)]}))
        self.sidecar = start(f"--config={config}", *(f"--{name}=127.0.0.1:{port}" for name, port in self.ports.items()), "--allow-uid=1",
                             "--socket-mode=0666", env=env)
        assert self.sidecar.port
        self.ports["http"] = self.sidecar.port

    def ask(self, listener: str, method: str, path: str, **headers: str) -> http.Answer:
        """One request over TCP."""
        port = self.ports[listener]
        data = http.request_bytes(method, path, {"Host": f"127.0.0.1:{port}", **{name.replace("_", "-"): value for name, value in headers.items()}})
        return http.parse_answer(http.exchange(self.place.connect("127.0.0.1", port, 10), data, 10))

    def use(self) -> None:
        """All pages, and what a wrong request gets, everywhere."""
        for name in self.names:
            for page in ("credentials", "credential-process"):
                assert self.sidecar.get(f"/v1/{page}/{name}").status == 200
            check_container(self.sidecar.get_http(f"/v1/credentials/{name}"))
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/nothing", 404), ("/v1/credentials/none", 404)):
            assert self.sidecar.get(path).status == status
            assert self.ask("metrics", "GET", path).status == (404 if status == 404 else 200)
        assert self.sidecar.get_http(authorization="none-of-the-bearers").status == 401
        assert self.sidecar.get_http(host="other.example").status == 403
        assert self.sidecar.get_http(method="PUT").status == 405
        self.use_imds()

    def use_imds(self) -> None:
        """As an SDK does, and as one that does it wrong."""
        token_path, roles = "/latest/api/token", "/latest/meta-data/iam/security-credentials/"
        token = self.ask("imds", "PUT", token_path, X_aws_ec2_metadata_token_ttl_seconds="300").body.decode()
        self.sidecar.runner.leaks.add_secret("IMDS token", token)
        role = self.ask("imds", "GET", roles, X_aws_ec2_metadata_token=token).body.decode()
        assert self.ask("imds", "GET", roles + role, X_aws_ec2_metadata_token=token).json["Code"] == "Success"
        assert self.ask("imds", "GET", roles + role).status == self.ask("imds", "GET", roles, X_aws_ec2_metadata_token=token[:-1]).status == 401
        assert self.ask("imds", "GET", token_path).status == 405 and self.ask("imds", "PUT", token_path).status == 400

    def attack(self, manner: str) -> None:
        """Until all are gone."""
        before = self.sidecar.open_files()
        for neighbour in [rude(self.sidecar, self.ports, listener, manner, COUNT, SECONDS) for listener in LISTENERS]:
            assert neighbour.wait(SECONDS + 30) == 0 and neighbour.stdout and int(neighbour.communicate()[0]) >= 100
        eventually(lambda: self.sidecar.open_files() <= before, 20, "they are gone")

    def check(self, limit_kib: int) -> None:
        """Never more than that, whatever has been."""
        seen = {"fresh": self.sidecar.resident_kib()}
        self.use()
        seen["used"] = self.sidecar.resident_kib()
        for manner in ("idle", "part", "refused"):
            self.attack(manner)
            seen[f"after {manner}"] = self.sidecar.resident_kib()
        self.use()
        seen["used again"] = self.sidecar.resident_kib()
        assert max(seen.values()) <= limit_kib, seen


def test_one_profile(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    Everything(start_sidecar, emulator, [{"name": "default"}], folder, injected).check(RESIDENT_KIB)


@needs_openssl
def test_eight_profiles(start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    emulator.role(TARGET, trust(ROLE_ARN))
    profiles = [{"name": f"p{number}", "assume-role": TARGET} for number in range(8)]
    Everything(start_sidecar, emulator, profiles, folder, {**injected, **Aws(emulator).sts()}).check(RESIDENT_OF_EIGHT_KIB)
