"""What EKS Auth decides for AssumeRoleForPodIdentity: is the token genuine, and which role is its pod's?

Codes and statuses follow the service model in boto/botocore (eks-auth/2023-11-26). The texts of ExpiredTokenException
and of AccessDeniedException are those that users quote in public (boto/botocore#3117 and others); the other texts
are this emulator's own, since no public source has them.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from datetime import datetime, timezone
from typing import Any

from emulator.identity import Directory
from emulator.state import Association, Credentials, State
from emulator.tokens import Tokens

TOKEN_SHAPE = re.compile(r"[A-Za-z0-9\-_=]+\.[A-Za-z0-9\-_=]+\.[A-Za-z0-9\-_=]+")

STATUS = {
    "AccessDeniedException": 400,
    "ExpiredTokenException": 400,
    "InvalidParameterException": 400,
    "InvalidRequestException": 400,
    "InvalidTokenException": 400,
    "ResourceNotFoundException": 404,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}

MESSAGE = {
    "AccessDeniedException": "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
    "ExpiredTokenException": "The token included in the request is expired.",
    "InvalidParameterException": "The specified parameter is invalid. Review the available parameters for the API request.",
    "InvalidRequestException": "This exception is thrown if the request contains a semantic error.",
    "InvalidTokenException": "The token included in the request is invalid.",
    "ResourceNotFoundException": "The specified resource could not be found.",
    "ThrottlingException": "The request was denied because your request rate is too high.",
    "InternalServerException": "These errors are usually caused by a server-side issue.",
    "ServiceUnavailableException": "The service is unavailable. Back off and retry the operation.",
}


class EksAuthError(Exception):
    """An error answer of EKS Auth."""

    def __init__(self, code: str, message: str | None = None, status: int | None = None) -> None:
        super().__init__(message or MESSAGE.get(code, code))
        self.code = code
        self.status = status or STATUS.get(code, 400)
        self.fault = "server" if self.status >= 500 else "client"

    @property
    def recoverable(self) -> bool:
        """False for the codes after which the agent forgets a pod (its eksauth/errors.go)."""
        return self.code not in (
            "AccessDeniedException", "ExpiredTokenException", "InvalidTokenException", "ResourceNotFoundException",
        )


def rfc3339(seconds: float, fraction: bool = False) -> str:
    """UTC with Z, as Go's RFC3339Nano: no trailing zeros in the fraction."""
    stamp = datetime.fromtimestamp(seconds, timezone.utc)
    text = stamp.strftime("%Y-%m-%dT%H:%M:%S")
    if fraction and stamp.microsecond:
        text += f".{stamp.microsecond:06d}".rstrip("0")
    return text + "Z"


def claims_of(token: str) -> dict[str, Any]:
    """The payload of a token that is known to be genuine."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("claims are no object")
    return claims


def authorise(state: State, tokens: Tokens, token: str) -> Association:
    """The association that the token entitles to; EksAuthError if there is none."""
    if not TOKEN_SHAPE.fullmatch(token):
        raise EksAuthError("InvalidParameterException")
    if not tokens.genuine(token):
        raise EksAuthError("InvalidTokenException")
    try:
        claims = claims_of(token)
        audience = claims["aud"]
        expires_at = float(claims["exp"])
        _, _, namespace, service_account = claims["sub"].split(":")
    except (KeyError, ValueError, AttributeError, TypeError):
        raise EksAuthError("InvalidTokenException") from None
    if expires_at <= state.now():
        raise EksAuthError(
            "ExpiredTokenException",
            "The token included in the request is expired: current date/time "
            f"{rfc3339(state.now(), True)} must be before the expiration date/time {rfc3339(expires_at)}.",
        )
    if state.settings.audience not in ([audience] if isinstance(audience, str) else audience):
        raise EksAuthError("InvalidTokenException", "The audience of the token included in the request is invalid.")
    association = state.associations.get((namespace, service_account))
    if association is None:
        raise EksAuthError(
            "ResourceNotFoundException",
            f"No pod identity association found for service account {service_account} in namespace {namespace}.",
        )
    if not association.assumable:
        raise EksAuthError("AccessDeniedException")
    return association


def assume_for_pod(state: State, tokens: Tokens, directory: Directory, token: str) -> tuple[Association, Credentials]:
    """The credentials of the pod that the token was made for, with EKS's session name and tags."""
    association = authorise(state, tokens, token)
    target = association.target_role_arn
    bound = claims_of(token).get("kubernetes.io") or {}
    pod = bound.get("pod") or {}
    tags = {} if association.disable_session_tags else session_tags(state, association, pod)
    if not directory.pods_may(association.role_arn, tags, cluster_arn(state, association)):
        raise EksAuthError("AccessDeniedException")
    if target and not directory.role_may(association.role_arn, target, association.external_id, tags):
        raise EksAuthError("AccessDeniedException")
    made = state.new_credentials(association)
    cluster = state.settings.cluster_name
    made.session_name = f"eks-{cluster[:10]}-{str(pod.get('name', 'pod'))[:10]}-{uuid.uuid4()}"
    made.tags, made.transitive = tags, frozenset(tags)
    return association, made


def cluster_arn(state: State, association: Association) -> str:
    """On whose behalf EKS asks STS: aws:SourceArn of a trust policy."""
    return f"arn:aws:eks:{state.settings.region}:{association.account_id}:cluster/{state.settings.cluster_name}"


def session_tags(state: State, association: Association, pod: dict[str, Any]) -> dict[str, str]:
    """The six tags that EKS gives a session, all transitive."""
    cluster = state.settings.cluster_name
    return {
        "eks-cluster-arn": cluster_arn(state, association),
        "eks-cluster-name": cluster,
        "kubernetes-namespace": association.namespace,
        "kubernetes-service-account": association.service_account,
        "kubernetes-pod-name": str(pod.get("name", "")),
        "kubernetes-pod-uid": str(pod.get("uid", "")),
    }
