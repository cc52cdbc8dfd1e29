"""What botocore makes of the same parameters, keys and second as a token of ours."""

from __future__ import annotations

import base64
import datetime
import re
import urllib.error
import urllib.request
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
from botocore.model import ServiceId
from botocore.signers import RequestSigner, generate_db_auth_token

from .served import triple

AGENT = re.compile(r"&User-Agent=pod-identity-toolkit%2F[0-9.]+$")


def url_of(token: str) -> str:
    """What a token of Kafka or Kubernetes holds; others are it themselves."""
    text = token.removeprefix("k8s-aws-v1.")
    if "?" in text:
        return text
    assert not text.endswith("=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def parameters(token: str) -> dict[str, str]:
    """The query of a token, decoded."""
    return {name: value for name, (value,) in parse_qs(url_of(token).partition("?")[2], strict_parsing=True).items()}


def signed_at(token: str) -> datetime.datetime:
    """The second of the signature."""
    return datetime.datetime.strptime(parameters(token)["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)


def _presign(url: str, service: str, region: str, keys: Any, expires_s: int, headers: dict[str, str] | None = None) -> str:
    request: Any = botocore.awsrequest.AWSRequest("GET", url, headers=headers or {})
    botocore.auth.SigV4QueryAuth(keys, service, region, expires=expires_s).add_auth(request)
    return str(request.url)


def reference(kind: str, token: str, members: dict[str, Any], region: str, sts: str = "", **p: str) -> str:
    """The same token by botocore: with these credentials, at the second of ours."""
    keys = botocore.credentials.Credentials(*triple(members))
    now = signed_at(token).replace(tzinfo=None)
    session = botocore.session.Session()
    session.set_credentials(keys.access_key, keys.secret_key, keys.token)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: now):
        if kind == "rds":
            return str(generate_db_auth_token(session.create_client("rds", region), p["host"], int(p["port"]), p["user"]))
        if kind in ("elasticache", "memorydb"):
            more = "&ResourceType=ServerlessCache" if p.get("serverless") == "true" else ""
            signer = RequestSigner(ServiceId(kind), region, kind, "v4", keys, session.get_component("event_emitter"))
            request = {"method": "GET", "url": f"https://{p['cache']}/?Action=connect&User={p['user']}{more}", "body": {},
                       "headers": {}, "context": {}}
            return str(signer.generate_presigned_url(request, operation_name="connect", expires_in=900)).removeprefix("https://")
        if kind == "msk":
            url = _presign(f"https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect", "kafka-cluster", region, keys, 900)
            found = AGENT.search(url_of(token))
            assert found, url_of(token)
            return base64.urlsafe_b64encode((url + found.group()).encode()).decode().rstrip("=")
        assert kind == "eks"
        url = _presign(f"{sts}/?Action=GetCallerIdentity&Version=2011-06-15", "sts", region, keys, 60, {"x-k8s-aws-id": p["cluster"]})
        return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def review(token: str, cluster: str) -> tuple[int, str]:
    """What EKS does with a token: it asks STS whose it is, with the cluster's name in the header that is signed."""
    assert token.startswith("k8s-aws-v1.")
    request = urllib.request.Request(url_of(token), headers={"x-k8s-aws-id": cluster})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            text = answer.read().decode()
            found = re.search("<Arn>(.*)</Arn>", text)
            return answer.status, found.group(1) if found else text
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
