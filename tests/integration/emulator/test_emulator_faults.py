"""The emulator's faults of XML and JSON services: each is on the wire what its name says, and the next answer is whole again."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from harness.emulator import ROLE_ARN, Emulator

pytestmark = pytest.mark.place("loopback")
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
HEADERS = ("Content-Type", "Date")


@pytest.fixture
def ask(emulator: Emulator) -> Any:
    """ask() sends STS a good request that needs no signature; it returns status, headers and body."""
    host = emulator.describe()["issuer"].removeprefix("https://")
    emulator.role(ROLE_ARN, {"Statement": [{
        "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity"}]})
    url = emulator.serve("sts")["url"] + "/"
    token = emulator.token(audience="sts.amazonaws.com")
    form = f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={ROLE_ARN}&RoleSessionName=web&WebIdentityToken={token}"

    def send() -> tuple[int, dict[str, str], bytes]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(url, form.encode(), method="POST"), timeout=30) as answer:
                return answer.status, {name: answer.headers[name] for name in HEADERS}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {name: error.headers[name] for name in HEADERS}, error.read()
    yield send
    status, _, body = send()
    assert status == 200 and ElementTree.fromstring(body).tag == NAMESPACE + "AssumeRoleWithWebIdentityResponse"


def test_namespaces(emulator: Emulator, ask: Any) -> None:
    emulator.fault("xml_namespace", service="sts")
    assert ElementTree.fromstring(ask()[2]).tag.startswith("{https://example.com/other/}")
    emulator.fault("xml_namespace", service="sts", namespace="")
    assert ElementTree.fromstring(ask()[2]).tag == "AssumeRoleWithWebIdentityResponse"


def test_huge(emulator: Emulator, ask: Any) -> None:
    emulator.fault("xml_huge", service="sts", bytes=300_000)
    body = ask()[2]
    assert len(body) == 300_000 and ElementTree.fromstring(body).tag.startswith(NAMESPACE)


def test_nested(emulator: Emulator, ask: Any) -> None:
    emulator.fault("xml_nested", service="sts", depth=500)
    assert ask()[2] == b"<a>" * 500 + b"</a>" * 500


def test_charsets(emulator: Emulator, ask: Any) -> None:
    emulator.fault("charset", service="sts")
    _, headers, body = ask()
    assert headers["Content-Type"] == "text/xml; charset=utf-16"
    assert "<AccessKeyId>" in body.decode("utf-16") and b"<AccessKeyId>" not in body
    emulator.fault("charset", service="sts", charset="utf-8", label="ebcdic-cp-be")
    _, headers, body = ask()
    assert headers["Content-Type"] == "text/xml; charset=ebcdic-cp-be" and b"<AccessKeyId>" in body


@pytest.mark.parametrize(("keep", "check"), [(None, lambda n: 400 < n < 2000), (7, lambda n: n == 7), (-1, lambda n: n > 1000)])
def test_cut(emulator: Emulator, ask: Any, keep: int | None, check: Any) -> None:
    emulator.fault("cut", service="sts", keep=keep)
    body = ask()[2]
    assert check(len(body))
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(body)


def test_replace(emulator: Emulator, ask: Any) -> None:
    emulator.fault("replace", service="sts", pattern="<SecretAccessKey>.*</SecretAccessKey>", text="")
    body = ask()[2]
    assert b"SecretAccessKey" not in body and b"<AccessKeyId>" in body
    ElementTree.fromstring(body)


def test_date(emulator: Emulator, ask: Any) -> None:
    emulator.fault("date", service="sts", skew_s=-7200)
    status, headers, _ = ask()
    assert status == 200 and abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time() + 7200) < 60
    emulator.fault("date", service="sts", value="yesterday")
    assert ask()[1]["Date"] == "yesterday"


def test_late(emulator: Emulator, ask: Any) -> None:
    emulator.fault("pass", service="sts", delay_s=0.3)
    started = time.monotonic()
    assert ask()[0] == 200 and time.monotonic() - started >= 0.3


@pytest.mark.parametrize(("service", "content_type", "words"), [
    ("sts", "text/xml", b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>'
     b"IDPCommunicationError</Code><Message>no &lt;route&gt;</Message></Error>"),
    ("iam", "text/xml", b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'),
    ("ec2", "text/xml", b"<Response><Errors><Error><Code>IDPCommunicationError</Code>"),
    ("eks", "application/json", b'{"message": "no <route>"}'), ("eks-auth-api", "application/json", b'{"message": "no <route>"}')])
def test_errors_in_the_services_own_shape(emulator: Emulator, service: str, content_type: str, words: bytes) -> None:
    emulator.fault("aws_error", service=service, code="IDPCommunicationError", status=400, message="no <route>")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(emulator.serve(service)["url"] + "/", b"", timeout=30)
    with caught.value as error:
        assert error.code == 400 and error.headers["Content-Type"] == content_type
        assert words in error.read()
        assert error.headers["x-amzn-RequestId"]
        if content_type == "application/json":
            assert error.headers["x-amzn-ErrorType"] == "IDPCommunicationError"
