"""What agent/README.md lists is what the program has: flags with their defaults and texts, metrics; --help, version, and the two names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable

import pytest

from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.our_agent import OurAgent
from harness.programs import ROOT, Binaries, Run, Runner

README = ROOT / "agent" / "README.md"


@pytest.fixture
def agent(runner: Runner, binaries: Binaries) -> Callable[..., Run]:
    """agent(*words, **env) -> Run"""
    return lambda *words, **env: runner.run([binaries.agent, *words], env)


def flags_of(shown: str) -> list[tuple[str, str, str, str, str]]:
    """Letter, name, value, default and text of each flag, with its group in front, as --help has them."""
    found = []
    for title, body in re.findall(r"^([A-Z][\w, ]+):\n((?:  .*\n)+)", shown, re.MULTILINE):
        for entry in re.split(r"^(?=  (?:-\w, |    )--)", body, flags=re.MULTILINE)[1:]:
            letter, name, value, rest = re.fullmatch(r"\s+(?:-(\w), )?--(\S+)(?: ([A-Z]+)\b)?\s(.*)", entry.rstrip("\n"), re.DOTALL).groups()  # type: ignore[union-attr]
            text = " ".join(rest.split())
            default = re.search(r" \[(.*)\]$", text)
            found.append((title, letter or "", f"{name} {value}" if value else name, default[1] if default else "",
                          text[:default.start()] if default else text))
    return [each for each in found if each[2] not in ("help", "version")]


def listed() -> list[tuple[str, str, str, str, str]]:
    """The same of the README."""
    found = []
    section = README.read_text().split("\n## Options\n")[1].split("\n## ")[0]
    for title, body in re.findall(r"^\*\*(.+)\*\*\n\n((?:(?:- |  ).*\n)+)", section, re.MULTILINE):
        for entry in re.split(r"^- ", body, flags=re.MULTILINE)[1:]:
            words = " ".join(entry.split())
            letter, name, default, text = re.fullmatch(r"(?:`-(\w)` )?`--([^`]+)`(?: \(default `([^`]+)`\))?: (.*)", words).groups()  # type: ignore[union-attr]
            found.append((title, letter or "", name, default or "", text))
    return found


def test_flags(agent: Callable[..., Run]) -> None:
    shown = flags_of(agent("--help").stdout)
    assert len(shown) > 25 and len(set(shown)) == len(shown)
    assert listed() == shown


def test_help(agent: Callable[..., Run]) -> None:
    """One text, however it is asked for; 80 columns; a program that is told nothing says it, too."""
    asked = [agent(*words.split()) for words in ("--help", "-h", "help", "server --help", "help server", "")]
    assert all(run.exit_code == 0 and run.stderr == "" and run.stdout == asked[0].stdout for run in asked)
    assert max(map(len, asked[0].stdout.splitlines())) <= 80


def test_version(agent: Callable[..., Run], folder: Path, runner: Runner, binaries: Binaries) -> None:
    """The first line as the real agent prints it; then what runs."""
    lines = agent("version").stdout.splitlines()
    assert lines[0] == "EKS Pod Identity Agent version 0.1.37"
    assert re.fullmatch(r"pod-identity-agent \d+\.\d+\.\d+ \([0-9a-f]{12}(-dirty)?\)", lines[1])
    assert [line.split()[0] for line in lines[2:]] == ["musl", "BearSSL", "libcurl", "cJSON"]
    assert agent("--version").stdout == agent("-V").stdout == agent("version").stdout
    (folder / "go-runner").symlink_to(binaries.agent)
    assert runner.run([folder / "go-runner", "/eks-pod-identity-agent", "version"], {}).stdout.splitlines() == lines


@pytest.mark.parametrize(("words", "says"), [
    ("server --cluster-name x --nonsense", "unknown flag: --nonsense"), ("server", 'required flag "cluster-name" is not set'),
    ("server -c x --port 0", "--port=0: not from 1 to 65535"), ("serve -c x", 'unknown command "serve"; did you mean server?'),
    ("server -c x --max-cache-bytes 16M", "a number of bytes")])
def test_usage(agent: Callable[..., Run], words: str, says: str) -> None:
    """Exit 1 with the usage on standard error, as the real agent; the reason, too."""
    run = agent(*words.split())
    assert run.exit_code == 1 and run.stdout == ""
    assert "Usage: pod-identity-agent" in run.stderr and says in run.stderr.splitlines()[-1]  # logs are read from their end


@pytest.mark.parametrize("command", [" server", "server initialize", "server ", " "])
def test_a_command_with_blanks_is_none(agent: Callable[..., Run], command: str) -> None:
    """A shell's quotes around two words."""
    run = agent(command, "-c", "x")
    assert run.exit_code == 1 and run.stderr.startswith("Usage: pod-identity-agent COMMAND [FLAG]...\n")
    assert f'unknown command "{command}"' in run.stderr


def test_variables(agent: Callable[..., Run]) -> None:
    run = agent("server", POD_IDENTITY_AGENT_CLUSTER_NAME="x", POD_IDENTITY_AGENT_PORT="http")
    assert run.exit_code == 1 and "POD_IDENTITY_AGENT_PORT=http: not a whole number" in run.stderr
    run = agent("probe", "--log-format=text", POD_IDENTITY_AGENT_PORT="tcp://10.0.0.1:80", POD_IDENTITY_AGENT_PROBEPORT="1", POD_IDENTITY_AGENT_PROBE_PORT="0")
    assert run.exit_code == 1 and "--probe-port is 0" in run.stderr
    assert "POD_IDENTITY_AGENT_PROBEPORT" in run.stderr and "_AGENT_PORT" not in run.stderr


def test_metrics(agent_netns: Emulator, binaries: Binaries, leaks: Leaks) -> None:
    """Each metric is in the table with its type; what only shows with credentials or associations is in the table, too."""
    section = README.read_text().split("\n## Metrics\n")[1].split("\n## ")[0]
    table = dict(re.findall(r"^\| `(pod_identity_\w+)` \| (\w+) \|", section, re.MULTILINE))
    sources = (ROOT / "agent" / "metrics.c").read_text()
    sources = sources.replace('#define OURS "', "")
    written = {"pod_identity_agent_" + name for name in re.findall(r'OURS "(\w+?)(?:_bucket|_sum|_count)?[" {]', sources)}
    written |= set(re.findall(r'"(pod_identity_(?!agent_)\w+)"', sources))
    assert set(table) == written
    running = OurAgent(agent_netns.place, agent_netns, binaries, leaks=leaks, port=agent_netns.place.free_port())  # 80 is the emulator's
    try:
        answer = running.page("/metrics", metrics=True)
        shown = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.body.decode(), re.MULTILINE))
        assert len(shown) > 15 and shown.items() <= table.items()
        assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        assert (running.page("/healthz").status, running.page("/readyz").status) == (200, 200)
        assert running.page("/readyz", metrics=True).status == 200
    finally:
        running.stop()
