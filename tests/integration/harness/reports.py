"""The report of pod-identity-init, its shape and its reasons."""

from __future__ import annotations

import re
from typing import Any

from .programs import Run
from .schema import documented, violations

EXITS = {
    "OK": 0,
    "NOT_INJECTED": 10,
    "INJECTION_INVALID": 11,
    "TOKEN_UNREADABLE": 12,
    "TOKEN_INVALID": 13,
    "SETTING_INVALID": 14,
    "AGENT_UNREACHABLE": 20,
    "ACCESS_DENIED": 21,
    "THROTTLED": 22,
    "BAD_RESPONSE": 23,
    "AWS_UNREACHABLE": 24,
    "TLS_FAILED": 25,
    "UNEXPECTED_IDENTITY": 30,
    "USAGE": 64,
    "INTERNAL": 70,
}
TERMINATION_LOG_MAX = 4096


def check_shape(report: dict[str, Any]) -> None:
    """Asserts the documented schema, and what must agree among the members."""
    assert violations(report, documented()) == []
    assert set(report) == {"version", "result", "reason", "exitCode", "source", "waitedMs", "checks"}
    assert report["version"] == 1
    assert report["result"] in ("ok", "failed")
    assert isinstance(report["waitedMs"], int) and report["waitedMs"] >= 0
    assert isinstance(report["source"], str)
    assert EXITS[report["reason"]] == report["exitCode"]
    assert (report["exitCode"] == 0) == (report["result"] == "ok")
    assert report["checks"]
    identifiers = [check["id"] for check in report["checks"]]
    assert len(set(identifiers)) == len(identifiers), "a check is reported twice"
    for check in report["checks"]:
        assert set(check) <= {"id", "status", "message", "remedy"}, check
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", check["id"]), check
        assert check["status"] in ("pass", "warn", "fail", "skip"), check
        assert check["message"] and "\n" not in check["message"], check
        if check["status"] in ("warn", "fail"):
            assert check["remedy"] and "\n" not in check["remedy"], check
    failed = [check for check in report["checks"] if check["status"] == "fail"]
    assert bool(failed) == (report["result"] == "failed")


def assert_ok(run: Run) -> dict[str, Any]:
    """The run passed; returns its report."""
    assert run.exit_code == 0, f"exit {run.exit_code}: {run.stdout}{run.stderr}"
    check_shape(run.report)
    assert run.reason == "OK"
    return run.report


def assert_failed(run: Run, reason: str, *parts: str) -> str:
    """The run failed for that reason, everywhere where a reason stands, and the message names these values.

    Returns message and remedy of the check that failed.
    """
    assert run.exit_code == EXITS[reason], f"exit {run.exit_code}, wanted {reason}: {run.stdout}{run.stderr}"
    check_shape(run.report)
    assert run.reason == reason
    failure = run.failure
    text = f"{failure['message']} {failure['remedy']}"
    for part in parts:
        assert part.lower() in text.lower(), f"{part!r} is not in {text!r}"
    if run.termination_log is not None:
        assert reason in run.termination_log
        assert run.termination_log.rstrip("\n").count("\n") == 0, "more than one line"
        assert len(run.termination_log.encode("utf-8", "surrogateescape")) <= TERMINATION_LOG_MAX
        assert failure["message"][:200] in run.termination_log
    return text
