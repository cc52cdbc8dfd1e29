"""AWS's query protocol: a form comes in, XML goes out (STS, IAM, and EC2 with its own shapes)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Awaitable, Callable
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from emulator.httpd import Request, Response
from emulator.sigv4 import Problem, verify
from emulator.state import Credentials, State
from emulator.identity import Directory

XML = "text/xml"
PROBLEMS = {"missing": ("MissingAuthenticationToken", 403), "incomplete": ("IncompleteSignature", 400),
            "unknown": ("InvalidClientTokenId", 403), "expired": ("ExpiredToken", 403),
            "mismatch": ("SignatureDoesNotMatch", 403)}


class QueryError(Exception):
    """An error answer: code, status, text."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class Call:
    """One request, parsed."""

    form: dict[str, str]
    caller: Credentials | None

    def get(self, name: str) -> str:
        """A parameter, or an empty string."""
        return self.form.get(name, "")

    def members(self, name: str) -> list[str]:
        """The values of a list: NAME.member.1 and so on."""
        found = []
        while (value := self.form.get(f"{name}.member.{len(found) + 1}")) is not None:
            found.append(value)
        return found

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """The Key and Value of a list of tags."""
        found: list[tuple[str, str]] = []
        while (key := self.form.get(f"{name}.member.{len(found) + 1}.Key")) is not None:
            found.append((key, self.form.get(f"{name}.member.{len(found) + 1}.Value", "")))
        return found


Action = Callable[[Call], Awaitable[dict[str, Any]]]


def render(value: Any) -> str:
    """XML of a tree: dictionaries are elements, lists repeat `member`, None is left out."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{render(inner)}</{name}>" for name, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return "".join(f"<member>{render(inner)}</member>" for inner in value)
    return escape(str(value))


class QueryService:
    """What STS and IAM have in common. A subclass has `actions`."""

    service, version, namespace = "", "", ""
    unsigned: frozenset[str] = frozenset()
    problems = PROBLEMS

    def __init__(self, state: State, directory: Directory) -> None:
        self.state, self.directory = state, directory
        self.actions: dict[str, Action] = {}

    @property
    def region(self) -> str:
        """Where signatures must be scoped to."""
        return self.state.settings.region

    async def handle(self, request: Request) -> Response:
        """Answers one request."""
        request_id = str(uuid.uuid4())
        try:
            call, name = self.parse(request)
            result = await self.actions[name](call)
            return self.success(name, result, request_id)
        except Problem as problem:
            code, status = self.problems[problem.kind]
            return self.failure(code, str(problem), status, request_id)
        except QueryError as error:
            return self.failure(error.code, str(error), error.status, request_id)

    def parse(self, request: Request) -> tuple[Call, str]:
        """The form, and who signed it; an action that is not known is refused first, as AWS does."""
        if request.path != "/":
            raise QueryError("UnknownOperationException", "", 404)
        form = dict(request.query)
        if request.method == "POST":
            form.update(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        elif request.method != "GET":
            raise QueryError("InvalidAction", f"{request.method} is not supported", 405)
        name = form.get("Action", "")
        if name not in self.actions or form.get("Version") != self.version:
            raise QueryError("InvalidAction", f"Could not find operation {name} for version {form.get('Version', 'NO_VERSION_SPECIFIED')}")
        if name in self.unsigned:
            return Call(form, None), name
        caller = verify(request, self.service, self.region, self.state.now(), self.directory.find)
        return Call(form, caller), name

    def success(self, name: str, result: dict[str, Any], request_id: str) -> Response:
        """The XML of a good answer."""
        tree = {**({f"{name}Result": result} if result else {}), "ResponseMetadata": {"RequestId": request_id}}
        body = f'<{name}Response xmlns="{self.namespace}">{render(tree)}</{name}Response>'
        return Response(200, body.encode(), XML, [("x-amzn-RequestId", request_id)])

    def failure(self, code: str, message: str, status: int, request_id: str | None = None) -> Response:
        """The XML of an error."""
        request_id = request_id or str(uuid.uuid4())
        kind = "Receiver" if status >= 500 else "Sender"
        tree = {"Error": {"Type": kind, "Code": code, "Message": message}, "RequestId": request_id}
        body = f'<ErrorResponse xmlns="{self.namespace}">{render(tree)}</ErrorResponse>'
        return Response(status, body.encode(), XML, [("x-amzn-RequestId", request_id)])
