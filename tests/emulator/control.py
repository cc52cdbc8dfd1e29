"""The control endpoint: HTTP and JSON, on a port of its own.

| request | body or query | effect |
| --- | --- | --- |
| GET / | | where everything listens |
| POST /reset | | as after the start; issued secrets stay known |
| GET, PATCH /settings | any of state.Settings | knobs |
| GET, POST, PUT, DELETE /faults | one fault or a list | show, add, replace, clear |
| GET, PUT, DELETE /associations | namespace, service_account, role_arn, lifetime_s, assumable | add or change, remove |
| POST /tokens | namespace, service_account, … (tokens.Tokens.issue) | a token |
| POST /tokens/sign | header, payload (base64), forged | a signature over any two byte strings |
| GET, PUT, DELETE /roles | arn, trust (a policy), max_session_s | the roles that IAM and STS know |
| POST /callers | arn of a role or user, lifetime_s, session_name | credentials to start from |
| PUT /node | role_arn or null | the role of the node at IMDS |
| POST /listeners | service, host, port, certificate (a kind of tls.KINDS, or null) | one more address |
| GET, POST, PUT /dns | POST: host, port; PUT: names, mode (dns.MODES), delay_s and more (dns.py) | what was asked; listen; change the answers |
| GET, PUT /proxy | PUT: user (USER:PASSWORD or null) | what the proxy was asked to connect to; whom it lets through |
| PUT /listeners | mode (httpd.MODES); service; after_s | stop and start listening |
| GET, DELETE /requests | service, secrets=1, wait=N, timeout=S | requests seen; wait for the Nth |
| GET /secrets | | all that was issued: what no program may print |
"""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

from emulator.app import Emulator
from emulator.faults import parse_fault
from emulator.httpd import Request, Response
from emulator.identity import Role
from emulator.state import Association


class Control:
    """Routes the requests of tests."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.state = emulator.state

    async def handle(self, request: Request) -> Response:
        """Answers one request: 200 with JSON, or 4xx with `error`."""
        name = "_".join([request.method.lower(), *filter(None, request.path.split("/"))])
        action = getattr(self, f"do_{name}", None)
        if action is None:
            return reply(404, {"error": f"no {request.method} {request.path}"})
        try:
            body = json.loads(request.body) if request.body else None
            return reply(200, await action(body, request.query))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return reply(400, {"error": f"{type(error).__name__}: {error}"})

    async def do_get(self, body: Any, query: dict[str, str]) -> Any:
        return self.emulator.describe()

    async def do_post_reset(self, body: Any, query: dict[str, str]) -> Any:
        await self.emulator.reset()
        return {}

    async def do_get_settings(self, body: Any, query: dict[str, str]) -> Any:
        return dataclasses.asdict(self.state.settings)

    async def do_patch_settings(self, body: Any, query: dict[str, str]) -> Any:
        self.state.settings.change(body)
        return dataclasses.asdict(self.state.settings)

    async def do_get_faults(self, body: Any, query: dict[str, str]) -> Any:
        return [fault.public() for fault in self.emulator.faults.queue]

    async def do_post_faults(self, body: Any, query: dict[str, str]) -> Any:
        added = [parse_fault(spec) for spec in (body if isinstance(body, list) else [body])]
        self.emulator.faults.queue.extend(added)
        return await self.do_get_faults(body, query)

    async def do_put_faults(self, body: Any, query: dict[str, str]) -> Any:
        replacement = [parse_fault(spec) for spec in (body if isinstance(body, list) else [body])]
        self.emulator.faults.queue[:] = replacement
        return await self.do_get_faults(body, query)

    async def do_delete_faults(self, body: Any, query: dict[str, str]) -> Any:
        self.emulator.faults.queue.clear()
        return []

    async def do_get_associations(self, body: Any, query: dict[str, str]) -> Any:
        return [dataclasses.asdict(one) for one in self.state.associations.values()]

    async def do_put_associations(self, body: Any, query: dict[str, str]) -> Any:
        association = Association(**body)
        if not association.account_id.isdigit():
            raise ValueError(f"no account in the ARN {association.role_arn!r}")
        self.state.associations[(association.namespace, association.service_account)] = association
        return dataclasses.asdict(association)

    async def do_delete_associations(self, body: Any, query: dict[str, str]) -> Any:
        if query:
            del self.state.associations[(query["namespace"], query["service_account"])]
        else:
            self.state.associations.clear()
        return {}

    async def do_post_tokens(self, body: Any, query: dict[str, str]) -> Any:
        token = self.emulator.tokens.issue(self.state.now(), **body)
        self.state.remember("service_account_token", token)
        return {"token": token}

    async def do_post_tokens_sign(self, body: Any, query: dict[str, str]) -> Any:
        header, payload = base64.b64decode(body["header"]), base64.b64decode(body["payload"])
        token = self.emulator.tokens.sign(header, payload, body.get("forged", False))
        self.state.remember("service_account_token", token)
        return {"token": token}

    async def do_put_listeners(self, body: Any, query: dict[str, str]) -> Any:
        await self.emulator.set_mode(body.get("service", "agent"), body["mode"], body.get("after_s", 0.0))
        return self.emulator.describe()

    async def do_post_listeners(self, body: Any, query: dict[str, str]) -> Any:
        wanted = (body["service"], body.get("host", "127.0.0.1"), body.get("port", 0), body.get("certificate"))
        listener = next((one for one in self.emulator.listeners
                         if (one.service, one.host, one.port, one.certificate) == wanted), None)
        listener = listener or self.emulator.add_listener(*wanted)
        await listener.set_mode("open")
        described = self.emulator.describe()
        return {**described["listeners"][self.emulator.listeners.index(listener)], "ca_file": described["ca_file"]}

    async def do_get_roles(self, body: Any, query: dict[str, str]) -> Any:
        return [dataclasses.asdict(role) for role in self.emulator.directory.roles.values()]

    async def do_put_roles(self, body: Any, query: dict[str, str]) -> Any:
        return dataclasses.asdict(self.emulator.directory.put(Role(**body)))

    async def do_delete_roles(self, body: Any, query: dict[str, str]) -> Any:
        del self.emulator.directory.roles[query["arn"]]
        return {}

    async def do_post_callers(self, body: Any, query: dict[str, str]) -> Any:
        made = self.emulator.directory.caller(**body)
        return {"access_key_id": made.access_key_id, "secret_access_key": made.secret_access_key,
                "session_token": made.session_token, "arn": made.arn}

    async def do_put_node(self, body: Any, query: dict[str, str]) -> Any:
        self.emulator.imds.role_arn = body["role_arn"]
        return body

    async def do_get_dns(self, body: Any, query: dict[str, str]) -> Any:
        return self.emulator.dns.asked

    async def do_post_dns(self, body: Any, query: dict[str, str]) -> Any:
        return await self.emulator.dns.listen(body["host"], body["port"])

    async def do_put_dns(self, body: Any, query: dict[str, str]) -> Any:
        self.emulator.dns.change(**body)
        return body

    async def do_get_proxy(self, body: Any, query: dict[str, str]) -> Any:
        return self.emulator.proxy.targets

    async def do_put_proxy(self, body: Any, query: dict[str, str]) -> Any:
        self.emulator.proxy.user = body["user"]
        return body

    async def do_get_requests(self, body: Any, query: dict[str, str]) -> Any:
        service = query.get("service", "agent")
        reached = True
        if "wait" in query:
            reached = await self.state.wait_for(service, int(query["wait"]), float(query.get("timeout", "30")))
        shown = [one.public(query.get("secrets") == "1") for one in self.state.journal if one.service == service]
        return {
            "count": self.state.totals.get(service, 0),
            "connections": self.state.connections.get(service, 0),
            "reached": reached,
            "requests": shown[-int(query["last"]):] if "last" in query else shown,
        }

    async def do_delete_requests(self, body: Any, query: dict[str, str]) -> Any:
        self.state.reset_journal()
        return {}

    async def do_get_secrets(self, body: Any, query: dict[str, str]) -> Any:
        return [{"kind": kind, "value": value} for value, kind in self.state.secrets.items()]


def reply(status: int, value: Any) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(value).encode() + b"\n", "application/json")
