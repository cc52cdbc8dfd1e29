"""pod-identity-init: explain, --list-checks, and real reports against the schema that init/README.md documents."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest

from harness.aws import Aws, needs_openssl
from harness.emulator import Emulator
from harness.explained import PAGE, reasons_of, section
from harness.programs import Run
from harness.reports import EXITS
from harness.schema import documented, violations
from harness.token_files import ProjectedToken

NOWHERE = {"termination_log": None, "wait": None, "text": True, "env": {}}
@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The schema as documented."""
    return documented()


def test_the_checker_checks(schema: dict[str, Any]) -> None:
    good: dict[str, Any] = {"version": 1, "result": "ok", "reason": "OK", "exitCode": 0, "source": "pod-identity", "waitedMs": 0,
                            "checks": [{"id": "a.b", "status": "pass", "message": "m", "remedy": ""}]}
    assert violations(good, schema) == []
    for name, bad in {"version": 2, "result": "x", "exitCode": 1, "waitedMs": -1, "checks": [], "source": None, "extra": 1}.items():
        assert violations({**good, name: bad}, schema), name
    assert violations({**good, "waitedMs": True}, schema) and violations({**good, "checks": [{"id": "A b"}]}, schema)
    del good["reason"]
    assert violations(good, schema)


@needs_openssl
@pytest.mark.place("loopback")
def test_reports_fit_the_schema(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str], token: ProjectedToken,
                                schema: dict[str, Any]) -> None:
    """One of each exit that has a report."""
    runs = {"OK": run_init(), "NOT_INJECTED": run_init(env={})}
    runs["INJECTION_INVALID"] = run_init(env={**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/\"\\\u00e9"})
    eks_auth = Aws(emulator).eks_auth()
    runs["SETTING_INVALID"] = run_init("--source=eks-auth", "--cluster-name=x", env={**injected, **eks_auth, "AWS_REGION": "\x1b[31m\n"})
    runs["TOKEN_UNREADABLE"] = run_init(env={**injected, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/\u00e9\\\"" + "x" * 3000})
    runs["UNEXPECTED_IDENTITY"] = run_init("--expect-namespace=other")
    runs["INTERNAL"] = run_init("--install=/nonexistent")
    for code, reason in {"ResourceNotFoundException": "ACCESS_DENIED", "ThrottlingException": "THROTTLED"}.items():
        emulator.eks_auth_error(code)
        runs[reason] = run_init()
        emulator.clear_faults()
    emulator.fault("answer", body="\x1b" * 1000, status=418, times=None)
    runs["BAD_RESPONSE"] = run_init()
    emulator.clear_faults()
    emulator.listen("closed")
    runs["AGENT_UNREACHABLE"] = run_init()
    web = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/app", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_REGION": "eu-central-1"}
    runs["AWS_UNREACHABLE"] = run_init("--source=web-identity", env={**web, "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"})
    plain = emulator.serve("imds")["port"]
    emulator.listen("alert-handshake", service="imds")
    runs["TLS_FAILED"] = run_init("--source=web-identity", env={**web, "AWS_ENDPOINT_URL_STS": f"https://127.0.0.1:{plain}"})
    token.rotate("x" * 1000)
    runs["TOKEN_INVALID"] = run_init()
    assert set(runs) == set(EXITS) - {"USAGE"}
    assert runs["SETTING_INVALID"].report["source"] == "eks-auth"
    for reason, run in runs.items():
        assert run.reason == reason
        assert violations(run.report, schema) == []
        for check in run.report["checks"]:
            assert bool(check["remedy"]) == (check["status"] in ("warn", "fail")), check
        if run.exit_code:
            failure = run.failure
            assert run.termination_log == f"{reason}: {failure['message']}. Remedy: {failure['remedy']}\n" or reason in ("INJECTION_INVALID",)


def test_text_is_aligned(run_init: Callable[..., Run], emulator: Emulator) -> None:
    lines = run_init(text=True).stdout.splitlines()
    checks = [line for line in lines if re.match(r"(pass|warn|fail|skip)  ", line)]
    columns = {re.match(r"\w+  \S+ +", line).end() for line in checks}  # type: ignore[union-attr]
    assert len(columns) == 1, columns
    assert all(line.startswith("      remedy: ") for line in lines if line not in checks and not line.startswith("result: "))
    assert lines[-1] == "result: ok, reason OK, exit code 0"


def test_text_ends_with_what_decides(run_init: Callable[..., Run], injected: dict[str, str]) -> None:
    """`kubectl logs --tail=3` shows it; what was not reached is one line."""
    run = run_init(text=True, env={})
    lines = run.stdout.splitlines()
    failed = next(index for index, line in enumerate(lines) if line.startswith("fail  injection.pair"))
    message, remedy = lines[failed].split("injection.pair", 1)[1].strip(), lines[failed + 1].split("remedy: ", 1)[1]
    assert lines[-3:] == ["result: failed, reason NOT_INJECTED, exit code 10", f"NOT_INJECTED: {message}", f"remedy: {remedy}"]
    listed = len(run_init("--list-checks", **NOWHERE).stdout.splitlines())
    assert lines[-4] == f"{listed - 4} checks were not reached, because injection.pair failed"
    assert run.stdout.count("not reached") == 1 and len(lines) == failed + 2 + 4
    late = run_init("--expect-account=999999999999", text=True, env=injected).stdout.splitlines()
    assert late[-4] == "1 check was not reached, because credentials.account failed"


@pytest.mark.parametrize("reason", EXITS)
def test_explain(run_init: Callable[..., Run], reason: str) -> None:
    run = run_init("explain", reason, **NOWHERE)
    assert run.exit_code == 0 and run.stderr == ""
    assert run.stdout.startswith(f"{reason} (exit code {EXITS[reason]})\n")
    parts = re.split(r"\n(Cause|Confirm|Fix)\n", run.stdout)
    assert parts[1::2] == ["Cause", "Confirm", "Fix"] and all(len(part.strip()) > 10 for part in parts[2::2])
    prose = parts[2].splitlines() + parts[6].splitlines()  # commands are not broken
    assert max(len(line) for line in prose if len(line.split()) > 1) <= 80
    assert run_init("explain", reason.lower(), **NOWHERE).stdout == run.stdout
    assert run_init("explain", str(EXITS[reason]), **NOWHERE).stdout == run.stdout


def test_the_page_has_what_explain_prints(run_init: Callable[..., Run]) -> None:
    """One source: after a change in common/pod/explain.c, harness/explained.py writes it there."""
    told = [run_init("explain", reason, **NOWHERE).stdout for reason in sorted(EXITS, key=EXITS.__getitem__)]
    assert reasons_of(PAGE.read_text()).strip() == "".join(map(section, told)).strip()


@pytest.mark.parametrize("reason", EXITS)
def test_the_sidecar_explains_the_same(run_init: Callable[..., Run], run_sidecar: Callable[..., Run], reason: str) -> None:
    """For pods that have no init; by name and by exit code, and whatever else is in the environment."""
    told = run_init("explain", reason, **NOWHERE).stdout
    for word in (reason, str(EXITS[reason])):
        run = run_sidecar("explain", word, env={"POD_IDENTITY_HTTP": "127.0.0.1:9911"})
        assert (run.exit_code, run.stdout, run.stderr) == (0, told, "")


@pytest.mark.parametrize("words", [["explain"], ["explain", ""], ["explain", "NO_SUCH"], ["explain", "99"], ["explain", "\x1b[31m" + "x" * 5000]])
def test_explain_what_is_none(run_init: Callable[..., Run], words: list[str]) -> None:
    run = run_init(*words, **NOWHERE)
    assert run.exit_code == 64 and run.stdout == "" and "\x1b" not in run.stderr
    for reason in EXITS:
        assert reason in run.stderr


@pytest.mark.parametrize("words", [["explain", "OK", "more"], ["check"], ["OK", "explain"]])
def test_no_such_command(run_init: Callable[..., Run], words: list[str]) -> None:
    assert run_init(*words, **NOWHERE).exit_code == 64


def test_list_checks(run_init: Callable[..., Run], emulator: Emulator) -> None:
    run = run_init("--list-checks", **NOWHERE)
    assert run.exit_code == 0
    names = [line.split()[0] for line in run.stdout.splitlines()]
    assert names == [check["id"] for check in run_init().report["checks"]]
    assert all(len(line.split()) > 2 for line in run.stdout.splitlines())
    assert emulator.count() == 1


def test_documented_exits() -> None:
    text = PAGE.read_text()
    for reason, code in EXITS.items():
        assert f"| {code} | `{reason}` |" in text
