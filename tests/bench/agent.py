"""What `pod-identity-agent server` costs a node, side by side with the least that a server can do.

agent.py BINARIES [PART...]: prints one JSON document; README.md beside this file says what each number means. No verdicts.
With POD_IDENTITY_REAL_AGENT=PATH the EKS Pod Identity Agent is measured, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

from node_peers import EksAuth, answers, ask_as, fill, pod_request, send_all, start_node_agent
from peers import LOAD_CPU, Bench, Started
from sidecar import MEASURES, cpu_ns, median_ratio, memory

ROUNDS, ROUND_MS = 7, 100
REST_S = 0.4  # between rounds: the buckets of 32 addresses fill up again
PACED_MS, PACE = 400, 900  # where one address or one pod asks: it may 1,000 times a second
EVEN = 20_000  # a second: at full speed a server pays for waking its clients only if it is slower than they are
CONNECTIONS, PODS = (1, 32, 900, 1000), (1, 100, 1000)
EVEN_CASES = ((32, 100), (32, 1000), (900, 1000))
NODE, CALLERS = 110, 2
DELAYS_S = (0.0, 0.1)  # of EKS Auth
BLOCKS, BLOCK_ROUNDS, STALLED_MS, STALLED_CONNECTIONS, WAITING = 4, 4, 150, 128, 64
STARTS = 20


def makes(bench: Bench) -> dict[str, str]:
    """Ours, and the real one if it is given."""
    real = os.environ.get("POD_IDENTITY_REAL_AGENT")
    return {"agent": str(bench.binaries / "pod-identity-agent")} | ({"real": str(Path(real).resolve())} if real else {})


def requests_of(bench: Bench, pods: int) -> str:
    """A file with a request of each of those pods."""
    path = bench.folder / f"requests-{pods}"
    if not path.exists():
        path.write_bytes(b"".join(pod_request(number, False) for number in range(pods)))
    return str(path)


def load(bench: Bench, server: Started, connections: int, pods: int, for_ms: int, rate: int = 0) -> dict[str, float]:
    """Kept connections, pods in turn; with what it took of the server's CPU for each request."""
    argv = [bench.program("load"), server.port, requests_of(bench, pods), str(connections), str(for_ms), "keep", str(rate)]
    before = cpu_ns(server.process.pid)
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}))
    one = json.loads(done.stdout)
    return {**one, "cpu_us": (cpu_ns(server.process.pid) - before) / 1000 / max(one["requests"], 1)}


def one_case(bench: Bench, servers: dict[str, Started], connections: int, pods: int, rate: int) -> dict[str, Any]:
    """All servers, in turn and in a new order each round. The real agent's limit is of the whole node."""
    names = [name for name in servers if rate == PACE or name != "real"]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        time.sleep(0 if rate else REST_S)
        for name in random.sample(names, len(names)):
            rounds[name].append(load(bench, servers[name], connections, pods, PACED_MS if rate else ROUND_MS, rate))
    values = {name: {key: [one[key] for one in all_of_it] for key in MEASURES} for name, all_of_it in rounds.items()}
    case: dict[str, Any] = {"connections": connections, "pods": pods, "paced_per_second": rate or None,
                            "errors": {name: sum(one["errors"] for one in all_of_it) for name, all_of_it in rounds.items()}}
    for name, value in values.items():
        case[name] = {key: round(statistics.median(series), 1) for key, series in value.items()} | {"best_p99_us": min(value["p99_us"])}
    case["agent_to_bare"] = {key: median_ratio(series, values["bare"][key]) for key, series in values["agent"].items()}
    return case


def measure_serving(bench: Bench, eks: EksAuth) -> dict[str, Any]:
    """Throughput, latency and CPU time of cached answers, by connections and pods."""
    servers = {name: start_node_agent(bench, program, eks) for name, program in makes(bench).items()}
    for server in servers.values():
        fill(server.port, range(max(PODS)))
    upstream = eks.calls
    closing = ask_as(servers["agent"].port, 0)
    servers["bare"] = bench.start_bare("http", closing.replace(b"Connection: close\r\n", b""), closing)
    cases = [one_case(bench, servers, connections, pods, PACE if 1 in (connections, pods) else 0) for connections in CONNECTIONS for pods in PODS]
    cases += [one_case(bench, servers, connections, pods, EVEN) for connections, pods in EVEN_CASES]
    cpu = {name: [case["agent_to_bare"]["cpu_us"] for case in cases if case["paced_per_second"] == rate and not case["errors"]["agent"]]
           for name, rate in (("full_speed", None), (f"at_{PACE}", PACE), (f"at_{EVEN}", EVEN))}
    return {"rounds": ROUNDS, "round_ms": ROUND_MS, "paced_round_ms": PACED_MS, "cases": cases, "upstream_after_fill": eks.calls - upstream,
            "cpu_to_bare": {name: {"median": round(statistics.median(ratios), 3), "worst": max(ratios)} for name, ratios in cpu.items() if ratios} | {"aim": 1.3}}


def measure_node(bench: Bench, eks: EksAuth) -> dict[str, Any]:
    """All pods of a node ask at once, each on some connections, an agent that knows none of them."""
    found: dict[str, Any] = {"pods": NODE, "connections_of_each": CALLERS}
    for name, program in makes(bench).items():
        found[name] = []
        for delay_s in DELAYS_S:
            agent = start_node_agent(bench, program, eks)  # of which nobody has asked anything
            eks.delay_s, eks.calls, eks.most = delay_s, 0, 0
            began = time.monotonic()
            socks = send_all(agent.port, [number for number in range(NODE) for _ in range(CALLERS)])
            sent_s = time.monotonic() - began
            said, last_s = answers(socks, 40)
            for sock in socks:
                sock.close()
            found[name].append({"eks_auth_takes_ms": delay_s * 1000, "all_after_s": round(sent_s + last_s, 3), "upstream": eks.calls, "upstream_at_once": eks.most,
                                "good": sum(one == b"HTTP/1.1 200" for one in said), "of": len(socks)})
            agent.end()
    eks.delay_s = 0.0
    return found


def measure_memory(bench: Bench, eks: EksAuth) -> dict[str, Any]:
    """Resident and at its peak, by the number of pods."""
    found: dict[str, Any] = {"limits_kib": {"idle": 1024, "1000_pods": 4096, "peak": 5120}}
    for name, program in makes(bench).items():
        agent, sizes, known = start_node_agent(bench, program, eks), {}, 0
        time.sleep(1)
        sizes["idle"] = memory(agent.process.pid)
        for pods in (100, 1000, 2000):
            fill(agent.port, range(known, pods))
            known = pods
            sizes[f"{pods}_pods"] = memory(agent.process.pid)
        served = load(bench, agent, 32, 1000, 1000, PACE if name == "real" else 0)
        sizes["after_load"] = memory(agent.process.pid) | {"requests": int(served["requests"])}
        found[name] = sizes
        agent.end()
    return found


def measure_start(bench: Bench, eks: EksAuth) -> dict[str, Any]:
    """From exec to the first credentials, the exchange with EKS Auth over TLS included."""
    found: dict[str, Any] = {"starts": STARTS}
    for name, program in makes(bench).items():
        taken = []
        for _ in range(STARTS):
            began = time.monotonic_ns()
            agent = start_node_agent(bench, program, eks, wait=False)
            answer = b""
            while not answer:
                with contextlib.suppress(ConnectionError):
                    answer = ask_as(agent.port, 0)
                if not answer and time.monotonic_ns() - began > 20e9:
                    raise SystemExit(f"bench: {program} does not answer")
                time.sleep(0.0002)
            taken.append((time.monotonic_ns() - began) / 1e6)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"bench: {program} answers {answer[:200]!r}")
            agent.end()
        found[name] = {"median_ms": round(statistics.median(taken), 1), "p90_ms": round(statistics.quantiles(taken, n=10)[-1], 1)}
    return found


@contextlib.contextmanager
def real_time(agent: Started) -> Iterator[str]:
    """Agent and load go before all else on the machine, where that is allowed: p99 is the scheduler's otherwise."""
    said = "normal"
    with contextlib.suppress(PermissionError):
        for pid in (0, agent.process.pid):
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
        said = "real time"
    yield said
    if said == "real time":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def stalled_block(bench: Bench, eks: EksAuth, agent: Started, first: int | None) -> list[dict[str, float]]:
    """Rounds of load; from that pod on, others wait for an EKS Auth that does not answer meanwhile."""
    waiting = []
    if first is not None:
        eks.stall(True)
        waiting = send_all(agent.port, list(range(first, first + WAITING)))
        end = time.monotonic() + 10
        while eks.held < 8:
            if time.monotonic() > end:
                raise SystemExit("bench: the agent does not ask EKS Auth")
            time.sleep(0.01)
    found = [load(bench, agent, STALLED_CONNECTIONS, 1000, STALLED_MS) for _ in range(BLOCK_ROUNDS)]
    if answers(waiting, 0)[0]:
        raise SystemExit("bench: somebody was answered while EKS Auth was stalled")
    eks.stall(False)
    good = sum(one == b"HTTP/1.1 200" for one in answers(waiting, 30)[0])
    for sock in waiting:
        sock.close()
    if good != len(waiting):
        raise SystemExit(f"bench: {good} of {len(waiting)} were answered after EKS Auth was stalled")
    return found


def measure_stalled(bench: Bench, eks: EksAuth) -> dict[str, Any]:
    """Cached answers to 1,000 pods while EKS Auth answers, and while it does not and others wait for it: blocks in turn."""
    agent = start_node_agent(bench, makes(bench)["agent"], eks)
    fill(agent.port, range(1000))
    with real_time(agent) as priority:
        rounds: dict[bool, list[list[dict[str, float]]]] = {False: [], True: []}
        for block in range(BLOCKS):
            for stalled in random.sample((False, True), 2):
                rounds[stalled].append(stalled_block(bench, eks, agent, 1000 + block * WAITING if stalled else None))
    flat = {stalled: [one for block in blocks for one in block] for stalled, blocks in rounds.items()}
    result: dict[str, Any] = {"priority": priority, "pods": 1000, "connections": STALLED_CONNECTIONS, "waiting": WAITING, "blocks": BLOCKS, "rounds": BLOCK_ROUNDS, "round_ms": STALLED_MS,
                              "errors": sum(one["errors"] for several in flat.values() for one in several)}
    for stalled, name in ((False, "without"), (True, "with")):
        result[name] = {key: round(statistics.median(one[key] for one in flat[stalled]), 1) for key in MEASURES}
    by_block = {stalled: [statistics.median(one["p99_us"] for one in block) for block in blocks] for stalled, blocks in rounds.items()}
    result["p99_ratio"] = {"of_medians": round(result["with"]["p99_us"] / result["without"]["p99_us"], 3), "aim": 1.2,
                           "of_blocks": [round(a / b, 3) for a, b in zip(by_block[True], by_block[False])]}
    return result


PARTS: dict[str, Callable[[Bench, EksAuth], dict[str, Any]]] = {
    "serving": measure_serving, "node": measure_node, "memory": measure_memory, "start": measure_start, "stalled": measure_stalled,
}


def main() -> None:
    binaries, parts = Path(sys.argv[1]).resolve(), sys.argv[2:] or [*PARTS]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    os.sched_setaffinity(0, {LOAD_CPU})  # EKS Auth is a thread of this process
    began = time.monotonic()
    result: dict[str, Any] = {"benchmark": "agent", "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        eks = EksAuth(Path(name))
        try:
            for part in (one for one in PARTS if one in parts):
                (bench := Bench(binaries, Path(name, part))).folder.mkdir()
                print(f"bench: {part}", file=sys.stderr)
                try:
                    result[part] = PARTS[part](bench, eks)
                finally:
                    bench.end_all()
        finally:
            eks.remove()
    result["took_s"] = round(time.monotonic() - began, 1)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
