"""Tokens that look like Kubernetes projected service account tokens.

Claims and header follow kubernetes/kubernetes pkg/serviceaccount (claims.go, jwt.go). The standard library
cannot make RSA signatures, so the 256 bytes where RS256 has one are keyed hashes: programs under test cannot tell (they
have no public key to check it with), and the emulator recognises its own tokens, as EKS Auth does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from typing import Any

from emulator import signatures

SIGNATURE_BLOCKS = 4  # of 64 bytes: the length of an RSA-2048 signature


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens:
    """Issues and recognises the tokens of one key, and recognises those of a real API server, too."""

    def __init__(self, key: bytes, issuer: str | None = None, trusted: list[signatures.Key] | None = None) -> None:
        self._key, self._trusted = key, trusted or []
        self.kid = b64url(hashlib.sha256(b"kid" + key).digest())
        self.issuer = issuer or "https://oidc.eks.eu-central-1.amazonaws.com/id/" + hashlib.sha256(b"iss" + key).hexdigest()[:32].upper()

    def issue(
        self,
        now: float,
        namespace: str,
        service_account: str,
        audience: str | list[str] = "pods.eks.amazonaws.com",
        expires_in_s: float = 86400,
        not_before_in_s: float = 0,
        issued_ago_s: float = 0,
        pod: str | None = None,
        node: str = "ip-10-0-12-34.eu-central-1.compute.internal",
        claims: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        forged: bool = False,
    ) -> str:
        """Makes a token. In `claims` and `header` a value of None takes that member away."""
        issued_at = int(now - issued_ago_s)
        content: dict[str, Any] = {
            "aud": [audience] if isinstance(audience, str) else audience,
            "exp": int(now + expires_in_s),
            "iat": issued_at,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": node, "uid": str(uuid.uuid4())},
                "pod": {"name": pod or f"{service_account}-7d4b9c6f5-x2x7k", "uid": str(uuid.uuid4())},
                "serviceaccount": {"name": service_account, "uid": str(uuid.uuid4())},
            },
            "nbf": int(issued_at + not_before_in_s),
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
        }
        head = _overlaid({"alg": "RS256", "kid": self.kid}, header)
        content = _overlaid(content, claims)
        return self.sign(_compact(head), _compact(content), forged)

    def sign(self, header: bytes, payload: bytes, forged: bool = False) -> str:
        """Signs any two byte strings, JSON or not."""
        signed = f"{b64url(header)}.{b64url(payload)}"
        signature = secrets.token_bytes(64 * SIGNATURE_BLOCKS) if forged else self._signature(signed)
        return f"{signed}.{b64url(signature)}"

    def genuine(self, token: str) -> bool:
        """True for a token that this key signed and nobody altered, or a trusted one for the issuer."""
        signed, _, signature = token.rpartition(".")
        if self._trusted and signatures.genuine(token, self._trusted):
            try:
                return bool(json.loads(signatures.unpadded(token.split(".")[1])).get("iss") == self.issuer)
            except (ValueError, AttributeError):
                return False
        return hmac.compare_digest(b64url(self._signature(signed)).encode(), signature.encode("latin-1", "replace"))

    def _signature(self, signed: str) -> bytes:
        data = signed.encode("latin-1", "replace")
        return b"".join(
            hmac.new(self._key, bytes([block]) + data, hashlib.sha512).digest() for block in range(SIGNATURE_BLOCKS)
        )


def _overlaid(base: dict[str, Any], extra: dict[str, Any] | None) -> dict[str, Any]:
    merged = {**base, **(extra or {})}
    return {name: value for name, value in merged.items() if value is not None}


def _compact(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
