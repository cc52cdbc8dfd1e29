"""What any Kubernetes cluster has: keys that sign service account tokens for real (with openssl), and ConfigMaps that the kubelet mounts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "pods.eks.amazonaws.com"
NODE_NAME = "node-1"


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words: str | Path, data: bytes = b"") -> bytes:
    """What openssl prints."""
    return subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, check=True, timeout=60).stdout


class Key:
    """An RSA key of 2048 bits, as an API server has it, or one on P-256."""

    def __init__(self, folder: Path, kid: str, kind: str = "RS256") -> None:
        self.kid, self.kind, self.path = kid, kind, folder / f"{kid}.pem"
        if kind == "RS256":
            openssl("genrsa", "-out", self.path, "2048")
        else:
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)

    @property
    def jwk(self) -> dict[str, str]:
        """The public part, as at /openid/v1/jwks."""
        base = {"use": "sig", "kid": self.kid, "alg": self.kind}
        if self.kind == "RS256":
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().partition("=")[2]
            return {**base, "kty": "RSA", "n": b64url(bytes.fromhex(modulus)), "e": "AQAB"}
        der = openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")
        return {**base, "kty": "EC", "crv": "P-256", "x": b64url(der[-64:-32]), "y": b64url(der[-32:])}

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Any header and claims, truly signed, whatever the header says."""
        signed = ".".join(b64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.path, data=signed.encode())
        if self.kind != "RS256":
            signature = _raw(signature)
        return f"{signed}.{b64url(signature)}"


def _raw(der: bytes) -> bytes:
    """r and s of a DER signature."""
    r_len = der[3]
    r, s = der[4:4 + r_len], der[6 + r_len:]
    return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (r, s))


class Cluster:
    """An issuer with its keys, written as a file that `--jwks` names."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jwks = folder, folder / "jwks.json"
        self.keys = [Key(folder, "first")]
        self.pods: dict[str, str] = {}
        self.publish()

    def publish(self, text: str | None = None) -> None:
        """Writes the key set, or that text, as kubectl or a mounted ConfigMap would: in one step."""
        new = self.folder / "jwks.new"
        new.write_text(text if text is not None else json.dumps({"keys": [key.jwk for key in self.keys]}), "utf-8")
        new.chmod(0o644)
        new.rename(self.jwks)

    def claims(self, namespace: str, account: str, pod: str = "pod-1", **changes: Any) -> dict[str, Any]:
        """Of a projected token; a value of None takes that claim away."""
        now = int(time.time())
        uid = self.pods.setdefault(f"{namespace}/{pod}", str(uuid.uuid4()))
        claims: dict[str, Any] = {
            "aud": [AUDIENCE], "exp": now + 3600, "iat": now, "nbf": now, "iss": ISSUER, "jti": str(uuid.uuid4()),
            "sub": f"system:serviceaccount:{namespace}:{account}",
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": str(uuid.uuid4())},
                              "pod": {"name": pod, "uid": uid}, "node": {"name": NODE_NAME, "uid": str(uuid.uuid4())}},
            **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, namespace: str, account: str, pod: str = "pod-1", key: Key | None = None, **changes: Any) -> str:
        """A token of a pod."""
        key = key or self.keys[0]
        return key.sign({"alg": key.kind, "kid": key.kid}, self.claims(namespace, account, pod, **changes))


class ConfigMap:
    """Mounted as the kubelet does it: `KEY -> ..data/KEY`, and `..data` goes to another version by a rename."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._version = folder, 0
        self.data: dict[str, str] = {}
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.write({})

    def write(self, data: dict[str, str]) -> None:
        """Publishes these keys and no others."""
        self._version += 1
        version = self.folder / f"..{self._version}"
        version.mkdir(mode=0o755)
        for key, value in data.items():
            (version / key).write_text(value, "utf-8")
            if not (self.folder / key).is_symlink():
                os.symlink(f"..data/{key}", self.folder / key)
        os.symlink(version.name, self.folder / "..data_tmp")
        os.rename(self.folder / "..data_tmp", self.folder / "..data")
        for key in set(self.data) - set(data):
            (self.folder / key).unlink()
        shutil.rmtree(self.folder / f"..{self._version - 1}", ignore_errors=True)
        self.data = dict(data)

    def patch(self, **changes: str | dict[str, Any] | None) -> None:
        """As `kubectl patch`: adds, changes, removes (None). Keys are given as NAMESPACE__ACCOUNT."""
        data = dict(self.data)
        for name, value in changes.items():
            key = name.replace("__", ".")
            if value is None:
                data.pop(key)
            else:
                data[key] = value if isinstance(value, str) else json.dumps(value)
        self.write(data)
