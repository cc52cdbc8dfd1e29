"""pod-identity-init: what AWS SDKs would take instead of EKS Pod Identity. Each present and absent; with --strict a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from harness.emulator import Emulator
from harness.leaks import Leaks
from harness.programs import Run
from harness.reports import assert_failed, assert_ok

URI, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
COMPLETE = {"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
GOOD_URI = "http://169.254.170.23/v1/credentials"
SECRET = "a-secret-that-is-not-shown"

PRESENT: list[tuple[str, dict[str, str], list[str]]] = [
    ("shadow.static-keys", {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}, ["AWS_ACCESS_KEY_ID", "before EKS Pod Identity"]),
    ("shadow.static-keys", {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}, ["without its other half", "botocore"]),
    ("shadow.static-keys", {"AWS_SECRET_ACCESS_KEY": SECRET}, ["without its other half"]),
    ("shadow.profile", {"AWS_PROFILE": "dev"}, ["AWS_PROFILE", '"dev"']),
    ("shadow.profile", {"AWS_DEFAULT_PROFILE": "dev"}, ["AWS_DEFAULT_PROFILE"]),
    ("shadow.credentials-file", {"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials"}, ["/nonexistent/credentials", "does not exist"]),
    ("shadow.credentials-file", {"AWS_SHARED_CREDENTIALS_FILE": "/etc/hostname"}, ["AWS_SHARED_CREDENTIALS_FILE"]),
    ("shadow.web-identity", {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/irsa", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"},
     ["arn:aws:iam::111122223333:role/irsa", "botocore", "Go v2", "JavaScript", "minio-go"]),
    ("shadow.web-identity", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, ["without AWS_ROLE_ARN"]),
    ("shadow.relative-uri", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}, ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "169.254.170.2"]),
    ("shadow.metadata", {"AWS_EC2_METADATA_DISABLED": ""}, ["AWS_EC2_METADATA_DISABLED", "node's role"]),
    ("shadow.metadata", {"AWS_EC2_METADATA_DISABLED": "false"}, ["AWS_EC2_METADATA_DISABLED"]),
    ("shadow.region", {"AWS_REGION": ""}, ["AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("shadow.region", {"AWS_REGION": "eu-central-1a"}, ['AWS_REGION="eu-central-1a" is a zone']),
    ("shadow.region", {"AWS_DEFAULT_REGION": "eu-central-1 "}, ['AWS_DEFAULT_REGION="eu-central-1 " ends in a blank']),
    ("shadow.proxy", {"HTTP_PROXY": "http://10.0.0.1:3128"}, ["HTTP_PROXY", "NO_PROXY", "Go", "minio-go", "169.254.170.23"]),
    ("shadow.proxy", {"http_proxy": "http://10.0.0.1:3128", "NO_PROXY": "10.0.0.0/8,.example.com,localhost"}, ["http_proxy"]),
    ("shadow.proxy", {"HTTP_PROXY": "http://10.0.0.1:3128", "no_proxy": "169.254.170.2,1169.254.170.23"}, ["HTTP_PROXY", "Kotlin"]),
    # Go reads NO_PROXY first, and then not no_proxy; blanks do not separate there; Kotlin reads both, and takes blanks
    ("shadow.proxy", {"HTTP_PROXY": "http://10.0.0.1:3128", "NO_PROXY": "example.com", "no_proxy": "169.254.170.23"}, ["Go (v1, v2) and minio-go"]),
    ("shadow.proxy", {"HTTP_PROXY": "http://10.0.0.1:3128", "NO_PROXY": "10.0.0.0/8 169.254.170.23"}, ["Go (v1, v2) and minio-go", "commas"]),
    ("shadow.proxy", {"HTTP_PROXY": "http://10.0.0.1:3128", "NO_PROXY": "169.254.170.23:443"}, ["Kotlin"]),
]

ABSENT: list[dict[str, str]] = [
    {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/other"}, {"AWS_PROFILE": ""}, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    {"AWS_SHARED_CREDENTIALS_FILE": ""}, {"HOME": "/nonexistent"}, {"HOME": "relative"}, {"AWS_EC2_METADATA_DISABLED": "TRUE"},
    {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-central-1"}, {"HTTPS_PROXY": "http://10.0.0.1:3128"}, {"NO_PROXY": "*"},
    *({"HTTP_PROXY": "http://10.0.0.1:3128", "NO_PROXY": value} for value in (
        "*", "169.254.170.23", "10.0.0.0/8, 169.254.170.23", "169.254.0.0/16", "169.254.170.0/23", "169.254.170.23:80", "b, 169.254.170.23 ", "0.0.0.0/0")),
    {"ALL_PROXY": "http://10.0.0.1:3128"}, {"all_proxy": "http://10.0.0.1:3128"},
]


def warnings(run: Run) -> dict[str, dict[str, Any]]:
    """The warnings by name."""
    return {check["id"]: check for check in run.checks("warn")}


@pytest.fixture
def look(run_init: Callable[..., Run], injected: dict[str, str], leaks: Leaks) -> Callable[..., Run]:
    """look(changes, *options) -> Run, at the agent's real address without asking it."""
    leaks.add_secret("secret_access_key", SECRET)

    def run(changes: dict[str, str], *options: str) -> Run:
        return run_init("--verify=injection", *options, env={**injected, URI: GOOD_URI, **COMPLETE, **changes})
    return run


@pytest.mark.parametrize(("name", "env", "says"), PRESENT, ids=lambda value: "+".join(value) if isinstance(value, dict) else None)
def test_present(look: Callable[..., Run], name: str, env: dict[str, str], says: list[str]) -> None:
    run = look(env)
    assert_ok(run)
    found = warnings(run)
    assert set(found) == {name}
    text = f"{found[name]['message']} {found[name]['remedy']}"
    for part in says:
        assert part in text, text
    assert_failed(look(env, "--strict"), "SETTING_INVALID" if "eu-central-1" in str(env) else "INJECTION_INVALID", *says)


@pytest.mark.parametrize("env", ABSENT, ids=lambda env: "+".join(f"{name}={value}" for name, value in env.items()))
def test_absent(look: Callable[..., Run], env: dict[str, str]) -> None:
    run = look(env, "--strict")
    assert_ok(run)
    assert warnings(run) == {}


def test_file_in_the_home(look: Callable[..., Run], folder: Path) -> None:
    assert warnings(look({"HOME": str(folder)})) == {}
    (folder / ".aws").mkdir()
    (folder / ".aws" / "credentials").write_text("[default]\n")
    assert warnings(look({"HOME": str(folder)})) == {}, "it holds no credentials"
    (folder / ".aws" / "credentials").write_text(f"[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {SECRET}\n")
    found = warnings(look({"HOME": str(folder)}))
    assert set(found) == {"shadow.credentials-file"}
    assert str(folder) in found["shadow.credentials-file"]["message"]


@pytest.mark.parametrize(("text", "profile", "key"), [
    ("[default]\ncredential_process = /bin/x\n", "", "credential_process"), ("[profile dev]\r\nsso_session=s\r\n", "dev", "sso_session"),
    ("[default]\nregion = x\nrole_arn = arn:aws:iam::111122223333:role/r\n", "", "role_arn"), ("[ profile\tdefault ] # mine\nsso_start_url = u", "", "sso_start_url"),
    ("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = " + SECRET, "", "aws_access_key_id"),
    ("[default]\n[profile a]\n[default]\nweb_identity_token_file = /t\n", "", "web_identity_token_file"),
    ("[default]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n", "", "role_arn"),
    ("[default]\nrole_arn = r\ncredential_source = EcsContainer\n", "", ""), ("[default]\nregion = eu-central-1\noutput = json\n", "", ""), ("[profile dev]\nrole_arn = r\n", "", ""), ("[default]\nrole_arn = r\n", "dev", ""),
    ("[dev]\nrole_arn = r\n", "dev", ""), ("[profile developer]\nrole_arn = r\n", "dev", ""), ("[default]\ns3 =\n  role_arn = r\n", "", ""),
    ("[default]\n# role_arn = r\n", "", ""), ("", "", "")])
@pytest.mark.parametrize("named", [True, False])
def test_config_file(look: Callable[..., Run], folder: Path, text: str, profile: str, key: str, named: bool) -> None:
    """Only what brings credentials in the profile that SDKs would take; no value of the file is shown."""
    file = folder / "file" if named else folder / ".aws" / "config"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode("latin-1"))
    env = {"AWS_PROFILE": profile, **({"AWS_CONFIG_FILE": str(file)} if named else {"HOME": str(folder)})}
    found = warnings(look(env))
    assert set(found) == ({"shadow.config-file"} if key else set()) | ({"shadow.profile"} if profile else set())
    if key:
        message = found["shadow.config-file"]["message"]
        assert str(file) in message and f"sets {key} in profile \"{profile or 'default'}\"" in message
        assert "AWS_CONFIG_FILE" in found["shadow.config-file"]["remedy"] and "AKIAEXAMPLE" not in message
        if not profile:
            assert_failed(look(env, "--strict"), "INJECTION_INVALID", key)


def test_home_in_the_name_of_a_file(look: Callable[..., Run], folder: Path) -> None:
    """The tilde that shells expand and pod specs do not."""
    (folder / "aws").write_text("[default]\nsso_session = s\n")
    for name, check in (("AWS_CONFIG_FILE", "shadow.config-file"), ("AWS_SHARED_CREDENTIALS_FILE", "shadow.credentials-file")):
        found = warnings(look({"HOME": str(folder), name: "~/aws"}))
        assert set(found) == {check} and f'"{folder}/aws"' in found[check]["message"]
        assert "does not exist" not in found[check]["message"] and "sso_session" in found[check]["message"]
    assert warnings(look({"HOME": str(folder), "AWS_CONFIG_FILE": "~/none"})) == {}


def test_config_file_that_cannot_be_read(look: Callable[..., Run], folder: Path) -> None:
    large = folder / "large"
    large.write_bytes(b"x" * 65537)
    for path, says in ((folder, "Is a directory"), (large, "too large")):
        found = warnings(look({"AWS_CONFIG_FILE": str(path)}))
        assert set(found) == {"shadow.config-file"} and says in found["shadow.config-file"]["message"]
    for path in ("/nonexistent/config", "/etc/hostname/config", "/dev/null"):
        assert warnings(look({"AWS_CONFIG_FILE": path})) == {}, path


def test_proxy_for_ipv6_and_for_loopback(look: Callable[..., Run]) -> None:
    proxy = {"HTTP_PROXY": "http://10.0.0.1:3128", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}
    six = {**proxy, URI: "http://[fd00:ec2::23]/v1/credentials"}
    assert set(warnings(look(six))) == {"shadow.proxy"}
    for value in ("fd00:ec2::23", "[fd00:ec2::23]:80", "fd00:ec2::/32", "FD00:EC2:0::23"):
        assert warnings(look({**six, "NO_PROXY": value})) == {}, value
    for value in ("[fd00:ec2::23]", "[fd00:ec2::23]:443", "fd00:ec2::24", "169.254.170.23", "fd00:ec2::/129", "fd00:ec2::23/", "::/1x"):
        assert set(warnings(look({**six, "NO_PROXY": value}))) == {"shadow.proxy"}, value
    assert warnings(look({**proxy, URI: "http://127.0.0.1:8080/"})) == {}


@pytest.mark.parametrize(("uri", "who"), [
    ("http://localhost/v1", "fluent-bit"), ("http://localhost:8080/v1", "fluent-bit"), ("http://127.0.0.2/", "Kotlin"),
    ("http://127.200.0.9/", "C++"), ("http://[fd00:ec2::23]/v1/credentials", "Java"), ("https://credentials.example.com/", "botocore"),
])
def test_hosts_that_only_some_accept(look: Callable[..., Run], uri: str, who: str) -> None:
    found = warnings(look({URI: uri}))
    assert set(found) == {"injection.uri"}
    assert who in found["injection.uri"]["message"]


@pytest.mark.place("loopback")
def test_localhost_is_reached_without_a_proxy(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    env = {**injected, URI: emulator.url.replace("127.0.0.1", "localhost"), "http_proxy": "http://127.0.0.1:9/"}
    assert run_init(env=env).reason in ("OK", "INJECTION_INVALID")  # INJECTION_INVALID: the agent's own check of Host


NAMES = [URI, TOKEN_FILE, "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE",
         "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "HOME", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy",
         "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_REGION", "AWS_DEFAULT_REGION", "NO_COLOR"]
BINARY = bytes(range(1, 256)).decode("latin-1").encode("latin-1").decode("utf-8", "surrogateescape")
OPTIONS = ["WAIT", "SOURCE", "SELF_INJECTED", "POD_LABELS", "TRY_OTHER_FAMILY", "VERIFY", "EXPECT_NAMESPACE", "EXPECT_SERVICE_ACCOUNT",
           "EXPECT_ACCOUNT", "MIN_TTL", "FORMAT", "TERMINATION_LOG", "STRICT", "INSTALL", "LIST_CHECKS"]


@pytest.mark.parametrize("value", ["", "x" * 100_000, "," * 100_000, BINARY], ids=["empty", "huge", "commas", "binary"])
@pytest.mark.parametrize("name", NAMES)
def test_any_variable_may_be_anything(look: Callable[..., Run], name: str, value: str) -> None:
    run = look({"HTTP_PROXY": "http://10.0.0.1:3128", name: value})
    assert run.exit_code in (0, 10, 11, 12), f"{run.exit_code}: {run.stderr}"
    assert run.reason in ("OK", "NOT_INJECTED", "INJECTION_INVALID", "TOKEN_UNREADABLE")
    assert len((run.termination_log or "").encode("utf-8", "surrogateescape")) <= 4096


@pytest.mark.parametrize("value", ["", "x" * 100_000, BINARY], ids=["empty", "huge", "binary"])
@pytest.mark.parametrize("name", OPTIONS)
def test_any_option_variable_may_be_anything(run_init: Callable[..., Run], injected: dict[str, str], name: str, value: str) -> None:
    env = {**injected, URI: GOOD_URI, "POD_IDENTITY_VERIFY": "injection", f"POD_IDENTITY_{name}": value}
    run = run_init(env=env, text=True, timeout_s=20)
    assert run.exit_code in ((0, 20) if value == "" else (0, 30, 64, 70)), run.stderr
    if run.exit_code == 64:
        assert f"POD_IDENTITY_{name}" in run.stderr
