"""pod-identity-get token, env and exec: the sidecar's credentials in the forms that other tools take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.emulator import Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import check_container, triple
from harness.sidecar import Sidecar

pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

from harness import signed  # noqa: E402

pytestmark = pytest.mark.place("loopback")
Get = Callable[..., Run]
REGION = "eu-central-1"
V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


@pytest.fixture
def sidecar(start_sidecar: Callable[..., Sidecar], emulator: Emulator, injected: dict[str, str], folder: Path) -> Sidecar:
    """With two profiles, and an STS that verifies."""
    path = folder / "config.json"
    path.write_text(json.dumps({"profiles": [{"name": "default"}, {"name": "a b/c@d=e".replace(" ", "")}]}))
    return start_sidecar(f"--config={path}", env={**injected, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_STS": str(emulator.serve("sts")["url"])})


@pytest.fixture
def get(run_get: Get, sidecar: Sidecar) -> Get:
    """get(*words) of that sidecar."""
    def run(*words: str, **how: Any) -> Run:
        return run_get(words[0], f"--unix-socket={sidecar.socket_path}", *words[1:], **how)
    return run


def check_failed(run: Run, status: int, *shown: str) -> None:
    assert (run.exit_code, run.stdout) == (status, ""), run
    assert run.stderr.startswith("pod-identity-get: ") and run.stderr.count("\n") == 1
    for part in shown:
        assert part in run.stderr, run.stderr


# --- token


@pytest.mark.parametrize(("kind", "parameters"), [
    ("rds", {"host": "db.example.com", "port": "5432", "user": "a b&é"}), ("elasticache", {"cache": "orders", "user": "app"}),
    ("elasticache", {"cache": "orders", "user": "app", "serverless": "true"}), ("memorydb", {"cache": "orders", "user": "app"}), ("msk", {}),
])
@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_token(get: Get, sidecar: Sidecar, kind: str, parameters: dict[str, str], region: str | None) -> None:
    words = [f"--{name}" if name == "serverless" else f"--{name}={value}" for name, value in parameters.items()]
    run = get("token", kind, *words, *([f"--region={region}"] if region else []))
    assert (run.exit_code, run.stderr) == (0, "") and run.stdout.count("\n") == 1
    token = run.stdout.rstrip("\n")
    assert token == signed.reference(kind, token, check_container(sidecar.get()), region or REGION, **parameters)


@pytest.mark.parametrize(("info", "version"), [
    (None, V1BETA1), ("", V1BETA1), ("nonsense", V1BETA1), (json.dumps({"kind": "ExecCredential", "apiVersion": V1BETA1}), V1BETA1),
    (json.dumps({"kind": "ExecCredential", "apiVersion": V1, "spec": {"interactive": False}}), V1),
])
def test_exec_credential(get: Get, sidecar: Sidecar, info: str | None, version: str) -> None:
    """What kubectl takes, in the version that it asks for; its token opens the cluster that it is for."""
    run = get("token", "eks", "--cluster=prod", env={} if info is None else {"KUBERNETES_EXEC_INFO": info})
    assert (run.exit_code, run.stderr) == (0, ""), run
    found = json.loads(run.stdout)
    assert set(found) == {"kind", "apiVersion", "spec", "status"} and (found["kind"], found["apiVersion"]) == ("ExecCredential", version)
    ends = datetime.strptime(found["status"]["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
    assert (ends - signed.signed_at(found["status"]["token"]).replace(tzinfo=None)).total_seconds() == 840
    assert signed.review(found["status"]["token"], "prod")[0] == 200
    assert signed.review(found["status"]["token"], "test")[0] == 403


def test_token_of_a_profile(get: Get, sidecar: Sidecar) -> None:
    """Its name may hold what a query must escape."""
    run = get("token", "msk", "--name=ab/c@d=e")
    token = run.stdout.rstrip("\n")
    assert token == signed.reference("msk", token, check_container(sidecar.get("/v1/credentials/ab/c@d=e")), REGION)
    check_failed(get("token", "msk", "--name=other"), 1, "No profile has that name")


@pytest.mark.parametrize(("words", "status", "says"), [
    (["token"], 64, "token needs a kind"), (["token", "rds", "x"], 64, "unexpected word x"), (["tokn"], 64, "did you mean token?"),
    (["exec", "ls"], 64, "unexpected word ls; the program stands behind two dashes: exec -- PROGRAM"), (["env", "ls"], 64, "unexpected word ls"),
    (["token", "ssm"], 1, "the kind of a token is rds"), (["token", "rds"], 1, "host: rds needs it"),
    (["token", "a/../b?x"], 1, "the kind of a token is rds"), (["token", "rds", "--host=x/y"], 1, "host: only letters, digits"),
    (["token", "eks", "--cluster=a", "--user=b"], 1, "user: no parameter of eks"), (["token", "rds", "--hots=x"], 64, "did you mean --host?"),
    (["token", "rds", f"--user={'x' * 256}"], 64, "longer than 255 bytes"), (["token", "msk", "--", "x"], 64, "only exec takes words"),
])
def test_mistakes(get: Get, words: list[str], status: int, says: str) -> None:
    check_failed(get(*words), status, says)


def test_parameters_that_are_long_together(get: Get) -> None:
    """The sidecar says so, or we do."""
    run = get("token", "rds", *(f"--{name}={'é' * 127}" for name in ("host", "user")))
    check_failed(run, 1, "long")


def test_options_near_old_names(get: Get) -> None:
    check_failed(get("env", "--sokcet=x"), 64, "unknown option --sokcet; did you mean --unix-socket?")
    check_failed(get("env", "--profil=x"), 64, "unknown option --profil; did you mean --name?")


# --- env


def test_env(get: Get, sidecar: Sidecar) -> None:
    """A shell takes it as it is, and hands it on."""
    run = get("env", "--name=ab/c@d=e")
    assert (run.exit_code, run.stderr) == (0, "")
    script = run.stdout + 'exec env'
    shown = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, timeout=30, check=True).stdout
    variables = dict(line.split("=", 1) for line in shown.splitlines())
    members = check_container(sidecar.get("/v1/credentials/ab/c@d=e"))
    keys = tuple(variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    assert keys == triple(members) and variables["AWS_CREDENTIAL_EXPIRATION"] == members["Expiration"]
    assert set(variables) - {"PWD", "_", "SHLVL", "OLDPWD"} == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"}


def test_env_fails_whole(run_get: Get, folder: Path) -> None:
    run = run_get("env", f"--unix-socket={folder}/none")
    check_failed(run, 1, "there is no such socket")


# --- exec


def test_exec(get: Get, sidecar: Sidecar) -> None:
    """The program is found in PATH, gets its own options and the other variables; its status is ours."""
    code = "import os,sys,json;print(json.dumps([dict(os.environ),sys.argv[1:]]));sys.exit(7)"
    env = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "old", "OTHER": "kept"}
    run = get("exec", "--", "python3", "-c", code, "--help", "--name=x", "--", env=env)
    assert run.exit_code == 7 and run.stderr == "", run
    variables, arguments = json.loads(run.stdout)
    assert arguments == ["--help", "--name=x", "--"] and variables["OTHER"] == "kept"
    members = check_container(sidecar.get())
    assert tuple(variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")) == triple(members)


def test_exec_leaves_no_signal_ignored(get: Get) -> None:
    """We ignore some ourselves, and a program inherits that; as it would that it has no huge pages."""
    status = get("exec", "--", "cat", "/proc/self/status", env={"PATH": os.environ["PATH"]}).stdout
    ignored = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:")), 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))
    pages = [[line for line in text.splitlines() if line.startswith("THP_enabled:")] for text in (status, Path("/proc/self/status").read_text())]
    assert pages[0] == pages[1], "what we are started with, which may have none itself"


def test_exec_replaces_itself(binaries: Binaries, sidecar: Sidecar) -> None:
    """The same process, so that signals reach the program."""
    process = subprocess.Popen([binaries.get, "exec", f"--unix-socket={sidecar.socket_path}", "--", "sleep", "60"])
    try:
        for _ in range(1000):
            if Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n":
                break
            signal.sigtimedwait([], 0.01)
        assert Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n"
    finally:
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize(("words", "status", "says"), [
    (["exec"], 64, "exec needs a program"), (["exec", "--"], 64, "exec needs a program"), (["exec", "true"], 64, "unexpected word true"),
    (["exec", "--", "/nonexistent/x"], 127, "cannot run /nonexistent/x: No such file"), (["exec", "--", "/"], 126, "cannot run /: "),
])
def test_exec_mistakes(get: Get, words: list[str], status: int, says: str) -> None:
    check_failed(get(*words), status, says)


def test_exec_without_credentials(run_get: Get, folder: Path) -> None:
    """Nothing is run."""
    check_failed(run_get("exec", f"--unix-socket={folder}/none", "--", "touch", f"{folder}/made"), 1, "there is no such socket")
    assert not (folder / "made").exists()


def test_exec_is_refused_as_sh(runner: Runner, binaries: Binaries, sidecar: Sidecar, folder: Path) -> None:
    """What stands in for a shell runs nothing; the other commands are there."""
    (folder / "sh").write_bytes(binaries.get.read_bytes())
    (folder / "sh").chmod(0o755)

    def run(line: str) -> Run:
        return runner.run([folder / "sh", "-c", line], {}, private_stdout=True)
    refused = run(f"pod-identity-get exec --unix-socket={sidecar.socket_path} -- touch {folder}/made")
    check_failed(refused, 64, "exec: under the name sh nothing is run but pod-identity-get itself")
    assert not (folder / "made").exists()
    assert run(f"/x/pod-identity-get env --unix-socket={sidecar.socket_path}").exit_code == 0
    assert run(f"/x/pod-identity-get token msk --unix-socket={sidecar.socket_path}").exit_code == 0
