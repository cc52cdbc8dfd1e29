"""A running `pod-identity-agent server` of a cluster that is not EKS: associations from a folder, tokens by the cluster's keys."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Mapping

from .cluster import ISSUER, NODE_NAME, Cluster
from .emulator import Emulator
from .http import Answer, exchange, parse_answer, request_bytes
from .leaks import Leaks
from .places import AGENT_IPV4, AGENT_IPV6, Place
from .programs import Binaries
from .sidecar import wanted_sandbox
from .waiting import eventually


class AnyAgent:
    """At the agent's real addresses of a namespace; STS is the emulator's."""

    def __init__(self, place: Place, emulator: Emulator, binaries: Binaries, leaks: Leaks, cluster: Cluster, associations: Path | str,
                 *options: str, env: Mapping[str, str] | None = None, jwks: bool = True, start_with: list[str] | None = None) -> None:
        self.place, self.leaks = place, leaks
        self.folder = Path(tempfile.mkdtemp(prefix="any-"))
        self.folder.chmod(0o755)
        sts = emulator.serve("sts", "good")
        self.ca_file = self.folder / "ca.pem"  # where whoever the agent becomes may read it
        shutil.copy(sts["ca_file"], self.ca_file)
        self.ca_file.chmod(0o644)
        self.sts_url = f"https://localhost:{sts['port']}"
        argv = [*(start_with or []), str(binaries.agent), "server", "--cluster-name=demo", f"--associations={associations}",
                f"--issuer={ISSUER}", f"--sts-endpoint={self.sts_url}", "--region=eu-central-1", f"--ca-bundle={self.ca_file}",
                "--metrics-address=127.0.0.1", *([f"--jwks={cluster.jwks}"] if jwks else []), *options]
        environment = {"POD_IDENTITY_AGENT_SANDBOX": wanted_sandbox(), "NODE_NAME": NODE_NAME, "PATH": os.environ["PATH"], **(env or {})}
        self._log = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(place.command(argv), env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        try:
            eventually(self.answers, 20, "the agent answers")
        except BaseException:
            self.stop()
            raise

    url = f"http://{AGENT_IPV4}/v1/credentials"

    @property
    def log(self) -> str:
        """What it has logged until now."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def answers(self) -> bool:
        """Whether it says 404 to what nobody serves."""
        if self.process.poll() is not None:
            raise AssertionError(f"the agent ended with {self.process.returncode}: {self.log}")
        try:
            return self.ask(None, "/").status == 404
        except (OSError, ValueError):
            return False

    def ask(self, token: str | None, path: str = "/v1/credentials", ipv6: bool = False) -> Answer:
        """One request on a connection of its own."""
        host = AGENT_IPV6 if ipv6 else AGENT_IPV4
        data = request_bytes("GET", path, {"Host": f"[{host}]" if ipv6 else host, "Authorization": token})
        return parse_answer(exchange(self.place.connect(host, 80, 30.0), data, 30.0))

    def metric(self, name: str) -> float:
        """The value of a metric, named with its labels."""
        body = parse_answer(exchange(self.place.connect("127.0.0.1", 2705), request_bytes("GET", "/metrics", {}), 10)).body.decode()
        return next(float(line.rpartition(" ")[2]) for line in body.splitlines() if line.rpartition(" ")[0] == name)

    def stop(self) -> int:
        """Ends it; its exit code. Safe to call again."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"the agent did not end: {self.log}") from None
        finally:
            if not self._log.closed:
                self.leaks.add_output("pod-identity-agent: log", self.log)
                self._log.close()
                shutil.rmtree(self.folder, ignore_errors=True)
