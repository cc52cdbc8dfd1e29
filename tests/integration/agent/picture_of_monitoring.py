"""The picture of what Prometheus shows, images/pictures/monitoring.png: `make picture-monitoring`. No test, and no part of `make pictures`: it takes four
minutes, its bytes differ each time, and it needs a chromium and a prometheus that has its pages (Debian's packages of these names).

The real programs are scraped while AWS refuses for a minute; the queries are the dashboard's; a real browser renders Prometheus' own page.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from harness import prometheus as harness
from harness.emulator import Emulator
from harness.places import Place
from harness.programs import ROOT
from harness.prometheus import Prometheus
from test_agent_monitoring import any_agent, emulator, place, programs, queries  # noqa: F401

PICTURE = ROOT / "images/pictures/monitoring.png"
LIFETIME_S, WELL_S, REFUSED_S = 120, 80, 60
SHOWN = ("pod_identity_credentials_expiry_seconds{", "pod_identity_agent_upstream_requests_total{")


def program(name: str) -> str:
    """One that has been installed, not what tests put aside."""
    found = shutil.which(name)
    return found or pytest.fail(f"no {name}: apt-get install {name}")


def drive(agent: Any, sidecar: Any, token: str, seconds: float) -> None:
    """Pods ask, about twice a second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        agent.ask(token)
        sidecar.get()
        time.sleep(0.5)


def test_picture(request: pytest.FixtureRequest, emulator: Emulator, place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    browser = program("chromium")
    monkeypatch.setattr(harness, "need", program)
    emulator.settings(lifetime_s=LIFETIME_S)
    agent, _, sidecar, port = request.getfixturevalue("programs")
    prometheus = Prometheus(place, folder, [], {"kube-system/pod-identity-agent": [2705], "pod-identity-sidecars": [port]})
    try:
        token = emulator.token()
        drive(agent, sidecar, token, WELL_S)
        emulator.eks_auth_error("ThrottlingException", times=None)
        drive(agent, sidecar, token, REFUSED_S)
        emulator.clear_faults()
        drive(agent, sidecar, token, WELL_S)
        shown = [next(query for query in queries() if name in query) for name in SHOWN]
        page = {}
        for number, query in enumerate(shown):
            page |= {f"g{number}.expr": query, f"g{number}.tab": "0", f"g{number}.range_input": f"{2 * WELL_S + REFUSED_S}s", f"g{number}.stacked": "0"}
        made = folder / "picture.png"
        subprocess.run(place.command([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,1500",
                                      "--virtual-time-budget=20000", f"--user-data-dir={folder}/browser", f"--screenshot={made}",
                                      f"http://127.0.0.1:{prometheus.port}/graph?{urlencode(page)}"]),
                       check=True, timeout=120, env={"PATH": os.environ["PATH"], "HOME": str(folder)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert 10_000 < made.stat().st_size < 150_000, made.stat().st_size
        shutil.copyfile(made, PICTURE)
    finally:
        prometheus.stop()
