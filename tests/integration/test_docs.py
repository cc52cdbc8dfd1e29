"""What the READMEs list is what the programs have: options with their defaults, paths with their statuses, exits, metrics, lines of the log."""

from __future__ import annotations

import re
from typing import Callable

import pytest

from harness import http
from harness.emulator import Emulator
from harness.programs import ROOT, Binaries, Runner
from harness.sidecar import Sidecar

EVERYWHERE = {"help", "version"}  # of all programs; told in words
OPTION = re.compile(r"--([a-z][a-z0-9-]+)")


def section(path: str, heading: str) -> str:
    """The text under a heading, up to the next of the same or a higher level."""
    text = (ROOT / path).read_text()
    level = heading.split()[0]
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{path}: no {heading}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, without their heads: the cells, stripped."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    rules = [number for number, row in enumerate(found) if set("".join(row)) <= set("-: ")]
    return [row for number, row in enumerate(found) if number not in rules and number + 1 not in rules]


def options_of(help_text: str) -> dict[str, str]:
    """Options with their defaults, as --help has them; "" where it names none."""
    part = help_text.split("Options [default]:\n")[1].split("\n\n")[0]
    entries = re.split(r"^  (?=--)", part, flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        default = re.search(r"\[([^][]*)\]$", " ".join(entry.split()))
        found[OPTION.match(entry)[1]] = default[1] if default else ""  # type: ignore[index]
    return {name: default for name, default in found.items() if name not in EVERYWHERE}


@pytest.fixture
def options(runner: Runner, binaries: Binaries) -> Callable[[str], dict[str, str]]:
    """options("sidecar"): what its --help lists."""
    return lambda program: options_of(runner.run([getattr(binaries, program), "--help"], {}).stdout)


@pytest.mark.parametrize("program, path, heading", [
    ("sidecar", "sidecar/README.md", "## Options"), ("init", "init/README.md", "## Options"),
    ("sidecar", "README.md", "## pod-identity-sidecar"), ("init", "README.md", "## pod-identity-init"),
])
def test_options(options: Callable[[str], dict[str, str]], program: str, path: str, heading: str) -> None:
    """All of them, no other, and the default where a row is about one option."""
    known = options(program)
    assert len(known) > 10, known
    listed: list[str] = []
    for row in rows(section(path, heading)):
        names = OPTION.findall(row[0])
        listed += names
        if len(names) == 1 and len(row) == 3 and known.get(names[0]):
            assert row[1].replace("`", "") == known[names[0]], row
    assert sorted(listed) == sorted(known)


@pytest.mark.parametrize("path", ["README.md", "init/README.md", "sidecar/README.md"])
def test_no_option_that_does_not_exist(options: Callable[[str], dict[str, str]], path: str) -> None:
    known = {name for program in ("init", "sidecar", "get") for name in options(program)} | EVERYWHERE | {"some-name"}
    assert set(OPTION.findall((ROOT / path).read_text())) <= known


def test_exits(runner: Runner, binaries: Binaries) -> None:
    listed = {row[0] for row in rows(section("sidecar/README.md", "## Signals and exits")) if row[0].isdigit()}
    said = runner.run([binaries.sidecar, "--help"], {}).stdout.split("Exit status: ")[1]
    assert set(re.findall(r"\b\d+\b", said)) <= listed


def test_paths_and_statuses(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> None:
    """Each row of the table is asked for, with credentials and without."""
    place = emulator.place
    ports = {"imds": place.free_port(), "metrics": place.free_port()}
    emulator.fault("answer", status=503, body="busy", times=None)
    sidecar = start_sidecar(*(f"--{name}=127.0.0.1:{port}" for name, port in ports.items()), ready=False).wait_serving()
    ports["http"] = sidecar.port or 0
    asked = [(row[0], *row[1].strip("`").split(), row[2]) for row in rows(section("sidecar/README.md", "## What is served")) if len(row) == 4]
    assert {listener for listener, *_ in asked} == {"socket", "http", "imds", "metrics"}

    def ask(listener: str, method: str, path: str, **headers: str) -> http.Answer:
        host = f"127.0.0.1:{ports.get(listener)}"
        data = http.request_bytes(method, path, {"Host": host, "Authorization": sidecar.bearer, **headers})
        if listener == "socket":
            return http.parse_answer(sidecar.raw(data))
        return http.parse_answer(http.exchange(place.connect("127.0.0.1", ports[listener]), data, 10))

    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = ask("imds", "PUT", "/latest/api/token", **lifetime).body.decode()
    for ready in (False, True):
        if ready:
            emulator.clear_faults()
            sidecar.wait_ready()
        for listener, method, path, statuses in asked:
            wanted = statuses.split(", ")
            answer = ask(listener, method, path, **({"X-aws-ec2-metadata-token": token} if method == "GET" else lifetime))
            assert str(answer.status) == wanted[0 if ready else -1], (listener, path, answer.status)


def test_metrics(start_sidecar: Callable[..., Sidecar], emulator: Emulator) -> None:
    text = start_sidecar(with_http=False).get("/metrics").body.decode()
    served = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    listed = {row[0].strip("`"): row[1] for row in rows(section("sidecar/README.md", "## Metrics"))}
    assert served == listed


def logged_in_the_source() -> set[str]:
    """Level and event of each line that serve and once can log."""
    found = set()
    for path in [*(ROOT / "sidecar").glob("*.c"), *(ROOT / "common").glob("*/*.c")]:
        text = re.sub(r"\s+", " ", path.read_text())
        found |= {(level.lower(), event) for level, event in re.findall(r'(?:LOG|log_failing)\((?:&[\w>-]+, )?LOG_([A-Z]+), "([^"]+)"', text)}
        found |= {("info", event) for event in re.findall(r'log_mended\(&[\w>-]+, "([^"]+)"', text)}
    return found


def test_lines_of_the_log() -> None:
    listed = {(row[0], row[1].strip("`")) for row in rows(section("sidecar/README.md", "## Log"))}
    found = logged_in_the_source()
    for level, event in list(listed):
        if event.endswith("…"):  # its beginning is enough, if one line has it
            whole = {one for one in found if one[0] == level and one[1].startswith(event[:-1])}
            assert len(whole) == 1, (event, whole)
            listed = listed - {(level, event)} | whole
    assert listed == found


def test_links() -> None:
    """Those to files and headings of this repository lead somewhere."""
    for path in ("README.md", "init/README.md", "sidecar/README.md"):
        text = (ROOT / path).read_text()
        headings = {re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in headings, f"{path}: {target}"
            elif "://" not in target:
                assert ((ROOT / path).parent / target.split("#")[0]).exists(), f"{path}: {target}"
