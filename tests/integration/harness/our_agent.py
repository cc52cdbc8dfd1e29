"""A running `pod-identity-agent server`, at the agent's real addresses of a namespace, which asks the emulator's EKS Auth over TLS."""

from __future__ import annotations

import os
from typing import Any

from .agent_process import AgentProcess
from .emulator import Emulator
from .leaks import Leaks
from .places import AGENT_IPV4, AGENT_IPV6, Place
from .programs import Binaries
from .sidecar import wanted_sandbox

NODE = "arn:aws:iam::111122223333:role/demo-node"


class OurAgent(AgentProcess):
    """On EKS: with credentials of its node's role."""

    def __init__(self, place: Place, emulator: Emulator, binaries: Binaries, *options: str, port: int = 80, probe_port: int = 2703,
                 leaks: Leaks | None = None, env: dict[str, str | None] | None = None, wait: bool = True,
                 start_with: list[str] | None = None, endpoint: bool = True) -> None:
        super().__init__(place, leaks, port, probe_port)
        self.emulator = emulator
        listener: dict[str, Any] = emulator.serve("eks-auth-api", "good")
        node = emulator.caller(NODE, lifetime_s=86400.0)
        merged: dict[str, str | None] = {
            "SSL_CERT_FILE": str(self.authority(listener["ca_file"])), "AWS_REGION": "eu-central-1",
            "POD_IDENTITY_AGENT_SANDBOX": wanted_sandbox(), "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": node["access_key_id"], "AWS_SECRET_ACCESS_KEY": node["secret_access_key"],
            "AWS_SESSION_TOKEN": node["session_token"], **(env or {})}
        self.start([*(start_with or []), str(binaries.agent), "server", "--cluster-name", "demo",
                    *(["--endpoint", listener["url"]] if endpoint else []), "--port", str(port),
                    "--bind-hosts", AGENT_IPV4, "--bind-hosts", f"[{AGENT_IPV6}]", "--probe-port", str(probe_port),
                    "--metrics-address", "127.0.0.1", "--metrics-port", str(probe_port + 2), *options],
                   {name: value for name, value in merged.items() if value is not None}, wait)

    def upstream(self) -> int:
        """How many requests EKS Auth has seen since the reset."""
        return int(self.emulator.call("GET", "/requests?service=eks-auth-api&last=1")["count"])
