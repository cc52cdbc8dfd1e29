"""How long pod-identity-init takes, side by side with one bare HTTP exchange, and how soon it notices that the agent has come up.

init.py INIT BARE-EXCHANGE [ROUNDS]: prints one JSON document. Nothing here is a verdict: `limit_ms` is the aim.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.emulator import Emulator  # noqa: E402
from harness.places import Place  # noqa: E402

REACTIONS = 20


def milliseconds(argv: list[str], env: dict[str, str]) -> float:
    """From exec to exit, which must be 0."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (1, 2)]
    started = time.monotonic_ns()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=quiet)
    _, status = os.waitpid(pid, 0)
    took = (time.monotonic_ns() - started) / 1e6
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"bench: {argv[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return took


def summary(values: list[float]) -> dict[str, float]:
    """Median, ninth decile and worst, in ms."""
    return {"median": round(statistics.median(values), 3), "p90": round(statistics.quantiles(values, n=10)[-1], 3), "max": round(max(values), 3)}


def reaction(emulator: Emulator, argv: list[str], env: dict[str, str], mode: str) -> float:
    """From the agent's coming up to the first request that it sees."""
    emulator.reset()
    emulator.listen(mode)
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (1, 2)]
    pid = os.posix_spawn(argv[0], argv, env, file_actions=quiet)
    time.sleep(random.uniform(1.0, 1.5))
    emulator.listen("open")
    opened = time.monotonic()
    os.waitpid(pid, 0)
    return (emulator.requests()[0]["monotonic"] - opened) * 1000


def main() -> None:
    init, bare = (str(Path(word).resolve()) for word in sys.argv[1:3])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    emulator = Emulator(Place())
    try:
        with tempfile.TemporaryDirectory() as folder:
            token = Path(folder) / "token"
            token.write_text(emulator.token())
            env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": emulator.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}
            log = f"--termination-log={folder}/log"
            commands = {
                "init": [init, log], "init_without_network": [init, log, "--verify=injection"], "bare_exchange": [bare, emulator.host, str(emulator.port), str(token)],
            }
            taken: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(rounds):
                for name in random.sample(list(commands), len(commands)):
                    taken[name].append(milliseconds(commands[name], env))
            waits = {mode: [reaction(emulator, commands["init"], env, mode) for _ in range(REACTIONS)] for mode in ("closed", "deaf")}
    finally:
        emulator.stop()
    medians = {name: statistics.median(values) for name, values in taken.items()}
    print(json.dumps({
        "benchmark": "init",
        "rounds": rounds,
        "exec_to_exit_ms": {name: summary(values) for name, values in taken.items()},
        "more_than_a_bare_exchange_ms": {"median": round(medians["init"] - medians["bare_exchange"], 3), "limit_ms": 5},
        "reaction_ms": {"refused": summary(waits["closed"]), "dropped": summary(waits["deaf"]), "limit_ms": 250},
    }, indent=2))


if __name__ == "__main__":
    main()
