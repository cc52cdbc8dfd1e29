"""Writes token_vectors.txt: tokens of the reference implementations, with made-up keys, at one second.

    pip install awscli==1.46.3 aws-msk-iam-sasl-signer-python==1.0.2
    python tests/unit/aws/token_vectors.py >tests/unit/aws/token_vectors.txt

One line a token: kind, parameters as in a query, "session" or "plain" (with and without
a session token), and the token.
"""

from __future__ import annotations

import datetime
from typing import Callable
from unittest import mock
from urllib.parse import parse_qsl, urlencode, urlunparse

import aws_msk_iam_sasl_signer.MSKAuthTokenProvider as msk
import botocore.auth
import botocore.session
from awscli.customizations.eks.get_token import STSClientFactory, TokenGenerator
from botocore.credentials import CredentialProvider, Credentials
from botocore.model import ServiceId
from botocore.signers import RequestSigner, generate_db_auth_token

NOW = datetime.datetime(2026, 11, 26, 6, 30, 5, tzinfo=datetime.timezone.utc)
KEY_ID, SECRET = "ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE//////////wEaDGV1LWNlbnRyYWwtMSJHMEUCIQ+example/token==" * 3
AGENT = "pod-identity-toolkit/0.1.0"


def session(keys: Credentials, region: str) -> botocore.session.Session:
    """With these keys."""
    made = botocore.session.Session()
    made.set_credentials(keys.access_key, keys.secret_key, keys.token)
    made.set_config_variable("region", region)
    return made


def rds(keys: Credentials, p: dict[str, str]) -> str:
    """By botocore."""
    client = session(keys, p["region"]).create_client("rds")
    return generate_db_auth_token(client, p["host"], int(p["port"]), p["user"])


def cache(kind: str) -> Callable[[Credentials, dict[str, str]], str]:
    """As the user guides of ElastiCache and MemoryDB describe it, "Authenticating with IAM"."""
    def make(keys: Credentials, p: dict[str, str]) -> str:
        made = session(keys, p["region"])
        signer = RequestSigner(ServiceId(kind), p["region"], kind, "v4", keys, made.get_component("event_emitter"))
        query = {"Action": "connect", "User": p["user"]}
        if p.get("serverless") == "true":
            query["ResourceType"] = "ServerlessCache"
        url = urlunparse(("https", p["cache"], "/", "", urlencode(query), ""))
        signed = signer.generate_presigned_url({"method": "GET", "url": url, "body": {}, "headers": {}, "context": {}},
                                               operation_name="connect", expires_in=900, region_name=p["region"])
        return signed.removeprefix("https://")
    return make


def kafka(keys: Credentials, p: dict[str, str]) -> str:
    """By the signer for Kafka; the name of the client is ours."""
    provider = CredentialProvider()
    provider.load = lambda: keys
    with mock.patch.object(msk, "__get_user_agent__", lambda: AGENT):
        return msk.generate_auth_token_from_credentials_provider(p["region"], provider)[0]


def eks(keys: Credentials, p: dict[str, str]) -> str:
    """By the AWS CLI."""
    client = STSClientFactory(session(keys, p["region"])).get_sts_client(region_name=p["region"])
    return TokenGenerator(client).get_token(p["cluster"])


MAKERS = {"rds": rds, "elasticache": cache("elasticache"), "memorydb": cache("memorydb"), "msk": kafka, "eks": eks}
WANTED = """
rds host=orders.abcdef012345.eu-central-1.rds.amazonaws.com&port=5432&user=app&region=eu-central-1
rds host=Orders.Example.COM&port=3306&user=app&region=us-gov-west-1
rds host=db.internal&port=443&user=app&region=cn-north-1
rds host=db.internal&port=1&user=a%26b%3Dc%2F%2B%20%C3%A4~.-_%25&region=us-east-1
elasticache cache=orders&user=app&region=eu-central-1
elasticache cache=orders&user=app&serverless=true&region=eu-central-1
elasticache cache=orders&user=app&serverless=false&region=ap-southeast-2
elasticache cache=orders&user=a%2Bb&serverless=true&region=cn-northwest-1
memorydb cache=orders&user=app-1&region=us-west-2
memorydb cache=orders-0001&user=a%3Ab&region=eu-west-1
msk region=eu-central-1
msk region=cn-north-1
msk region=us-gov-east-1
eks cluster=prod&region=eu-central-1
eks cluster=a_B-9&region=us-gov-west-1
eks cluster=prod&region=cn-north-1
eks cluster=prod&region=us-iso-east-1
eks cluster=prod&region=eusc-de-east-1
""".strip().splitlines()


def main() -> None:
    """One line each, with a session token and without."""
    for line in WANTED:
        kind, query = line.split(" ")
        parameters = dict(parse_qsl(query))
        for how, token in (("session", TOKEN), ("plain", None)):
            keys = Credentials(KEY_ID, SECRET, token)
            with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: NOW.replace(tzinfo=None)):
                print(kind, query, how, MAKERS[kind](keys, parameters))


if __name__ == "__main__":
    main()
