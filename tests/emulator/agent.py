"""The EKS Pod Identity agent's `/v1/credentials`: its checks, in its order, with its texts.

Source: aws/eks-pod-identity-agent 0.1.37 (pkg/handlers, internal/validation/request.go, pkg/errors,
internal/middleware/rate_limiter, internal/credsretriever) and golang-jwt v5, whose texts the agent passes on.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import uuid
from typing import Any

from emulator.eksauth import EksAuthError, assume_for_pod, rfc3339
from emulator.faults import Faults
from emulator.goserver import cleaned, path_parts, redirect
from emulator.httpd import Request, Response
from emulator.identity import Directory
from emulator.state import Credentials, State
from emulator.tokens import Tokens

REAL_HOSTS = ("169.254.170.23", "fd00:ec2::23")
MIN_CREDENTIAL_S = 15.0
BASE64URL = re.compile(r"[A-Za-z0-9\-_]*")
SYNTAX = {"Expecting property name": "looking for beginning of object key string", "Extra data": "after top-level value",
          "Expecting ',' delimiter": "after object key:value pair", "Expecting ':' delimiter": "after object key"}
ALGORITHMS = {f"{kind}{bits}" for kind in ("RS", "ES", "PS", "HS") for bits in (256, 384, 512)} | {"EdDSA", "none"}


class Refused(Exception):
    """One of the agent's own error answers."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def http_error(status: int, text: str) -> Response:
    """As Go's http.Error."""
    return Response(status, text.encode() + b"\n", headers=[("X-Content-Type-Options", "nosniff")])


class Bucket:
    """The inbound limiter of one address: so many a second, and half of it at once."""

    def __init__(self) -> None:
        self.tokens: float | None = None
        self.at = 0.0

    def allow(self, rate: float, now: float) -> bool:
        """True if a request at `now` (monotonic seconds) may pass."""
        burst = max(1.0, rate // 2)
        self.tokens = burst if self.tokens is None else min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Agent:
    """The agent of one node, on any number of addresses."""

    def __init__(self, state: State, tokens: Tokens, directory: Directory, faults: Faults, clock: Any) -> None:
        self.directory = directory
        self.state, self.tokens, self.faults, self.clock = state, tokens, faults, clock
        self.hosts: set[str] = set(REAL_HOSTS)
        self.buckets: dict[str, Bucket] = {}

    def limited(self, request: Request) -> bool:
        """True if the inbound limiter turns this request away."""
        rate = self.state.settings.inbound_rate
        bucket = self.buckets.setdefault(request.listener, Bucket())
        return rate > 0 and not bucket.allow(rate, self.clock())

    async def handle(self, request: Request) -> Response:
        """Answers one request, any method."""
        if request.target == "*":
            return Response(400, content_type="", headers=[("Connection", "close")])
        if request.method != "CONNECT" and cleaned(request.path) != request.path:
            location, kind, body = redirect(request.method, cleaned(request.path), request.target.partition("?")[2])
            return Response(307, body.encode(), kind, [("Location", location)])
        if path_parts(request.path) != [b"", b"v1", b"credentials"]:
            return http_error(404, "404 page not found")
        if self.limited(request):
            return http_error(429, "Too Many Requests")
        try:
            self.check_host(request.host)
            token = request.header("authorization")
            if not token:
                raise Refused(400, "Service account token cannot be empty")
            claims = parse_unverified(token)
            check_times(claims, self.state.now())
            credentials = await self.credentials(token)
        except Refused as refused:
            return http_error(refused.status, str(refused))
        except EksAuthError as error:
            text = f"[{uuid.uuid4()}]: ({error.code}): {error}, fault: {error.fault}"
            return http_error(error.status, text)
        return Response(200, self.render(credentials), "application/json")

    def check_host(self, host: str) -> None:
        """Accepts only the addresses that it listens on, with or without port (Go's net.SplitHostPort)."""
        bracketed = re.fullmatch(r"\[([^\[\]]*)\]:[^:\[\]]*", host)
        plain = re.fullmatch(r"([^:\[\]]*):[^:\[\]]*", host)
        if bracketed or plain:
            host = (bracketed or plain).group(1)  # type: ignore[union-attr]
        if len(host) > 1 and host[0] == "[" and host[-1] == "]":
            host = host[1:-1]
        if host not in self.hosts:
            raise Refused(
                403,
                "Access Denied. Called agent through invalid address, please use either "
                f"[{' '.join(REAL_HOSTS)}] address not {host}",
            )

    async def credentials(self, token: str) -> Credentials:
        """From the cache, keyed by the token's text, or from EKS Auth."""
        renew_after_s = self.state.settings.renew_after_s
        now = self.state.now()
        cached, renew_at = self.state.cache.get(token, (None, 0.0))
        if renew_after_s <= 0 or (cached and cached.expires_at - now <= MIN_CREDENTIAL_S):
            self.state.cache.pop(token, None)
            cached = None
        if cached and now < renew_at:
            return cached
        try:
            fresh = await self.fetch(token)
        except EksAuthError as error:
            if cached and error.recoverable:
                return cached
            self.state.cache.pop(token, None)
            raise
        if renew_after_s > 0:
            left_s = fresh.expires_at - now
            if left_s <= MIN_CREDENTIAL_S:
                raise Refused(500, f"fetched credentials are expired or will expire within the next {left_s:.2f} seconds")
            self.state.cache[token] = (fresh, now + min(left_s, renew_after_s))
        return fresh

    async def fetch(self, token: str) -> Credentials:
        """Asks EKS Auth, up to so many times where that may help; each has a pause of up to 1, 2, 4 s behind it."""
        for attempt in range(self.state.settings.attempts - 1):
            try:
                return await self.attempt(token)
            except (EksAuthError, Refused) as error:
                if error.status != 429 and error.status < 500:
                    raise
            await asyncio.sleep(random.random() * 2**attempt)
        return await self.attempt(token)

    async def attempt(self, token: str) -> Credentials:
        """Asks EKS Auth once, which has a queue of faults of its own."""
        fault = self.faults.take("eks-auth")
        if fault:
            await fault.delay()
            if fault.kind in ("unreachable", "no_node_credentials"):
                raise Refused(500, fault.params["message"])
            if fault.kind == "unreadable":
                raise Refused(fault.params["status"], f"[{fault.params['request_id']}]")
            if fault.kind == "eks_auth_error":
                raise EksAuthError(fault.params["code"], fault.params["message"], fault.params["status"])
        return assume_for_pod(self.state, self.tokens, self.directory, token)[1]

    def render(self, made: Credentials) -> bytes:
        """The success body, members in the agent's order; neither RoleArn nor Code."""
        return json.dumps(
            {
                "AccessKeyId": made.access_key_id,
                "SecretAccessKey": made.secret_access_key,
                "Token": made.session_token,
                "AccountId": made.account_id,
                "Expiration": rfc3339(made.expires_at, self.state.settings.fraction),
            },
            separators=(",", ":"),
        ).encode()


def parse_unverified(token: str) -> dict[str, Any]:
    """The claims, with golang-jwt's complaints; the signature is looked at by nobody here."""
    parts = token.split(".")
    if len(parts) != 3:
        raise unparsable("token contains an invalid number of segments")
    header = member(parts[0], "header", token)
    claims = member(parts[1], "claim", token)
    for name in ("exp", "nbf", "iat"):
        number(claims, name)
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience or ""]
    if not all(isinstance(entry, str) for entry in listed):
        raise unparsable("could not JSON decode claim: invalid type for claim")
    for name in ("iss", "sub", "jti"):
        value = claims.get(name)
        if value is not None and not isinstance(value, str):
            raise unparsable(f"could not JSON decode claim: json: cannot unmarshal {kind_of(value)} into Go struct field "
                             f"RegisteredClaims.{name} of type string")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise unparsable("signing method (alg) is unspecified", "unverifiable")
    if algorithm not in ALGORITHMS:
        raise unparsable("signing method (alg) is unavailable", "unverifiable")
    return claims


def member(part: str, what: str, token: str) -> dict[str, Any]:
    """One of the JSON objects of a token."""
    good = BASE64URL.match(part)
    length = good.end() if good else 0
    if length != len(part) or length % 4 == 1:
        raise unparsable(f"could not base64 decode {what}: illegal base64 data at input byte {length}")
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError) as error:
        raise unparsable(f"could not JSON decode {what}: {syntax_error(error)}") from None
    if not isinstance(value, (dict, type(None))):
        target = "jwt.RegisteredClaims" if what == "claim" else "map[string]interface {}"
        raise unparsable(f"could not JSON decode {what}: json: cannot unmarshal {kind_of(value)} into Go value of type {target}")
    return value or {}


def kind_of(value: Any) -> str:
    """What Go's encoding/json calls the kind of a JSON value."""
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def syntax_error(error: Exception) -> str:
    """Python's complaint about JSON as Go words it."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    if error.pos >= len(error.doc.rstrip()):
        return "unexpected end of JSON input"
    where = next((words for start, words in SYNTAX.items() if error.msg.startswith(start)), "looking for beginning of value")
    return f"invalid character {error.doc[error.pos]!r} {where}"


def number(claims: dict[str, Any], name: str) -> float | None:
    """A NumericDate; like Go's json.Number it may stand in quotes."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, (bool, list, dict)):
            raise ValueError
        return float(value)
    except ValueError:
        why = f"cannot unmarshal {kind_of(value)} into Go value of type json.Number"
        if isinstance(value, str):
            why = f'invalid number literal, trying to unmarshal {json.dumps(json.dumps(value))} into Number'
        raise unparsable(f"could not JSON decode claim: could not parse NumericData: json: {why}") from None


def check_times(claims: dict[str, Any], now: float) -> None:
    """exp and nbf, both optional, no leeway."""
    expires_at, not_before = number(claims, "exp"), number(claims, "nbf")
    wrong = []
    if expires_at is not None and now >= expires_at:
        wrong.append("token is expired")
    if not_before is not None and now < not_before:
        wrong.append("token is not valid yet")
    if wrong:
        raise Refused(400, "Service account token failed basic claim validations: " + ", ".join(wrong))


def unparsable(why: str, what: str = "malformed") -> Refused:
    """The answer to something that is no JWT."""
    return Refused(400, f"Service account token cannot be parsed: token is {what}: {why}")
