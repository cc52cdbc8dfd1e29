"""What `pod-identity-sidecar serve` costs, side by side with the least that a server can do, and with nginx.

sidecar.py BINARIES [PART...]: prints one JSON document; README.md beside this file says what each number means. No verdicts.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

from peers import BEARER, LOAD_CPU, SERVER_CPU, Bench, Started, ask, request_bytes, wait_answering

ROUNDS = 7
ROUND_MS = 150
CLIENTS = (1, 10, 100, 1000)
STARTS = 100
NODE = 1000
NODE_RATE, NODE_BURST = 1000, 500  # the real agent's
SERVED = 100_000
IDLE_S = 60
MEASURES = ("per_second", "p50_us", "p99_us", "cpu_us")
COUNTED = 2000  # requests under callgrind


def load(bench: Bench, where: str, request: str, clients: int, mode: str, for_ms: int = ROUND_MS) -> dict[str, float]:
    """One round of load."""
    argv = [bench.program("load"), where, request, str(clients), str(for_ms), mode]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}))
    return json.loads(done.stdout)


def median_ratio(mine: list[float], theirs: list[float]) -> float | None:
    """The median of the ratios of rounds that ran one after the other; None if a peer served nothing."""
    return round(statistics.median(a / b for a, b in zip(mine, theirs)), 3) if all(theirs) else None


def cpu_ns(pid: int) -> int:
    """Time that a process has spent on a CPU."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0])


def one_round(bench: Bench, server: Started, transport: str, mode: str, clients: int) -> dict[str, float]:
    """Load on one server, with what it took of the server's CPU for each request."""
    before = cpu_ns(server.process.pid)
    one = load(bench, server.where(transport), str(bench.folder / f"request-{transport}-{mode}"), clients, mode)
    return {**one, "cpu_us": (cpu_ns(server.process.pid) - before) / 1000 / max(one["requests"], 1)}


def one_case(bench: Bench, servers: dict[str, Started], transport: str, mode: str, clients: int) -> dict[str, Any]:
    """All servers, in turn and in a new order each round."""
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name in random.sample(list(servers), len(servers)):
            rounds[name].append(one_round(bench, servers[name], transport, mode, clients))
    values = {name: {key: [one[key] for one in all_of_it] for key in MEASURES} for name, all_of_it in rounds.items()}
    case: dict[str, Any] = {"transport": transport, "connections": mode, "clients": clients,
                            "errors": {name: sum(one["errors"] for one in all_of_it) for name, all_of_it in rounds.items()}}
    for name, value in values.items():
        case[name] = {key: round(statistics.median(series), 1) for key, series in value.items()} | {"best_p99_us": min(value["p99_us"])}
        if name != "sidecar":
            ratios = {key: median_ratio(values["sidecar"][key], series) for key, series in value.items()}
            case[f"sidecar_to_{name}"] = ratios | {"best_p99_us": round(min(values["sidecar"]["p99_us"]) / max(min(value["p99_us"]), 0.1), 3)}
    return case


def measure_serving(bench: Bench) -> dict[str, Any]:
    """Throughput and latency, on both transports, with connections kept and not, by number of clients."""
    bench.start_agent()
    sidecar = bench.start_sidecar("serving")
    os.sched_setaffinity(sidecar.process.pid, {SERVER_CPU})
    hosts = {"unix": ("localhost", None), "http": (f"127.0.0.1:{sidecar.port}", BEARER)}
    nginx, about_nginx = bench.start_nginx(ask(sidecar.unix, request_bytes("localhost", None, True)).partition(b"\r\n\r\n")[2])
    cases = []
    for transport, (host, bearer) in hosts.items():
        requests = {mode: request_bytes(host, bearer, mode == "close") for mode in ("keep", "close")}
        for mode, request in requests.items():
            bench.put(f"request-{transport}-{mode}", request)
        closing = ask(sidecar.where(transport), requests["close"])
        servers = {"sidecar": sidecar, "bare": bench.start_bare(transport, closing.replace(b"Connection: close\r\n", b""), closing)}
        servers |= {"nginx": nginx} if nginx else {}
        cases += [one_case(bench, servers, transport, mode, clients) for mode in ("keep", "close") for clients in CLIENTS]
    return {"rounds": ROUNDS, "round_ms": ROUND_MS, "cpu_of_servers": SERVER_CPU, "cpu_of_load": LOAD_CPU, "nginx": about_nginx, "cases": cases}


def memory(pid: int) -> dict[str, int]:
    """Resident, proportional and peak memory."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii") + Path(f"/proc/{pid}/status").read_text("utf-8")
    return {name.lower() + "_kib": int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) for name in ("Rss", "Pss", "VmHWM")}  # type: ignore[index]


def wake_ups(pid: int) -> int:
    """How often it gave up the CPU by itself: each return from sleep comes before one."""
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text("utf-8"), re.M)[1])  # type: ignore[index]


def measure_memory(bench: Bench) -> dict[str, Any]:
    """Idle, and after many requests."""
    bench.start_agent()
    sidecar = bench.start_sidecar("memory")
    time.sleep(1)
    idle = memory(sidecar.process.pid)
    request, served = bench.put("request-memory", request_bytes("localhost", None, False)), 0
    while served < SERVED:
        served += int(load(bench, sidecar.unix, request, 10, "keep", 500)["requests"])
    return {"idle": idle, "requests": served, "after_requests": memory(sidecar.process.pid), "limits_kib": {"rss": 512, "vmhwm": 768}}


def total_instructions(bench: Bench, requests: int) -> int:
    """Of a whole life that serves so many requests."""
    out = bench.folder / f"callgrind-{requests}"
    sidecar = bench.start_sidecar(f"counted-{requests}", wrap=("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"))
    for _ in range(requests):
        ask(sidecar.unix, request_bytes("localhost", None, True))
    sidecar.end()
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text("utf-8"), re.M)[1])  # type: ignore[index]


def measure_instructions(bench: Bench) -> dict[str, Any]:
    """User instructions of a served request, from two lives that differ in their requests alone."""
    if not shutil.which("valgrind"):
        return {"absent": "valgrind is not installed"}
    bench.start_agent()
    few, many = total_instructions(bench, 10), total_instructions(bench, 10 + COUNTED)
    return {"per_request_on_a_new_connection": round((many - few) / COUNTED), "of_a_life_without": few}


def measure_start(bench: Bench) -> dict[str, Any]:
    """From exec to the first 200, beside a process that makes one exchange with the same agent."""
    bench.start_agent()
    token = bench.put("start-token", b"x" * 1000)
    request, taken = request_bytes("localhost", None, True), {"sidecar": [], "bare_exchange": []}  # type: ignore[var-annotated]
    for i in range(STARTS):
        began = time.monotonic_ns()
        sidecar = bench.start_sidecar(f"start-{i}", wait=False)
        wait_answering(sidecar.unix, request)
        taken["sidecar"].append((time.monotonic_ns() - began) / 1e6)
        sidecar.end()
        began = time.monotonic_ns()
        exchange = bench.start([bench.program("bare_exchange"), "127.0.0.1", bench.agent_port, token])
        exchange.process.wait(20)
        taken["bare_exchange"].append((time.monotonic_ns() - began) / 1e6)
    medians = {name: round(statistics.median(values), 2) for name, values in taken.items()}
    return {"starts": STARTS, "median_ms": medians, "p90_ms": {name: round(statistics.quantiles(values, n=10)[-1], 2) for name, values in taken.items()},
            "difference_ms": round(medians["sidecar"] - medians["bare_exchange"], 2)}


def duration_s(text: str) -> float:
    """A duration as the log has it."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h|d)", text))


def measure_node(bench: Bench) -> dict[str, Any]:
    """Many sidecars at once against one agent that allows so many requests a second."""
    agent = bench.start_agent(NODE_RATE, NODE_BURST)
    held = ("/bin/sh", "-c", 'kill -STOP $$; exec "$0" "$@"')
    sidecars = [bench.start_sidecar(f"node-{i}", http=False, wait=False, wrap=held) for i in range(NODE)]
    while any(Path(f"/proc/{one.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "T" for one in sidecars):
        time.sleep(0.05)
    began = time.monotonic()
    for one in sidecars:
        one.process.send_signal(signal.SIGCONT)
    request, ready_s, waiting = request_bytes("localhost", None, True).replace(b"/v1/credentials", b"/readyz"), [], list(sidecars)
    while waiting and time.monotonic() - began < 90:
        for sidecar in list(waiting):
            try:
                ready = ask(sidecar.unix, request).startswith(b"HTTP/1.1 200")
            except OSError:
                ready = False
            if ready:
                ready_s.append(time.monotonic() - began)
                waiting.remove(sidecar)
        time.sleep(0.01)
    sums = [memory(sidecar.process.pid) for sidecar in sidecars]
    logs = [(bench.folder / f"node-{i}" / "log").read_text("utf-8") for i in range(NODE)]
    nexts = sorted(duration_s(found[1]) for log in logs if (found := re.search(r'next_in=("[^"]*"|\S+)', log)))
    counts = json.loads(agent.end())
    return {
        "sidecars": NODE, "agent_per_second": NODE_RATE, "agent_burst": NODE_BURST, "never_ready": len(waiting),
        "ready_after_s": {"median": round(statistics.median(ready_s), 2), "last": round(max(ready_s), 2)}, "upstream": counts,
        "memory_in_all_mib": {"pss": round(sum(one["pss_kib"] for one in sums) / 1024, 1), "rss": round(sum(one["rss_kib"] for one in sums) / 1024, 1)},
        "cannot_watch_token": sum("cannot watch the token" in log for log in logs),
        "next_refresh_in_s": {"first": nexts[0], "median": statistics.median(nexts), "last": nexts[-1],
                              "most_within_one_minute": max(nexts.count(one) for one in set(nexts))} if nexts else None,
    }


def measure_idle(bench: Bench) -> Callable[[], dict[str, Any]]:
    """Starts an idle sidecar; what is returned waits until it has been watched for long enough."""
    bench.start_agent()
    sidecar = bench.start_sidecar("idle")
    time.sleep(2)
    before, began = wake_ups(sidecar.process.pid), time.monotonic()

    def finish() -> dict[str, Any]:
        time.sleep(max(0.0, IDLE_S - (time.monotonic() - began)))
        watched_s = time.monotonic() - began
        return {"watched_s": round(watched_s, 1), "wake_ups_per_minute": round((wake_ups(sidecar.process.pid) - before) * 60 / watched_s, 2)}

    return finish


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "serving": measure_serving, "memory": measure_memory, "instructions": measure_instructions, "start": measure_start, "node": measure_node,
}


def main() -> None:
    binaries, parts = Path(sys.argv[1]).resolve(), sys.argv[2:] or [*PARTS, "idle"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    began = time.monotonic()
    result: dict[str, Any] = {"benchmark": "sidecar", "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        (watched := Bench(binaries, Path(name, "idle"))).folder.mkdir()
        try:
            finish = measure_idle(watched) if "idle" in parts else None
            for part in (one for one in PARTS if one in parts):
                (bench := Bench(binaries, Path(name, part))).folder.mkdir()
                print(f"bench: {part}", file=sys.stderr)
                try:
                    result[part] = PARTS[part](bench)
                finally:
                    bench.end_all()
            if finish:
                result["idle"] = finish()
        finally:
            watched.end_all()
    result["took_s"] = round(time.monotonic() - began, 1)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
