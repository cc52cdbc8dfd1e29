"""Puts the emulator together: state, services, listeners, control endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import time
from typing import Any, Sequence

from emulator.agent import Agent
from emulator import faults_aws  # noqa: F401 - registers its kinds
from emulator.dns import Dns
from emulator.eksapi import Eks, EksAuth
from emulator.faults import Faults
from emulator.httpd import Handler, Listener, Request, Response, Script
from emulator.iam import Ec2, Iam
from emulator.identity import Directory
from emulator.imds import Imds
from emulator.proxy import Proxy
from emulator.state import Seen, State
from emulator.sts import Sts
from emulator.tls import Tls
from emulator.tokens import Tokens


class Emulator:
    """All services of one process."""

    def __init__(self, state: State, tokens: Tokens, certificate_names: Sequence[str] = ()) -> None:
        self.state, self.tokens = state, tokens
        self.faults = Faults()
        self.directory = Directory(state)
        self.tls = Tls(certificate_names)
        self.agent = Agent(state, tokens, self.directory, self.faults, time.monotonic)
        self.imds = Imds(state)
        self.proxy = Proxy()
        self.dns = Dns()
        self.handlers: dict[str, Handler] = {
            "agent": self.agent.handle,
            "sts": Sts(state, self.directory, tokens).handle,
            "iam": Iam(state, self.directory).handle,
            "ec2": Ec2(state, self.directory).handle,
            "eks": Eks(state, self.directory).handle,
            "eks-auth-api": EksAuth(state, self.directory, tokens, self.faults).handle,
            "imds": self.imds.handle,
            "proxy": self.proxy.handle,
        }
        self.listeners: list[Listener] = []
        self._later: list[asyncio.Task[None]] = []

    def add_listener(self, service: str, host: str, port: int, certificate: str | None = None) -> Listener:
        """Takes an address for a service, with TLS if a kind of certificate is named; it refuses connections until its mode is
        `open`."""
        if service not in self.handlers:
            raise ValueError(f"unknown service {service!r}; there are {sorted(self.handlers)}")
        async def handle(request: Request) -> Response | Script:
            return await self.serve(service, request)
        context = self.tls.context(certificate) if certificate else None
        listener = Listener(service, host, port, handle, self.state.now, context, certificate)
        listener.accepted = self._accepted
        if service == "agent":
            # At all addresses of a container it is reached by the machine's loopback, which SDKs take, too.
            self.agent.hosts.update(("127.0.0.1", "::1") if host in ("0.0.0.0", "::") else (host,))
        self.listeners.append(listener)
        return listener

    def _accepted(self, service: str) -> None:
        self.state.connections[service] = self.state.connections.get(service, 0) + 1

    async def serve(self, service: str, request: Request) -> Response | Script:
        """Journals a request, and answers it as the service would, or as the next fault says."""
        seen = Seen(0, service, request.listener, request.remote, request.method, request.path, request.headers,
                    time.time(), time.monotonic())
        await self.state.saw(seen)

        async def normal() -> Response:
            answer = await self.handlers[service](request)
            assert isinstance(answer, Response)
            return answer
        fault = self.faults.take(service, request)
        seen.fault = fault.kind if fault else None
        answer = await (fault.make(request, normal, self.state) if fault else self.handlers[service](request))
        seen.status = answer.status if isinstance(answer, Response) else None
        seen.seconds = time.monotonic() - seen.monotonic
        return answer

    def of_service(self, service: str) -> list[Listener]:
        """The listeners of a service; ValueError if there is none."""
        found = [listener for listener in self.listeners if listener.service == service]
        if not found:
            raise ValueError(f"nothing listens for {service!r}")
        return found

    async def set_mode(self, service: str, mode: str, after_s: float = 0.0) -> None:
        """Opens, closes or deafens a service's addresses, now or later."""
        async def change() -> None:
            await asyncio.sleep(after_s)
            for listener in self.of_service(service):
                await listener.set_mode(mode)
        if after_s <= 0:
            await change()
        else:
            self.of_service(service)
            self._later.append(asyncio.get_running_loop().create_task(change()))

    async def reset(self) -> None:
        """As after the start: no faults, open listeners, first settings, empty journal."""
        for task in self._later:
            task.cancel()
        self._later.clear()
        self.faults.queue.clear()
        self.agent.buckets.clear()
        self.directory.roles.clear()
        self.imds.reset()
        self.dns.reset()
        self.proxy.reset()
        self.state.reset()
        for listener in self.listeners:
            listener.drop_connections()
            await listener.set_mode("open")

    def describe(self) -> dict[str, Any]:
        """Where everything listens."""
        return {
            "pid": os.getpid(),
            "listeners": [
                {"service": one.service, "host": one.host, "port": one.port, "mode": one.mode,
                 "certificate": one.certificate,
                 "url": f"http{'s' if one.certificate else ''}://{one.authority}"}
                for one in self.listeners
            ],
            "ca_file": self.tls.ca_file if any(one.certificate for one in self.listeners) else None,
            "issuer": self.tokens.issuer,
        }


async def run(
    emulator: Emulator, control: Listener, late_s: float, ready_file: str | None, watch_stdin: bool = False
) -> None:
    """Serves until SIGTERM, SIGINT or, if asked to watch it, the end of standard input."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a thousand connections need more than the usual 1,024
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if watch_stdin:
        def stdin_readable() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                stop.set()
        loop.add_reader(0, stdin_readable)
    await control.set_mode("open")
    for service in emulator.handlers:
        if any(one.service == service for one in emulator.listeners):
            await emulator.set_mode(service, "open", late_s)
    control_url = control.authority if control.authority.startswith("unix:") else f"http://{control.authority}"
    ready: dict[str, Any] = {"control": control_url, **emulator.describe()}
    agents = [one["url"] for one in ready["listeners"] if one["service"] == "agent"]
    if agents:
        ready["agent"] = agents[0]
    if ready_file:
        publish(ready_file, json.dumps(ready))
    print(json.dumps(ready), flush=True)
    await stop.wait()
    for listener in [*emulator.listeners, control]:
        listener.shut()
    emulator.tls.remove()
    emulator.dns.shut()
    if ready_file:
        try:
            os.unlink(ready_file)
        except FileNotFoundError:
            pass


def publish(path: str, text: str) -> None:
    """Writes a file whole, or not at all."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.rename(temporary, path)
