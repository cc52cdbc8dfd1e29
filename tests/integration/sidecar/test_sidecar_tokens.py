"""/v1/token/KIND: passwords and bearers that the sidecar signs, equal to botocore's byte for byte."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any, Callable
from urllib.parse import urlencode

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import ROLE_ARN, Emulator
from harness.served import check_container, triple
from harness.sidecar import Sidecar
from harness.waiting import eventually

pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

from harness import signed  # noqa: E402

pytestmark = pytest.mark.place("loopback")
Start = Callable[..., Sidecar]
REGION = "eu-central-1"
HEADER = "X-Token-Expiration"
RDS = {"host": "orders.abcdef012345.eu-central-1.rds.amazonaws.com", "port": "5432", "user": "app"}


@pytest.fixture
def env(emulator: Emulator, injected: dict[str, str]) -> dict[str, str]:
    """Pod Identity, and an STS that verifies."""
    return {**injected, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_STS": str(emulator.serve("sts")["url"])}


def ask(sidecar: Sidecar, kind: str, **parameters: str) -> Any:
    """One request for a token."""
    return sidecar.get(f"/v1/token/{kind}?{urlencode(parameters)}")


def token(sidecar: Sidecar, kind: str, **parameters: str) -> str:
    """The token, and what must be true of every answer with one."""
    answer = ask(sidecar, kind, **parameters)
    assert answer.status == 200, answer.body
    assert answer.header("content-type") == "text/plain; charset=utf-8" and answer.header("cache-control") == "no-store"
    ends = datetime.strptime(answer.header(HEADER), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    made = signed.signed_at(answer.body.decode())
    assert (ends - made).total_seconds() == (840 if kind == "eks" else 900)
    return str(answer.body.decode("ascii"))


@pytest.mark.parametrize(("kind", "parameters"), [
    ("rds", RDS), ("rds", {**RDS, "user": "a b&c=d/+é%"}), ("rds", {**RDS, "host": "Orders.Example.com", "port": "443"}),
    ("elasticache", {"cache": "orders", "user": "app"}), ("elasticache", {"cache": "orders", "user": "app", "serverless": "true"}),
    ("memorydb", {"cache": "orders", "user": "app"}), ("msk", {}), ("eks", {"cluster": "prod"}),
], ids=["rds", "rds-user", "rds-443", "elasticache", "serverless", "memorydb", "msk", "eks"])
@pytest.mark.parametrize("region", [None, "us-gov-west-1"])
def test_equal_to_botocore(start_sidecar: Start, env: dict[str, str], kind: str, parameters: dict[str, str], region: str | None) -> None:
    sidecar = start_sidecar(env=env)
    given = token(sidecar, kind, **parameters, **({"region": region} if region else {}))
    members = check_container(sidecar.get())
    assert given == signed.reference(kind, given, members, region or REGION, env["AWS_ENDPOINT_URL_STS"], **parameters)


def test_sts_accepts_it(start_sidecar: Start, env: dict[str, str]) -> None:
    """A presigned GetCallerIdentity, for that cluster only."""
    given = token(start_sidecar(env=env), "eks", cluster="prod")
    role = ROLE_ARN.rsplit("/", 1)[1]
    status, arn = signed.review(given, "prod")
    assert status == 200 and f":assumed-role/{role}/" in arn
    status, text = signed.review(given, "another")
    assert status == 403 and "SignatureDoesNotMatch" in text


@EMULATORS
def test_the_last_one_is_kept(start_sidecar: Start, env: dict[str, str], emulator: Emulator) -> None:
    """Until the credentials are refreshed; each set of parameters has its own."""
    sidecar = start_sidecar(env=env)
    first = token(sidecar, "rds", **RDS)
    made = signed.signed_at(first)
    eventually(lambda: datetime.now(timezone.utc).timestamp() >= made.timestamp() + 1.1, 5, "another second")
    assert token(sidecar, "rds", **RDS) == first
    assert token(sidecar, "rds", **{**RDS, "user": "other"}) != first
    assert token(sidecar, "rds", **dict(reversed(RDS.items()))) == first, "their order is nothing"
    before = triple(check_container(sidecar.get()))
    emulator.settings(renew_after_s=0)
    sidecar.send_signal(10)
    eventually(lambda: triple(check_container(sidecar.get())) != before, 10, "a refresh")
    again = token(sidecar, "rds", **RDS)
    assert again != first
    assert again == signed.reference("rds", again, check_container(sidecar.get()), REGION, **RDS)
    metrics = sidecar.get("/metrics").body.decode()
    assert 'pod_identity_tokens_total{result="signed"} 3' in metrics and 'pod_identity_tokens_total{result="kept"} 2' in metrics


def test_many_are_kept(start_sidecar: Start, env: dict[str, str]) -> None:
    """As many as there are places; with one more the oldest goes, and none is another's."""
    sidecar = start_sidecar(env=env)
    users = [f"user-{i}" for i in range(17)]
    first = {user: token(sidecar, "rds", **{**RDS, "user": user}) for user in users}
    assert len(set(first.values())) == 17
    for user in users[1:]:
        assert token(sidecar, "rds", **{**RDS, "user": user}) == first[user]
    assert f"DBUser={users[0]}&" in token(sidecar, "rds", **{**RDS, "user": users[0]})
    metrics = sidecar.get("/metrics").body.decode()
    assert 'pod_identity_tokens_total{result="signed"} 18' in metrics and 'pod_identity_tokens_total{result="kept"} 16' in metrics


def test_never_beyond_the_credentials(start_sidecar: Start, env: dict[str, str], emulator: Emulator) -> None:
    emulator.settings(lifetime_s=300)
    sidecar = start_sidecar(env=env)
    members = check_container(sidecar.get())
    answer = ask(sidecar, "msk")
    assert answer.header(HEADER) == members["Expiration"]
    given = answer.body.decode()
    ends = signed.signed_at(given).timestamp() + int(signed.parameters(given)["X-Amz-Expires"])
    assert ends == datetime.strptime(members["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(("path", "status", "words"), [
    ("ssm", 404, "the kind of a token is rds, elasticache, memorydb, msk or eks"),
    ("", 404, "the kind of a token is rds"), ("rds/x", 404, "the kind of a token is rds"),
    ("rds", 400, "host: rds needs it"), ("rds?host=db&port=1", 400, "user: rds needs it"),
    ("rds?host=db&port=x", 400, "port: not a number from 1 to 65535"),
    ("rds?host=db&host=db", 400, "host: given twice"), ("msk?name=default&name=", 400, "name: given twice"), ("rds?host", 400, "host: empty"),
    ("rds?hots=db", 400, "hots: no parameter of rds, which takes host, port, user, region"),
    ("rds?host=%zz", 400, "an escape that is none"), ("rds?host=%00", 400, "an escape that is none"),
    ("rds?host=%4", 400, "an escape that is none"), (f"rds?user={'x' * 256}", 400, "a value of more than 255 bytes"),
    (f"rds?user={'x' * 129}", 400, "user: longer than 128 bytes"), ("rds?user=a%0ab", 400, "user: holds a control character"),
    ("eks?cluster=prod&region=eu-central-1b", 400, "region: is a zone, not a region"),
    ("eks?cluster=prod&name=other", 404, "No profile has that name"),
    ("memorydb?cache=c&user=u&serverless=true", 400, "serverless: no parameter of memorydb"),
])
def test_wrong_parameters_are_named(start_sidecar: Start, env: dict[str, str], path: str, status: int, words: str) -> None:
    sidecar = start_sidecar(env=env)
    answer = sidecar.get(f"/v1/token/{path}")
    assert answer.status == status and answer.header("content-type") == "application/json"
    assert answer.json["message"] == answer.json["Message"] and words in answer.json["message"], answer.json


def test_no_value_in_an_error(start_sidecar: Start, env: dict[str, str]) -> None:
    """It may be a secret that slipped."""
    sidecar = start_sidecar("--log-level=debug", env=env)
    for query in ("user=s3cret%01x", "host=s3cret/x", "port=s3cret", "region=s3cret_x"):
        answer = sidecar.get(f"/v1/token/rds?{query}")
        assert answer.status == 400 and b"s3cret" not in answer.raw
    assert "s3cret" not in sidecar.stderr


def test_only_on_the_socket(start_sidecar: Start, env: dict[str, str]) -> None:
    sidecar = start_sidecar(env=env)
    assert sidecar.get_http("/v1/token/msk").status == 404
    for method, status in (("POST", 405), ("PUT", 405), ("HEAD", 200)):
        assert sidecar.get("/v1/token/msk", method).status == status


def test_no_region(start_sidecar: Start, env: dict[str, str]) -> None:
    answer = ask(start_sidecar(env={name: value for name, value in env.items() if name != "AWS_REGION"}), "msk")
    assert answer.status == 400 and "neither AWS_REGION nor AWS_DEFAULT_REGION is set" in answer.json["message"]


def test_no_credentials(start_sidecar: Start, env: dict[str, str], emulator: Emulator) -> None:
    """The reason is that of the credentials themselves."""
    emulator.fault("answer", status=500, body="no", times=None)
    sidecar = start_sidecar(env=env, ready=False).wait_serving()
    eventually(lambda: sidecar.get().json["code"] == "THROTTLED", 15, "the first failure")
    answer = ask(sidecar, "msk")
    assert answer.status == 503 and answer.json["code"] == "THROTTLED"


@EMULATORS
def test_a_user_is_limited(start_sidecar: Start, env: dict[str, str]) -> None:
    """Only new ones count; what is there is handed out as often as one likes."""
    sidecar = start_sidecar(env=env)
    paths = [f"/v1/token/rds?{urlencode({**RDS, 'user': f'user-{i}'})}" for i in range(500)]
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if path is paths[-1] else 'X: y'}\r\n\r\n" for path in paths]
    answers = sidecar.raw("".join(requests).encode(), 60)
    given, refused = answers.count(b"HTTP/1.1 200 "), answers.count(b"HTTP/1.1 429 ")
    assert given + refused == 500 and given >= 64 and refused > 0, "500 in one piece, of which 64 are free, and ten a second"
    assert answers.count(b"Retry-After: 1\r\n") == refused and b'"code":"TooManyRequests"' in answers
    metrics = sidecar.get("/metrics").body.decode()
    assert f'pod_identity_requests_total{{listener="socket",code="429"}} {refused}' in metrics
    assert f'pod_identity_tokens_total{{result="limited"}} {refused}' in metrics
    eventually(lambda: ask(sidecar, "rds", **{**RDS, "user": "late"}).status == 200, 20, "another one")
    for _ in range(100):
        assert ask(sidecar, "rds", **{**RDS, "user": "late"}).status == 200


def test_in_pieces(start_sidecar: Start, env: dict[str, str]) -> None:
    """A request that comes in pieces keeps its query."""
    sidecar = start_sidecar(env=env)
    whole = token(sidecar, "rds", **RDS)
    with sidecar.connect_unix() as connection:
        request = f"GET /v1/token/rds?{urlencode(RDS)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        for at in range(0, len(request), 8):
            connection.sendall(request[at:at + 8])
            time.sleep(0.001)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.endswith(b"\r\n\r\n" + whole.encode())


def test_several_profiles(start_sidecar: Start, env: dict[str, str], tmp_path: Any) -> None:
    """name picks one."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"profiles": [{"name": "one"}, {"name": "two"}]}))
    sidecar = start_sidecar(f"--config={path}", env=env)
    first = token(sidecar, "rds", **RDS)
    assert token(sidecar, "rds", name="one", **RDS) == first
    second = token(sidecar, "rds", **RDS, name="two")
    members = check_container(sidecar.get("/v1/credentials/two"))
    assert second == signed.reference("rds", second, members, REGION, **RDS)
