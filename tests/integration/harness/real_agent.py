"""The real EKS Pod Identity Agent: built from its module when a test first needs it, or given as POD_IDENTITY_REAL_AGENT=PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .agent_process import AgentProcess
from .clients import FOLDER, CannotBeHad, go_environment, once_a_run, set_up, tool
from .emulator import Emulator
from .places import AGENT_IPV4, AGENT_IPV6, Place

MODULE = "go.amzn.com/eks/eks-pod-identity-agent"
NODE = "arn:aws:iam::111122223333:role/demo-node"


@once_a_run
def _real_agent() -> Path | CannotBeHad:
    try:
        if os.environ.get("POD_IDENTITY_REAL_AGENT"):
            return Path(os.environ["POD_IDENTITY_REAL_AGENT"]).resolve()
        sources, program = FOLDER / "agent", FOLDER / "eks-pod-identity-agent"
        env = {**go_environment(), "GOFLAGS": "-mod=mod -modcacherw"}
        FOLDER.mkdir(parents=True, exist_ok=True)
        found = json.loads(set_up([tool("go"), "mod", "download", "-json", f"{MODULE}@latest"], FOLDER, env))
        shutil.rmtree(sources, ignore_errors=True)
        shutil.copytree(found["Dir"], sources)
        version = sources / "configuration" / "version.txt"  # its Makefile copies that there before it builds
        if not version.exists():
            version.write_text(found["Version"] + "\n")
        set_up([tool("go"), "build", "-trimpath", "-o", program, "."], sources, env)
        return program
    except (CannotBeHad, ValueError, KeyError) as error:
        return error if isinstance(error, CannotBeHad) else CannotBeHad(f"go mod download: {error}")


def real_agent() -> Path:
    """The program; leaves out the whole module of tests, with the reason, where it cannot be had."""
    found = _real_agent()
    if isinstance(found, CannotBeHad):
        pytest.skip(f"the real agent, module {MODULE}, cannot be had: {found}; POD_IDENTITY_REAL_AGENT=PATH names one that is built",
                    allow_module_level=True)
    return found


class RealAgent(AgentProcess):
    """The agent of one node at its real addresses, which asks the emulator's EKS Auth over TLS."""

    def __init__(self, place: Place, emulator: Emulator, *options: str, port: int = 80, probe_port: int = 2703) -> None:
        super().__init__(place, None, port, probe_port)
        listener: dict[str, Any] = emulator.serve("eks-auth-api", "good")
        node = emulator.caller(NODE, lifetime_s=86400.0)
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "SSL_CERT_FILE": listener["ca_file"], "AWS_REGION": "eu-central-1",
               "AWS_ACCESS_KEY_ID": node["access_key_id"], "AWS_SECRET_ACCESS_KEY": node["secret_access_key"],
               "AWS_SESSION_TOKEN": node["session_token"], "AWS_EC2_METADATA_DISABLED": "true",
               "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        self.start([str(real_agent()), "server", "--cluster-name", "demo", "--endpoint", listener["url"], "--port", str(port),
                    "--bind-hosts", AGENT_IPV4, "--bind-hosts", f"[{AGENT_IPV6}]", "--probe-port", str(probe_port),
                    "--metrics-address", "127.0.0.1", "--metrics-port", str(probe_port + 2), *options], env)
