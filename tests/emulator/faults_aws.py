"""Faults of the services that answer in XML, and errors in a service's own shape."""

from __future__ import annotations

import json
import re

from emulator.faults import Fault, Normal, kind
from emulator.httpd import Request, Response
from emulator.query import XML, render
from emulator.state import State
from emulator.sts import Sts


@kind("aws_error", code="InternalFailure", message="", status=500)
async def _aws_error(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """An error as this service words it: XML, EC2's XML, or JSON with the name in a header."""
    code, message, status = (fault.params[name] for name in ("code", "message", "status"))
    if fault.service in ("eks", "eks-auth-api"):
        return Response(status, json.dumps({"message": message}).encode(), "application/json", [("x-amzn-ErrorType", code)])
    if fault.service == "ec2":
        tree = {"Errors": {"Error": {"Code": code, "Message": message}}, "RequestID": "fault"}
        return Response(status, f"<Response>{render(tree)}</Response>".encode(), XML)
    kind_of = "Receiver" if status >= 500 else "Sender"
    tree = {"Error": {"Type": kind_of, "Code": code, "Message": message}, "RequestId": "fault"}
    return Response(status, f'<ErrorResponse xmlns="{Sts.namespace}">{render(tree)}</ErrorResponse>'.encode(), XML)


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


@kind("charset", charset="utf-16")
async def _charset(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal answer in another encoding, and labelled so."""
    answer = await normal()
    answer.body = answer.body.decode().encode(fault.params["charset"])
    answer.content_type = f"{answer.content_type.split(';')[0]}; charset={fault.params['name']}"
    return answer
