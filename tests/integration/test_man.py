"""Manual pages and completion, which `make man` makes of what the programs print for --help."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.programs import ROOT

PROGRAMS = ("init", "sidecar", "get", "agent", "webhook")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the two scripts make of the programs that are tested."""
    folder = tmp_path_factory.mktemp("man")
    tools = ROOT / "common/deps/tools"
    helps = ""
    for name in PROGRAMS:
        text = help_of(name)
        helps += f"# pod-identity-{name}\n{text}"
        page = subprocess.run(["awk", "-v", f"program=pod-identity-{name}", "-v", "version=1", "-f", tools / "man.awk"], input=text,
                              capture_output=True, text=True, check=True, timeout=60)
        assert page.stderr == ""
        (folder / f"pod-identity-{name}.1").write_text(page.stdout)
    done = subprocess.run(["awk", "-f", tools / "completion.awk"], input=helps, capture_output=True, text=True, check=True, timeout=60)
    (folder / "completion.bash").write_text(done.stdout)
    return folder


def help_of(name: str) -> str:
    """Of the program that was built for this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()]
    return subprocess.run([ROOT / "build" / machine / f"pod-identity-{name}", "--help"], capture_output=True, text=True, check=True, timeout=60).stdout


def options_of(name: str) -> set[str]:
    """The rows of --help."""
    return set(re.findall(r"^ {2,8}(?:-[a-zA-Z], )?(--[a-z0-9-]+)", help_of(name), re.MULTILINE))


@pytest.mark.parametrize("name", PROGRAMS)
def test_page(made: Path, name: str) -> None:
    """All words of --help are there, in their order, and each option is a term of its own."""
    page = (made / f"pod-identity-{name}.1").read_text()
    plain = page.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")
    terms = {word for line in re.findall(r"^\.TP\n\.B (.*)$", plain, re.MULTILINE) for word in re.findall(r"--[a-z0-9-]+", line.split("=")[0])}
    assert len(terms) >= 5 and options_of(name) <= terms
    words = iter(re.sub(r"^\.(SH|B|TP|PP|EX|EE|br)\b ?", "", plain, flags=re.MULTILINE).lower().split())
    assert all(any(word.rstrip(":") == other.rstrip(":") for other in words) for word in help_of(name).lower().replace("usage: ", "").split())
    assert "SEE ALSO" in page and f".BR pod\\-identity\\-{name} " not in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
@pytest.mark.parametrize("name", PROGRAMS)
def test_page_without_warnings(made: Path, name: str) -> None:
    run = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", made / f"pod-identity-{name}.1"], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def complete(made: Path, program: str, word: str) -> set[str]:
    """What bash offers for a word that is begun."""
    script = f"source '{made}/completion.bash'; COMP_WORDS=({program} '{word}'); COMP_CWORD=1; _pod_identity {program}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
    return set(run.stdout.split())


@pytest.mark.parametrize("name", PROGRAMS)
def test_completion(made: Path, name: str) -> None:
    """Every option of the program, and no other's; with = where it takes a value."""
    offered = complete(made, f"/usr/bin/pod-identity-{name}", "--")
    assert {word.rstrip("=") for word in offered} == options_of(name)
    assert {"--help", "--version"} <= offered


def test_completion_of_commands(made: Path) -> None:
    assert complete(made, "pod-identity-get", "") >= {"token", "env", "exec", "--unix-socket=", "--serverless"}
    assert complete(made, "pod-identity-get", "to") == {"token"}
    assert complete(made, "pod-identity-sidecar", "who") == {"whoami"}
    assert complete(made, "pod-identity-sidecar", "--htt") == {"--http=", "--http-token-file="}
