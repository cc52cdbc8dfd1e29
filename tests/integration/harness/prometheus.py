"""A real Prometheus that scrapes ports of a place."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Mapping, Sequence
from urllib.parse import quote

import pytest

from .http import exchange, parse_answer, request_bytes
from .places import Place
from .tools import find
from .waiting import end, eventually


def need(program: str) -> str:
    """The path of prometheus or promtool, or a skip that says how to install it."""
    found = find(program)
    if found is None:
        pytest.skip(f"no {program}: make setup-test")
    return found


class Prometheus:
    """jobs: ports of 127.0.0.1 by the name of their job, each scraped every second."""

    def __init__(self, place: Place, folder: Path, rules: Sequence[Path], jobs: Mapping[str, Sequence[int]]) -> None:
        program = need("prometheus")
        self.place, self.port, self.targets = place, place.free_port(), sum(map(len, jobs.values()))
        config = folder / "prometheus.json"  # which is YAML, too
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
                               for job, ports in jobs.items()]}))
        self._log = open(folder / "prometheus.log", "w+b")
        self.process = subprocess.Popen(
            place.command([program, f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{self.port}"]),
            env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"}, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        try:
            eventually(self._ready, 60, "Prometheus is ready")
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self._ask("/-/ready").status == 200
        except OSError:
            return False

    @property
    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text("utf-8", "replace")

    def _ask(self, path: str) -> Any:
        request = request_bytes("GET", path, {"Host": "127.0.0.1"}).replace(b"HTTP/1.1", b"HTTP/1.0", 1)  # so that its answer has no chunks
        return parse_answer(exchange(self.place.connect("127.0.0.1", self.port), request, 30))

    def get(self, path: str) -> Any:
        """The data of an answer of its API."""
        answer = json.loads(self._ask(path).body)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        series: list[dict[str, Any]] = self.get(f"/api/v1/query?query={quote(expression)}")["result"]
        return series

    def wait_scraped(self, times: int = 2) -> None:
        """Every target was scraped so often."""
        eventually(lambda: len(self.query(f"count_over_time(up[1m]) >= {times} and up == 1")) == self.targets, 60, "Prometheus has scraped every target")

    def stop(self) -> None:
        end(self.process, timeout_s=30)
        self._log.close()
