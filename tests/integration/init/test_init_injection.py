"""pod-identity-init: what the webhook injected, or did not (exits 10 and 11)."""

from __future__ import annotations

from typing import Callable

import pytest

from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.programs import Run
from harness.reports import assert_failed, assert_ok

URI, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
GOOD_URI = "http://169.254.170.23/v1/credentials"


def test_nothing_injected(run_init: Callable[..., Run]) -> None:
    run = run_init(env={}, wait="60s")
    assert_failed(run, "NOT_INJECTED", URI)
    assert run.seconds < 5, "waiting cannot help"


@pytest.mark.parametrize("empty", [{URI: ""}, {URI: "", TOKEN_FILE: ""}])
def test_empty_counts_as_nothing(run_init: Callable[..., Run], empty: dict[str, str]) -> None:
    assert_failed(run_init(env=empty), "NOT_INJECTED")


def test_irsa_instead(run_init: Callable[..., Run]) -> None:
    env = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/demo", "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token"}
    assert_failed(run_init("--source=pod-identity", env=env), "NOT_INJECTED", "IRSA")


@pytest.mark.parametrize(("there", "missing"), [(URI, TOKEN_FILE), (TOKEN_FILE, URI)])
def test_half_a_pair(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator, there: str, missing: str) -> None:
    run = run_init(env={there: injected[there]}, wait="60s")
    assert_failed(run, "INJECTION_INVALID", there, missing)
    assert run.seconds < 5
    assert emulator.count() == 0


@pytest.mark.parametrize("uri", [
    "169.254.170.23/v1/credentials", "/v1/credentials", "ftp://169.254.170.23/v1/credentials", "http://", "http:///v1/credentials",
    "http://169.254.170.23:0/", "http://169.254.170.23:99999/", "http://[fd00:ec2::23/v1/credentials", "http://169.254.170.23/a b",
    "http://169.254.170.24/v1/credentials", "http://169.254.170.23.example.com/", "http://10.0.0.1/", "http://[fd00:ec2::24]/",
    "http://example.com/", "http://2852039191/", "http://0251.0376.0252.027/", "http://169.254.170.23@10.0.0.1/", "http://1.2.3/",
    "http://169.254.170.23/" + "a" * 3000, "http://169.254.170.23/\nX: y", "http://169.254.170.23/\x1b[31m", "\x7f\x01\x02", "é",
])
def test_unusable_uri(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator, uri: str) -> None:
    run = run_init(env={**injected, URI: uri})
    assert_failed(run, "INJECTION_INVALID", URI)
    assert emulator.count() == 0
    text = run_init(env={**injected, URI: uri}, text=True)
    assert text.exit_code == 11
    assert "\x1b" not in text.stdout and "\x7f" not in text.stdout


def test_the_value_is_shown(run_init: Callable[..., Run], injected: dict[str, str]) -> None:
    assert_failed(run_init(env={**injected, URI: "http://10.1.2.3:8080/v1"}), "INJECTION_INVALID", "http://10.1.2.3:8080/v1")


def test_password_in_the_uri_is_not_shown(run_init: Callable[..., Run], injected: dict[str, str]) -> None:
    run = run_init(env={**injected, URI: "http://user:hunter2secret@169.254.170.23/"})
    assert_failed(run, "INJECTION_INVALID")
    assert "hunter2secret" not in run.stdout + run.stderr + (run.termination_log or "")


@pytest.mark.parametrize("path", ["token", "./token", "/" + "a" * 5000])
def test_unusable_path(run_init: Callable[..., Run], injected: dict[str, str], path: str) -> None:
    run = run_init(env={**injected, TOKEN_FILE: path})
    assert run.reason in ("INJECTION_INVALID", "TOKEN_UNREADABLE")
    assert_failed(run, run.reason, path[:100])


@pytest.mark.parametrize("name", [URI, TOKEN_FILE])
def test_huge_variable(run_init: Callable[..., Run], injected: dict[str, str], name: str) -> None:
    """100,000 bytes: what Linux takes for one variable, roughly."""
    run = run_init(env={**injected, name: "/" + "x" * 100_000})
    assert run.exit_code in (11, 12)
    assert_failed(run, run.reason)


def test_other_variables_do_not_matter(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator) -> None:
    assert_ok(run_init(env={**injected, "LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "PATH": "", "HOME": "/nonexistent"}))


def test_https_to_a_name_is_allowed(run_init: Callable[..., Run], injected: dict[str, str]) -> None:
    assert_ok(run_init("--verify=injection", env={**injected, URI: "https://credentials.example.com/v1"}))


@pytest.mark.parametrize("uri", [GOOD_URI, "http://[fd00:ec2::23]/v1/credentials", "http://169.254.170.2/x", "http://127.0.0.1:8080/", "http://[::1]/",
                                 "http://127.200.0.9/", "HTTP://169.254.170.23/v1/credentials", "http://[FD00:EC2:0::23]/v1/credentials"])
def test_usable_uri(run_init: Callable[..., Run], injected: dict[str, str], uri: str) -> None:
    assert_ok(run_init("--verify=injection", env={**injected, URI: uri}))


# --- what shadows it


COMPLETE = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
"""What makes an injected environment one that nothing is said about."""

SHADOWS = [
    {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/irsa", "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
    {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "a-secret-that-is-not-shown"},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"},
]


@pytest.mark.parametrize("shadow", SHADOWS, ids=lambda shadow: next(iter(shadow)))
def test_shadows_are_warnings(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str], leaks: Leaks, shadow: dict[str, str]) -> None:
    leaks.add_secret("secret_access_key", "a-secret-that-is-not-shown")
    run = run_init("--source=pod-identity", env={**injected, **COMPLETE, **shadow})
    assert_ok(run)
    (warning,) = run.checks("warn")
    for name in shadow:
        assert name in warning["message"]
    strict = run_init("--source=pod-identity", "--strict", env={**injected, **COMPLETE, **shadow})
    assert strict.exit_code == 11
    assert strict.report["result"] == "failed" and strict.report["reason"] == "INJECTION_INVALID"
    assert strict.termination_log and "INJECTION_INVALID" in strict.termination_log


def test_strict_without_warnings(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator) -> None:
    run = run_init("--strict", env={**injected, **COMPLETE})
    assert_ok(run)
    assert run.checks("warn") == []
