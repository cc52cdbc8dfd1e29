"""What the documentation tells people to type exists: every block of shell says what is done with it, and is what it says."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest

from harness.commands import OURS, all_blocks, commands_of, in_prose
from harness.programs import ROOT, Binaries, Runner

GLOBAL = {"region", "output", "query", "profile", "no-cli-pager"}  # options of every aws command
CHECKED = {"aws", "kubectl", *OURS}  # kubectl: tests/e2e/test_docs_cluster.py
HARMLESS = {"cat", "ls", "chronyc", "journalctl", "openssl"}  # beside them; nothing of ours, and no option of a service
CONTRIBUTORS = ("README.md", "CONTRIBUTING.md", "BUNDLE.md")  # these have what CI runs, and their make targets exist (below)


@pytest.fixture(scope="module")
def aws() -> Callable[[list[str], bool], str]:
    """aws(words, whole): what is wrong with an aws command by the service's own model; "" if nothing is."""
    session = pytest.importorskip("botocore.session", reason="no botocore: the package index cannot be reached").get_session()
    from botocore import xform_name
    models: dict[str, Any] = {}

    def check(words: list[str], whole: bool) -> str:
        service, operation, *rest = words[1:]
        if service not in session.get_available_services():
            return f"no service {service}"
        model = models.setdefault(service, session.get_service_model(service))
        names = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in names:
            return f"{service} has no operation {operation}"
        shape = model.operation_model(names[operation]).input_shape
        members = {xform_name(name, "-"): name for name in (shape.members if shape else {})}
        options = [word[2:].split("=")[0] for word in rest if word.startswith("--")]
        unknown = [name for name in options if name not in members and name.removeprefix("no-") not in members and name not in GLOBAL]
        if unknown:
            return f"{service} {operation} has no option --{unknown[0]}"
        missing = {xform_name(name, "-") for name in (shape.required_members if shape else [])} - set(options)
        return f"{service} {operation} needs --{min(missing)}" if missing and whole else ""

    return check


def test_every_block_says_what_is_done_with_it() -> None:
    found = all_blocks()
    assert len(found) > 30
    for block in found:
        programs = {words[0].rsplit("/", 1)[-1] for words in block.commands}
        if not programs or (not block.mark and block.path.name in CONTRIBUTORS):
            continue  # variables only, or what CI does
        assert block.mark, f"{block}: run by a test, form checked, or not run: why?"
        if block.mark.startswith("form checked"):
            assert programs & CHECKED and programs <= CHECKED | HARMLESS, f"{block}: nothing checks {programs - CHECKED - HARMLESS}"
        if block.mark.startswith("not run"):
            assert not programs <= CHECKED, f"{block}: its form can be checked"
        for name in re.findall(r"run by (make [a-z0-9-]+|tests/[\w/.]+)", block.mark):
            assert (ROOT / name).exists() or is_target(name.removeprefix("make ")), f"{block}: no {name}"


def is_target(name: str) -> bool:
    makefiles = "".join(path.read_text() for path in (ROOT / "Makefile", ROOT / "tests/tests.mk", ROOT / "images/images.mk", ROOT / "images/release.mk"))
    return bool(re.search(rf"^{re.escape(name)}:", makefiles, re.MULTILINE))


def test_targets_of_make_exist() -> None:
    named = [word for block in all_blocks() for words in block.commands if words[0] == "make" for word in words[1:] if re.fullmatch(r"[a-z][a-z-]*", word)]
    named += [word for where, words in in_prose("make") if where.endswith(".md") for word in words[1:] if re.fullmatch(r"[a-z][a-z-]*", word)]
    assert len(named) > 15
    assert [name for name in named if not is_target(name)] == []


def test_aws_commands_of_the_pages(aws: Callable[[list[str], bool], str]) -> None:
    found = [(block, words) for block in all_blocks() for words in block.commands if words[0] == "aws"]
    assert len(found) >= 10
    assert [f"{block}: {problem}" for block, words in found if (problem := aws(words, True))] == []


def test_aws_commands_of_the_messages(aws: Callable[[list[str], bool], str]) -> None:
    """In sentences and remedies some are named without their options."""
    found = [(where, words) for where, words in in_prose("aws") if len(words) > 2 and re.fullmatch(r"[a-z][a-z0-9-]+", words[1])]
    assert len([where for where, _ in found if where.endswith(".c")]) > 10
    assert [f"{where}: {problem}: {words}" for where, words in found if (problem := aws(words, False))] == []


@pytest.mark.parametrize("line, problem", [
    ("aws eks list-pod-identity-associations --cluster-name C --service-account X", ""), ("aws eks list-pod-identity-association --cluster-name C", "no operation"),
    ("aws eks describe-cluster --cluster-name C", "no option --cluster-name"), ("aws eks describe-cluster --query x", "needs --name"), ("aws esk x", "no service")])
def test_the_check_of_aws_can_fail(aws: Callable[[list[str], bool], str], line: str, problem: str) -> None:
    [words] = commands_of(line)
    assert problem in aws(words, True) and bool(problem) == bool(aws(words, True))


def test_our_own_commands(runner: Runner, binaries: Binaries) -> None:
    """Are understood: nothing is injected here, so that they end for want of that, or of a socket."""
    inside = [(block, words[words.index("--") + 1:] if words[0] == "kubectl" and "--" in words else words) for block in all_blocks() for words in block.commands]
    found = [(block, words) for block, words in inside if words[0].rsplit("/", 1)[-1] in OURS]
    assert len(found) >= 5
    for block, words in found:
        program = getattr(binaries, words[0].rsplit("-", 1)[-1])
        run = runner.run([program, *[re.sub("/run/pod-identity/", "/nonexistent/", word) for word in words[1:]]], {})
        assert run.exit_code != 64, f"{block}: {run.stderr}"
