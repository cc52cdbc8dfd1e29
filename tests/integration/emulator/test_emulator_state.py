"""The emulator's credentials with their cache and clock, its tokens, its journal, and the search for leaks that stands on it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest

from harness import http as plain
from harness.agent import ask, eks_auth_answer, is_text
from harness.emulator import EMULATOR, Emulator
from harness.leaks import Leaks
from harness.programs import Runner

HOUR = 3600


# --- its credentials, cache and clock


def test_cache_off(emulator: Emulator) -> None:
    token = emulator.token()
    assert ask(emulator, token).json != ask(emulator, token).json


def test_cache_as_the_real_agent(emulator: Emulator) -> None:
    emulator.settings(renew_after_s=3 * HOUR)
    token = emulator.token()
    first = ask(emulator, token).json
    assert ask(emulator, token).json == first
    assert ask(emulator, emulator.token()).json != first  # another token is another entry
    emulator.dissociate()
    assert ask(emulator, token).json == first  # it asks EKS Auth only when it renews
    emulator.settings(clock_skew_s=3 * HOUR + 1)
    assert eks_auth_answer(ask(emulator, token))[1] == "ResourceNotFoundException"


def test_cache_serves_the_old_after_a_recoverable_error(emulator: Emulator) -> None:
    emulator.settings(renew_after_s=3 * HOUR)
    token = emulator.token()
    first = ask(emulator, token).json
    emulator.settings(clock_skew_s=3 * HOUR + 1)
    emulator.eks_auth_error("InternalServerException")
    assert ask(emulator, token).json == first
    emulator.settings(clock_skew_s=6 * HOUR - 10)
    assert ask(emulator, token).status == 500


def test_cache_refuses_what_ends_at_once(emulator: Emulator) -> None:
    emulator.settings(renew_after_s=3 * HOUR, lifetime_s=14)
    is_text(ask(emulator, emulator.token()), 500, "fetched credentials are expired or will expire within the next 14.00 seconds")


def test_lifetimes(emulator: Emulator) -> None:
    def left(answer: plain.Answer) -> float:
        return datetime.fromisoformat(answer.json["Expiration"]).timestamp() - time.time()
    emulator.settings(lifetime_s=100)
    assert 95 < left(ask(emulator, emulator.token())) <= 100
    emulator.associate(lifetime_s=7)
    assert 4 < left(ask(emulator, emulator.token())) <= 7
    emulator.associate(lifetime_s=-5)
    assert left(ask(emulator, emulator.token())) < -4


def test_clock_skew_shows_everywhere(emulator: Emulator) -> None:
    token = emulator.token(expires_in_s=HOUR)
    emulator.settings(clock_skew_s=2 * HOUR)
    answer = ask(emulator, token)
    assert b"token is expired" in answer.body
    date = datetime.strptime(answer.header("date") or "", "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
    assert abs(date.timestamp() - time.time() - 2 * HOUR) < 5


def test_fraction(emulator: Emulator) -> None:
    emulator.settings(fraction=True)
    assert re.search(r"\.\d{1,6}Z$", ask(emulator, emulator.token()).json["Expiration"])


def test_another_role(emulator: Emulator) -> None:
    emulator.associate(role_arn="arn:aws-cn:iam::444455556666:role/path/other")
    assert ask(emulator, emulator.token()).json["AccountId"] == "444455556666"


# --- its tokens


def test_token_looks_real(emulator: Emulator) -> None:
    token = emulator.token("team-a", "worker", expires_in_s=HOUR, pod="worker-0")
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    header, claims = json.loads(parts[0]), json.loads(parts[1])
    assert header["alg"] == "RS256" and re.fullmatch(r"[\w-]{43}", header["kid"]) and "typ" not in header
    assert len(parts[2]) == 256
    assert 1000 <= len(token) <= 1600
    assert claims["aud"] == ["pods.eks.amazonaws.com"]
    assert claims["sub"] == "system:serviceaccount:team-a:worker"
    assert claims["iat"] == claims["nbf"] and claims["exp"] == claims["iat"] + HOUR
    assert claims["kubernetes.io"]["pod"]["name"] == "worker-0"
    assert claims["iss"] == emulator.describe()["issuer"]


def test_token_command(emulator: Emulator, tmp_path: Path) -> None:
    key = tmp_path / "key"
    argv = [sys.executable, str(EMULATOR), "token", "--key-file", str(key), "--namespace", "n", "--service-account", "s"]
    made = [subprocess.run([*argv, *more], capture_output=True, text=True, check=True).stdout.strip()
            for more in ([], ["--expires-in", "1h", "--audience", "a", "--audience", "b"])]
    assert key.stat().st_mode & 0o777 == 0o600
    claims = [json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")) for token in made]
    assert claims[0]["iss"] == claims[1]["iss"]
    assert claims[1]["aud"] == ["a", "b"]
    assert claims[1]["exp"] - claims[1]["iat"] == HOUR


# --- the journal


def test_journal(emulator: Emulator) -> None:
    token = emulator.token()
    ask(emulator, token)
    ask(emulator, None)
    seen = emulator.requests()
    assert [(one["number"], one["method"], one["path"], one["status"]) for one in seen] == [
        (1, "GET", "/v1/credentials", 200), (2, "GET", "/v1/credentials", 400)]
    assert token not in json.dumps(seen)
    assert dict(emulator.requests(with_secrets=True)[0]["headers"])["Authorization"] == token
    assert abs(seen[0]["at"] - time.time()) < 10
    emulator.forget_requests()
    assert (emulator.count(), emulator.requests()) == (0, [])


def test_wait_for_requests(emulator: Emulator) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(emulator.wait_for_requests, 2, 10.0)
        ask(emulator)
        ask(emulator)
        assert len(waiting.result(10)) == 2
    with pytest.raises(AssertionError, match="only 2 of 3"):
        emulator.wait_for_requests(3, 0.2)


def test_secrets_are_remembered(emulator: Emulator) -> None:
    token = emulator.token()
    body = ask(emulator, token).json
    emulator.reset()
    known = {secret["value"]: secret["kind"] for secret in emulator.secrets()}
    assert known[token] == "service_account_token"
    assert known[body["SecretAccessKey"]] == "secret_access_key"
    assert known[body["Token"]] == "session_token"


# --- the search for leaks: it must be able to fail


@pytest.mark.parametrize("how", ["whole", "beginning", "end"])
@pytest.mark.parametrize("kind", ["secret_access_key", "session_token", "service_account_token"])
def test_leaks_are_found(emulator: Emulator, runner: Runner, kind: str, how: str) -> None:
    ask(emulator, emulator.token())
    secret = [one["value"] for one in emulator.secrets() if one["kind"] == kind][-1]
    start = secret.index(".") + 1 if kind == "service_account_token" else 16 if kind == "session_token" else 0
    printed = {"whole": secret, "beginning": secret[start : start + 70], "end": secret[-30:]}[how]
    own = Leaks()
    Runner(runner.place, own).run(["/bin/echo", "log: ", printed], {})
    found = own.find(emulator.secrets())
    assert f"{kind} in echo: stdout" in found and f"{kind} in echo: arguments" in found
    assert printed not in " ".join(found)


def test_leaks_are_not_imagined(emulator: Emulator, runner: Runner) -> None:
    body = ask(emulator, emulator.token()).json
    own = Leaks()
    Runner(runner.place, own).run(["/bin/echo", body["AccessKeyId"], body["AccountId"], body["Expiration"]], {})
    Runner(runner.place, own).run(["/bin/echo", body["SecretAccessKey"]], {}, private_stdout=True)
    assert own.find(emulator.secrets()) == ["secret_access_key in echo: arguments"]
