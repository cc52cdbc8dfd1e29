"""What agent/webhook/README.md says is what the program does: options, template, metrics, commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

from harness.programs import ROOT
from harness.reviews import ASK, Webhook, pod

README = (ROOT / "agent" / "webhook" / "README.md").read_text()


def section(heading: str) -> str:
    """The text under a heading of the second level."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def help_of(webhook: Webhook, *words: str) -> str:
    done = webhook.call(*words)
    assert done.returncode == 0 and done.stderr == b""
    return done.stdout.decode()


def test_options(webhook: Webhook) -> None:
    """Group, name, value, default and text, in the order of --help."""
    shown, listed = [], []
    for title, body in re.findall(r"^([A-Z][A-Za-z ]+):\n((?:  .*\n)+)", help_of(webhook, "--help"), re.MULTILINE):
        for entry in re.split(r"^  (?=--)", body, flags=re.MULTILINE)[1:]:
            name, value, text = re.match(r"--([a-z-]+)(?:=(\S+))? ?(.*)", " ".join(entry.split())).groups()  # type: ignore[union-attr]
            default = re.search(r" \[([^][]*)\]$", text)
            shown.append((title, f"{name} {value}", default[1] if default else "", text[:default.start()] if default else text))
    for title, body in re.findall(r"^\*\*(.+)\*\*\n\n((?:(?:- |  ).*\n)+)", section("Options"), re.MULTILINE):
        for entry in re.split(r"^- ", body, flags=re.MULTILINE)[1:]:
            name, default, text = re.fullmatch(r"`--([^`]+)`(?: \(default `([^`]+)`\))?: (.*)", " ".join(entry.split())).groups()  # type: ignore[union-attr]
            listed.append((title, name, default or "", text))
    assert listed == shown and len(shown) > 15
    assert max(map(len, help_of(webhook, "--help").splitlines())) <= 80


def test_commands(webhook: Webhook) -> None:
    """Each is one, and knows its options."""
    for command in ("serve", "check", "review"):
        assert f"- `{command}`" in section("Commands")
        assert ("--path" in help_of(webhook, command, "--help")) == (command == "review")


def test_exits(webhook: Webhook) -> None:
    """--help names those of the table, and no others."""
    table = re.findall(r"^\| (\d+) \|", section("Exit statuses"), re.MULTILINE)
    assert re.findall(r"\b\d+\b", help_of(webhook, "--help").split("Exit status: ")[1]) == table and len(table) == 8


def test_the_template(webhook: Webhook, tmp_path: Path) -> None:
    """The one that is shown is taken, and its keys are those of the table."""
    text = re.search(r"```json\n(.*?)```", section("Toolkit"), re.DOTALL)[1]  # type: ignore[index]
    path = tmp_path / "template.json"
    path.write_text(text)
    answer = webhook.ask(pod(labels=ASK), f"--template={path}")
    assert [each["name"] for each in answer.pod["spec"]["initContainers"]] == ["pod-identity-init", "pod-identity-sidecar"]
    table = section("Toolkit").split("| key | meaning |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(json.loads(text))


def test_metrics(webhook: Webhook) -> None:
    """Those of the source: name, type and text; the page itself is in the tests of the server."""
    source = "".join((ROOT / "agent" / "webhook" / "webhook_metrics.c").read_text().split("\n"))
    found = re.findall(r'(?:describe|put_one)\(\s*out,\s*"([a-z_]+)",\s*"([a-z]+)",\s*"([^"]+)"', source)
    assert webhook and len(found) >= 11
    assert re.findall(r"^\| `pod_identity_webhook_(\w+)` \| (\w+) \| (.*) \|$", section("Metrics"), re.MULTILINE) == found


def logged() -> set[tuple[str, str]]:
    """Level and event of each line that the source has."""
    found = set()
    for path in [*(ROOT / "agent" / "webhook").glob("*.c"), *(ROOT / "common" / "serve").glob("tls_*.c")]:
        text = re.sub(r"\s+", " ", path.read_text())
        found |= {(level.lower(), event) for level, event in re.findall(r'(?:LOG|log_failing)\((?:&[\w>\[\]-]+, )?LOG_([A-Z]+), "([^"]+)"', text)}
        found |= {("info", event) for event in re.findall(r'log_mended\(&[\w>\[\]-]+, "([^"]+)"', text)}
        found |= {("error", event) for event in re.findall(r'failed\(WEBHOOK_FILE_\w+, "([^"]+)"', text)}
    return found


def test_log() -> None:
    """Each line once."""
    listed = re.findall(r"^\| (\w+) \| `(.+)` \| .* \|$", section("Log"), re.MULTILINE)
    assert len(listed) == len(set(listed)) and set(listed) == logged()
