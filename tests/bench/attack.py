"""How much later honest clients of `pod-identity-sidecar serve` are answered while rude ones are on every listener, and what those make it hold.

attack.py BINARIES: prints one JSON document; README.md beside this file says what each number means. No verdicts.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from peers import BEARER, LOAD_CPU, SERVER_CPU, Bench, Started, free_port, request_bytes
from sidecar import load

HOG = Path(__file__).resolve().parents[1] / "integration" / "harness" / "hog.py"
MANNERS = ("idle", "part", "refused", "churn")
RUDE = 1024
HONEST = 8
ROUNDS, ROUND_MS = 5, 200
CASES = (("http", "keep"), ("http", "close"), ("unix", "keep"), ("unix", "close"))
SETTLE_S = 1.5
NOBODY = 65534


def rude(listener: str, manner: str, where: str) -> subprocess.Popen[bytes]:
    """One neighbour, on the CPU of the load, which it has when those who measure do not want it."""
    def aside() -> None:
        os.sched_setaffinity(0, {LOAD_CPU})
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    seconds = SETTLE_S + len(CASES) * ROUNDS * ROUND_MS / 1000 + 2
    uid, family = (NOBODY, "unix") if listener == "unix" else (os.geteuid(), "inet")
    argv = [sys.executable, str(HOG), manner, str(RUDE), str(seconds), str(uid), family, *([where] if family == "unix" else ["127.0.0.1", where])]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=aside)


def kernel_kib(ports: list[str]) -> int:
    """What the kernel holds for the sidecar's TCP connections, without those that wait to be accepted, as `ss -m` counts it."""
    text, total = subprocess.run(["ss", "-tmnOHp", "state", "all"], capture_output=True, text=True, check=True).stdout, 0
    for line in text.splitlines():
        waits = line.startswith(("ESTAB", "CLOSE-WAIT")) and "users:" not in line
        if line.split()[3].rpartition(":")[2] in ports and not waits:
            held = dict(re.findall(r"\b(r|w|o|bl)(\d+)", line.partition("skmem:(")[2]))
            total += sum(map(int, held.values()))
    return total // 1024


def size_kib(pid: int, name: str) -> int:
    """VmRSS or VmHWM."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"), re.M)[1])  # type: ignore[index]


def round_of_all(bench: Bench, sidecar: Started) -> dict[tuple[str, str], list[dict[str, float]]]:
    """The honest clients, ROUNDS times each case."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {case: [] for case in CASES}
    for _ in range(ROUNDS):
        for transport, mode in CASES:
            request = str(bench.folder / f"request-{transport}-{mode}")
            found[transport, mode].append(load(bench, sidecar.where(transport), request, HONEST, mode, ROUND_MS))
    return found


def summary(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Medians of the rounds, and all errors."""
    return {key: round(statistics.median(one[key] for one in rounds), 1) for key in ("per_second", "p50_us", "p99_us")} \
        | {"errors": sum(one["errors"] for one in rounds)}


def measure(bench: Bench, manner: str, listeners: dict[str, str], sidecar: Started) -> dict[str, Any]:
    """Without rude clients, and with them."""
    pid, ports = sidecar.process.pid, [where for name, where in listeners.items() if name != "unix"]
    without = round_of_all(bench, sidecar)
    neighbours = [rude(listener, manner, where) for listener, where in listeners.items()]
    try:
        time.sleep(SETTLE_S)
        in_kernel = [kernel_kib(ports)]
        under = round_of_all(bench, sidecar)
        in_kernel.append(kernel_kib(ports))
    finally:
        made = sum(int(neighbour.communicate()[0] or 0) for neighbour in neighbours)  # they end by themselves
    cases = []
    for transport, mode in CASES:
        before, after = summary(without[transport, mode]), summary(under[transport, mode])
        cases.append({"transport": transport, "connections": mode, "without": before, "with": after,
                      "p99_ratio": round(after["p99_us"] / max(before["p99_us"], 0.1), 2)})
    peak = size_kib(pid, "VmHWM")
    time.sleep(SETTLE_S)
    return {"manner": manner, "rude_connections": made, "cases": cases, "kernel_kib": max(in_kernel), "resident_peak_kib": peak, "resident_after_kib": size_kib(pid, "VmRSS")}


def main() -> None:
    priority = "normal"
    with contextlib.suppress(PermissionError):  # with it all that it starts, but for the rude ones
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        priority = "real time"
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    result: dict[str, Any] = {"benchmark": "attack", "cpus": os.cpu_count(), "priority": priority, "rude_clients_on_each_listener": RUDE, "honest_clients": HONEST,
                              "rounds": ROUNDS, "round_ms": ROUND_MS, "manners": []}
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # the rude one on the socket is another user
        bench = Bench(Path(sys.argv[1]).resolve(), Path(name))
        try:
            bench.start_agent()
            for manner in MANNERS:
                print(f"bench: {manner}", file=sys.stderr)
                listeners = {"imds": free_port(), "metrics": free_port()}
                options = [f"--{one}=127.0.0.1:{port}" for one, port in listeners.items()] + ["--socket-mode=0666", f"--allow-uid={os.geteuid()}"]
                sidecar = bench.start_sidecar(manner, options=tuple(options))
                os.sched_setaffinity(sidecar.process.pid, {SERVER_CPU})
                for transport, (host, bearer) in {"unix": ("localhost", None), "http": (f"127.0.0.1:{sidecar.port}", BEARER)}.items():
                    for mode in ("keep", "close"):
                        bench.put(f"request-{transport}-{mode}", request_bytes(host, bearer, mode == "close"))
                where = {"http": sidecar.port, **{one: str(port) for one, port in listeners.items()}}
                if os.geteuid() == 0:  # to be somebody else
                    where["unix"] = sidecar.unix
                result["manners"].append(measure(bench, manner, where, sidecar))
                result["listeners"] = sorted(where)
                sidecar.end()
        finally:
            bench.end_all()
    cases = [case for manner in result["manners"] for case in manner["cases"]]
    result["p99_ratio"] = {"median": round(statistics.median(case["p99_ratio"] for case in cases), 2), "worst": max(case["p99_ratio"] for case in cases)}
    result["errors"] = {which: sum(case[which]["errors"] for case in cases) for which in ("without", "with")}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
