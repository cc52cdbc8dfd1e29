"""pod-identity-init: the mounted token (exits 12 and 13) and whose it is (exit 30)."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.both_agents import EMULATORS
from harness.emulator import NAMESPACE, SERVICE_ACCOUNT, Emulator
from harness.programs import Run
from harness.reports import assert_failed, assert_ok
from harness.token_files import ProjectedToken

TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
DAY = 86400


def at(injected: dict[str, str], path: Path | str) -> dict[str, str]:
    """The injected environment with the token elsewhere."""
    return {**injected, TOKEN_FILE: str(path)}


# --- the file


def test_missing(run_init: Callable[..., Run], injected: dict[str, str], folder: Path, emulator: Emulator) -> None:
    path = folder / "no" / "token"
    assert_failed(run_init(env=at(injected, path)), "TOKEN_UNREADABLE", str(path))
    assert emulator.count() == 0


def test_broken_link_is_told_apart(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    broken, missing = folder / "broken", folder / "missing"
    os.symlink("..data/token", broken)
    broken_text = assert_failed(run_init(env=at(injected, broken)), "TOKEN_UNREADABLE", str(broken))
    missing_text = assert_failed(run_init(env=at(injected, missing)), "TOKEN_UNREADABLE", str(missing))
    assert broken_text.replace(str(broken), "") != missing_text.replace(str(missing), "")


def test_link_to_itself(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    os.symlink("loop", folder / "loop")
    assert_failed(run_init(env=at(injected, folder / "loop")), "TOKEN_UNREADABLE", str(folder / "loop"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_empty(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, content: bytes) -> None:
    token.rotate(content)
    assert_failed(run_init(), "TOKEN_UNREADABLE", str(token))


@pytest.mark.parametrize("size", [65_537, 65_538, 10_000_000])
def test_over_long(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, size: int) -> None:
    token.rotate(b"a" * size)
    assert_failed(run_init(), "TOKEN_UNREADABLE", str(token), "65536")


def test_folder(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    assert_failed(run_init(env=at(injected, folder)), "TOKEN_UNREADABLE", str(folder), "directory")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/proc/self/mem"])
def test_device(run_init: Callable[..., Run], injected: dict[str, str], path: str) -> None:
    run = run_init(env=at(injected, path), timeout_s=20)
    assert_failed(run, "TOKEN_UNREADABLE", path)


def test_pipe_does_not_hang(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert_failed(run_init(env=at(injected, folder / "pipe"), timeout_s=20), "TOKEN_UNREADABLE", str(folder / "pipe"))


@EMULATORS
def test_trailing_newline_is_taken_off(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    text = emulator.token()
    token.rotate(text + "\n")
    assert_ok(run_init())
    assert dict(emulator.requests(with_secrets=True)[0]["headers"])["Authorization"] == text


@needs_root
def test_unreadable_says_who_and_whose(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken) -> None:
    real = token.real()
    os.chown(real, 4321, 8765)
    real.chmod(0o600)
    assert_failed(run_init(uid=12345, gid=23456), "TOKEN_UNREADABLE", str(token), "12345", "23456", "4321", "8765", "0600", "fsGroup")


@needs_root
def test_unreadable_folder(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken) -> None:
    token.folder.chmod(0o700)
    assert_failed(run_init(uid=12345), "TOKEN_UNREADABLE", str(token), "12345")


@needs_root
def test_readable_by_the_group(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken) -> None:
    real = token.real()
    os.chown(real, 0, 5000)
    real.chmod(0o640)
    assert_ok(run_init(uid=12345, groups=[5000]))
    assert_failed(run_init(uid=12345, groups=[5001]), "TOKEN_UNREADABLE", "5001", "5000", "0640")


# --- its text


@pytest.mark.parametrize("content", [
    b"nothing", b"a.b", b"a.b.c.d", b"..", b"a..c", b"Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", b"!.!.!", b"eyJhbGciOiJSUzI1NiJ9.e30=.c2ln",
    b"eyJhbGciOiJSUzI1NiJ9.W10.c2ln", b"eyJhbGciOiJSUzI1NiJ9.bm90IGpzb24.c2ln", b"x" * 65_536, b"a." * 30_000,
])
def test_no_jwt(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator, content: bytes) -> None:
    token.rotate(content)
    assert_failed(run_init(), "TOKEN_INVALID", str(token))
    assert emulator.count() == 0, "the agent was bothered with something that is no token"


@pytest.mark.parametrize("content", [bytes(range(256)), b"\x00" * 100, b"a.b\r\nX-Injected: 1.c", b"a b.c.d", "é.é.é".encode(), b"\xff\xfe\x00",
                                     b"a.b.c\n\n", b" a.b.c", b"a.b.c ", b"a.b\x00.c", b"a.b.c\t"])
def test_characters_that_no_token_has(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator,
                                      content: bytes) -> None:
    token.rotate(content)
    assert_failed(run_init(), "TOKEN_INVALID", str(token))
    assert emulator.count() == 0


def signed(emulator: Emulator, payload: bytes) -> str:
    """A genuine token of any payload."""
    return emulator.sign(b'{"alg":"RS256","kid":"x"}', payload)


DEEP = 200


@pytest.mark.parametrize("payload", [
    b'{"aud":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    b"[" * 9000, b"{" * 9000, b'{"aud":"pods.eks.amazonaws.com","exp":1e999}', b'{"exp":' + b"9" * 5000 + b"}",
    b'{"aud":"pods.eks.amazonaws.com","exp":9999999999} trailing', b'{"aud":"\xff\xfe"}', b'{"aud":"pods.eks', b"", b"null", b"7",
])
def test_strange_payload(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator, payload: bytes) -> None:
    token.rotate(signed(emulator, payload))
    assert_failed(run_init(), "TOKEN_INVALID")


def claims(**changed: Any) -> bytes:
    """Claims of a good token, some changed."""
    now = int(time.time())
    good: dict[str, Any] = {"aud": ["pods.eks.amazonaws.com"], "exp": now + DAY, "iat": now, "nbf": now, "iss": "https://issuer.example",
                            "sub": f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"}
    return json.dumps({name: value for name, value in {**good, **changed}.items() if value is not None}).encode()


@pytest.mark.parametrize("changed", [
    {"exp": "9999999999"}, {"nbf": "0"}, {"iat": []}, {"exp": None}, {"exp": True}, {"aud": 7}, {"aud": {}}, {"aud": [7]}, {"sub": 7}, {"iss": {}},
    {"sub": "x" * 5000}, {"exp": -1}, {"aud": None}, {"aud": []}, {"aud": "pods.eks.amazonaws.com.example"},
])
def test_claims_of_a_wrong_kind(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator,
                                changed: dict[str, Any]) -> None:
    token.rotate(signed(emulator, claims(**changed)))
    assert_failed(run_init(), "TOKEN_INVALID")
    assert emulator.count() == 0


@pytest.mark.parametrize("changed", [{"aud": "pods.eks.amazonaws.com"}, {"aud": ["other", "pods.eks.amazonaws.com"]}, {"nbf": None}, {"iat": None}])
def test_claims_that_are_fine(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator,
                              changed: dict[str, Any]) -> None:
    token.rotate(signed(emulator, claims(**changed)))
    assert_ok(run_init())


def test_wrong_audience(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator) -> None:
    token.rotate(emulator.token(audience="sts.amazonaws.com"))
    assert_failed(run_init(), "TOKEN_INVALID", "sts.amazonaws.com", "pods.eks.amazonaws.com")


def test_expired(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator) -> None:
    token.rotate(emulator.token(expires_in_s=-7200, issued_ago_s=2 * DAY))
    assert_failed(run_init(), "TOKEN_INVALID", "expired")


def test_not_yet_valid(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator) -> None:
    token.rotate(emulator.token(expires_in_s=2 * DAY, issued_ago_s=-7200))
    assert_failed(run_init(), "TOKEN_INVALID", "nbf")


@EMULATORS
def test_refused_by_the_agent_alone(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, emulator: Emulator) -> None:
    """Our clock finds nothing wrong, the agent's does; and a token that only EKS Auth can tell to be forged."""
    token.rotate(emulator.token(forged=True))
    assert_failed(run_init(), "TOKEN_INVALID", "InvalidTokenException")
    token.rotate(emulator.token(expires_in_s=3600))
    emulator.settings(clock_skew_s=DAY)
    assert_failed(run_init(), "TOKEN_INVALID", "token is expired")


# --- whose it is


def test_expected_owner(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert_ok(run_init(f"--expect-namespace={NAMESPACE}", f"--expect-service-account={SERVICE_ACCOUNT}"))


@pytest.mark.parametrize(("option", "found"), [("--expect-namespace", NAMESPACE), ("--expect-service-account", SERVICE_ACCOUNT)])
@pytest.mark.parametrize("wanted", ["other", "", "dem", "demo2", "App"])
def test_unexpected_owner(run_init: Callable[..., Run], emulator: Emulator, option: str, found: str, wanted: str) -> None:
    run = run_init(f"{option}={wanted}")
    if not wanted:
        assert run.exit_code == 64
        return
    assert_failed(run, "UNEXPECTED_IDENTITY", wanted, found)
    assert emulator.count() == 0


def test_unexpected_owner_without_network(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert_failed(run_init("--verify=injection", "--expect-namespace=other"), "UNEXPECTED_IDENTITY", "other")


def test_expected_account(run_init: Callable[..., Run], emulator: Emulator) -> None:
    assert_ok(run_init("--expect-account=111122223333"))
    assert_failed(run_init("--expect-account=444455556666"), "UNEXPECTED_IDENTITY", "444455556666", "111122223333")


@EMULATORS
def test_expected_account_that_the_agent_does_not_tell(run_init: Callable[..., Run], injected: dict[str, str], emulator: Emulator) -> None:
    """Not known is not confirmed: never a silent pass, and a failure with --strict."""
    emulator.fault("patch", drop=["AccountId"], times=None)
    report = run_init("--expect-account=111122223333").report
    check = next(check for check in report["checks"] if check["id"] == "credentials.account")
    assert check["status"] in ("warn", "fail") and "111122223333" in check["message"]
    complete = {**injected, "AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
    strict = run_init("--expect-account=111122223333", "--strict", env=complete)
    assert strict.exit_code == 30


# --- rotation


@EMULATORS
def test_token_is_read_afresh_for_each_attempt(run_init: Callable[..., Run], emulator: Emulator, token: ProjectedToken) -> None:
    """The first token is refused; while it waits, the kubelet rotates to a good one."""
    emulator.fault("answer", status=503, times=1)
    first, second = token.path.read_text(), emulator.token()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_init, wait="30s")
        emulator.wait_for_requests(1)
        token.rotate(second)
        assert_ok(running.result(60))
    sent = [dict(one["headers"])["Authorization"] for one in emulator.requests(with_secrets=True)]
    assert sent[0] == first and sent[-1] == second


# --- the links of a projected volume, and permissions explained


def test_volume_not_mounted(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    path = folder / "pods.eks.amazonaws.com" / "serviceaccount" / "token"
    assert_failed(run_init(env=at(injected, path)), "TOKEN_UNREADABLE", "pods.eks.amazonaws.com does not exist",
                  "the token's volume is not mounted in this container", "restarting cannot help")


def test_folder_without_the_file(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    assert_failed(run_init(env=at(injected, folder / "token")), "TOKEN_UNREADABLE", "holds no file of that name")


def test_levels_of_a_broken_volume(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken) -> None:
    real, data = token.real(), token.folder / "..data"
    real.rename(real.with_name("other"))
    assert_failed(run_init(), "TOKEN_UNREADABLE", "..data points to ..2", "the volume holds no file of that name", str(real))
    real.with_name("other").rename(real)
    assert_ok(run_init())
    real.parent.rename(token.folder / "gone")
    assert_failed(run_init(), "TOKEN_UNREADABLE", "the version that the kubelet published is gone", str(real.parent))
    data.unlink()
    assert_failed(run_init(), "TOKEN_UNREADABLE", "has published nothing", str(data))


def test_paths_of_the_greatest_length(run_init: Callable[..., Run], injected: dict[str, str], folder: Path) -> None:
    """Links that lead to paths which cannot be, and components that are too long."""
    long_name = "/" + "x" * 4000
    os.symlink(long_name, folder / "long")
    for path in (folder / "long", str(folder) + long_name[:4000], "/" * 4000 + "x", "/x/" + "../" * 1300 + "x"):
        assert_failed(run_init(env=at(injected, path)), "TOKEN_UNREADABLE")


@needs_root
@pytest.mark.parametrize(("mode", "owner", "user", "role", "group"), [
    (0o600, (4321, 8765), {"uid": 12345, "gid": 23456}, "others", "fsGroup: 23456"),
    (0o640, (0, 8765), {"uid": 12345, "gid": 23456}, "others", "fsGroup: 8765"),
    (0o604, (0, 8765), {"uid": 12345, "gid": 23456, "groups": [8765]}, "group", "fsGroup: 23456"),
    (0o044, (12345, 0), {"uid": 12345, "gid": 23456}, "owner", "fsGroup: 23456"),
])
def test_permission_is_explained(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken, mode: int,
                                 owner: tuple[int, int], user: dict[str, Any], role: str, group: str) -> None:
    real = token.real()
    os.chown(real, *owner)
    real.chmod(mode)
    assert_failed(run_init(**user), "TOKEN_UNREADABLE", "uid 12345, gid 23456", f"belongs to uid {owner[0]}, gid {owner[1]}, mode {mode:04o}",
                  f"counts as {role}, which may not read it", group)
    real.chmod(0o444)
    assert_ok(run_init(**user))


@needs_root
def test_folder_that_cannot_be_searched(run_init: Callable[..., Run], injected: dict[str, str], token: ProjectedToken) -> None:
    token.folder.chmod(0o700)
    assert_failed(run_init(uid=12345), "TOKEN_UNREADABLE", f"the folder {token.folder} belongs to uid 0", "mode 0700", "may not search it")


def test_numbers_of_a_readable_token(run_init: Callable[..., Run], token: ProjectedToken) -> None:
    readable = next(check for check in run_init("--verify=injection").report["checks"] if check["id"] == "token.readable")
    assert f"uid {os.getuid()}, gid " in readable["message"] and "mode 0644" in readable["message"]
