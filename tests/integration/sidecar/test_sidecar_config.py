"""--config: several profiles from one sidecar, each with source, chain, files and paths of its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import LAST, TARGET, Aws, needs_openssl, trust, web_trust
from harness.both_agents import EMULATORS
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.programs import ROOT, Run
from harness.served import check_container, check_process
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Start, Once = Callable[..., Sidecar], Callable[..., Run]


@pytest.fixture
def env(emulator: Emulator, injected: dict[str, str]) -> dict[str, str]:
    """Pod Identity, the way to STS, and two roles to assume."""
    emulator.role(TARGET, trust(ROLE_ARN))
    emulator.role(LAST, trust(TARGET, "sts:AssumeRole", "sts:TagSession", StringEquals={"sts:ExternalId": "a1"}))
    return {**injected, **Aws(emulator).sts()}


@pytest.fixture
def write(folder: Path) -> Callable[[Any], str]:
    """write(value or text) -> --config=FILE"""
    def make(value: Any) -> str:
        path = folder / "config.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1))
        return f"--config={path}"
    return make


def three(folder: Path) -> list[dict[str, Any]]:
    """Profiles: the pod's role, another account's, and a chain with settings of its own."""
    return [{"name": "default"}, {"name": "billing", "assume-role": TARGET, "credentials-file": f"{folder}/credentials"},
            {"name": "audit", "assume-role": [TARGET, {"role-arn": LAST, "external-id": "a1", "session-tag": {"team": "shop"},
                                                       "transitive-tag-key": ["team"], "session-duration": "15m"}],
             "credentials-file": f"{folder}/credentials", "process-file": f"{folder}/audit.json", "file-mode": "0640"}]


def test_three_profiles(start_sidecar: Start, run_get: Once, env: dict[str, str], write: Callable[[Any], str], folder: Path) -> None:
    sidecar = start_sidecar(write({"profiles": three(folder)}), env=env)
    accounts = {"": ACCOUNT, "/default": ACCOUNT, "/billing": "444455556666", "/audit": "777788889999"}
    for path, account in accounts.items():
        assert check_container(sidecar.get(f"/v1/credentials{path}"))["AccountId"] == account
        assert check_container(sidecar.get_http(f"/v1/credentials{path}"))["AccountId"] == account
        check_process(sidecar.get(f"/v1/credential-process{path}"))
    for path in ("/v1/credentials/", "/v1/credentials/other", "/v1/credentialsx", "/v1/credentials/audit/x", "/v1/credentials/audi"):
        assert sidecar.get(path).status == 404, path
    text = (folder / "credentials").read_text()
    assert "[billing]" in text and "[audit]" in text and "[default]" not in text
    keys = {name: check_container(sidecar.get(f"/v1/credentials/{name}"))["AccessKeyId"] for name in ("billing", "audit")}
    assert all(key in text for key in keys.values()) and keys["audit"] in (folder / "audit.json").read_text()
    assert (folder / "audit.json").stat().st_mode & 0o777 == 0o640
    got = run_get(f"--socket={sidecar.socket_path}", "--profile=audit")
    assert got.exit_code == 0 and json.loads(got.stdout)["AccessKeyId"] == keys["audit"]
    bad = run_get(f"--socket={sidecar.socket_path}", "--profile=none")
    assert bad.exit_code == 1 and bad.stdout == ""
    assert bad.stderr == "pod-identity-get: No profile has that name; there are: default, billing, audit\n"
    unknown = "/v1/credentials/none"
    assert sidecar.get_http(unknown).status == 404 and b"billing" in sidecar.get_http(unknown).body
    assert sidecar.get_http(unknown, authorization="none-of-the-bearers").status == 401, "who may not ask learns no name"
    metrics = sidecar.get("/metrics").body.decode()
    assert 'pod_identity_credentials_valid{profile="audit"} 1' in metrics and 'expiry_seconds{profile="billing"}' in metrics
    assert "profile=audit" in sidecar.stderr and "assumed_roles=2" in sidecar.stderr


@EMULATORS
def test_one_fails_alone(start_sidecar: Start, emulator: Emulator, env: dict[str, str], write: Callable[[Any], str], folder: Path) -> None:
    emulator.role(TARGET, trust(f"arn:aws:iam::{ACCOUNT}:role/someone"))
    sidecar = start_sidecar(write({"profiles": three(folder)[:2]}), env=env, ready=False).wait_serving()
    eventually(lambda: sidecar.get("/v1/credentials").status == 200, 10, "the first profile")
    eventually(lambda: "AccessDenied" in sidecar.get("/readyz").body.decode(), 10, "the second one's reason")
    assert sidecar.get("/v1/credentials/billing").status == 503 and sidecar.get("/readyz").status == 503
    emulator.role(TARGET, trust(ROLE_ARN))
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get("/readyz").status == 200, 20, "all ready")
    assert check_container(sidecar.get("/v1/credentials/billing"))["AccountId"] == "444455556666"


def test_two_sources(start_sidecar: Start, emulator: Emulator, env: dict[str, str], write: Callable[[Any], str], folder: Path) -> None:
    """Pod Identity and IRSA in one pod; both tokens are watched."""
    web = ProjectedToken(folder / "web", emulator.token(audience="sts.amazonaws.com"), "token")
    both = {**env, **Aws(emulator).irsa(web)}
    pods = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    statements = web_trust(Aws(emulator).issuer)["Statement"]
    emulator.role(ROLE_ARN, {"Version": "2012-10-17", "Statement": [*statements, pods]})
    sidecar = start_sidecar(write({"profiles": [{"name": "pod"}, {"name": "irsa", "source": "web-identity"}], "log-level": "debug"}), env=both)
    for name in ("pod", "irsa"):
        assert check_container(sidecar.get(f"/v1/credentials/{name}"))["AccountId"] == ACCOUNT
    assert "source=web-identity" in sidecar.stderr and "source=pod-identity" in sidecar.stderr
    web.rotate(emulator.token(audience="sts.amazonaws.com"))
    eventually(lambda: "a token was replaced" in sidecar.stderr, 10, "the rotation of the second token")


def test_the_command_line_wins(start_sidecar: Start, env: dict[str, str], write: Callable[[Any], str]) -> None:
    sidecar = start_sidecar("--log-format=json", write({"log-format": "text", "log-level": "debug", "profiles": [{"name": "a"}]}), env=env)
    events = [json.loads(line) for line in sidecar.stderr.splitlines()]
    assert any(event["level"] == "debug" or event["msg"] == "serving" for event in events)


def test_once(run_sidecar: Once, emulator: Emulator, env: dict[str, str], write: Callable[[Any], str], folder: Path) -> None:
    """All are written; the exit is that of the first that failed."""
    profiles = three(folder)
    profiles[0]["process-file"] = f"{folder}/default.json"
    assert run_sidecar("once", write({"profiles": profiles}), env=env).exit_code == 0
    emulator.role(TARGET, trust(f"arn:aws:iam::{ACCOUNT}:role/someone"))
    profiles[0], profiles[1] = profiles[1], profiles[0]
    (folder / "default.json").unlink()
    run = run_sidecar("once", write({"profiles": profiles}), "--wait=0", env=env)
    assert run.exit_code == 21 and (folder / "default.json").exists()


def test_the_example_of_the_documentation(run_sidecar: Once, env: dict[str, str], write: Callable[[Any], str]) -> None:
    """It is read, and ends only because its folder is not there, or its socket cannot be had."""
    text = (ROOT / "sidecar" / "CONFIG.md").read_text().split("```json\n")[1].split("```")[0]
    run = run_sidecar("probe", write(text), "--unix-socket=/nonexistent/s", env=env)
    assert run.exit_code == 1 and "/nonexistent/s" in run.stderr, run.stderr


@pytest.mark.parametrize(("text", "says"), [
    ("", "not JSON"), ("{", "not JSON"), ("[]", "no JSON object"), ("{}", "at least one profile"), ('{"profiles":[]}', "at least one profile"),
    ('{"profiles":[1]}', "is an object"), ('{"profiles":[{}]}', "needs a name"), ('{"profiles":[{"name":""}]}', "needs a name"),
    ('{"profiles":[{"name":"a"},{"name":"a"}]}', "two profiles"), ('{\n"profiles":[{"name":"a"}],\n"nonsense": 1}', "line 3: nonsense: no key"),
    ('{"profiles":[{"name":"a",\n"nonsense":1}]}', "line 2: nonsense: no key of a profile"), ('{"profiles":[{"name":"a"}],"source":"auto"}', "it is of a profile"),
    ('{"profiles":[{"name":"a","ca-bundle":"/x"}]}', "for all profiles"), ('{"profiles":[{"name":"a","http":"127.0.0.1:1"}]}', "no key of a profile"),
    ('{"profiles":[{"name":"a"}],"http":"0.0.0.0:80"}', "loopback"), ('{"profiles":[{"name":"a"}],"http":{}}', "text, a number"),
    ('{"profiles":[{"name":"a"}],"http":["127.0.0.1:1"]}', "only one value"), ('{"profiles":[{"name":"a"}],"linger":"1s","linger":"2s"}', "twice"),
    ('{"profiles":[{"name":"a","source":"x"}]}', "not one of auto"), ('{"profiles":[{"name":"a","assume-role":1}]}', "an ARN"),
    ('{"profiles":[{"name":"a","assume-role":"x"}]}', "not the ARN"), ('{"profiles":[{"name":"a","assume-role":[{}]}]}', "role-arn"),
    ('{"profiles":[{"name":"a","assume-role":[{"role-arn":"%s","x":"y"}]}]}' % TARGET, "no key of a role"),
    ('{"profiles":[{"name":"a","assume-role":[{"role-arn":"%s","session-duration":"2h"}]}]}' % TARGET, "1h at most"),
    ('{"profiles":[{"name":"a","external-id":"x1","assume-role":[{"role-arn":"%s"}]}]}' % TARGET, "settings of their own"),
    ('{"profiles":[{"name":"a","external-id":"x1"}]}', "need --assume-role"), ('{"config":"/x","profiles":[{"name":"a"}]}', "no key of this file"),
    ('{"profiles":[{"name":"a","process-file":"/x/y"},{"name":"b","process-file":"/x/y"}]}', "the same file"),
    ('{"profiles":[{"name":"a","credentials-file":"/x/y","profile":"p"},{"name":"b","credentials-file":"/x/y","profile":"p"}]}', "the same section"),
    ('{"profiles":[' + ",".join('{"name":"p%d"}' % i for i in range(9)) + "]}", "more than 8"), ("x" * 20000, "16384"), ("[" * 40, "too deep"),
    ('{"profiles":[{"name":"a"}], "log-level": "\\u0000"}', "not JSON"),
    # The line of the very key, whatever else has its name.
    ('{"log-level": "info",\n"profiles":[\n{"name":"name"},\n{"name":"b",\n"x-y":1}]}', "line 5: x-y: no key of a profile"),
    ('{"profiles":[{"name":"a"},\n{"nam":"b"}]}', "line 2: nam: no key of a profile"), ('{"profiles":[{"name":"a"},\n{"source":"auto"}]}', "line 2: name: each profile"),
    ('{"profiles":[{"name":"a","source":"auto"},\n{"name":"b"},\n{"name":"c","source"\n:"x"}]}', "line 3: source: not one of"),
    ('{"profiles":[{"name":"a"}],\n"linger":"1s",\n"linger":"2s"}', "line 3: linger: it is there twice"),
    ('{"profiles":[{"name":"a"},\n{"name":"b"},\n{"name":\n"a"}]}', "line 3: a: two profiles"),
    ('{"profiles":[{"name":"source", "assume-role":["%s",\n{"role-arn":"%s"},\n"x"]}]}' % (TARGET, TARGET), "line 3: assume-role: is not the ARN"),
    ('{"profiles":[{"name":"a"}],\n"allow-uid":[1,\n2,\n"x"]}', "line 4: allow-uid: not a numeric"),
    ('{"profiles":[{"name":"a","session-tag":{"k":"v",\n"l":1}}]}', "line 2: l: a text is wanted"),
    ('{"profiles":\n[{"name":"a","process-file":"/x\\"}]: [,"}],\n"x":1}', "line 3: x: no key of this file"), ('{"profiles":[{"name":"a"}],\n"http":\n{}}', "line 2: http: a text"),
    # What is no JSON, with its line.
    ('{"profiles":[{"name":"a"},\n]}', "line 1: not JSON: a comma ahead of the closing bracket"), ('{"profiles":[{"name":"a"\n,\n}]}', "line 2: not JSON: a comma ahead"),
    ('{"profiles":[{"name":"a"}]\n"http":"off"}', "line 2: not JSON"), ("profiles:\n- name: a\n", "line 1: not JSON: it looks like YAML"), ("---\nprofiles: []\n", "YAML"),
    ("# mine\nhttp: off\n", "YAML"), ('{"profiles":[],\n// off\n"http":"off"}', "line 2: not JSON: JSON has no comments"),
    ('{"profiles":[{"name":"a // b, ]"}],\n"x":y}', "line 2: not JSON: "), ('{"profiles":[{"name":"a"}]}\n}', "line 2: not JSON"),
    # A mode is a text.
    ('{"profiles":[{"name":"a",\n"file-mode":416}]}', 'line 2: file-mode: a mode is a text, not a number: write "0640"'),
    ('{"profiles":[{"name":"a","file-mode":384}]}', 'write "0600"'), ('{"profiles":[{"name":"a","file-mode":640}]}', 'write "0640"'),
    ('{"profiles":[{"name":"a","file-mode":999}]}', 'as in "0640"'), ('{"profiles":[{"name":"a","file-mode":-1}]}', 'as in "0640"'),
    ('{"profiles":[{"name":"a"}],"socket-mode":432}', 'socket-mode: a mode is a text, not a number: write "0660"'),
    ('{"profiles":[{"name":"a","file-mode":"416"}]}', "416 in decimal is 0640"),
])
@EMULATORS
def test_bad_files(run_sidecar: Once, env: dict[str, str], write: Callable[[Any], str], text: str, says: str) -> None:
    run = run_sidecar("serve", write(text), env=env)
    assert run.exit_code == 64 and says in run.stderr and ("config.json" in run.stderr or "profiles a and b" in run.stderr), run.stderr
    assert run.stderr.count("\n") == 1


def test_no_file_and_options_of_a_profile(run_sidecar: Once, env: dict[str, str], write: Callable[[Any], str]) -> None:
    missing = run_sidecar("serve", "--config=/nonexistent/c.json", env=env)
    assert missing.exit_code == 64 and "/nonexistent/c.json" in missing.stderr and "No such file" in missing.stderr
    both = run_sidecar("serve", write({"profiles": [{"name": "a"}]}), f"--assume-role={TARGET}", env=env)
    assert both.exit_code == 64 and "--assume-role" in both.stderr
    assert run_sidecar("serve", env={**env, "POD_IDENTITY_CONFIG": "/nonexistent/c.json"}).exit_code == 64
