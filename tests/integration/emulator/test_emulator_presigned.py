"""The emulator's check of signatures in the query: what EKS does with the tokens of its clients."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import urllib.error
import urllib.request
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
NODE = "arn:aws:iam::111122223333:role/path/node"
ACTION = "?Action=GetCallerIdentity&Version=2011-06-15"
SUITE = ROOT / "tests" / "sigv4-test-suite" / "v4"


@pytest.fixture
def sts(emulator: Emulator) -> str:
    """The URL of STS, without TLS."""
    return str(emulator.serve("sts")["url"]) + "/"


@pytest.fixture
def caller(emulator: Emulator) -> dict[str, str]:
    """Credentials of a role."""
    return emulator.caller(NODE)


def presigned(sts: str, caller: dict[str, str], expires_s: int = 60, region: str = "eu-central-1") -> str:
    """A URL that botocore signed, for the cluster "prod"."""
    request: Any = botocore.awsrequest.AWSRequest("GET", sts + ACTION, headers={"x-k8s-aws-id": "prod"})
    keys = botocore.credentials.Credentials(caller["access_key_id"], caller["secret_access_key"], caller["session_token"])
    botocore.auth.SigV4QueryAuth(keys, "sts", region, expires=expires_s).add_auth(request)
    return str(request.url)


def ask(url: str, cluster: str | None = "prod") -> tuple[int, str]:
    """Status and text of the answer."""
    request = urllib.request.Request(url, headers={"x-k8s-aws-id": cluster} if cluster is not None else {})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        found = re.search("<Code>(.*)</Code>", text := error.read().decode())
        return error.code, found.group(1) if found else text


def test_accepted(sts: str, caller: dict[str, str]) -> None:
    status, text = ask(presigned(sts, caller))
    assert status == 200 and "<Arn>arn:aws:sts::111122223333:assumed-role/node/test</Arn>" in text


@pytest.mark.parametrize("cluster", ["other", None])
def test_for_another_cluster(sts: str, caller: dict[str, str], cluster: str | None) -> None:
    """The header is signed, so a token of one cluster is none of another."""
    assert ask(presigned(sts, caller), cluster) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("X-Amz-Expires=60", "X-Amz-Expires=61", (403, "SignatureDoesNotMatch")),
    ("X-Amz-Expires=60", "X-Amz-Expires=0", (400, "IncompleteSignature")),
    ("X-Amz-Expires=60", "X-Amz-Expires=604801", (400, "IncompleteSignature")),
    ("X-Amz-Expires=60", "X=60", (400, "IncompleteSignature")),
    ("X-Amz-Signature=", "X-Amz-Sig=", (400, "IncompleteSignature")),
    ("host%3Bx-k8s-aws-id", "host", (403, "SignatureDoesNotMatch")),
    ("host%3Bx-k8s-aws-id", "x-k8s-aws-id", (403, "SignatureDoesNotMatch")),
    ("HMAC-SHA256", "HMAC-SHA1", (400, "IncompleteSignature")),
    ("%2Fsts%2F", "%2Fs3%2F", (403, "SignatureDoesNotMatch")),
    ("%2Faws4_request", "", (400, "IncompleteSignature")),
    ("Credential=ASIA", "Credential=ASIB", (403, "InvalidClientTokenId")),
    ("X-Amz-Security-Token=IQoJ", "X-Amz-Security-Token=IQoK", (403, "InvalidClientTokenId")),
    ("X-Amz-Security-Token=", "Another=", (403, "InvalidClientTokenId")),
])
def test_altered(sts: str, caller: dict[str, str], old: str, new: str, expected: tuple[int, str]) -> None:
    url = presigned(sts, caller)
    assert url.count(old) == 1
    assert ask(url.replace(old, new)) == expected


@pytest.mark.parametrize(("skew_s", "expires_s", "expected"), [(300, 60, 403), (300, 900, 200), (960, 900, 403), (-960, 900, 403)])
def test_ends_when_it_says(sts: str, emulator: Emulator, skew_s: int, expires_s: int, expected: int) -> None:
    """With a clock that far ahead of ours."""
    emulator.settings(clock_skew_s=skew_s)
    assert ask(presigned(sts, emulator.caller(NODE), expires_s))[0] == expected


def test_expired_session(sts: str, emulator: Emulator) -> None:
    assert ask(presigned(sts, emulator.caller(NODE, lifetime_s=-1))) == (403, "ExpiredToken")


def test_journal_hides_the_token(sts: str, caller: dict[str, str], emulator: Emulator) -> None:
    ask(presigned(sts, caller))
    seen = emulator.call("GET", "/requests?service=sts")
    assert seen["count"] == 1 and caller["session_token"][:40] not in str(seen)


@pytest.mark.parametrize("case", sorted(path.name for path in SUITE.iterdir()))
def test_public_suite(case: str) -> None:
    """The URL that the suite says is well signed is; the emulator never saw how it was made."""
    folder = SUITE / case
    context = json.loads((folder / "context.json").read_text())
    head, _, body = (folder / "query-signed-request.txt").read_bytes().partition(b"\n\n")
    lines = re.sub(r"\n[ \t]+", " ", head.decode("latin-1")).split("\n")
    method, _, rest = lines[0].partition(" ")
    headers = [(name, value) for name, _, value in (line.partition(":") for line in lines[1:])]
    target = rest.rpartition(" ")[0]
    if context.get("omit_session_token"):
        target = re.sub("&X-Amz-Security-Token=[^&]*", "", target)
    body = (folder / "request.txt").read_bytes().partition(b"\n\n")[2]
    request = httpd.Request(method, target, "HTTP/1.1", headers, body, "", "")
    _, scope, signed, given, stamp = sigv4.parse(request)
    canonical = sigv4.canonical_request(request, signed, hashlib.sha256(body).hexdigest(), context["normalize"])
    assert canonical == (folder / "query-canonical-request.txt").read_bytes().decode("latin-1")
    assert sigv4.signature(context["credentials"]["secret_access_key"], scope, stamp, canonical) == given
