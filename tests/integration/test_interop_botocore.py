"""botocore, unchanged, as a client of the loopback endpoint, of the credentials file and of credential_process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.emulator import ACCOUNT, Emulator
from harness.programs import Binaries
from harness.served import issued
from harness.sidecar import Sidecar
from harness.waiting import eventually

botocore = pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.exceptions  # noqa: E402
import botocore.session  # noqa: E402
import botocore.utils  # noqa: E402

pytestmark = pytest.mark.place("loopback")  # botocore runs in this process
Start = Callable[..., Sidecar]
Session = Callable[[dict[str, str]], Any]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Session:
    """session(environment) is a new botocore session that sees nothing else of this machine."""
    def make(environment: dict[str, str]) -> Any:
        for name in list(os.environ):
            if name.startswith("AWS_") or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        isolated = {"AWS_CONFIG_FILE": f"{folder}/no-config", "AWS_SHARED_CREDENTIALS_FILE": f"{folder}/no-credentials",
                    "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "eu-central-1"}
        for name, value in {**isolated, **environment}.items():
            monkeypatch.setenv(name, value)
        return botocore.session.Session()
    return make


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The URLs that botocore asked for container credentials."""
    urls: list[str] = []
    original = botocore.utils.ContainerMetadataFetcher.retrieve_full_uri

    def counting(self: Any, full_url: str, headers: Any = None) -> Any:
        urls.append(full_url)
        return original(self, full_url, headers)
    monkeypatch.setattr(botocore.utils.ContainerMetadataFetcher, "retrieve_full_uri", counting)
    yield urls


def frozen(credentials: Any) -> tuple[str, str, str]:
    one = credentials.get_frozen_credentials()
    return one.access_key, one.secret_key, one.token


def by_file(sidecar: Sidecar) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": sidecar.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(sidecar.token_path)}


@pytest.mark.parametrize("how", ["value", "file"])
def test_loopback_endpoint(start_sidecar: Start, emulator: Emulator, session: Session, asked: list[str], how: str) -> None:
    sidecar = start_sidecar()
    credentials = session(sidecar.app_env if how == "value" else by_file(sidecar)).get_credentials()
    assert credentials.method == "container-role"
    assert frozen(credentials) == issued(emulator)[-1]
    assert credentials.get_frozen_credentials().account_id == ACCOUNT
    assert asked == [sidecar.url] and emulator.count() == 1


def test_credentials_sign_requests(start_sidecar: Start, emulator: Emulator, session: Session) -> None:
    """Whole, as botocore would use them: the token goes into a header."""
    credentials = session(start_sidecar().app_env).get_credentials()
    request = botocore.awsrequest.AWSRequest("GET", "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity")
    botocore.auth.SigV4Auth(credentials, "sts", "eu-central-1").add_auth(request)
    assert request.headers["X-Amz-Security-Token"] == issued(emulator)[-1][2]
    assert issued(emulator)[-1][0] in request.headers["Authorization"]


def test_asked_once_while_more_than_15_minutes_are_left(start_sidecar: Start, emulator: Emulator, session: Session, asked: list[str]) -> None:
    emulator.settings(lifetime_s=16 * 60.0)
    credentials = session(start_sidecar().app_env).get_credentials()
    assert len({frozen(credentials) for _ in range(50)}) == 1
    assert len(asked) == 1


def test_asked_at_each_use_with_less_and_never_upstream(start_sidecar: Start, emulator: Emulator, session: Session, asked: list[str]) -> None:
    emulator.settings(lifetime_s=14 * 60.0)
    credentials = session(start_sidecar().app_env).get_credentials()
    for _ in range(10):
        frozen(credentials)
    assert len(asked) > 5 and emulator.count() == 1


def test_refreshed_credentials_are_taken(start_sidecar: Start, emulator: Emulator, session: Session) -> None:
    emulator.settings(lifetime_s=5 * 60.0)
    sidecar = start_sidecar()
    credentials = session(by_file(sidecar)).get_credentials()
    first = frozen(credentials)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: frozen(credentials) != first, 10, "new ones")
    assert frozen(credentials) == issued(emulator)[-1]


def test_outlives_a_crash_of_the_sidecar(start_sidecar: Start, emulator: Emulator, session: Session) -> None:
    emulator.settings(lifetime_s=5 * 60.0)
    sidecar = start_sidecar(bearer="a-bearer-that-is-given-and-so-outlives-it")
    credentials = session(sidecar.app_env).get_credentials()
    first = frozen(credentials)
    sidecar.kill()
    sidecar.restart().wait_ready()
    assert frozen(credentials) != first and frozen(credentials) == issued(emulator)[-1]


def test_refusals_are_errors_that_say_why(start_sidecar: Start, emulator: Emulator, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.utils.ContainerMetadataFetcher, "SLEEP_TIME", 0)
    sidecar = start_sidecar()
    with pytest.raises(botocore.exceptions.CredentialRetrievalError, match="401"):
        session({**sidecar.app_env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong-bearer-of-some-length"}).get_credentials()
    emulator.dissociate()
    other = start_sidecar(ready=False).wait_serving()
    emulator.wait_for_requests(2, 5)
    with pytest.raises(botocore.exceptions.CredentialRetrievalError, match="ResourceNotFoundException"):
        session(other.app_env).get_credentials()


@pytest.mark.parametrize("profile", ["default", "team.a"])
def test_shared_credentials_file(start_sidecar: Start, emulator: Emulator, session: Session, folder: Path, profile: str) -> None:
    path = folder / "credentials"
    path.write_text("[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n")
    sidecar = start_sidecar(f"--credentials-file={path}", f"--profile={profile}")
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_PROFILE": profile}
    credentials = session(environment).get_credentials()
    assert credentials.method == "shared-credentials-file"
    assert frozen(credentials) == issued(emulator)[-1]
    assert credentials.get_frozen_credentials().account_id == ACCOUNT
    assert session({**environment, "AWS_PROFILE": "other"}).get_credentials().access_key == "AKIAOTHER"
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: len(issued(emulator)) and issued(emulator)[-1] != frozen(credentials) and frozen(session(environment).get_credentials())
               == issued(emulator)[-1], 10, "a new session reads the new ones")


def process_config(folder: Path, line: str) -> dict[str, str]:
    config = folder / "config"
    config.write_text(f"[default]\ncredential_process = {line}\n")
    return {"AWS_CONFIG_FILE": str(config)}


def test_credential_process(start_sidecar: Start, emulator: Emulator, session: Session, binaries: Binaries, folder: Path) -> None:
    emulator.settings(lifetime_s=5 * 60.0)
    sidecar = start_sidecar()
    credentials = session(process_config(folder, f"{binaries.get} --socket {sidecar.socket_path}")).get_credentials()
    assert credentials.method == "custom-process"
    first = frozen(credentials)
    assert first == issued(emulator)[-1]
    assert credentials.get_frozen_credentials().account_id == ACCOUNT
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: frozen(credentials) != first, 10, "new ones")
    assert frozen(credentials) == issued(emulator)[-1]


def test_credential_process_that_fails(session: Session, binaries: Binaries, folder: Path) -> None:
    """The reason on standard error is what botocore shows."""
    with pytest.raises(botocore.exceptions.CredentialRetrievalError, match="none.sock"):
        session(process_config(folder, f"{binaries.get} --socket {folder}/none.sock")).get_credentials()


def test_process_file_through_cat(start_sidecar: Start, emulator: Emulator, session: Session, folder: Path) -> None:
    path = folder / "process.json"
    start_sidecar(f"--process-file={path}")
    credentials = session(process_config(folder, f"cat {path}")).get_credentials()
    assert frozen(credentials) == issued(emulator)[-1]
    assert json.loads(path.read_text())["AccountId"] == ACCOUNT
