"""Verifies AWS Signature Version 4 in the headers of a request or in its query, as AWS's front ends do.

Everything is computed from the bytes that arrived. The texts are those that AWS sends from its query services; the services
put them in their own shape and under their own names (see `Problem`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timezone
from typing import Callable
from urllib.parse import unquote_to_bytes

from emulator.httpd import Request
from emulator.state import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW_MAX_S = 15 * 60
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
STAMP = "%Y%m%dT%H%M%SZ"
MISMATCH = ("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
            "Key and signing method. Consult the service documentation for details.")


class Problem(Exception):
    """Why a request was refused. `kind`: missing, incomplete, unknown, expired (the session) or mismatch."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def encode(data: bytes, keep: bytes = b"") -> str:
    """Percent-encodes all but the unreserved characters."""
    return "".join(chr(one) if one in UNRESERVED or one in keep else f"%{one:02X}" for one in data)


def canonical_path(raw: str, normalise: bool = True) -> str:
    """The path as it was sent, without `.`, `..` and `//`, encoded once more."""
    if not normalise:
        return encode(unquote_to_bytes(raw), b"/") or "/"
    kept: list[str] = []
    for part in raw.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    slash = "/" if kept and raw.endswith(("/", "/.", "/..")) else ""
    return "/" + encode("/".join(kept).encode("latin-1"), b"/") + slash


def canonical_query(raw: str) -> str:
    """Names and values encoded, sorted by name and then by value."""
    pairs = []
    for part in filter(None, raw.split("&")):
        name, _, value = part.replace("+", " ").encode("latin-1").partition(b"=")
        pairs.append((encode(unquote_to_bytes(name)), encode(unquote_to_bytes(value))))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def canonical_request(request: Request, signed: list[str], body_hash: str, normalise: bool = True) -> str:
    """The canonical form of the request, with these headers."""
    path, _, query = request.target.partition("?")
    query = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    lines = [request.method, canonical_path(path, normalise), canonical_query(query)]
    for wanted in signed:
        values = [re.sub(r" +", " ", value.strip()) for name, value in request.headers if name.lower() == wanted]
        lines.append(f"{wanted}:{','.join(values)}")
    return "\n".join([*lines, "", ";".join(signed), body_hash])


def signature(secret: str, scope: list[str], stamp: str, canonical: str) -> str:
    """The signature of a canonical request; scope is date, region, service, terminator."""
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    to_sign = "\n".join([ALGORITHM, stamp, "/".join(scope), hashed])
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def credential(text: str) -> tuple[str, list[str]]:
    """Access key id and scope."""
    key_id, *scope = text.split("/")
    if len(scope) != 4:
        raise Problem("incomplete", "Credential must have exactly 5 slash-delimited elements, "
                      "e.g. keyid/date/region/service/term.")
    return key_id, scope


def presigned(request: Request) -> dict[str, str] | None:
    """The parameters of a signature in the query; None: there is none."""
    query = {name: value for name, value in request.query.items() if name.startswith("X-Amz-")}
    if "X-Amz-Algorithm" not in query:
        return None
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise Problem("incomplete", f"Unsupported AWS 'algorithm': '{query['X-Amz-Algorithm'][:32]}'.")
    wanted = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires")
    lacking = [f"AWS query-string parameters must include '{name}'." for name in wanted if not query.get(name)]
    if lacking:
        raise Problem("incomplete", " ".join(lacking))
    if not query["X-Amz-Expires"].isdigit() or not 1 <= int(query["X-Amz-Expires"]) <= 604800:
        raise Problem("incomplete", "X-Amz-Expires must be a number of seconds from 1 to 604800.")
    return query


def parse(request: Request) -> tuple[str, list[str], list[str], str, str]:
    """Access key id, scope, signed headers, signature and time stamp of the request."""
    query = presigned(request)
    if query is not None:
        return (*credential(query["X-Amz-Credential"]), query["X-Amz-SignedHeaders"].split(";"), query["X-Amz-Signature"],
                query["X-Amz-Date"])
    header = request.header("authorization")
    if not header:
        raise Problem("missing", "Request is missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise Problem("incomplete", f"Unsupported AWS 'algorithm': '{algorithm[:32]}'.")
    fields = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name in fields:
            raise Problem("incomplete", f"'{name[:16]}' not a valid key=value pair (missing equal-sign) in Authorization header.")
        fields[name] = value
    lacking = [f"Authorization header requires '{name}' parameter." for name in ("Credential", "Signature", "SignedHeaders")
               if not fields.get(name)]
    stamp = request.header("x-amz-date")
    if not stamp:
        lacking.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if lacking:
        raise Problem("incomplete", " ".join(lacking))
    return *credential(fields["Credential"]), fields["SignedHeaders"].split(";"), fields["Signature"], stamp


def check_headers(request: Request, signed: list[str]) -> None:
    """What must be signed is signed."""
    present = {name.lower() for name, _ in request.headers}
    if "host" not in signed:
        raise Problem("mismatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    must = [name for name in sorted(present) if name.startswith("x-amz-") and name not in signed]
    if must:
        raise Problem("mismatch", f"'{must[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    if signed != sorted(set(signed)) or not set(signed) <= present:
        raise Problem("mismatch", MISMATCH)


def check_time(stamp: str, scope_date: str, now: float, life_s: float = SKEW_MAX_S) -> None:
    """The request was made within 15 minutes of now, or for so long beforehand, and on the scope's day."""
    try:
        at = datetime.strptime(stamp, STAMP).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise Problem("incomplete", "Date must be in ISO-8601 'basic format'. "
                      f"Got '{stamp[:32]}'. See http://en.wikipedia.org/wiki/ISO_8601") from None

    def text(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime(STAMP)
    if at < now - life_s:
        raise Problem("mismatch", f"Signature expired: {stamp} is now earlier than {text(now - life_s)} "
                      f"({text(now)} - {life_s / 60:g} min.)")
    if at > now + SKEW_MAX_S:
        raise Problem("mismatch", f"Signature not yet current: {stamp} is still later than {text(now + SKEW_MAX_S)} "
                      f"({text(now)} + 15 min.)")
    if scope_date != stamp[:8]:
        raise Problem("mismatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
                      f"HTTP: '{scope_date}' != '{stamp[:8]}', from '{stamp}'.")


def check_scope(scope: list[str], region: str, service: str) -> None:
    """The credential is scoped to this service, here."""
    if scope[1] != region:
        raise Problem("mismatch", f"Credential should be scoped to a valid region, not '{scope[1]}'. ")
    if scope[2] != service:
        raise Problem("mismatch", f"Credential should be scoped to correct service: '{service}'. ")
    if scope[3] != "aws4_request":
        raise Problem("mismatch", f"Credential should be scoped with a valid terminator: 'aws4_request', not '{scope[3]}'.")


def verify(
    request: Request, service: str, region: str, now: float, find: Callable[[str], Credentials | None]
) -> Credentials:
    """The credentials that signed the request; Problem if none did."""
    key_id, scope, signed, given, stamp = parse(request)
    query = presigned(request)
    check_headers(request, signed)
    check_scope(scope, region, service)
    check_time(stamp, scope[0], now, float(query["X-Amz-Expires"]) if query else SKEW_MAX_S)
    caller = find(key_id)
    tokens = [value for name, value in request.headers if name.lower() == "x-amz-security-token"]
    if query is not None:
        tokens = [query["X-Amz-Security-Token"]] if "X-Amz-Security-Token" in query else []
    if caller is None or tokens != ([caller.session_token] if caller.session_token else []):
        raise Problem("unknown", "The security token included in the request is invalid.")
    body_hash = hashlib.sha256(request.body).hexdigest()
    if request.header("x-amz-content-sha256") not in ("", body_hash):
        raise Problem("mismatch", MISMATCH)
    computed = signature(caller.secret_access_key, scope, stamp, canonical_request(request, signed, body_hash))
    if not hmac.compare_digest(computed.encode(), given.encode("latin-1", "replace")):
        raise Problem("mismatch", MISMATCH)
    if caller.expires_at <= now:
        raise Problem("expired", "The security token included in the request is expired")
    return caller
