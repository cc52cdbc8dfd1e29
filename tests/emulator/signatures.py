"""Verifies RS256 and ES256 with integers alone, for the tokens of a real API server, whose public keys come as PEM or as a key set.

Not for anything but tests: no time is constant here. Sources: RFC 8017 8.2.2, FIPS 186-4 6.4, RFC 7518 3.3 and 3.4, RFC 7517.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Optional, Tuple, Union

SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
RSA_OID, EC_OID, P256_OID = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d030107")
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
Point = Optional[Tuple[int, int]]


@dataclass(frozen=True)
class Rsa:
    """A public key of RSA."""

    n: int
    e: int

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        size = (self.n.bit_length() + 7) // 8
        if len(signature) != size:
            return False
        digest = SHA256_INFO + hashlib.sha256(signed).digest()
        wanted = b"\x00\x01" + b"\xff" * (size - 3 - len(digest)) + b"\x00" + digest
        return pow(int.from_bytes(signature, "big"), self.e, self.n).to_bytes(size, "big") == wanted


@dataclass(frozen=True)
class P256:
    """A public key on that curve."""

    x: int
    y: int

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """ECDSA with SHA-256, r and s one behind the other."""
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if len(signature) != 64 or not (0 < r < N and 0 < s < N):
            return False
        inverse, e = pow(s, -1, N), int.from_bytes(hashlib.sha256(signed).digest(), "big")
        point = _add(_multiply(e * inverse % N, G), _multiply(r * inverse % N, (self.x, self.y)))
        return point is not None and point[0] % N == r


Key = Union[Rsa, P256]


def _add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _multiply(times: int, point: Point) -> Point:
    total: Point = None
    while times:
        total = _add(total, point) if times & 1 else total
        point, times = _add(point, point), times >> 1
    return total


def p256(x: int, y: int) -> P256:
    """A key, if that is a point of the curve."""
    if not (0 <= x < P and 0 <= y < P) or (y * y - x * x * x + 3 * x - B) % P:
        raise ValueError("no point of P-256")
    return P256(x, y)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first DER element, and what is behind it."""
    size, at = data[1], 2
    if size & 0x80:
        at += size & 0x7F
        size = int.from_bytes(data[2:at], "big")
    if len(data) < at + size:
        raise ValueError("DER is cut short")
    return data[0], data[at:at + size], data[at + size:]


def _rsa(sequence: bytes) -> Rsa:
    _, content, _ = _element(sequence)
    _, n, rest = _element(content)
    _, e, _ = _element(rest)
    return Rsa(int.from_bytes(n, "big"), int.from_bytes(e, "big"))


def _public_key(der: bytes) -> Key:
    _, content, _ = _element(der)
    tag, algorithm, rest = _element(content)
    if tag == 0x02:
        return _rsa(der)  # PKCS 1: modulus and exponent alone
    _, oid, parameters = _element(algorithm)
    _, bits, _ = _element(rest)
    if oid == RSA_OID:
        return _rsa(bits[1:])
    if oid != EC_OID or _element(parameters)[1] != P256_OID or bits[1:2] != b"\x04":
        raise ValueError("neither RSA nor P-256")
    return p256(int.from_bytes(bits[2:34], "big"), int.from_bytes(bits[34:66], "big"))


def unpadded(text: str) -> bytes:
    """Base64url without its padding."""
    if not re.fullmatch(r"[A-Za-z0-9_\-]*", text):
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _jwk(key: dict[str, str]) -> Key:
    def number(name: str) -> int:
        return int.from_bytes(unpadded(key[name]), "big")
    if key.get("kty") == "RSA":
        return Rsa(number("n"), number("e"))
    if (key.get("kty"), key.get("crv")) != ("EC", "P-256"):
        raise ValueError("neither RSA nor P-256")
    return p256(number("x"), number("y"))


def read_keys(text: str) -> list[Key]:
    """The public keys of PEM blocks, or of a key set as the API server serves it at /openid/v1/jwks. ValueError."""
    try:
        if text.lstrip().startswith("{"):
            found = json.loads(text)
            return [_jwk(key) for key in found.get("keys", [found])]
        blocks = re.findall(r"-----BEGIN (?:RSA )?PUBLIC KEY-----(.*?)-----END", text, re.S)
        keys = [_public_key(base64.b64decode(block)) for block in blocks]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no public key: {error!r}") from None
    if not keys:
        raise ValueError("no public key, PEM or JSON")
    return keys


def genuine(token: str, keys: list[Key]) -> bool:
    """Whether one of the keys has signed it, with the algorithm that its header names."""
    signed, _, signature = token.rpartition(".")
    try:
        algorithm = json.loads(unpadded(signed.split(".")[0])).get("alg")
        raw = unpadded(signature)
    except (ValueError, AttributeError):
        return False
    kinds = {"RS256": Rsa, "ES256": P256}
    return any(isinstance(key, kinds.get(algorithm, ())) and key.verify(signed.encode("latin-1"), raw) for key in keys)
