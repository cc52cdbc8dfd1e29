"""A running `pod-identity-agent server` of a cluster that is not EKS: associations from a folder, tokens by the cluster's keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping

from .agent_process import AgentProcess
from .cluster import ISSUER, NODE_NAME, Cluster
from .emulator import Emulator
from .leaks import Leaks
from .places import Place
from .programs import Binaries
from .sidecar import wanted_sandbox


class AnyAgent(AgentProcess):
    """STS is the emulator's."""

    def __init__(self, place: Place, emulator: Emulator, binaries: Binaries, leaks: Leaks, cluster: Cluster, associations: Path | str,
                 *options: str, env: Mapping[str, str] | None = None, jwks: bool = True, start_with: list[str] | None = None,
                 port: int = 80, probe_port: int = 2703) -> None:
        super().__init__(place, leaks, port, probe_port)
        sts = emulator.serve("sts", "good")
        self.ca_file = self.authority(sts["ca_file"])
        self.sts_url = f"https://localhost:{sts['port']}"
        self.start([*(start_with or []), str(binaries.agent), "server", "--cluster-name=demo", f"--associations={associations}",
                    f"--issuer={ISSUER}", f"--sts-endpoint={self.sts_url}", "--region=eu-central-1", f"--ca-bundle={self.ca_file}",
                    f"--port={port}", f"--probe-port={probe_port}", "--metrics-address=127.0.0.1", f"--metrics-port={probe_port + 2}", *([f"--jwks={cluster.jwks}"] if jwks else []), *options],
                   {"POD_IDENTITY_AGENT_SANDBOX": wanted_sandbox(), "NODE_NAME": NODE_NAME, "PATH": os.environ["PATH"], **(env or {})})
