"""What people type by mistake, each with the words that they read: of init, the sidecar and get."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Callable

import pytest

from harness.emulator import Emulator
from harness.programs import ROOT, Run
from harness.reports import assert_ok
from harness.sidecar import Sidecar

INIT = [
    ("--wiat=5s", "unknown option --wiat; did you mean --wait?"), ("--nonsense", "unknown option --nonsense; see --help"),
    ("-wait=5s", "unexpected word -wait=5s; options begin with two dashes: --wait"), ("-x", "unexpected word -x; options begin with two dashes"),
    ("--expect_namespace=x", "did you mean --expect-namespace?"), ("--Wait=5s", "did you mean --wait?"),
    ("--wait", "--wait needs a value: DURATION, as in --wait=60s"), ("--wait|--strict", "--wait needs a value: DURATION, as in --wait=60s"),
    ("--pod-labels", "--pod-labels needs a value: FILE"), ("--wait=5sec", "--wait=5sec: not a duration such as 500ms, 5s, 1m30s or 1h"), ("--wait=-5s", "not a duration"),
    ("--wait=30", "--wait=30: a unit is missing, as in 500ms, 5s, 1m30s, 1h"), ("--wait=30s1m", "not a duration"),
    ("--wait=2m --strict", '"--wait=2m --strict" is one word with two options in it: in YAML, each is an item of its own'),
    ("--strict --wait=2m", "is one word with two options in it"), ("--wait 2m", '"--wait 2m" is one word: put = between option and value'),
    ("--strict|true", "unexpected word true; a flag takes its value behind =, as in --strict=true"), ("--strict=maybe", "neither true nor false"),
    ("--format=yaml", "--format=yaml: not one of text, json"), ("--format=jsn", "did you mean json?"), ("--source=node", "not one of auto, pod-identity, web-identity, eks-auth"),
    ("--source=podidentity", "did you mean pod-identity?"), ("--verify=identiy", "did you mean identity?"), ("--log-level=debug", "it is an option of another program of the toolkit"),
    ("check", "unexpected word check; the one command is explain REASON"), ("--strict|help", "unexpected word help; did you mean --help?"), ("--strict|version", "did you mean --version?"),
    ("-v", "unexpected word -v; did you mean --version?"), ("explain|NOPE", "NOT_INJECTED"), ("--external-id=xx", "need --assume-role"),
    ("--assume-role=demo", "is not the ARN of a role, such as arn:aws:iam::111122223333:role/NAME"), ("--region=eu-west-1a", "is a zone, not a region"),
    ("--assume-role=arn:aws:iam::1234:role/x", "names an account of 4 digits, not 12"), ("--source=eks-auth", "needs --cluster-name"), ("--cluster-name=x", "is for --source=eks-auth")]
SIDECAR = [
    ("explain", "explain needs a reason: OK, NOT_INJECTED"), ("explain|NOPE", "explain NOPE: no such reason; there are OK, NOT_INJECTED"), ("explain|OK|more", "unexpected word more"),
    ("explain|OK|--http=127.0.0.1:1", "--http is of no use to explain"), ("NOT_INJECTED", "unknown command NOT_INJECTED: not one of serve, once, probe, whoami, explain, version"), ("--log-level=info|help", "did you mean --help?"),
    ("run", "unknown command run: not one of serve, once, probe, whoami, explain, version"), ("prob", "did you mean probe?"), ("serve|again", "unexpected word again"),
    ("--http-token=secret-of-mine-0", "unknown option --http-token; it can be set by the variable POD_IDENTITY_HTTP_TOKEN only"), ("--log-level=warning", "not one of error, warn, info, debug; did you mean warn?"),
    ("--http=localhost:9911", "a number is wanted, not a name: as in 127.0.0.1:9911"), ("--http=9911", "the address in front of the port is missing"),
    ("--http=:9911", "the address in front of the port is missing"), ("--http=::1:9911", "an IPv6 address stands in brackets, as in [::1]:9911"),
    ("--http=http://127.0.0.1:9911", "an address, not a URL, is wanted"), ("--http=127.0.0.1:99999", "the port is not a number from 0 to 65535"),
    ("--http=127.0.0.1:http", "the port is not a number"), ("--http=127.0.0.1", "the port is missing"), ("--http=[::1]", "the port is missing"),
    ("--http=0.0.0.0:9911", "would hand the credentials to the network"), ("--http=127.0.0.2:9911", "127.0.0.1:PORT or [::1]:PORT, and no other"),
    ("--http=127.0.0.1:80 ", '--http="127.0.0.1:80 ": ends in a blank'), ("--imds=127.1.2.3:1", "and no other"), ("--metrics=9912", "the address in front of the port is missing"), ("--metrics=host:9912", "a number is wanted, not a name"),
    ("--unix-socket=relative", "not an absolute file path: it begins with a slash"), ("--unix-socket=/x/", "it ends in a slash, as that of a folder"),
    ("--unix-socket=/" + "x" * 120, "longer than 107 bytes"), ("--file-mode=416|--process-file=/x", "416 in decimal is 0640"),
    ("probe|--http=127.0.0.1:1", "--http is of no use to probe: leave it out"), ("once|--process-file=/x|--linger=1s", "--linger is of no use to once"),
    ("once|--process-file=/x|--imds=127.0.0.1:1", "--imds is of no use to once"), ("serve|--wait=5s", "--wait is of no use to serve"), ("--wait=5s", "--wait is of no use to serve"),
    ("whoami|--credentials-file=/x", "--credentials-file is of no use to whoami"), ("--file-profile=x", "--file-profile needs --credentials-file"), ("--profile=x", "needs --credentials-file"),
    ("--file-mode=0600", "--file-mode needs --credentials-file or --process-file"), ("--socket-group=app", "not a numeric group id (names are not looked up)"),
    ("--expect-account=1", "12 digits"), ("--http=127.0.0.1:1|--unix-socket=off", "needs --http-token-file or POD_IDENTITY_HTTP_TOKEN"),
    ("--unix-socket=off", "there is nothing to serve"), ("--unix-socket=off|--metrics=127.0.0.1:9912", "there is nothing to serve"),
    ("--http=127.0.0.1:9911|--metrics=127.0.0.1:9911", "--metrics=127.0.0.1:9911: another option has that address"),
    ("--http=127.0.0.1:9911|--imds=127.0.0.1:9911", "--imds=127.0.0.1:9911: another option has that address"),
    ("--imds=[::1]:9911|--metrics=[::1]:9911", "another option has that address")]
GET = [("--sokcet=/x", "unknown option --sokcet"), ("--unix-soket=/x", "did you mean --unix-socket?"), ("--nam=x", "did you mean --name?"), ("--name", "--name needs a value: NAME")]


def check(run: Run, says: str) -> None:
    assert run.exit_code == 64 and run.stdout == "" and run.stderr.count("\n") == 1, run
    assert says in run.stderr, run.stderr
    assert not re.search(r"\? *$", run.stderr) or "did you mean" in run.stderr


@pytest.mark.parametrize(("words", "says"), INIT)
def test_init(run_init: Callable[..., Run], words: str, says: str) -> None:
    check(run_init(*words.split("|"), env={}, text=True, wait=None, termination_log=None), says)


@pytest.mark.parametrize(("words", "says"), SIDECAR)
def test_sidecar(run_sidecar: Callable[..., Run], words: str, says: str) -> None:
    check(run_sidecar(*words.split("|"), env={}, timeout_s=10), says)


@pytest.mark.parametrize(("words", "says"), GET)
def test_get(run_get: Callable[..., Run], words: str, says: str) -> None:
    check(run_get(*words.split("|")), says)


# Of paths, as of AWS's own variables: what looks right in a manifest, and is another file. Of others it is why they are no value.
FLAWS = [
    ("x ", 'x ": ends in a blank'), ("x\n", 'x\\n": ends in a line break'), (" x", '": begins with a blank'), ('"x"', "stands in quotes that belong to it"),
    ("${HOME}/x", "holds a reference that was not expanded"), ("$(POD)/x", "holds a reference that was not expanded"), ("\u201cx\u201d", "typographic quotes")]
INIT_PATHS = ["TERMINATION_LOG", "POD_LABELS", "INSTALL", "CA_BUNDLE"]
SIDECAR_PATHS = ["CREDENTIALS_FILE", "PROCESS_FILE", "UNIX_SOCKET", "HTTP_TOKEN_FILE", "NOTIFY_PID_FILE", "SESSION_POLICY_FILE", "CA_BUNDLE"]
VALUES = [("MIN_TTL", "60s ", 'POD_IDENTITY_MIN_TTL="60s ": ends in a blank'), ("FORMAT", "json\n", 'json\\n": ends in a line break'),
          ("SOURCE", "'irsa'", "stands in quotes"), ("VERIFY", "$(DEPTH)", "not expanded")]


def value_of_a_path(flawed: str) -> str:
    return flawed if flawed[0] in "$" else flawed.replace("x", "/nonexistent/x")


@pytest.mark.parametrize(("flawed", "says"), FLAWS)
def test_paths_in_variables(run_init: Callable[..., Run], run_sidecar: Callable[..., Run], run_get: Callable[..., Run], flawed: str, says: str) -> None:
    value = value_of_a_path(flawed)
    for name in INIT_PATHS:
        run = run_init(env={f"POD_IDENTITY_{name}": value}, text=True, wait=None, termination_log=None)
        check(run, says)
        assert f"POD_IDENTITY_{name}=" in run.stderr
    for name in SIDECAR_PATHS:
        run = run_sidecar("serve", env={f"POD_IDENTITY_{name}": value}, timeout_s=10)
        check(run, says)
        assert f"POD_IDENTITY_{name}=" in run.stderr
    check(run_sidecar("serve", env={"POD_IDENTITY_CONFIG": value}, timeout_s=10), says)
    check(run_sidecar("serve", f"--credentials-file={value}", env={}, timeout_s=10), says)
    check(run_get(env={"POD_IDENTITY_UNIX_SOCKET": value}), says)


@pytest.mark.parametrize(("name", "value", "says"), VALUES)
def test_values_in_variables(run_init: Callable[..., Run], name: str, value: str, says: str) -> None:
    check(run_init(env={f"POD_IDENTITY_{name}": value}, text=True, wait=None, termination_log=None), says)


def test_paths_in_the_configuration(run_sidecar: Callable[..., Run], folder: Path) -> None:
    file = folder / "config.json"
    for config, says in ({"profiles": [{"name": "a", "process-file": "/x "}]}, "process-file: ends in a blank"), \
            ({"profiles": [{"name": "a"}], "unix-socket": "/run/${POD}/s"}, "unix-socket: holds a reference that was not expanded"):
        file.write_text(json.dumps(config))
        check(run_sidecar("serve", f"--config={file}", env={}, timeout_s=10), says)


@pytest.mark.parametrize("options", [
    ["--wait=1m30s"], ["--wait=1.5s"], ["--format=JSON"], ["--source=irsa", "--list-checks"], ["--strict=no"], ["--strict=FALSE"], ["--verify=Injection"]])
def test_what_is_forgiven(run_init: Callable[..., Run], options: list[str]) -> None:
    assert run_init(*options, "--list-checks", env={}, text=True, wait=None, termination_log=None).exit_code == 0


def test_unknown_variables(run_init: Callable[..., Run], start_sidecar: Callable[..., Sidecar], emulator: Emulator, injected: dict[str, str]) -> None:
    """A warning with what was meant; the options of the other programs, and what Kubernetes makes for a Service, are none."""
    good = {"POD_IDENTITY_LINGER": "1s", "POD_IDENTITY_NAME": "x", "POD_IDENTITY_SERVICE_HOST": "10.0.0.1", "POD_IDENTITY_SERVICE_PORT": "80", "POD_IDENTITY_SERVICE_PORT_HTTP": "80",
            "POD_IDENTITY_PORT": "tcp://10.0.0.1:80", "POD_IDENTITY_PORT_80_TCP": "tcp://10.0.0.1:80", "POD_IDENTITY_WAIT_SERVICE_HOST": "10.0.0.2",
            "POD_IDENTITY_HTTP_TOKEN": "0123456789abcdef", "POD_IDENTITY_X": ""}
    run = run_init(env={**injected, **good})
    assert_ok(run)
    assert not [check for check in run.checks("warn") if check["id"] == "settings.variables"]
    bad = {"POD_IDENTITY_WIAT": "5s", "POD_IDENTITY_HTPP": "127.0.0.1:1", "POD_IDENTITY_PROFILE": "x", "POD_IDENTITY_NONSENSE_OF_MINE": "secret-value"}
    run = run_init(env={**injected, **good, **bad})
    (warned,) = [check for check in run.checks("warn") if check["id"] == "settings.variables"]
    for part in ("POD_IDENTITY_WIAT (did you mean POD_IDENTITY_WAIT?)", "POD_IDENTITY_HTPP (did you mean POD_IDENTITY_HTTP?)", "POD_IDENTITY_PROFILE", "POD_IDENTITY_NONSENSE_OF_MINE"):
        assert part in warned["message"]
    assert "secret-value" not in run.stdout
    log = start_sidecar(extra_env={**good, **bad}).stderr
    assert log.count("no option has that name") == 4 and "variable=POD_IDENTITY_PROFILE did_you_mean=POD_IDENTITY_FILE_PROFILE" in log and "secret-value" not in log


def test_the_list_of_all_options(run_init: Callable[..., Run], run_sidecar: Callable[..., Run], run_get: Callable[..., Run]) -> None:
    """What counts as known is what --help has."""
    text = re.search(r"OPTIONS_OF_ALL(.*?)\n\n", (ROOT / "common/base/options.h").read_text(), re.S)[1]  # type: ignore[index]
    listed = set("".join(re.findall(r'"([^"]*)"', text)).split())
    helps = [run_init("--help", env={}, text=True), run_sidecar("--help", env={}), run_get("--help")]
    shown = {name for run in helps for name in re.findall(r"^  --([a-z0-9-]+)", run.stdout, re.M)} - {"help", "version"}
    assert listed == shown | {"http-token"}


def test_old_names(start_sidecar: Callable[..., Sidecar], run_get: Callable[..., Run], emulator: Emulator, folder: Path) -> None:
    """Options, not variables, and not in --help."""
    file = folder / "credentials"
    sidecar = start_sidecar(f"--credentials-file={file}", "--profile=old", extra_env={"POD_IDENTITY_PROFILE": "variable"})
    assert file.read_text().startswith("[old]\n")
    assert json.loads(run_get(f"--socket={sidecar.socket_path}", "--profile=default").stdout)["Version"] == 1
    assert json.loads(run_get(f"--unix-socket={sidecar.socket_path}", "--name=default").stdout)["Version"] == 1
    assert run_get(env={"POD_IDENTITY_UNIX_SOCKET": str(sidecar.socket_path)}).exit_code == 0
    assert run_get(env={"POD_IDENTITY_SOCKET": str(sidecar.socket_path)}).exit_code == 1
    assert "--profile" not in run_get("--help").stdout and "--socket=" not in run_get("--help").stdout


def test_a_token_value_beside_the_file(run_init: Callable[..., Run], emulator: Emulator, injected: dict[str, str]) -> None:
    run = run_init(env={**injected, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "stale-token-value"})
    (warned,) = [check for check in run.checks("warn") if check["id"] == "shadow.token-value"]
    assert "Java v2" in warned["message"] and "AWS_CONTAINER_AUTHORIZATION_TOKEN" in warned["remedy"] and "stale-token-value" not in run.stdout


def test_probe_says_no_more_than_it_means(start_sidecar: Callable[..., Sidecar], run_sidecar: Callable[..., Run], emulator: Emulator) -> None:
    emulator.eks_auth_error("AccessDeniedException")
    sidecar = start_sidecar(ready=False).wait_serving()
    run = run_sidecar("probe", f"--unix-socket={sidecar.socket_path}", env={})
    assert run.exit_code == 1 and "not ready: " in run.stderr and not run.stderr.rstrip("\n").endswith("?"), run.stderr
