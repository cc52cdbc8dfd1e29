"""AWS behind TLS, as a pod meets it: the emulator's services with certificates of the run's CA, and the environment for them."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from .emulator import ACCOUNT, ROLE_ARN, Emulator
from .token_files import ProjectedToken

TARGET = "arn:aws:iam::444455556666:role/team/target"
LAST = "arn:aws:iam::777788889999:role/last"
NODE = f"arn:aws:iam::{ACCOUNT}:role/node"
REGION = "eu-central-1"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command (make setup-test)")


def trust(principal: str, *actions: str, **conditions: Any) -> dict[str, Any]:
    """A trust policy for one AWS principal."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal},
                                 "Action": list(actions) or ["sts:AssumeRole", "sts:TagSession"]}
    if conditions:
        statement["Condition"] = conditions
    return {"Version": "2012-10-17", "Statement": [statement]}


def web_trust(issuer: str, subject: str = "system:serviceaccount:demo:app") -> dict[str, Any]:
    """A trust policy for a service account of the cluster with that issuer."""
    host = issuer.removeprefix("https://")
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": subject}}}]}


class Aws:
    """The services, each served when it is first asked for."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.issuer = emulator.describe()["issuer"]

    def url(self, service: str, certificate: str = "good") -> tuple[str, str]:
        """Where a service is, by name, and the CA to trust."""
        listener = self.emulator.serve(service, certificate)
        return f"https://localhost:{listener['port']}", listener["ca_file"]

    def sts(self, certificate: str = "good") -> dict[str, str]:
        """The environment that leads to STS."""
        url, ca_file = self.url("sts", certificate)
        return {"AWS_ENDPOINT_URL_STS": url, "AWS_CA_BUNDLE": ca_file, "AWS_REGION": REGION}

    def irsa(self, token: ProjectedToken, certificate: str = "good") -> dict[str, str]:
        """What the webhook injects for IRSA, and the way to STS; the role trusts this cluster."""
        self.emulator.role(ROLE_ARN, web_trust(self.issuer), 43200)
        return {"AWS_ROLE_ARN": ROLE_ARN, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), **self.sts(certificate)}

    def eks_auth(self) -> dict[str, str]:
        """The way to EKS Auth, and to the node's metadata service."""
        url, ca_file = self.url("eks-auth-api")
        imds = self.emulator.serve("imds")
        return {"AWS_ENDPOINT_URL_EKS_AUTH": url, "AWS_CA_BUNDLE": ca_file, "AWS_REGION": REGION,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{imds['port']}"}

    def requests(self, service: str) -> list[dict[str, Any]]:
        """The requests to a service since the journal was emptied."""
        return self.emulator.call("GET", f"/requests?service={service}")["requests"]
