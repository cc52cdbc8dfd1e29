"""EKS in REST-JSON: AssumeRoleForPodIdentity of EKS Auth, and the pod identity associations of EKS.

Paths, members and error codes are those of the service models in boto/botocore (eks-auth/2023-11-26, eks/2017-11-01); the
texts about roles are those that users quote in public (hashicorp/terraform-provider-aws#34711 and #41483).
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from typing import Any
from urllib.parse import unquote

from emulator.eksauth import EksAuthError, assume_for_pod
from emulator.faults import Faults
from emulator.httpd import Request, Response, Script
from emulator.identity import POD_PRINCIPAL, Directory, allowed, listed
from emulator.sigv4 import Problem, verify
from emulator.state import Association, State
from emulator.tokens import Tokens

JSON_TYPE = "application/json"
PROBLEMS = {"missing": "MissingAuthenticationTokenException", "incomplete": "IncompleteSignatureException",
            "unknown": "UnrecognizedClientException", "expired": "ExpiredTokenException",
            "mismatch": "InvalidSignatureException"}
TEXTS = {"missing": "Missing Authentication Token", "expired": "The security token included in the request is expired"}
ASSOCIATIONS = re.compile(r"/clusters/([^/]+)/pod-identity-associations(?:/([^/]+))?")
ASSUME = re.compile(r"/clusters/([^/]+)/assume-role-for-pod-identity")
CLUSTER = re.compile(r"[0-9A-Za-z][A-Za-z0-9\-_]{0,99}")
ROLE = re.compile(r"arn:aws[a-z0-9-]*:iam::\d{12}:role/.+")


class RestError(Exception):
    """An error answer."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class RestService:
    """What both services share: signature, JSON, errors."""

    service = ""

    def __init__(self, state: State, directory: Directory) -> None:
        self.state, self.directory = state, directory

    async def handle(self, request: Request) -> Response | Script:
        """Answers one request."""
        try:
            verify(request, self.service, self.state.settings.region, self.state.now(), self.directory.find)
            try:
                body = json.loads(request.body) if request.body else {}
            except ValueError:
                raise RestError("SerializationException", "") from None
            if not isinstance(body, dict):
                raise RestError("SerializationException", "Start of structure or map found where not expected.")
            value = await self.answer(request, body)
            return Response(200, json.dumps(value).encode(), JSON_TYPE, [("x-amzn-RequestId", str(uuid.uuid4()))])
        except Problem as problem:
            return self.failure(PROBLEMS[problem.kind], TEXTS.get(problem.kind, str(problem)), 403)
        except (RestError, EksAuthError) as error:
            return self.failure(error.code, str(error), error.status)

    async def answer(self, request: Request, body: dict[str, Any]) -> Any:
        """What the service says to a signed request."""
        raise NotImplementedError

    def failure(self, code: str, message: str, status: int) -> Response:
        """An error, named in the header; the text in the body."""
        headers = [("x-amzn-RequestId", str(uuid.uuid4())), ("x-amzn-ErrorType", code)]
        return Response(status, json.dumps({"message": message}).encode(), JSON_TYPE, headers)


def association_arn(state: State, association: Association) -> str:
    """The association's own ARN."""
    return (f"arn:aws:eks:{state.settings.region}:{association.account_id}:podidentityassociation/"
            f"{state.settings.cluster_name}/{association.association_id}")


class EksAuth(RestService):
    """EKS Auth as nodes without an agent call it."""

    service = "eks-auth"

    def __init__(self, state: State, directory: Directory, tokens: Tokens, faults: Faults) -> None:
        super().__init__(state, directory)
        self.tokens, self.faults = tokens, faults

    async def answer(self, request: Request, body: dict[str, Any]) -> Any:
        """AssumeRoleForPodIdentity."""
        found = ASSUME.fullmatch(request.path)
        if not found or request.method != "POST":
            raise RestError("UnknownOperationException", "", 404)
        cluster, token = unquote(found.group(1)), body.get("token")
        if not CLUSTER.fullmatch(cluster) or not isinstance(token, str):
            raise EksAuthError("InvalidParameterException")
        if cluster != self.state.settings.cluster_name:
            raise EksAuthError("ResourceNotFoundException", f"No cluster found for name: {cluster}.")
        fault = self.faults.take("eks-auth")
        if fault:
            await fault.delay()
            if fault.kind != "pass":
                raise EksAuthError(fault.params.get("code", "ServiceUnavailableException"), fault.params["message"],
                                   fault.params.get("status"))
        association, made = assume_for_pod(self.state, self.tokens, self.directory, token)
        expiration = made.expires_at if self.state.settings.fraction else int(made.expires_at)
        return {
            "subject": {"namespace": association.namespace, "serviceAccount": association.service_account},
            "audience": self.state.settings.audience,
            "podIdentityAssociation": {"associationArn": association_arn(self.state, association),
                                       "associationId": association.association_id},
            "assumedRoleUser": {"arn": made.arn, "assumeRoleId": f"AROAEXAMPLEEXAMPLEEXA:{made.session_name}"},
            "credentials": {"accessKeyId": made.access_key_id, "secretAccessKey": made.secret_access_key,
                            "sessionToken": made.session_token, "expiration": expiration},
        }


class Eks(RestService):
    """The associations: which role the pods of a service account get."""

    service = "eks"

    async def answer(self, request: Request, body: dict[str, Any]) -> Any:
        """One of the five operations."""
        found = ASSOCIATIONS.fullmatch(request.path)
        if not found:
            raise RestError("UnknownOperationException", "", 404)
        cluster, identifier = unquote(found.group(1)), found.group(2)
        if cluster != self.state.settings.cluster_name:
            raise RestError("ResourceNotFoundException", f"No cluster found for name: {cluster}.", 404)
        if identifier is None:
            if request.method == "POST":
                return self.create(body)
            if request.method == "GET":
                return self.list(request.query)
        elif request.method in ("GET", "POST", "DELETE"):
            association = self.find(unquote(identifier))
            if request.method == "POST":
                self.update(association, body)
            elif request.method == "DELETE":
                del self.state.associations[(association.namespace, association.service_account)]
            return {"association": self.shown(association)}
        raise RestError("UnknownOperationException", "", 404)

    def find(self, identifier: str) -> Association:
        """By its id."""
        for association in self.state.associations.values():
            if association.association_id == identifier:
                return association
        raise RestError("ResourceNotFoundException", f"Association {identifier} could not be found in cluster "
                        f"{self.state.settings.cluster_name}", 404)

    def create(self, body: dict[str, Any]) -> Any:
        """A new association, one for a service account."""
        for name in ("namespace", "serviceAccount", "roleArn"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise RestError("InvalidParameterException", f"{name} is required")
        key = (body["namespace"], body["serviceAccount"])
        if key in self.state.associations:
            raise RestError("ResourceInUseException", "Association already exists: "
                            + self.state.associations[key].association_id, 409)
        association = Association(*key, "", tags=dict(body.get("tags") or {}))
        self.update(association, body)
        self.state.associations[key] = association
        return {"association": self.shown(association)}

    def update(self, association: Association, body: dict[str, Any]) -> None:
        """Changes role, target role and session tags. The agent's cache goes on with what it has, as in AWS."""
        role_arn = self.role_of_pods(body["roleArn"]) if "roleArn" in body else association.role_arn
        target = role_of(body["targetRoleArn"]) if body.get("targetRoleArn") else association.target_role_arn
        untagged = bool(body.get("disableSessionTags", association.disable_session_tags))
        policy = body.get("policy", association.policy)
        if policy and not untagged:
            raise RestError("InvalidParameterException", "policy can only be specified when disableSessionTags is true")
        if target:
            association.external_id = association.external_id or secrets.token_hex(16)
        association.role_arn, association.target_role_arn = role_arn, target
        association.disable_session_tags, association.policy = untagged, policy
        association.modified_at = self.state.now()

    def role_of_pods(self, arn: Any) -> str:
        """The ARN of a role that exists and trusts EKS, which the service looks at when an association is made or changed.
        Conditions, and sts:TagSession, show only when the role is assumed."""
        role = self.directory.roles.get(role_of(arn))
        if role is None:
            raise RestError("InvalidParameterException", "Role provided in the request does not exist.")
        bare = [{**one, "Condition": {}} for one in listed(role.trust["Statement"])]
        if not allowed({"Statement": bare}, "sts:AssumeRole", "Service", {POD_PRINCIPAL}, {}):
            raise RestError("InvalidParameterException", "Trust policy of the role provided is invalid. Follow the official "
                            "documentation to resolve the issue.")
        return role.arn

    def list(self, query: dict[str, str]) -> Any:
        """A page of the associations, of one namespace or service account if wanted."""
        fits = [one for one in self.state.associations.values()
                if query.get("namespace", one.namespace) == one.namespace
                and query.get("serviceAccount", one.service_account) == one.service_account]
        start, size = query.get("nextToken", "0"), query.get("maxResults", "100")
        if not (start.isdigit() and size.isdigit() and 1 <= int(size) <= 100):
            raise RestError("InvalidParameterException", "maxResults and nextToken are not valid")
        end = int(start) + int(size)
        summary = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")
        shown = [{name: self.shown(one)[name] for name in summary} for one in fits[int(start):end]]
        return {"associations": shown, **({"nextToken": str(end)} if end < len(fits) else {})}

    def shown(self, association: Association) -> dict[str, Any]:
        """An association in full."""
        shown = {
            "clusterName": self.state.settings.cluster_name, "namespace": association.namespace,
            "serviceAccount": association.service_account, "roleArn": association.role_arn,
            "associationArn": association_arn(self.state, association), "associationId": association.association_id,
            "tags": association.tags, "createdAt": association.created_at, "modifiedAt": association.modified_at,
            "disableSessionTags": association.disable_session_tags,
        }
        if association.target_role_arn:
            shown.update(targetRoleArn=association.target_role_arn, externalId=association.external_id)
        if association.policy:
            shown["policy"] = association.policy
        return shown


def role_of(arn: Any) -> str:
    """The ARN, if it is one of a role."""
    if not isinstance(arn, str) or not ROLE.fullmatch(arn):
        raise RestError("InvalidParameterException", f"The role ARN {arn!r} is not valid")
    return arn
