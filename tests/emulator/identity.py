"""Who is who: roles with their trust policies, long-lived users, and what a trust policy lets whom do."""

from __future__ import annotations

import base64
import fnmatch
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from emulator.state import ACCESS_KEY_ALPHABET, Credentials, State

POD_PRINCIPAL = "pods.eks.amazonaws.com"
OPERATORS = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "StringNotEquals")


@dataclass
class Role:
    """A role of any account."""

    arn: str
    trust: dict[str, Any]
    max_session_s: int = 3600
    created_at: float = 0.0
    description: str = ""
    role_id: str = field(default_factory=lambda: unique_id("AROA"))

    @property
    def account_id(self) -> str:
        """The account in the ARN."""
        return self.arn.split(":")[4]

    @property
    def name(self) -> str:
        """The name without its path."""
        return self.arn.rsplit("/", 1)[1]


def unique_id(prefix: str) -> str:
    """An id as IAM makes them."""
    return prefix + "".join(secrets.choice(ACCESS_KEY_ALPHABET) for _ in range(17))


def listed(value: Any) -> list[Any]:
    """Policies allow one value where a list may stand."""
    return value if isinstance(value, list) else [value]


def check_trust(document: Any) -> dict[str, Any]:
    """The document, if it has the form of a trust policy; otherwise ValueError."""
    if not isinstance(document, dict) or not isinstance(listed(document.get("Statement")), list):
        raise ValueError("a trust policy is an object with Statement")
    for statement in listed(document.get("Statement")):
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise ValueError("a statement has the Effect Allow or Deny")
        if "Principal" not in statement or "Action" not in statement:
            raise ValueError("a statement of a trust policy has Principal and Action")
    return document


def principal_fits(wanted: Any, kind: str, names: set[str]) -> bool:
    """True if a statement's Principal names one of the caller's names."""
    if wanted == "*":
        return True
    entries = listed(wanted.get(kind, [])) if isinstance(wanted, dict) else []
    return any(entry == "*" or entry in names for entry in entries)


def conditions_hold(conditions: dict[str, Any], context: dict[str, str]) -> bool:
    """True if every condition does; an operator that is not known here fails the statement, so no test passes by it."""
    lower = {name.lower(): value for name, value in context.items()}
    for operator, pairs in conditions.items():
        if operator not in OPERATORS:
            return False
        for name, wanted in pairs.items():
            value = lower.get(name.lower())
            if operator == "StringNotEquals":
                if value in listed(wanted):
                    return False
            elif value is None:
                return False
            elif operator in ("StringEquals", "ArnEquals"):
                if value not in listed(wanted):
                    return False
            elif not any(fnmatch.fnmatchcase(value, one.replace("[", "[[]")) for one in listed(wanted)):
                return False
    return True


def allowed(trust: dict[str, Any], action: str, kind: str, names: set[str], context: dict[str, str]) -> bool:
    """True if the trust policy allows the action: some Allow fits, and no Deny."""
    fits = [
        statement["Effect"] for statement in listed(trust.get("Statement", []))
        if any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in listed(statement.get("Action", [])))
        and principal_fits(statement.get("Principal"), kind, names)
        and conditions_hold(statement.get("Condition", {}), context)
    ]
    return "Allow" in fits and "Deny" not in fits


def actions(tags: Any, source_identity: str = "") -> list[str]:
    """What a trust policy must allow for a session with or without tags and a source identity."""
    return ["sts:AssumeRole", *(["sts:TagSession"] if tags else []), *(["sts:SetSourceIdentity"] if source_identity else [])]


def tag_context(prefix: str, tags: dict[str, str]) -> dict[str, str]:
    """Tags as condition keys."""
    return {f"{prefix}/{key}": value for key, value in tags.items()}


def names_of(caller: Credentials) -> set[str]:
    """What a policy may call this caller: its session, its role or user, its account."""
    root = f"arn:{caller.arn.split(':')[1]}:iam::{caller.account_id}:root"
    return {caller.arn, caller.role_arn, root, caller.account_id} - {""}


class Directory:
    """All roles, and credentials for tests to start from."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.roles: dict[str, Role] = {}

    def put(self, role: Role) -> Role:
        """Adds or replaces a role."""
        if not re.fullmatch(r"arn:aws[a-z0-9-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", role.arn):
            raise ValueError(f"not the ARN of a role: {role.arn!r}")
        check_trust(role.trust)
        role.created_at = role.created_at or self.state.now()
        self.roles[role.arn] = role
        return role

    def find(self, access_key_id: str) -> Credentials | None:
        """The credentials that were issued with this id."""
        return self.state.issued.get(access_key_id)

    def pods_may(self, arn: str, tags: dict[str, str], cluster_arn: str) -> bool:
        """True if EKS may assume the role for a pod of that cluster, with these session tags; without tags sts:TagSession is not needed.
        A role that nobody described is trusted to be right."""
        role = self.roles.get(arn)
        context = {"aws:SourceArn": cluster_arn, "aws:SourceAccount": cluster_arn.split(":")[4], **tag_context("aws:RequestTag", tags)}
        return role is None or all(allowed(role.trust, action, "Service", {POD_PRINCIPAL}, context) for action in actions(tags))

    def role_may(self, source_arn: str, target_arn: str, external_id: str | None, tags: dict[str, str]) -> bool:
        """True if the source role may assume the target, as EKS does it for an association with a target role: the tags are
        transitive, so they come along."""
        target = self.roles.get(target_arn)
        if target is None:
            return True
        partition, account = source_arn.split(":")[1], source_arn.split(":")[4]
        names = {source_arn, account, f"arn:{partition}:iam::{account}:root"}
        context = {"aws:PrincipalArn": source_arn, "aws:PrincipalAccount": account,
                   **({"sts:ExternalId": external_id} if external_id else {}),
                   **tag_context("aws:RequestTag", tags), **tag_context("aws:PrincipalTag", tags)}
        return all(allowed(target.trust, action, "AWS", names, context) for action in actions(tags))

    def caller(self, arn: str, lifetime_s: float = 3600.0, session_name: str = "test") -> Credentials:
        """New credentials of a role (temporary) or a user (long-lived), without asking anybody."""
        if ":role/" in arn:
            return self.state.issue(arn, lifetime_s, session_name)
        made = Credentials(
            access_key_id="AKIA" + unique_id("")[:16],
            secret_access_key=base64.b64encode(secrets.token_bytes(30)).decode(),
            session_token="", account_id=arn.split(":")[4], role_arn="", user_arn=arn,
            issued_at=self.state.now(), expires_at=float("inf"),
        )
        self.state.keep(made)
        return made


def parse_trust(text: str) -> dict[str, Any]:
    """The trust policy in a JSON text; ValueError if it is none."""
    return check_trust(json.loads(text))
