"""Numbers in the documentation are those of tests/bench/numbers.json, which benchmarks write, of the makefiles' limits, or of a table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from harness.commands import PAGES
from harness.programs import ROOT

NUMBERS: dict[str, Any] = {name: entry["value"] for name, entry in json.loads((ROOT / "tests/bench/numbers.json").read_text()).items()}
ROUND = {"requests_before": round(NUMBERS["requests_before"], -4)}
CLAIMS = [
    ("README.md", "memory of the sidecar | none | {resident_kib} KiB resident |"),
    ("README.md", "pod ready, Kubernetes 1.34 | after {pod_ready_s} s | after {pod_ready_with_both_s} s; {pod_ready_sidecar_only_s} s without init |"),
    ("sidecar/OPERATIONS.md", "{resident_idle_kib} KiB resident when idle, {resident_kib} KiB after {requests_before:,} requests, {peak_kib} KiB at the peak"),
    ("sidecar/OPERATIONS.md", "no wake-up between two deadlines; {first_answer_ms:.1f} ms from exec to the first answer"),
    ("images/OPERATIONS.md", "{resident_kib} KiB resident, {peak_kib} KiB at its peak"),
    ("images/README.md", "| the app alone | {pod_ready_s} s | 0.8 to 1.7 s | | with `pod-identity-init` alone | {pod_ready_with_init_s} s |"),
    ("images/README.md", "| `classic.yaml` | {pod_ready_classic_s} s | 1.8 to 2.8 s | | `sidecar-only.yaml` | {pod_ready_sidecar_only_s} s |"),
    ("images/README.md", "| `pod.yaml` | {pod_ready_with_both_s} s |"),
    ("images/README.md", "init runs {init_in_container_ms} ms once the agent answers. The sidecar's cgroup holds {cgroup_serving_mib} MiB while it serves, {cgroup_peak_mib} MiB at its peak"),
    ("tests/bench/README.md", "on a new connection | {instructions_per_request:,} |"),
    ("tests/bench/README.md", "after {requests_before:,} requests; peak | {resident_idle_kib} KiB, {resident_kib} KiB; {peak_kib} KiB | 512 KiB, 768 KiB |"),
    ("tests/bench/README.md", "wake-ups per minute when idle | {wake_ups_per_minute:.0f} |"),
    ("tests/bench/README.md", "with 1,000 pods; its peak | {agent_idle_kib:,} KiB, {agent_1000_pods_kib:,} KiB; {agent_1000_pods_peak_kib:,} KiB |"),
    ("tests/bench/README.md", "at 900 a second: median, worst | {agent_cpu_at_900_median:.2f}, {agent_cpu_at_900_worst:.2f} | 1.3 |"),
    ("tests/bench/README.md", "the same at 20,000 a second | {agent_cpu_at_20000_median:.2f}, {agent_cpu_at_20000_worst:.2f} | 1.3 |"),
    ("tests/bench/README.md", "the same at full speed | {agent_cpu_full_speed_median:.2f}, {agent_cpu_full_speed_worst:.2f} | 1.3 |"),
    ("tests/bench/README.md", "peak of 1,000 admissions | {webhook_idle_kib:,} KiB; {webhook_peak_kib:,} KiB | {eks_webhook_idle_kib:,} KiB; {eks_webhook_peak_kib:,} KiB |"),
    ("tests/bench/README.md", "first answer | {first_answer_ms:.1f} ms, a bare exchange {bare_exchange_ms:.1f} ms |")]


def words(path: str) -> str:
    return " ".join((ROOT / path).read_text().split())


@pytest.mark.parametrize("path, claim", CLAIMS)
def test_measured(path: str, claim: str) -> None:
    assert claim.format(**{**NUMBERS, **ROUND}) in words(path), "make bench write-down, or correct the page"


def test_no_measured_memory_stands_anywhere_else() -> None:
    """A page that quotes it is in the list above."""
    quoting = {str(path.relative_to(ROOT)) for path in PAGES if re.search(r"\d KiB resident|KiB at (?:its|the) peak", " ".join(path.read_text().split()))}
    assert quoting == {path for path, claim in CLAIMS if "KiB resident" in claim}


def test_no_number_is_left_over() -> None:
    assert set(NUMBERS) == {name for _, claim in CLAIMS for name in re.findall(r"\{(\w+)", claim)}


def test_what_was_measured_keeps_the_limits() -> None:
    assert NUMBERS["resident_kib"] <= 512 and NUMBERS["peak_kib"] <= 768 and NUMBERS["wake_ups_per_minute"] == 0
    assert NUMBERS["agent_idle_kib"] <= 1024 and NUMBERS["agent_1000_pods_kib"] <= 4096 and NUMBERS["agent_1000_pods_peak_kib"] <= 5120
    assert NUMBERS["webhook_idle_kib"] <= 1536 and NUMBERS["webhook_peak_kib"] <= 4096
    assert NUMBERS["agent_cpu_at_20000_median"] <= 1.3  # at other speeds it is missed in some runs, and the page says so


def test_sizes() -> None:
    """Those that `make size` holds the programs to, and the images' test the images."""
    makefile = (ROOT / "Makefile").read_text()
    limits = dict(re.findall(r"^KIB_pod-identity-(\w+) = (\d+)$", makefile, re.MULTILINE))
    assert limits["init"] == limits["sidecar"] and f"| at most {limits['init']} KiB, TLS included | `make size` |" in words("README.md")
    unpacked, packed = re.search(r"UNPACKED_MAX, COMPRESSED_MAX = (\d+) \* 1024, (\d+) \* 1024", (ROOT / "tests/e2e/test_images.py").read_text()).groups()  # type: ignore[union-attr]
    assert f"{unpacked} KiB unpacked and {packed} KiB to pull" in words("images/README.md")
