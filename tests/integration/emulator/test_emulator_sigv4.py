"""The emulator's check of signatures: botocore's are accepted, and a request altered in any part is refused as AWS does."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from harness.emulator import Emulator
from harness.programs import ROOT

botocore = pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402

sys.path.append(str(ROOT / "tests"))

from emulator import httpd, sigv4  # noqa: E402

pytestmark = pytest.mark.place("loopback")
REGION = "eu-central-1"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
BODY = "Action=GetCallerIdentity&Version=2011-06-15"
NODE = "arn:aws:iam::111122223333:role/path/node"


@pytest.fixture
def sts(emulator: Emulator) -> str:
    """The URL of STS, without TLS."""
    return str(emulator.serve("sts")["url"]) + "/"


@pytest.fixture
def caller(emulator: Emulator) -> dict[str, str]:
    """Credentials of a role."""
    return emulator.caller(NODE)


def signed(url: str, caller: dict[str, str], region: str = REGION, service: str = "sts",
           body: str = BODY, headers: dict[str, str] | None = None) -> Any:
    """A request that botocore signed."""
    request = botocore.awsrequest.AWSRequest("POST", url, data=body, headers={"Content-Type": FORM, **(headers or {})})
    keys = botocore.credentials.Credentials(caller["access_key_id"], caller["secret_access_key"], caller["session_token"] or None)
    botocore.auth.SigV4Auth(keys, service, region).add_auth(request)
    return request


def send(request: Any, url: str | None = None, body: str | None = None) -> tuple[int, str]:
    """Status and text of the answer."""
    data = (request.data if body is None else body)
    data = data if isinstance(data, bytes) else data.encode()
    sent = urllib.request.Request(url or request.url, data, dict(request.headers.items()), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(sent, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def code(answer: tuple[int, str]) -> tuple[int, str]:
    """Status and code of an error."""
    found = re.search("<Code>(.*)</Code>", answer[1])
    return answer[0], found.group(1) if found else answer[1]


def test_accepted(sts: str, caller: dict[str, str]) -> None:
    status, text = send(signed(sts, caller))
    assert status == 200
    assert "<Arn>arn:aws:sts::111122223333:assumed-role/node/test</Arn>" in text
    assert text.startswith('<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')


def test_long_lived_keys(sts: str, emulator: Emulator) -> None:
    user = emulator.caller("arn:aws:iam::111122223333:user/alice")
    status, text = send(signed(sts, user))
    assert status == 200 and "<Arn>arn:aws:iam::111122223333:user/alice</Arn>" in text


@pytest.mark.parametrize("query", ["?a=1&b=2", "?b=2&a=1", "?a=%20x%2F&a=", "?x=%C3%A9", "?empty"])
def test_queries(sts: str, caller: dict[str, str], query: str) -> None:
    assert send(signed(sts + query, caller))[0] == 200


@pytest.mark.parametrize("value", ["  padded   inside  ", "a,b", "plain"])
def test_header_values(sts: str, caller: dict[str, str], value: str) -> None:
    assert send(signed(sts, caller, headers={"X-Amz-Extra": value}))[0] == 200


def altered(request: Any, name: str, old: str, new: str) -> Any:
    value = request.headers[name]
    assert old in value
    del request.headers[name]
    request.headers[name] = value.replace(old, new)
    return request


def test_altered_body(sts: str, caller: dict[str, str]) -> None:
    assert code(send(signed(sts, caller), body=BODY + "&x=y")) == (403, "SignatureDoesNotMatch")


def test_altered_query(sts: str, caller: dict[str, str]) -> None:
    assert code(send(signed(sts + "?a=1", caller), url=sts + "?a=2")) == (403, "SignatureDoesNotMatch")


def test_altered_signature(sts: str, caller: dict[str, str]) -> None:
    request = signed(sts, caller)
    last = request.headers["Authorization"][-1]
    answer = send(altered(request, "Authorization", "Signature=", "Signature=" + ("0" if last != "0" else "1")))
    assert code(answer) == (403, "SignatureDoesNotMatch")
    assert "The request signature we calculated does not match" in answer[1]


@pytest.mark.parametrize(("name", "old", "new", "expected"), [
    ("Authorization", "/eu-central-1/", "/eu-west-1/", (403, "SignatureDoesNotMatch")),
    ("Authorization", "/sts/", "/s3/", (403, "SignatureDoesNotMatch")),
    ("Authorization", "/aws4_request", "/aws5_request", (403, "SignatureDoesNotMatch")),
    ("Authorization", "host;", "", (403, "SignatureDoesNotMatch")),
    ("Authorization", ";x-amz-date", "", (403, "SignatureDoesNotMatch")),
    ("Authorization", ";x-amz-security-token", "", (403, "SignatureDoesNotMatch")),
    ("Authorization", "ASIA", "ASIB", (403, "InvalidClientTokenId")),
    ("Authorization", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", (400, "IncompleteSignature")),
    ("Authorization", "Credential=", "Credentials=", (400, "IncompleteSignature")),
    ("Authorization", "SignedHeaders=", "Signed=", (400, "IncompleteSignature")),
    ("Authorization", "Signature=", "Sig=", (400, "IncompleteSignature")),
    ("Authorization", "/aws4_request", "", (400, "IncompleteSignature")),
    ("Content-Type", "utf-8", "utf-9", (403, "SignatureDoesNotMatch")),
    ("X-Amz-Security-Token", "IQoJ", "IQoK", (403, "InvalidClientTokenId")),
    ("X-Amz-Date", "T", "", (400, "IncompleteSignature")),
])
def test_altered_headers(sts: str, caller: dict[str, str], name: str, old: str, new: str, expected: tuple[int, str]) -> None:
    assert code(send(altered(signed(sts, caller), name, old, new))) == expected


def test_another_secret(sts: str, caller: dict[str, str], emulator: Emulator) -> None:
    other = emulator.caller(NODE)
    answer = send(signed(sts, {**caller, "secret_access_key": other["secret_access_key"]}))
    assert code(answer) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("session_token", ["", "other"])
def test_token_of_another_session(sts: str, caller: dict[str, str], emulator: Emulator, session_token: str) -> None:
    token = session_token and emulator.caller(NODE)["session_token"]
    assert code(send(signed(sts, {**caller, "session_token": token}))) == (403, "InvalidClientTokenId")


def test_unsigned(sts: str, caller: dict[str, str]) -> None:
    request = signed(sts, caller)
    del request.headers["Authorization"]
    assert code(send(request)) == (403, "MissingAuthenticationToken")


def test_expired_session(sts: str, emulator: Emulator) -> None:
    answer = send(signed(sts, emulator.caller(NODE, lifetime_s=-1)))
    assert code(answer) == (403, "ExpiredToken")
    assert "The security token included in the request is expired" in answer[1]


@pytest.mark.parametrize(("skew_s", "words"), [(840, None), (960, "is now earlier than"), (-840, None), (-960, "is still later than")])
def test_clock(sts: str, emulator: Emulator, skew_s: int, words: str | None) -> None:
    """A clock that far ahead of ours."""
    emulator.settings(clock_skew_s=skew_s)
    caller = emulator.caller(NODE)
    answer = send(signed(sts, caller))
    if words is None:
        assert answer[0] == 200
        return
    assert code(answer) == (403, "SignatureDoesNotMatch")
    assert words in answer[1] and "15 min.)" in answer[1]


def test_scope_of_another_day(sts: str, caller: dict[str, str]) -> None:
    request = signed(sts, caller)
    today = request.headers["X-Amz-Date"][:8]
    yesterday = (datetime.strptime(today, "%Y%m%d").replace(tzinfo=timezone.utc) - timedelta(days=1)).strftime("%Y%m%d")
    answer = send(altered(request, "Authorization", f"/{today}/", f"/{yesterday}/"))
    assert code(answer) == (403, "SignatureDoesNotMatch")
    assert "Date in Credential scope does not match YYYYMMDD" in answer[1]


def test_journal_hides_the_token(sts: str, caller: dict[str, str], emulator: Emulator) -> None:
    send(signed(sts, caller))
    seen = emulator.call("GET", "/requests?service=sts")
    assert seen["count"] == 1 and caller["session_token"] not in str(seen)


SUITE = ROOT / "tests" / "sigv4-test-suite" / "v4"


@pytest.mark.parametrize("case", sorted(path.name for path in SUITE.iterdir()))
def test_public_suite(case: str) -> None:
    """The request that the suite says is well signed is; the emulator never saw how it was made."""
    folder = SUITE / case
    context = json.loads((folder / "context.json").read_text())
    head, _, body = (folder / "header-signed-request.txt").read_bytes().partition(b"\n\n")
    lines = re.sub(r"\n[ \t]+", " ", head.decode("latin-1")).split("\n")
    method, _, rest = lines[0].partition(" ")
    headers = [(name, value) for name, _, value in (line.partition(":") for line in lines[1:])]
    request = httpd.Request(method, rest.rpartition(" ")[0], "HTTP/1.1", headers, body, "", "")
    _, scope, signed, given, stamp = sigv4.parse(request)
    canonical = sigv4.canonical_request(request, signed, hashlib.sha256(body).hexdigest(), context["normalize"])
    assert canonical == (folder / "header-canonical-request.txt").read_bytes().decode("latin-1")
    assert sigv4.signature(context["credentials"]["secret_access_key"], scope, stamp, canonical) == given
