"""The little of IAM and EC2 that the walkthrough of the feature needs: roles, and a call that any credentials can make."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any
from urllib.parse import quote

from emulator.eksauth import rfc3339
from emulator.httpd import Response
from emulator.identity import Directory, Role, parse_trust
from emulator.query import XML, Call, QueryError, QueryService, render
from emulator.state import State
from emulator.sts import signer


class Iam(QueryService):
    """Roles of the caller's account. IAM is global, and signed for us-east-1."""

    service, version, region = "iam", "2010-05-08", "us-east-1"
    namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

    def __init__(self, state: State, directory: Directory) -> None:
        super().__init__(state, directory)
        self.actions = {"CreateRole": self.create_role, "GetRole": self.get_role, "DeleteRole": self.delete_role,
                        "UpdateAssumeRolePolicy": self.update_trust}

    async def create_role(self, call: Call) -> dict[str, Any]:
        """A new role."""
        name, path = call.get("RoleName"), call.get("Path") or "/"
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name, re.ASCII):
            raise QueryError("ValidationError", "The specified value for roleName is invalid. It must contain only alphanumeric "
                             "characters and/or the following: +=,.@_-")
        if any(role.name == name and role.account_id == signer(call).account_id for role in self.directory.roles.values()):
            raise QueryError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        longest = int(call.get("MaxSessionDuration") or 3600)
        role = Role(f"arn:aws:iam::{signer(call).account_id}:role{path}{name}", trust(call, "AssumeRolePolicyDocument"), longest,
                    description=call.get("Description"))
        return {"Role": shown(self.directory.put(role))}

    async def get_role(self, call: Call) -> dict[str, Any]:
        """One role."""
        return {"Role": shown(self.find(call))}

    async def delete_role(self, call: Call) -> dict[str, Any]:
        """Takes the role away. Sessions that exist live on, as in AWS."""
        del self.directory.roles[self.find(call).arn]
        return {}

    async def update_trust(self, call: Call) -> dict[str, Any]:
        """Another trust policy."""
        self.find(call).trust = trust(call, "PolicyDocument")
        return {}

    def find(self, call: Call) -> Role:
        """The role that the call names."""
        for role in self.directory.roles.values():
            if role.name == call.get("RoleName") and role.account_id == signer(call).account_id:
                return role
        raise QueryError("NoSuchEntity", f"The role with name {call.get('RoleName')} cannot be found.", 404)


def trust(call: Call, name: str) -> dict[str, Any]:
    """The trust policy of a call."""
    try:
        return parse_trust(call.get(name))
    except ValueError:
        raise QueryError("MalformedPolicyDocument", "This policy contains invalid Json") from None


def shown(role: Role) -> dict[str, Any]:
    """A role as XML has it; the policy is percent-encoded."""
    path = role.arn.split(":role", 1)[1][: -len(role.name)]
    return {"Path": path, "RoleName": role.name, "RoleId": role.role_id, "Arn": role.arn,
            "CreateDate": rfc3339(int(role.created_at)), "AssumeRolePolicyDocument": quote(json.dumps(role.trust), safe=""),
            "Description": role.description or None, "MaxSessionDuration": role.max_session_s}


class Ec2(QueryService):
    """DescribeInstances: no instances, for whoever has signed well."""

    service, version = "ec2", "2016-11-15"
    namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"
    problems = {"missing": ("MissingAuthenticationToken", 403), "incomplete": ("IncompleteSignature", 400),
                "unknown": ("AuthFailure", 401), "expired": ("RequestExpired", 400),
                "mismatch": ("SignatureDoesNotMatch", 403)}
    texts = {"AuthFailure": "AWS was not able to validate the provided access credentials",
             "RequestExpired": "Request has expired."}

    def __init__(self, state: State, directory: Directory) -> None:
        super().__init__(state, directory)
        self.actions = {"DescribeInstances": self.describe_instances}

    async def describe_instances(self, call: Call) -> dict[str, Any]:
        """An account without instances."""
        return {"reservationSet": ""}

    def success(self, name: str, result: dict[str, Any], request_id: str) -> Response:
        """EC2 has no result element around the result."""
        body = f'<{name}Response xmlns="{self.namespace}">{render({"requestId": request_id, **result})}</{name}Response>'
        return Response(200, body.encode(), XML, [("x-amzn-RequestId", request_id)])

    def failure(self, code: str, message: str, status: int, request_id: str | None = None) -> Response:
        """EC2 has its own shape of errors."""
        tree = {"Errors": {"Error": {"Code": code, "Message": self.texts.get(code, message)}},
                "RequestID": request_id or str(uuid.uuid4())}
        return Response(status, f"<Response>{render(tree)}</Response>".encode(), XML)
