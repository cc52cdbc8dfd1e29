"""Scripted faults: what goes wrong with the next requests, in the order they were queued.

A fault for a listening service ("agent") decides what goes over the wire instead of, or made from, the normal answer.
A fault for "eks-auth" happens behind the agent, so the agent's own checks and its cache come first; and
behind "eks-auth-api", the service itself as it listens for nodes without an agent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Union

from emulator.eksauth import STATUS, rfc3339
from emulator.httpd import PLAIN, Exchange, Request, Response, Script
from emulator.state import State

JSON_TYPE = "application/json"
Normal = Callable[[], Awaitable[Response]]
Maker = Callable[["Fault", Request, Normal, State], Awaitable[Union[Response, Script]]]

KINDS: dict[str, tuple[dict[str, Any], Maker]] = {}
EKS_AUTH_KINDS: dict[str, dict[str, Any]] = {
    "pass": {},
    "eks_auth_error": {"code": "InternalServerException", "message": None, "status": None},
    # No answer of EKS Auth: the agent shows the request id of an answer that there never was, and nothing else.
    "unreachable": {"message": "[]"},
    # An answer that is not EKS Auth's: of a proxy or gateway, with any status, also 200.
    "unreadable": {"status": 502, "request_id": ""},
    # The node has no credentials to sign with, for instance since its metadata service cannot be reached.
    "no_node_credentials": {
        "message": "unable to fetch credentials from EKS Auth: operation error EKS Auth: AssumeRoleForPodIdentity, get identity: get "
        "credentials: failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, exceeded "
        "maximum number of attempts, 3, request send failed"
    },
}
SERVICES = ("agent", "eks-auth", "sts", "iam", "ec2", "eks", "eks-auth-api", "imds", "proxy")


def kind(name: str, **params: Any) -> Callable[[Maker], Maker]:
    """Registers a kind of fault with its parameters and their defaults."""
    def register(maker: Maker) -> Maker:
        KINDS[name] = (params, maker)
        return maker
    return register


@dataclass
class Fault:
    """One entry of a queue."""

    kind: str
    params: dict[str, Any]
    service: str = "agent"
    times: int | None = 1
    """How many requests it hits; None: until it is cleared."""
    delay_s: float = 0.0
    method: str | None = None
    path: str | None = None
    hits: int = 0

    async def delay(self) -> None:
        """Waits as long as the fault says before anything else."""
        if self.delay_s > 0:
            await asyncio.sleep(self.delay_s)

    async def make(self, request: Request, normal: Normal, state: State) -> Response | Script:
        """What the client gets."""
        await self.delay()
        return await KINDS[self.kind][1](self, request, normal, state)

    def public(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "service": self.service, "times": self.times, "delay_s": self.delay_s,
                "method": self.method, "path": self.path, "hits": self.hits, **self.params}


def parse_fault(spec: Any) -> Fault:
    """Reads one fault of the control endpoint, strictly: a typing error in a test must not look like a pass."""
    if not isinstance(spec, dict):
        raise ValueError("a fault is an object")
    spec = dict(spec)
    name, service = spec.pop("kind", "pass"), spec.pop("service", "agent")
    if service not in SERVICES:
        raise ValueError(f"unknown service {service!r}; there are {list(SERVICES)}")
    table = EKS_AUTH_KINDS if service == "eks-auth" else {key: value[0] for key, value in KINDS.items()}
    if name not in table:
        raise ValueError(f"unknown kind {name!r} for {service}; there are {sorted(table)}")
    common = {key: spec.pop(key) for key in ("times", "delay_s", "method", "path") if key in spec}
    unknown = set(spec) - set(table[name])
    if unknown:
        raise ValueError(f"kind {name!r} has no parameter {sorted(unknown)}; it has {sorted(table[name])}")
    if name == "eks_auth_error" and spec.get("code", "InternalServerException") not in STATUS and "status" not in spec:
        raise ValueError(f"unknown code {spec['code']!r} needs a status")
    return Fault(name, {**table[name], **spec}, service, **common)


@dataclass
class Faults:
    """The queues of all services."""

    queue: list[Fault] = field(default_factory=list)

    def take(self, service: str, request: Request | None = None) -> Fault | None:
        """The first fault that fits this request, counted down."""
        for fault in self.queue:
            if fault.service != service:
                continue
            if request and fault.method not in (None, request.method):
                continue
            if request and fault.path not in (None, request.path):
                continue
            fault.hits += 1
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.queue.remove(fault)
            return fault
        return None


@kind("pass")
async def _pass(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    return await normal()


@kind("answer", status=200, headers={}, body="", json=None, body_base64=None, content_type=None)
async def _answer(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    given = fault.params
    body, content_type = given["body"].encode(), PLAIN
    if given["json"] is not None:
        body, content_type = json.dumps(given["json"]).encode(), JSON_TYPE
    if given["body_base64"] is not None:
        body = base64.b64decode(given["body_base64"])
    if given["content_type"] is not None:
        content_type = given["content_type"]
    return Response(given["status"], body, content_type, list(given["headers"].items()))


@kind("patch", set={}, drop=[], expires_in_s=None)
async def _patch(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """The normal credentials with members changed or missing; other answers stay as they are."""
    answer = await normal()
    if answer.status == 200:
        body = {name: value for name, value in json.loads(answer.body).items() if name not in fault.params["drop"]}
        body.update(fault.params["set"])
        if fault.params["expires_in_s"] is not None:
            body["Expiration"] = rfc3339(state.now() + fault.params["expires_in_s"])
        answer.body = json.dumps(body).encode()
    return answer


@kind("empty", status=200, content_type=JSON_TYPE)
async def _empty(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    return Response(fault.params["status"], b"", fault.params["content_type"])


@kind("redirect", location="http://127.0.0.1:9/", status=302)
async def _redirect(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    return Response(fault.params["status"], headers=[("Location", fault.params["location"])])


@kind("huge", bytes=8 * 1024 * 1024, chunked=False)
async def _huge(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    """Valid JSON with good credentials, and a member that makes it so long."""
    answer = await normal()
    members = json.loads(answer.body) if answer.status == 200 else {}
    padding = max(0, fault.params["bytes"] - len(json.dumps(members)) - 14)
    answer = Response(200, json.dumps({"Padding": "A" * padding, **members}).encode(), JSON_TYPE)
    if fault.params["chunked"]:
        answer.headers.append(("Transfer-Encoding", "chunked"))
        answer.body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer.body), answer.body)
    return answer


@kind("nested", depth=10_000, open="[", close="]")
async def _nested(fault: Fault, request: Request, normal: Normal, state: State) -> Response:
    depth = fault.params["depth"]
    inner = fault.params["open"] * depth + fault.params["close"] * depth
    return Response(200, b'{"AccessKeyId":' + inner.encode() + b"}", JSON_TYPE)


async def _end(exchange: Exchange, how: str) -> None:
    if how == "reset":
        exchange.reset()
    elif how == "hang":
        await exchange.gone()
    elif how != "close":
        raise ValueError(f"end must be close, reset or hang, not {how!r}")


@kind("truncate", keep=None, end="close")
async def _truncate(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    """The normal answer's head, with its Content-Length, and only `keep` bytes of its body (None: half)."""
    answer = await normal()
    keep = fault.params["keep"]
    keep = len(answer.body) // 2 if keep is None else keep

    async def script(exchange: Exchange) -> None:
        head = answer.encode(state.now(), head_only=True)
        await exchange.send(head + answer.body[:keep])
        await _end(exchange, fault.params["end"])
    return script


@kind("drip", bytes_per_s=100.0)
async def _drip(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    """The normal answer, head and body, that slowly."""
    answer = await normal()
    rate = fault.params["bytes_per_s"]

    async def script(exchange: Exchange) -> None:
        data = answer.encode(state.now(), close=True)
        step = max(1, int(rate / 20))
        for start in range(0, len(data), step):
            await exchange.send(data[start : start + step])
            await asyncio.sleep(step / rate)
    return script


@kind("garbage", bytes=512)
async def _garbage(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    """Random bytes where HTTP was expected."""
    async def script(exchange: Exchange) -> None:
        await exchange.send(os.urandom(fault.params["bytes"]))
    return script


@kind("raw", data="", data_base64=None, end="close")
async def _raw(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    """Exactly these bytes on the wire."""
    given = fault.params
    data = base64.b64decode(given["data_base64"]) if given["data_base64"] is not None else given["data"].encode()

    async def script(exchange: Exchange) -> None:
        await exchange.send(data)
        await _end(exchange, given["end"])
    return script


@kind("reset")
async def _reset(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    async def script(exchange: Exchange) -> None:
        exchange.reset()
    return script


@kind("close")
async def _close(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    """Closes without a byte."""
    async def script(exchange: Exchange) -> None:
        pass
    return script


@kind("hang", seconds=None)
async def _hang(fault: Fault, request: Request, normal: Normal, state: State) -> Script:
    """Answers nothing until the client goes, or the seconds are over."""
    async def script(exchange: Exchange) -> None:
        await exchange.gone(fault.params["seconds"])
    return script
