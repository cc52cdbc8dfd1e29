"""STS: AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity.

Shapes and limits are those of the service model in boto/botocore (sts/2011-06-15); the texts are those that users quote in
public, where there are any.
"""

from __future__ import annotations

import json
import re
from typing import Any

from emulator.eksauth import claims_of, rfc3339
from emulator.identity import Directory, Role, actions, allowed, listed, names_of, tag_context
from emulator.query import Call, QueryError, QueryService
from emulator.state import Credentials, State
from emulator.tokens import Tokens

PACKED_MAX = 2048  # characters of session policy and tags: real packing is compressed, so the true limit varies
POLICY_ARNS_MAX = 10
SHAPES = {
    "RoleArn": (20, 2048, r"[\s\S]+"),
    "RoleSessionName": (2, 64, r"[\w+=,.@-]*"),
    "ExternalId": (2, 1224, r"[\w+=,.@:/-]*"),
    "SourceIdentity": (2, 64, r"[\w+=,.@-]*"),
    "WebIdentityToken": (4, 20000, r"[\s\S]+"),
}


def invalid(field: str, value: str, rule: str) -> QueryError:
    """The answer to a parameter that the model does not allow."""
    member = field[0].lower() + field[1:]
    shown = "***" if field == "WebIdentityToken" else value
    return QueryError("ValidationError", f"1 validation error detected: Value '{shown}' at '{member}' failed to satisfy "
                      f"constraint: Member must {rule}")


class Sts(QueryService):
    """The service of one region."""

    service, version = "sts", "2011-06-15"
    namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
    unsigned = frozenset({"AssumeRoleWithWebIdentity"})

    def __init__(self, state: State, directory: Directory, tokens: Tokens) -> None:
        super().__init__(state, directory)
        self.tokens = tokens
        self.actions = {"AssumeRole": self.assume_role, "GetCallerIdentity": self.get_caller_identity,
                        "AssumeRoleWithWebIdentity": self.assume_role_with_web_identity}

    async def get_caller_identity(self, call: Call) -> dict[str, Any]:
        """Who signed."""
        caller = signer(call)
        role = self.directory.roles.get(caller.role_arn)
        user_id = f"{role.role_id if role else 'AROAEXAMPLEEXAMPLEEXA'}:{caller.session_name}"
        return {"Arn": caller.arn, "UserId": "AIDAEXAMPLEEXAMPLEEXA" if caller.user_arn else user_id,
                "Account": caller.account_id}

    async def assume_role(self, call: Call) -> dict[str, Any]:
        """A session of another role, if its trust policy lets the caller."""
        caller = signer(call)
        check_parameters(call, "RoleArn", "RoleSessionName")
        lifetime_s = duration(call)
        if caller.session_token and lifetime_s > 3600:
            raise QueryError("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles "
                             "assumed by role chaining.")
        tags, transitive = session_tags(call, caller)
        source_identity = caller.source_identity or call.get("SourceIdentity")
        arn, role = call.get("RoleArn"), self.directory.roles.get(call.get("RoleArn"))
        context = {"sts:ExternalId": call.get("ExternalId"), "sts:SourceIdentity": source_identity,
                   "sts:RoleSessionName": call.get("RoleSessionName"), "aws:PrincipalArn": caller.role_arn or caller.arn,
                   "aws:PrincipalAccount": caller.account_id,
                   **tag_context("aws:RequestTag", tags), **tag_context("aws:PrincipalTag", caller.tags)}
        context = {name: value for name, value in context.items() if value}
        inherited = {key: value for key, value in caller.tags.items() if key in caller.transitive}
        conflict = caller.source_identity and call.get("SourceIdentity") not in ("", caller.source_identity)
        for action in actions({**inherited, **tags}, source_identity):
            if role is None or conflict or not allowed(role.trust, action, "AWS", names_of(caller), context):
                raise QueryError("AccessDenied", f"User: {caller.arn} is not authorized to perform: {action} on resource: "
                                 f"{arn}", 403)
        assert role is not None
        check_role_maximum(role, lifetime_s)
        packed = packed_size(call, tags)
        made = self.state.issue(arn, lifetime_s, call.get("RoleSessionName"), tags={**inherited, **tags},
                                transitive=caller.transitive | transitive, source_identity=source_identity)
        return {**assumed(made, role), "PackedPolicySize": packed, "SourceIdentity": source_identity or None}

    async def assume_role_with_web_identity(self, call: Call) -> dict[str, Any]:
        """A session of a role for the holder of a token, if the role trusts the token's issuer, audience and subject."""
        check_parameters(call, "RoleArn", "RoleSessionName", "WebIdentityToken")
        lifetime_s = duration(call)
        claims = self.web_claims(call.get("WebIdentityToken"))
        issuer = self.tokens.issuer.removeprefix("https://")
        role = self.directory.roles.get(call.get("RoleArn"))
        denied = QueryError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
        if role is None:
            raise denied
        provider = f"arn:{role.arn.split(':')[1]}:iam::{role.account_id}:oidc-provider/{issuer}"
        context = {f"{issuer}:sub": str(claims["sub"]), f"{issuer}:aud": self.state.settings.client_id}
        if not allowed(role.trust, "sts:AssumeRoleWithWebIdentity", "Federated", {provider}, context):
            raise denied
        check_role_maximum(role, lifetime_s)
        packed = packed_size(call, {})
        made = self.state.issue(role.arn, lifetime_s, call.get("RoleSessionName"))
        return {**assumed(made, role), "PackedPolicySize": packed, "SubjectFromWebIdentityToken": claims["sub"],
                "Provider": provider, "Audience": self.state.settings.client_id}

    def web_claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that this issuer made for STS, and that lives."""
        try:
            if token.count(".") != 2:
                raise ValueError
            claims = claims_of(token)
            issuer, expires_at, audience, _ = claims["iss"], float(claims["exp"]), listed(claims["aud"]), claims["sub"]
        except (ValueError, KeyError, TypeError, IndexError):
            raise QueryError("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you "
                             "sent an Access Token)") from None
        if issuer != self.tokens.issuer:
            raise QueryError("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")
        if not self.tokens.genuine(token):
            raise QueryError("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider, please "
                             "reference AssumeRoleWithWebIdentity documentation for requirements")
        if expires_at <= self.state.now():
            raise QueryError("ExpiredTokenException", f"Token expired: current date/time {int(self.state.now())} must be before "
                             f"the expiration date/time {int(expires_at)}")
        if self.state.settings.client_id not in audience:
            raise QueryError("InvalidIdentityToken", "Incorrect token audience")
        return claims


def signer(call: Call) -> Credentials:
    """Who signed; every signed action has one."""
    assert call.caller is not None
    return call.caller


def check_parameters(call: Call, *required: str) -> None:
    """Lengths and characters of the model."""
    for name, (least, most, pattern) in SHAPES.items():
        value = call.get(name)
        if not value and name not in call.form:
            if name in required:
                raise invalid(name, "null", "not be null")
            continue
        if len(value) < least:
            raise invalid(name, value, f"have length greater than or equal to {least}")
        if len(value) > most:
            raise invalid(name, value, f"have length less than or equal to {most}")
        if not re.fullmatch(pattern, value, re.ASCII):
            raise invalid(name, value, f"satisfy regular expression pattern: {pattern}")
    if not call.get("RoleArn").startswith("arn:") or call.get("RoleArn").count(":") < 5:
        raise QueryError("ValidationError", f"{call.get('RoleArn')} is invalid")


def duration(call: Call) -> int:
    """DurationSeconds, or its default."""
    text = call.form.get("DurationSeconds", "3600")
    if not text.isdigit():
        raise QueryError("MalformedInput", "Invalid Argument")
    if int(text) < 900:
        raise invalid("DurationSeconds", text, "have value greater than or equal to 900")
    if int(text) > 43200:
        raise invalid("DurationSeconds", text, "have value less than or equal to 43200")
    return int(text)


def check_role_maximum(role: Role, lifetime_s: int) -> None:
    """The role's own limit."""
    if lifetime_s > role.max_session_s:
        raise QueryError("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def session_tags(call: Call, caller: Credentials) -> tuple[dict[str, str], frozenset[str]]:
    """The tags passed and the keys of those that go on; a transitive key of the caller may not come again."""
    pairs, transitive = call.pairs("Tags"), call.members("TransitiveTagKeys")
    if len(pairs) > 50 or any(not 1 <= len(key) <= 128 or len(value) > 256 for key, value in pairs):
        raise QueryError("ValidationError", "1 validation error detected: Value at 'tags' failed to satisfy constraint")
    keys = [key.lower() for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise QueryError("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if set(keys) & {key.lower() for key in caller.transitive}:
        raise QueryError("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts "
                         "with a transitive tag key from the calling session.")
    if not {key.lower() for key in transitive} <= set(keys):
        raise QueryError("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
    return dict(pairs), frozenset(transitive)


def policy_arns(call: Call) -> list[str]:
    """The managed policies that narrow the session."""
    found: list[str] = []
    while (arn := call.get(f"PolicyArns.member.{len(found) + 1}.arn")):
        found.append(arn)
    if len(found) > POLICY_ARNS_MAX:
        raise invalid("PolicyArns", "[...]", f"have length less than or equal to {POLICY_ARNS_MAX}")
    for arn in found:
        if not re.fullmatch(r"arn:aws[a-z0-9-]*:iam::(\d{12}|aws):policy/.+", arn):
            raise QueryError("ValidationError", f"{arn} is invalid")
    return found


def packed_size(call: Call, tags: dict[str, str]) -> int | None:
    """Percent of the room that policy and tags take; None without either."""
    policy = call.get("Policy")
    if policy:
        try:
            if not isinstance(json.loads(policy), dict):
                raise ValueError
        except ValueError:
            raise QueryError("MalformedPolicyDocument", "Syntax errors in policy.") from None
    arns = policy_arns(call)
    size = len(policy) + sum(map(len, arns)) + sum(len(key) + len(value) for key, value in tags.items())
    percent = -(-size * 100 // PACKED_MAX)
    if percent > 100:
        raise QueryError("PackedPolicyTooLarge", f"Packed policy consumes {percent}% of allotted space, please use smaller policy.")
    return percent or None


def assumed(made: Credentials, role: Role) -> dict[str, Any]:
    """The part of the answer that both ways of assuming share."""
    return {
        "Credentials": {"AccessKeyId": made.access_key_id, "SecretAccessKey": made.secret_access_key,
                        "SessionToken": made.session_token, "Expiration": rfc3339(int(made.expires_at))},
        "AssumedRoleUser": {"AssumedRoleId": f"{role.role_id}:{made.session_name}", "Arn": made.arn},
    }
