"""Faults of the services that answer in XML, and errors in a service's own shape."""

from __future__ import annotations

import json
import re
import uuid
from email.utils import formatdate

from emulator.faults import Fault, Normal, kind
from emulator.httpd import Request, Response
from emulator.iam import Iam
from emulator.query import XML, render
from emulator.state import State
from emulator.sts import Sts


@kind("aws_error", code="InternalFailure", message="", status=500)
async def _aws_error(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """An error as this service words it: XML, EC2's XML, or JSON with the name in a header."""
    code, message, status = (fault.params[name] for name in ("code", "message", "status"))
    request_id = [("x-amzn-RequestId", str(uuid.uuid4()))]
    if fault.service in ("eks", "eks-auth-api"):
        body = json.dumps({"message": message}).encode()
        return Response(status, body, "application/json", [*request_id, ("x-amzn-ErrorType", code)])
    if fault.service == "ec2":
        tree = {"Errors": {"Error": {"Code": code, "Message": message}}, "RequestID": request_id[0][1]}
        return Response(status, f"<Response>{render(tree)}</Response>".encode(), XML, request_id)
    kind_of = "Receiver" if status >= 500 else "Sender"
    tree = {"Error": {"Type": kind_of, "Code": code, "Message": message}, "RequestId": request_id[0][1]}
    namespace = (Iam if fault.service == "iam" else Sts).namespace
    return Response(status, f'<ErrorResponse xmlns="{namespace}">{render(tree)}</ErrorResponse>'.encode(), XML, request_id)


@kind("xml_nested", depth=10_000)
async def _xml_nested(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """Elements in elements in elements."""
    depth = fault.params["depth"]
    return Response(200, b"<a>" * depth + b"</a>" * depth, XML)


@kind("xml_namespace", namespace="https://example.com/other/")
async def _xml_namespace(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal answer in another namespace; in none, if it is empty."""
    answer = await normal()
    namespace = fault.params["namespace"]
    given = f' xmlns="{namespace}"' if namespace else ""
    answer.body = re.sub(rb' xmlns="[^"]*"', given.encode(), answer.body, count=1)
    return answer


@kind("xml_huge", bytes=8 * 1024 * 1024)
async def _xml_huge(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal answer after a comment that makes it so long."""
    answer = await normal()
    answer.body = b"<!--" + b"A" * max(0, fault.params["bytes"] - len(answer.body) - 7) + b"-->" + answer.body
    return answer


@kind("charset", charset="utf-16", label=None)
async def _charset(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal answer in another encoding, labelled so; or in its own, with a label that is wrong."""
    answer = await normal()
    charset, label = fault.params["charset"], fault.params["label"]
    answer.body = answer.body.decode().encode(charset)
    answer.content_type = f"{answer.content_type.split(';')[0]}; charset={label or charset}"
    return answer


@kind("replace", pattern="", text="", count=0)
async def _replace(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal answer with what fits a regular expression replaced (count 0: everywhere), and the length made right."""
    answer = await normal()
    given = fault.params
    answer.body = re.sub(given["pattern"].encode(), given["text"].encode(), answer.body, count=given["count"], flags=re.DOTALL)
    return answer


@kind("cut", keep=None)
async def _cut(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The first `keep` bytes of the normal body (None: half) as a whole answer of that length; less than 0: all but so many."""
    answer = await normal()
    keep = fault.params["keep"]
    answer.body = answer.body[:len(answer.body) // 2 if keep is None else keep]
    return answer


@kind("date", skew_s=0.0, value=None)
async def _date(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal answer with a Date so far from the truth, or with this text for a Date."""
    answer = await normal()
    value = fault.params["value"]
    answer.headers.append(("Date", formatdate(state.now() + fault.params["skew_s"], usegmt=True) if value is None else value))
    return answer
