"""The emulator as the agent: what it says must be what the real agent says."""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from harness import http as plain
from harness.agent import ask, eks_auth_answer, is_text
from harness.emulator import ROLE_ARN, Emulator

HOUR = 3600


@pytest.mark.parametrize("place", ["loopback", "netns"], indirect=True)
def test_success(emulator: Emulator) -> None:
    answer = ask(emulator, emulator.token())
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    body = answer.json
    assert list(body) == ["AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration"]
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", body["AccessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", body["SecretAccessKey"])
    assert 800 <= len(body["Token"]) <= 1200
    assert {"+", "/", "="} <= set(body["Token"])
    assert body["AccountId"] == ROLE_ARN.split(":")[4]
    left = datetime.strptime(body["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp() - time.time()
    assert 6 * HOUR - 5 < left <= 6 * HOUR


def test_real_addresses(agent_netns: Emulator) -> None:
    agent_netns.reset()
    assert agent_netns.url == "http://169.254.170.23/v1/credentials"
    with agent_netns.place.connect("fd00:ec2::23", 80) as sock:
        request = plain.request_bytes("GET", "/v1/credentials", {"Host": "[fd00:ec2::23]", "Authorization": agent_netns.token()})
        sock.sendall(request)
        assert plain.parse_answer(plain.read_all(sock)).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PURGE"])
def test_any_method(emulator: Emulator, method: str) -> None:
    assert ask(emulator, emulator.token(), method=method).status == 200


@pytest.mark.parametrize("path", ["/", "/v1/credentials/", "/v1/credential", "/healthz"])
def test_other_paths(emulator: Emulator, path: str) -> None:
    is_text(ask(emulator, emulator.token(), path=path), 404, "404 page not found")


@pytest.mark.parametrize("host", ["169.254.170.23", "169.254.170.23:80", "169.254.170.23:8080", "fd00:ec2::23", "[fd00:ec2::23]",
                                  "[fd00:ec2::23]:80"])
def test_host_accepted(emulator: Emulator, host: str) -> None:
    assert ask(emulator, emulator.token(), host=host).status == 200


@pytest.mark.parametrize(("host", "shown"), [
    ("localhost", "localhost"), ("localhost:80", "localhost"), ("169.254.170.2", "169.254.170.2"), ("[fd00:ec2::24]:80", "fd00:ec2::24"),
    ("169.254.170.23.nip.io", "169.254.170.23.nip.io"),
])
def test_host_refused_before_the_token_is_looked_at(emulator: Emulator, host: str, shown: str) -> None:
    is_text(ask(emulator, None, host=host), 403, "Access Denied. Called agent through invalid address, please use either "
            f"[169.254.170.23 fd00:ec2::23] address not {shown}")


def test_missing_host(emulator: Emulator) -> None:
    answer = ask(emulator, emulator.token(), host=None)
    assert (answer.status, answer.body) == (400, b"400 Bad Request: missing required Host header")


@pytest.mark.parametrize("authorization", [None, "", "   "])
def test_empty_authorization(emulator: Emulator, authorization: str | None) -> None:
    is_text(ask(emulator, authorization), 400, "Service account token cannot be empty")


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(("token", "why"), [
    ("nothing", "token is malformed: token contains an invalid number of segments"),
    ("a.b.c.d", "token is malformed: token contains an invalid number of segments"),
    ("!!.b.c", "token is malformed: could not base64 decode header: illegal base64 data at input byte 0"),
    ("eyJ=.b.c", "token is malformed: could not base64 decode header: illegal base64 data at input byte 3"),
    (f"{b64('{')}.b.c", "token is malformed: could not JSON decode header"),
    (f"{b64('[]')}.b.c", "token is malformed: could not JSON decode header"),
    (f"{b64('{}')}.!.c", "token is malformed: could not base64 decode claim: illegal base64 data at input byte 0"),
    (f"{b64('{}')}.{b64('7')}.c", "token is malformed: could not JSON decode claim"),
    (f"{b64('{}')}.{b64(json.dumps({'exp': []}))}.c", "token is malformed: could not JSON decode claim"),
    (f"{b64('{}')}.{b64('{}')}.c", "token is unverifiable: signing method (alg) is unspecified"),
    (f"{b64(json.dumps({'alg': 'XX'}))}.{b64('{}')}.c", "token is unverifiable: signing method (alg) is unavailable"),
    ("Bearer a.b.c", "token is malformed: could not base64 decode header: illegal base64 data at input byte 6"),
])
def test_no_jwt(emulator: Emulator, token: str, why: str) -> None:
    answer = ask(emulator, token)
    assert answer.status == 400
    assert answer.body.decode().startswith(f"Service account token cannot be parsed: {why}")


@pytest.mark.parametrize(("params", "why"), [
    ({"expires_in_s": -1}, "token is expired"),
    ({"not_before_in_s": 60}, "token is not valid yet"),
    ({"expires_in_s": -1, "not_before_in_s": 60}, "token is expired, token is not valid yet"),
])
def test_times(emulator: Emulator, params: dict[str, float], why: str) -> None:
    is_text(ask(emulator, emulator.token(**params)), 400, f"Service account token failed basic claim validations: {why}")


def test_order_of_checks(emulator: Emulator) -> None:
    emulator.dissociate()
    expired_and_forged = emulator.token(expires_in_s=-1, forged=True)
    assert ask(emulator, "x", host="localhost").status == 403
    assert b"cannot be parsed" in ask(emulator, "x").body
    assert b"is expired" in ask(emulator, expired_and_forged).body
    assert b"(InvalidTokenException)" in ask(emulator, emulator.token(forged=True)).body
    assert b"(ResourceNotFoundException)" in ask(emulator, emulator.token()).body


@pytest.mark.parametrize(("code", "status", "fault"), [
    ("AccessDeniedException", 400, "client"), ("InvalidTokenException", 400, "client"), ("ExpiredTokenException", 400, "client"),
    ("InvalidParameterException", 400, "client"), ("InvalidRequestException", 400, "client"),
    ("ResourceNotFoundException", 404, "client"), ("ThrottlingException", 429, "client"),
    ("InternalServerException", 500, "server"), ("ServiceUnavailableException", 503, "server"),
])
def test_eks_auth_errors(emulator: Emulator, code: str, status: int, fault: str) -> None:
    emulator.eks_auth_error(code, "what went wrong", times=1)
    answer = ask(emulator, emulator.token())
    assert eks_auth_answer(answer) == (status, code, "what went wrong", fault)
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert ask(emulator, emulator.token()).status == 200


def test_no_association(emulator: Emulator) -> None:
    status, code, message, _ = eks_auth_answer(ask(emulator, emulator.token("team-a", "worker")))
    assert (status, code) == (404, "ResourceNotFoundException")
    assert "team-a" in message and "worker" in message


def test_role_that_cannot_be_assumed(emulator: Emulator) -> None:
    emulator.associate(assumable=False)
    assert eks_auth_answer(ask(emulator, emulator.token()))[:3] == (
        400, "AccessDeniedException", "Unauthorized Exception! EKS does not have permissions to assume the associated role.")


@pytest.mark.parametrize("params", [{"forged": True}, {"audience": "sts.amazonaws.com"}, {"audience": []}, {"claims": {"sub": None}}])
def test_invalid_token(emulator: Emulator, params: dict[str, Any]) -> None:
    assert eks_auth_answer(ask(emulator, emulator.token(**params)))[:2] == (400, "InvalidTokenException")


def test_altered_token(emulator: Emulator) -> None:
    header, payload, signature = emulator.token().split(".")
    other = emulator.token(service_account="other").split(".")[1]
    assert eks_auth_answer(ask(emulator, f"{header}.{other}.{signature}"))[1] == "InvalidTokenException"


def test_eks_auth_not_reachable(emulator: Emulator) -> None:
    emulator.fault("unreachable", service="eks-auth")
    answer = ask(emulator, emulator.token())
    assert (answer.status, answer.body) == (500, b"[]\n")
    emulator.fault("no_node_credentials", service="eks-auth")
    answer = ask(emulator, emulator.token())
    assert answer.status == 500
    assert answer.body.startswith(b"unable to fetch credentials from EKS Auth")


def test_inbound_limit(emulator: Emulator) -> None:
    emulator.settings(inbound_rate=4)
    token = emulator.token()
    statuses = [ask(emulator, token).status for _ in range(12)]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    is_text(next(answer for answer in iter(lambda: ask(emulator, None), None) if answer.status == 429), 429, "Too Many Requests")
