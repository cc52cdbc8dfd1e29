"""What the READMEs list is what the programs have: options with their defaults, paths with their statuses, exits, metrics, lines of the log."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Callable, NamedTuple

import pytest

from harness import http
from harness.emulator import Emulator
from harness.programs import ROOT, Binaries, Runner
from harness.sidecar import Sidecar

links = runpy.run_path(str(ROOT / "tests" / "lint" / "links.py"))
PAGES = sorted(path for folder in (".", "init", "sidecar", "agent", "images", "tests/bench") for path in (ROOT / folder).glob("*.md"))
EVERYWHERE = {"help", "version"}  # of all programs; told in words
OF_OTHERS = {"all", "certs-dir", "tail"}  # of skopeo, MinIO and kubectl
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


class Option(NamedTuple):
    group: str
    name: str
    default: str  # "" where --help names none
    text: str
    example: str = ""


def options_of(help_text: str) -> list[Option]:
    """Options as --help has them, in its order."""
    found = []
    for title, body in re.findall(r"^([A-Z][A-Za-z ]+):\n((?:  .*\n)+)", help_text, re.MULTILINE):
        for entry in re.split(r"^  (?=--)", body, flags=re.MULTILINE)[1:]:
            words = " ".join(entry.split())
            text = re.sub(r"^--\S+ ?", "", words)
            default = re.search(r" \[([^][]*)\]$", text)
            found.append(Option(title, OPTION.match(entry)[1], default[1] if default else "",  # type: ignore[index]
                                text[:default.start()] if default else text))
    return [option for option in found if option.name not in EVERYWHERE]


def plain(text: str) -> str:
    """Without what is only Markdown's."""
    return " ".join(text.replace("`", "").split())


def described(path: str) -> list[Option]:
    """Options as a reference page has them; the text is that of --help and what the page adds."""
    found = []
    for title, body in re.findall(r"^## (.+?)$\n(.*?)(?=^## |\Z)", (ROOT / path).read_text(), re.MULTILINE | re.DOTALL):
        for name, entry in re.findall(r"^### --(\S+)$\n(.*?)(?=^### |\Z)", body, re.MULTILINE | re.DOTALL):
            head, text = map(plain, entry.strip().split("\n\n", 1))
            default, example = re.fullmatch(r"(?:Default: (.*)\. )?Example: (--.*)", head).groups()  # type: ignore[union-attr]
            assert re.match(rf"--{name}(=|$)", example), (path, name, example)
            found.append(Option(title, name, default or "", text, example))
    return found


ROLE = "--assume-role=arn:aws:iam::444455556666:role/target"
FILE = "--credentials-file=/run/pod-identity/credentials"
BESIDE = {  # what an example cannot do without
    **{name: [ROLE] for name in ("external-id", "session-tag", "source-identity", "session-duration")},
    "transitive-tag-key": [ROLE, "--session-tag=team=shop"], "cluster-name": ["--source=eks-auth"], "node-credentials": ["--source=eks-auth", "--cluster-name=x"],
    "file-profile": [FILE], "file-mode": [FILE], "wait": ["once", FILE], "install-sh": ["--install=/nonexistent"]}


@pytest.mark.parametrize("program", ["init", "sidecar"])
def test_examples_are_taken(runner: Runner, binaries: Binaries, program: str, tmp_path: Path) -> None:
    """Each example of an option is understood. Nothing is injected, so it ends for want of that, before anything is sent."""
    (tmp_path / "policy.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    (tmp_path / "config.json").write_text('{"profiles": [{"name": "default"}]}')
    page = described(f"{program}/OPTIONS.md")
    assert all(option.example for option in page)
    for option in page:
        words = [re.sub(r"/etc/(?:app|pod-identity)/", f"{tmp_path}/", option.example)]
        words += [*(word for word in BESIDE.get(option.name, []) if program == "sidecar" or word != "once"),
                  *([f"--unix-socket={tmp_path}/s"] if program == "sidecar" and option.name not in ("unix-socket", "wait") else [])]
        if program == "init":
            words = [word for word in words if word != FILE]
        run = runner.run([getattr(binaries, program), *words], {})
        assert run.exit_code != 64, (words, run.stderr)
    bad = runner.run([getattr(binaries, program), "--nonsense=1"], {})
    assert bad.exit_code == 64


def test_json_of_the_pages(runner: Runner, binaries: Binaries, tmp_path: Path) -> None:
    """It is JSON, and what configures the sidecar is taken by it."""
    configs = 0
    for path in PAGES:
        for block in re.findall(r"^```json\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            if "profiles" in json.loads(block):
                (tmp_path / "config.json").write_text(block)
                run = runner.run([binaries.sidecar, "probe", f"--config={tmp_path}/config.json"], {})
                assert run.exit_code == 1, (path, run.stderr)
                configs += 1
    assert configs >= 2


@pytest.fixture
def options(runner: Runner, binaries: Binaries) -> Callable[..., list[Option]]:
    """options("sidecar", "probe"): what its --help lists for that command."""
    return lambda program, *command: options_of(runner.run([getattr(binaries, program), *command, "--help"], {}).stdout)


@pytest.fixture
def agents_help(runner: Runner, binaries: Binaries) -> str:
    """Its form is the real agent's: tests/integration/agent/test_agent_docs.py."""
    return runner.run([binaries.agent, "--help"], {}).stdout


def agree(known: list[Option], page: list[Option]) -> None:
    assert [option[:2] for option in page] == [option[:2] for option in known]
    for one, other in zip(page, known):
        assert one.default == other.default, one
        assert one.text.lower().startswith(other.text.lower()), (one, other)


SHARED = ("Source of the credentials", "Assumed roles")  # of init and the sidecar: described once


def test_options(options: Callable[..., list[Option]]) -> None:
    """Each is described once, in its group, with its default, its text and an example."""
    known, page = options("sidecar"), described("sidecar/OPTIONS.md")
    assert len(known) > 30
    agree(known, page)
    own = options("init")
    agree([option for option in own if option.group in SHARED], [option for option in page if option.group in SHARED])
    agree([option for option in own if option.group not in SHARED], described("init/OPTIONS.md"))


@pytest.mark.parametrize("path", PAGES)
def test_no_option_that_does_not_exist(options: Callable[..., list[Option]], agents_help: str, path: Path) -> None:
    """In code that begins with an option, and behind the name of a program."""
    known = {option.name for program in ("init", "sidecar", "get") for option in options(program)} | EVERYWHERE | {"some-name", "option", "profile", "socket"}  # the last two: old names
    known |= set(OPTION.findall(agents_help))
    text = path.read_text()
    named = re.findall(r"`--([a-z][a-z0-9-]+)(?![a-z0-9…-])", text)
    for command in re.findall(r"pod-identity-(?:init|sidecar|get|agent)((?: [^\s|\"`]+| \\\n)+)", text):
        named += OPTION.findall(command)
    assert set(named) - OF_OTHERS <= known, path


@pytest.mark.parametrize("command, wanted, unwanted", [
    ("serve", {"http", "source", "metrics"}, {"wait"}), ("once", {"wait", "credentials-file", "assume-role"}, {"http", "imds", "unix-socket"}),
    ("probe", {"unix-socket", "config", "wait"}, {"source", "http"}), ("whoami", {"unix-socket", "expect-role", "source"}, {"credentials-file", "http"}),
    ("explain", set(), {"source"}), ("version", set(), {"source"})])
def test_help_of_a_command(options: Callable[..., list[Option]], command: str, wanted: set[str], unwanted: set[str]) -> None:
    """Only what means something to it."""
    listed = {option.name for option in options("sidecar", command)}
    assert wanted <= listed and not unwanted & listed
    assert listed <= {option.name for option in options("sidecar")}


@pytest.mark.parametrize("program", ["init", "sidecar", "get"])
def test_help_and_version(runner: Runner, binaries: Binaries, program: str) -> None:
    """help, -h and --help are one, as are version, -V and --version; 80 columns; examples."""
    told = {words: runner.run([getattr(binaries, program), words], {}) for words in ("help", "-h", "--help", "version", "-V", "--version")}
    assert all(run.exit_code == 0 and run.stderr == "" for run in told.values())
    assert told["help"].stdout == told["-h"].stdout == told["--help"].stdout
    assert told["version"].stdout == told["-V"].stdout == told["--version"].stdout != told["help"].stdout
    assert max(map(len, told["help"].stdout.splitlines())) <= 80
    assert "Exit status: " in told["help"].stdout
    assert program == "get" or len(re.findall(r"^  pod-identity-\w+ .*--", told["help"].stdout.split("Examples:")[1], re.MULTILINE)) == 2


@pytest.mark.parametrize("program", ["init", "sidecar", "get"])
def test_exits(runner: Runner, binaries: Binaries, program: str) -> None:
    """One table for all programs has every exit that a --help names, and names no more."""
    table = [row for row in rows(section("images/TROUBLESHOOTING.md", "## Reasons and exit codes").split("###")[0])]
    names = {"init": "init", "sidecar": r"serve|once|whoami|probe", "get": r"`get`"}
    listed = {row[0].split()[0] for row in table if row[0][:1].isdigit() and (row[2].startswith("all") or re.search(names[program], row[2]))}
    said = set(re.findall(r"\b\d+\b", runner.run([getattr(binaries, program), "--help"], {}).stdout.split("Exit status: ")[1]))
    assert said <= listed
    assert program != "init" or said == listed


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
    listed = {row[0].strip("`"): row[1] for row in rows(section("sidecar/OPERATIONS.md", "## Metrics"))}
    assert served == listed


def logged_in_the_source() -> set[str]:
    """Level and event of each line that serve and once can log."""
    found = set()
    # The server's side of TLS is the webhook's: webhook/test_webhook_docs.py.
    others = set((ROOT / "common" / "serve").glob("tls_*.c"))
    for path in {*(ROOT / "sidecar").glob("*.c"), *(ROOT / "common").glob("*/*.c")} - others:
        text = re.sub(r"\s+", " ", path.read_text())
        found |= {(level.lower(), event) for level, event in re.findall(r'(?:LOG|log_failing)\((?:&[\w>-]+, )?LOG_([A-Z]+), "([^"]+)"', text)}
        found |= {("info", event) for event in re.findall(r'log_mended\(&[\w>-]+, "([^"]+)"', text)}
    return found


def test_lines_of_the_log() -> None:
    """Each is listed once, and each field has one meaning in the table of fields."""
    table = rows(section("sidecar/OPERATIONS.md", "## Log"))
    lines = [(row[0], row[1].strip("`")) for row in table if len(row) == 3]
    assert len(lines) == len(set(lines)) > 30
    listed = set(lines)
    used = {field for row in table if len(row) == 3 for field in re.findall(r"`(\w+)`", row[2])}
    explained = [field for row in table if len(row) == 2 for field in re.findall(r"`(\w+)`", row[0])]
    assert sorted(explained) == sorted(used)
    found = logged_in_the_source()
    for level, event in list(listed):
        if event.endswith("…"):  # its beginning is enough, if one line has it
            whole = {one for one in found if one[0] == level and one[1].startswith(event[:-1])}
            assert len(whole) == 1, (event, whole)
            listed = listed - {(level, event)} | whole
    assert listed == found


@pytest.mark.parametrize("path", PAGES)
def test_links(path: Path) -> None:
    """Those to files and headings of this repository lead somewhere."""
    assert links["broken"](path) == []


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """They are found, and code is not looked at."""
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n\n## A `b` c\n\n[1](#a-b-c) [2](#a-b-c-1) [3](page.md#a-b-c)\n\n```sh\n[x](none)\n```\n\n[y](none.md) [z](#d)\n")
    assert [line.split(": ")[1] for line in links["broken"](page)] == ["none.md", "#d"]


def test_pictures() -> None:
    """Those that are committed are what `make pictures` draws of the sources, and the pages show them."""
    folder = ROOT / "images" / "pictures"
    sys.path.insert(0, str(folder))
    try:
        drawn = runpy.run_path(str(folder / "pictures.py"))["all_pictures"](folder)
    finally:
        sys.path.remove(str(folder))
    assert {path.name: path.read_text() for path in folder.glob("*.svg")} == drawn, "make pictures"
    shown = "".join(path.read_text() for path in PAGES)
    assert all(f"pictures/{name})" in shown for name in drawn)


def test_numbers_of_the_comparison() -> None:
    """What the README counts stands in the table of the SDKs."""
    sdks = [row for row in rows(section("sidecar/APPS.md", "## What each SDK does with an error")) if len(row) == 5]
    shown = sum(row[3] == "yes" for row in sdks)
    measured = [row for row in sdks if row[4] != "not measured"]
    failed = sum(row[4].startswith(("error", "empty")) for row in measured)
    text = section("README.md", "## What it costs, and what it gives")
    assert f"| {shown} of {len(sdks)} SDKs |" in text and f"error in {failed} of {len(measured)} SDKs" in text


def test_checks(runner: Runner, binaries: Binaries) -> None:
    """Each check has a heading of its own, in the order of --list-checks."""
    known = [line.split()[0] for line in runner.run([binaries.init, "--list-checks"], {}).stdout.splitlines()]
    assert re.findall(r"^### ([a-z]+\.[a-z-]+)$", section("images/TROUBLESHOOTING.md", "## Checks"), re.MULTILINE) == known
