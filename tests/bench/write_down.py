"""Writes the numbers that the documentation quotes into tests/bench/numbers.json: make write-down, after make bench.

Of each benchmark that has left its document in build/bench, it takes the numbers below; the others stay, as do those that were
measured by hand. tests/integration/test_docs_numbers.py compares the pages with the file."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("numbers.json")

TAKEN = {  # name in the file: benchmark, and the way to the number in its document
    "resident_idle_kib": ("sidecar", "memory.idle.rss_kib"), "resident_kib": ("sidecar", "memory.after_requests.rss_kib"),
    "peak_kib": ("sidecar", "memory.after_requests.vmhwm_kib"), "requests_before": ("sidecar", "memory.requests"),
    "first_answer_ms": ("sidecar", "start.median_ms.sidecar"), "bare_exchange_ms": ("sidecar", "start.median_ms.bare_exchange"),
    "instructions_per_request": ("sidecar", "instructions.per_request_on_a_new_connection"),
    "agent_idle_kib": ("agent", "memory.agent.idle.rss_kib"), "agent_1000_pods_kib": ("agent", "memory.agent.1000_pods.rss_kib"),
    "agent_1000_pods_peak_kib": ("agent", "memory.agent.1000_pods.vmhwm_kib"),
    **{f"agent_cpu_{name}_{which}": ("agent", f"serving.cpu_to_bare.{name}.{which}") for name in ("at_900", "at_20000", "full_speed") for which in ("median", "worst")},
    "webhook_idle_kib": ("webhook", "memory.ours.idle.rss_kib"), "webhook_peak_kib": ("webhook", "memory.ours_toolkit.after.vmhwm_kib"),
    "eks_webhook_idle_kib": ("webhook", "memory.theirs.idle.rss_kib"), "eks_webhook_peak_kib": ("webhook", "memory.theirs.after.vmhwm_kib"),
    "wake_ups_per_minute": ("sidecar", "idle.wake_ups_per_minute")}


def at(document: dict[str, Any], way: str) -> Any:
    """What stands there; None if that part was not run."""
    found: Any = document
    for key in way.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def main() -> int:
    revision = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    numbers = json.loads(FILE.read_text(encoding="utf-8"))
    taken = 0
    for name, (benchmark, way) in TAKEN.items():
        path = ROOT / "build" / "bench" / f"{benchmark}.json"
        value = at(json.loads(path.read_text(encoding="utf-8")), way) if path.exists() else None
        if value is not None:
            numbers[name] = {"value": value, "from": f"make bench-{benchmark}: {way}", "on": platform.machine(),
                             "day": time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime)), "revision": revision}
            taken += 1
    if taken == 0:
        print("write_down: no benchmark has left a document in build/bench: make bench", file=sys.stderr)
        return 1
    FILE.write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {taken} numbers; now correct the pages: make integration PYTEST_ARGS=tests/integration/test_docs_numbers.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
