"""pod-identity-init: what it reads out of ~/.aws, held against botocore's own reading of made-up files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.programs import Run
from harness.reports import assert_ok

configloader = pytest.importorskip("botocore.configloader")
from botocore.exceptions import ConfigParseError  # noqa: E402 - only where botocore is

FILES, PER_TEST = 200, 20
PROFILES = ["default", "dev", "x y"]
KEYS = ["role_arn", "aws_access_key_id", "credential_process", "sso_account_id", "sso_role_name", "sso_session", "sso_start_url", "sso_region",
        "web_identity_token_file", "login_session"]
HEADERS = {
    "config": ["[default]", "[profile default]", "[profile dev]", '[profile "dev"]', "[profile 'x y']", '[profile "x y"]', "[profile\tdev]", "[profile x\\ y]",
               "[dev]", "[profile developer]", "[sso-session dev]", "[services dev]", "[profile dev] # mine", "[default];", "[DEFAULT]", "[profile]",
               '[profile "dev]', "[profiles dev]", "[plugins]", "[Default]"],
    "credentials": ["[default]", "[dev]", "[x y]", "[profile dev]", "[Dev]", "[dev] ; mine", "[DEFAULT]", '["dev"]', "[other]"]}
SETTINGS = [*(f"{key} = v" for key in KEYS), "AWS_ACCESS_KEY_ID = AKIAEXAMPLE", "Role_Arn: arn:aws:iam::111122223333:role/r", "aws_access_key_id=", "login_session\t=\tx",
            "credential_source = EcsContainer", "credential_source = Ec2InstanceMetadata", "credential_source=Environment", "source_profile = dev",
            "source_profile = default", "source_profile = x y", "source_profile = nobody", "aws_secret_access_key = a-secret-that-is-not-shown"]
HARMLESS = ["region = eu-central-1", "output: json", "# role_arn = r", "; a remark", "  # an indented remark", "", "   ", "\t", "s3 =\n  max_concurrent_requests = 4\n  role_arn = r",
            "s3 =\n\n    addressing_style = path\n", "cli_pager =", "services = mine", "text = one\n  two\n  credential_process = x", "retry_mode = standard # x",
            "x\u00e4y = \u20ac", "a.b-c = [d]", "x = [default]", "long = a\n# between\n  b", "region\u00a0= eu-west-1"]
ODD = ["role_arn", "= v", ": v", "[", "[]", "[dev", "  [dev]", "\xff = 1", "s3 =\n  what", "what ever", "region = again", "\ufeff[default]", "]"]
ENDS = ["\n", "\n", "\n", "\r\n", "\r"]
Look = Callable[..., Run]


def line(pick: random.Random, text: str, indent: str) -> str:
    """Sometimes indented: a setting, a header, or (by then) a part of what is above."""
    return indent + text if pick.random() < 0.8 else pick.choice(["", " ", "\t"]) + text


def once_each(kind: str, pick: random.Random) -> list[str]:
    """Headers in any order, none of them for a profile that another one is for: of two, botocore takes the last only, Go both."""
    chosen: dict[str, str] = {}
    for header in pick.sample(HEADERS[kind], len(HEADERS[kind])):
        (name, *_) = [*configloader._parse_section(header.split("]")[0][1:], None), header] if header.startswith("[profile") else [header.strip("[];")]
        chosen.setdefault(name, header)
    return [header for name, header in sorted(chosen.items(), key=lambda item: item[0] in PROFILES and pick.random() < 0.6)]


def made_up(kind: str, seed: int) -> bytes:
    """A file. Of four, one may have what is odd, and one repeats what it has."""
    pick = random.Random(f"{kind} {seed}")
    lines: list[str] = []
    headers = once_each(kind, pick)
    for _ in range(pick.choice([0, 2, 3, 4, 5])):
        indent = pick.choice(["", "", "", "  ", "\t"])
        lines.append(line(pick, headers.pop() if seed % 8 != 1 else headers[0], indent))
        body = pick.sample(SETTINGS, pick.choice([0, 1, 2, 3])) + pick.sample(HARMLESS, pick.randint(0, 4))
        body += pick.choices(ODD, k=1) if seed % 4 == 0 and pick.random() < 0.5 else []
        pick.shuffle(body)
        names = [text.replace(":", "=").split("=")[0].strip().lower() for text in body]
        lines += [line(pick, text, indent).replace("\n", "\n" + indent) for number, text in enumerate(body)
                  if seed % 4 == 1 or names[number] not in names[:number]]
    if seed % 4 == 0 and pick.random() < 0.2:
        lines.insert(0, pick.choice(["region = x", "\ufeff# marked", "# first"]))
    text = "\n".join(lines) + pick.choice(["", "\n"])
    return text.replace("\n", pick.choice(ENDS)).encode("utf-8" if "\xff" not in text else "latin-1", "replace")


def reading(kind: str, path: Path) -> dict[str, dict[str, Any]] | None:
    """The profiles of a file as botocore has them; None: it fails on it."""
    try:
        return configloader.load_config(str(path))["profiles"] if kind == "config" else configloader.raw_config_parse(str(path))
    except ConfigParseError:
        return None


def on_the_endpoint(profiles: dict[str, dict[str, Any]], name: str) -> bool:
    """Whether a role is assumed, in the end, with what the container endpoint gives."""
    visited: list[str] = []
    while name in profiles and name not in visited:
        settings = profiles[name]
        if "role_arn" not in settings or "web_identity_token_file" in settings or (visited and "aws_access_key_id" in settings):
            return False
        if "credential_source" in settings:
            return "source_profile" not in settings and settings["credential_source"] == "EcsContainer"
        visited.append(name)
        name = settings.get("source_profile", "")
    return False


def expected(kind: str, profiles: dict[str, dict[str, Any]], merged: dict[str, dict[str, Any]], name: str) -> str | None:
    """The first key by which SDKs take credentials."""
    settings = profiles.get(name, {})
    for key in KEYS:
        if key in settings and not (key == "role_arn" and on_the_endpoint(merged, name)):
            return key
    return None


@pytest.fixture
def look(run_init: Callable[..., Run], injected: dict[str, str]) -> Look:
    """look(changes) -> Run, without asking anybody."""
    env = {**injected, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}
    return lambda changes: run_init("--verify=injection", env={**env, **changes})


def check_message(run: Run, kind: str, profiles: dict[str, dict[str, Any]] | None, key: str | None, said: str) -> None:
    (check,) = [check for check in run.report["checks"] if check["id"] == f"shadow.{kind}-file"]
    assert ("cannot be parsed by botocore" in check["message"]) == (profiles is None), said
    if profiles is not None:
        assert check["status"] == ("warn" if key else "pass"), said
        assert (f"sets {key} in profile" if key else "no credentials in the shared") in check["message"], said
    assert "a-secret" not in run.stdout and "AKIA" not in run.stdout


SEEN: dict[str, int] = {}


@pytest.mark.xdist_group("corpus")
@pytest.mark.parametrize("first", range(0, FILES, PER_TEST))
def test_corpus(look: Look, folder: Path, first: int) -> None:
    """Two files at a time: a chain of roles may lead from one into the other."""
    paths = {kind: folder / kind for kind in HEADERS}
    for seed in range(first, first + PER_TEST, 2):
        for number, kind in enumerate(HEADERS):
            paths[kind].write_bytes(made_up(kind, seed + number))
        found = {kind: reading(kind, path) for kind, path in paths.items()}
        merged: dict[str, dict[str, Any]] = {}
        for profiles in found.values():
            for name, settings in (profiles or {}).items():
                merged.setdefault(name, {}).update(settings)
        for name in PROFILES:
            run = look({"AWS_CONFIG_FILE": str(paths["config"]), "AWS_SHARED_CREDENTIALS_FILE": str(paths["credentials"]), "AWS_PROFILE": name})
            assert_ok(run)
            for kind, profiles in found.items():
                # Where one file cannot be parsed, botocore gets nowhere, and nothing tells what a chain would find in it.
                known = all(part is not None for part in found.values())
                key = expected(kind, profiles or {}, merged, name)
                SEEN["fault" if profiles is None else "key" if key else "none"] = SEEN.get("fault" if profiles is None else "key" if key else "none", 0) + 1
                if known or profiles is None or key not in ("role_arn", None):
                    check_message(run, kind, profiles, key, f"{paths[kind].read_bytes()!r} {name}")


@pytest.mark.xdist_group("corpus")
def test_the_corpus_has_all_kinds() -> None:
    """Behind the tests above, which count."""
    if sum(SEEN.values()) == FILES * len(PROFILES):
        assert min(SEEN.get(kind, 0) for kind in ("fault", "key", "none")) > 60, SEEN
    else:
        pytest.skip("only a part of the corpus was run")


@pytest.mark.parametrize(("content", "profile"), [
    (b"", ""), (b"\n\n# nothing\n", ""), (b"[default]\n", ""), (b"[dev]\naws_access_key_id = A\naws_secret_access_key = B\n", ""),
    (b"[default]\naws_access_key_id = A\naws_secret_access_key = B\n", "dev")])
def test_files_that_shadow_nothing(look: Look, folder: Path, content: bytes, profile: str) -> None:
    file = folder / "credentials"
    file.write_bytes(content)
    for path in (file, "/dev/null"):
        run = look({"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_PROFILE": profile})
        assert not [check for check in run.checks("warn") if check["id"].endswith("-file")]


@pytest.mark.parametrize(("config", "credentials", "key"), [
    ("[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = r\ncredential_source = EcsContainer\n", "", ""),
    ("[default]\nrole_arn = r\nsource_profile = a\n", "[a]\nrole_arn = r\ncredential_source = EcsContainer\n", ""),
    ("[default]\nrole_arn = r\nsource_profile = a\n", "[a]\naws_access_key_id = A\naws_secret_access_key = B\n", "role_arn"),
    ("[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = r\nsource_profile = default\n", "", "role_arn"),
    ("[default]\nrole_arn = r\nsource_profile = default\n", "", "role_arn"),
    ("[ default ]\nlogin_session = x\n", "", "login_session"), ("[ profile default ] # x]\nlogin_session = x\n", "", "login_session")])
def test_chains_of_roles(look: Look, folder: Path, config: str, credentials: str, key: str) -> None:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    run = look({"AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")})
    found = [check["message"] for check in run.checks("warn") if check["id"] == "shadow.config-file"]
    assert bool(found) == bool(key) and all(f"sets {key} in profile" in message for message in found)


@pytest.mark.parametrize(("content", "says"), [
    (b"\xef\xbb\xbf[default]\n", "line 1: the file begins with a byte order mark"), (b"region = x\n", "line 1: a line stands ahead"),
    (b"[default]\n\nregion\n", "line 3: it is neither"), (b"[default]\r\n\r\nregion = \xff\r\n", "line 3: it is not UTF-8"),
    (b"[default]\nregion = x\nREGION: y\n", "line 3: a key is there twice"), (b"[a]\n[b]\n[a]\n", "line 3: a [section] is there twice"),
    (b"[a]\ns3 =\n  x = y\n  z\n", "line 4: a line of a nested block"), (b"[a]\n" + b"".join(b"k%d=\n" % i for i in range(4100)), "more than 4096 settings")])
def test_what_cannot_be_parsed(look: Look, folder: Path, content: bytes, says: str) -> None:
    file = folder / "config"
    file.write_bytes(content)
    (check,) = [check for check in look({"AWS_CONFIG_FILE": str(file)}).checks("warn") if check["id"] == "shadow.config-file"]
    assert says in check["message"] and str(file) in check["message"] and "correct that line" in check["remedy"]
