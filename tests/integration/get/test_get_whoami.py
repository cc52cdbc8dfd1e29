"""pod-identity-get whoami, and /v1/identity: whose credentials are served, as far as the sidecar was told, without a request to AWS."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.emulator import ACCOUNT, ROLE_ARN, Emulator
from harness.programs import Binaries, Run, Runner
from harness.served import check_container, check_error
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Start, Get = Callable[..., Sidecar], Callable[..., Run]
MEMBERS = {"Profile": "profile", "Account": "account", "Arn": "arn", "UserId": "user id", "Source": "source", "Expiration": "expiration"}
NOT_KNOWN = {"account": "not known", "arn": "not known; pod-identity-sidecar whoami asks STS for it", "user id": "not known"}


def ask(run_get: Get, sidecar: Sidecar, *words: str) -> dict[str, str]:
    """Both forms, which say the same as the socket. What is known is in all of them, and else the text says that it is not."""
    of = [f"--unix-socket={sidecar.socket_path}", *words]
    text, as_json = run_get("whoami", *of), run_get("whoami", "--json", *of)
    assert (text.exit_code, text.stderr, as_json.exit_code, as_json.stderr) == (0, "", 0, ""), (text, as_json)
    members: dict[str, str] = json.loads(as_json.stdout)
    assert as_json.stdout.count("\n") == 1 and set(members) <= set(MEMBERS) and all(members.values())
    said = {name: value.strip() for name, value in (line.split(":", 1) for line in text.stdout.splitlines())}
    assert said == {**NOT_KNOWN, **{MEMBERS[name]: value for name, value in members.items()}}
    name = next((word.split("=")[1] for word in words if word.startswith("--name=")), "")
    answer = sidecar.get(f"/v1/identity/{name}".rstrip("/"))
    assert (answer.status, answer.body.decode() + "\n") == (200, as_json.stdout) and answer.header("Content-Type") == "application/json"
    keys = check_container(sidecar.get(f"/v1/credentials/{name}".rstrip("/")))
    assert members["Expiration"] == keys["Expiration"] and members.get("Account") == keys.get("AccountId")
    assert not any(keys[secret] in answer.body.decode() for secret in ("AccessKeyId", "SecretAccessKey", "Token"))
    return members



def test_from_the_agent(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    """It tells the account alone. No request to STS is made for more."""
    members = ask(run_get, start_sidecar(env=injected))
    assert members == {"Profile": "default", "Account": ACCOUNT, "Source": "pod-identity", "Expiration": members["Expiration"]}


def test_from_an_agent_that_tells_no_account(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    emulator.fault("patch", drop=["AccountId"], times=None)
    assert set(ask(run_get, start_sidecar(env=injected))) == {"Profile", "Source", "Expiration"}


def test_from_eks_auth(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    env = {**injected, **Aws(emulator).eks_auth()}
    members = ask(run_get, start_sidecar("--source=eks-auth", "--cluster-name=demo", env=env))
    assert members["Source"] == "eks-auth" and members["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/demo-app/")
    assert members["UserId"] == "AROAEXAMPLEEXAMPLEEXA:" + members["Arn"].rsplit("/", 1)[1]


def test_from_a_web_identity(run_get: Get, start_sidecar: Start, emulator: Emulator, write_token: Callable[..., ProjectedToken]) -> None:
    env = Aws(emulator).irsa(write_token(emulator.token(audience="sts.amazonaws.com")))
    members = ask(run_get, start_sidecar("--role-session-name=cart", env=env))
    assert (members["Source"], members["Arn"]) == ("web-identity", f"arn:aws:sts::{ACCOUNT}:assumed-role/demo-app/cart")
    assert members["UserId"].startswith("AROA") and members["UserId"].endswith(":cart")


def test_of_an_assumed_role(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    """The last one counts, with its account, and again after a refresh."""
    emulator.role(TARGET, trust(ROLE_ARN))
    sidecar = start_sidecar(f"--assume-role={TARGET}", "--role-session-name=cart", env={**injected, **Aws(emulator).sts()})
    members = ask(run_get, sidecar)
    assert (members["Account"], members["Arn"]) == ("444455556666", "arn:aws:sts::444455556666:assumed-role/target/cart")
    before = sidecar.get().json["AccessKeyId"]
    sidecar.send_signal(signal.SIGHUP)
    eventually(lambda: sidecar.get().json["AccessKeyId"] != before, 20, "another edition")
    again = ask(run_get, sidecar)
    assert {name: again[name] for name in ("Account", "Arn", "UserId")} == {name: members[name] for name in ("Account", "Arn", "UserId")}


def test_with_a_guard(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    """--expect-role has asked STS, so all is known. Without it nothing is asked, whoever wants to know."""
    sidecar = start_sidecar("--expect-role=demo-app", env={**injected, **Aws(emulator).sts()})
    members = ask(run_get, sidecar)
    assert members["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/demo-app/") and members["UserId"].startswith("AROA")


def test_a_file_that_cannot_be_written_changes_nothing(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """The pages are made anew when it is written at last, from what is served."""
    emulator.role(TARGET, trust(ROLE_ARN))
    place = folder / "files"
    place.mkdir()
    (place / "process.json").mkdir()
    sidecar = start_sidecar(f"--assume-role={TARGET}", "--role-session-name=cart", f"--process-file={place}/process.json",
                            env={**injected, **Aws(emulator).sts()}, ready=False).wait_serving()
    eventually(lambda: sidecar.get("/v1/identity").status == 200 and sidecar.get("/readyz").status == 503, 20, "served, and not written")
    before = ask(run_get, sidecar)
    (place / "process.json").rmdir()
    eventually(lambda: sidecar.get("/readyz").status == 200, 30, "written")
    assert ask(run_get, sidecar) == before and "Arn" in before


def test_while_there_are_none(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str]) -> None:
    """The reason, as for credentials."""
    emulator.eks_auth_error("AccessDeniedException", times=None)
    sidecar = start_sidecar(env=injected, ready=False).wait_serving()
    eventually(lambda: sidecar.get().json.get("code") == "ACCESS_DENIED", 10, "the refusal")
    check_error(sidecar.get("/v1/identity"), 503, "ACCESS_DENIED")
    assert sidecar.get("/v1/identity").body == sidecar.get().body
    run = run_get("whoami", f"--unix-socket={sidecar.socket_path}")
    assert (run.exit_code, run.stdout) == (1, "") and "ACCESS_DENIED" in run.stderr


def test_each_has_what_is_its_own(run_get: Get, start_sidecar: Start, emulator: Emulator, injected: dict[str, str], folder: Path) -> None:
    """By name, socket and bearer: whoever may not have a profile's credentials does not learn whose they are, nor that they are there."""
    emulator.role(TARGET, trust(ROLE_ARN))
    for name in ("a", "b"):
        (folder / name).mkdir()
    profiles: list[dict[str, Any]] = [{"name": name, "unix-socket": f"{folder}/{name}/s", "http-token-file": f"{folder}/{name}/bearer"} for name in ("a", "b")]
    profiles[1].update({"assume-role": TARGET, "role-session-name": "cart"})
    (folder / "config.json").write_text(json.dumps({"profiles": profiles}))
    sidecar = start_sidecar(f"--config={folder}/config.json", env={**injected, **Aws(emulator).sts()})
    bodies = {name: sidecar.get(f"/v1/identity/{name}").body for name in ("a", "b")}
    assert ask(run_get, sidecar, "--name=b")["Profile"] == "b" and ask(run_get, sidecar)["Profile"] == "a"
    for own, other in (("a", "b"), ("b", "a")):
        at, bearer = copy.copy(sidecar), Path(folder / own / "bearer").read_text()
        sidecar.runner.leaks.add_secret("bearer", bearer)
        at.socket_path = folder / own / "s"
        assert at.get("/v1/identity").body == at.get(f"/v1/identity/{own}").body == at.get_http("/v1/identity", authorization=bearer).body == bodies[own]
        assert at.get(f"/v1/identity/{other}").raw == at.get("/v1/identity/nobody").raw == at.get(f"/v1/credentials/{other}").raw
        refused = at.get_http(f"/v1/identity/{other}", authorization=bearer)
        assert refused.status == 404 and refused.raw == at.get_http("/v1/identity/nobody", authorization=bearer).raw
        run = run_get("whoami", f"--name={other}", f"--unix-socket={at.socket_path}")
        assert (run.exit_code, run.stdout) == (1, "") and f"there are: {own}\n" in run.stderr + "\n"
    for bearer in ("", "x" * 43, None):
        assert sidecar.get_http("/v1/identity/a", authorization=bearer or None).status == 401
    assert sidecar.get_http("/v1/identity/b").body == bodies["b"]
    assert sidecar.get("/v1/identity", "POST").status == sidecar.get_http("/v1/identity", "PUT").status == 405
    assert sidecar.get("/v1/identity", "HEAD").body == b""


def test_it_is_counted(start_sidecar: Start, injected: dict[str, str]) -> None:
    def count() -> int:
        line = next(line for line in sidecar.get("/metrics").body.decode().splitlines() if line.startswith('pod_identity_requests_total{listener="socket",code="200"}'))
        return int(line.rsplit(" ", 1)[1])
    sidecar = start_sidecar(env=injected)
    before = count()
    for _ in range(3):
        assert sidecar.get("/v1/identity").status == 200
    assert count() == before + 4, "with that of /metrics itself"


ASK = """
import os, socket, sys
os.setgroups([]); os.setgid(5); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
s.sendall(b"GET /v1/identity HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
print(s.recv(64).split(b" ")[1].decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
@pytest.mark.parametrize(("uid", "status"), [(1001, "200"), (1002, "403")])
def test_users_who_may_and_may_not_ask(start_sidecar: Start, injected: dict[str, str], uid: int, status: str) -> None:
    sidecar = start_sidecar("--allow-uid=1001", "--socket-mode=0666", env=injected)
    done = subprocess.run([sys.executable, "-c", ASK, sidecar.socket_path, str(uid)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == status


# --- what else may listen, and what is asked for wrongly


@pytest.fixture
def stranger(folder: Path) -> Iterator[Callable[[bytes], str]]:
    """stranger(body): a socket where somebody answers 200 with that."""
    servers = []

    def serve(body: bytes) -> str:
        path = str(folder / f"s{len(servers)}")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(4)
        servers.append(server)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        threading.Thread(target=answer, daemon=True).start()
        return path
    yield serve
    for server in servers:
        server.close()


GOOD = b'{"Profile":"p","Account":"111122223333","Source":"s","Expiration":"2026-11-26T00:00:00Z"}'


def test_an_answer_as_a_sidecar_gives_it(run_get: Get, stranger: Callable[[bytes], str]) -> None:
    run = run_get("whoami", f"--unix-socket={stranger(GOOD)}")
    assert run.exit_code == 0 and "account:     111122223333\n" in run.stdout


@pytest.mark.parametrize("body", [
    b"", b"{}", b"ok", GOOD[:-1], GOOD[1:], GOOD.replace(b"Profile", b"Name"), GOOD.replace(b'"s"', b'""'), GOOD.replace(b"2026", b"\x1b[31m"),
    GOOD.replace(b"p", b"\0"), GOOD.replace(b"1111", b"1 11"), GOOD.replace(b'"p"', b'"p\\n"'), b"[" + GOOD + b"]", GOOD.replace(b"2026", b"\xc3\xa9"),
])
def test_other_answers(run_get: Get, stranger: Callable[[bytes], str], body: bytes) -> None:
    """Nothing of them is printed, in neither form."""
    for words in ([], ["--json"]):
        run = run_get("whoami", *words, f"--unix-socket={stranger(body)}")
        assert (run.exit_code, run.stdout) == (1, "") and "names no identity" in run.stderr, run


@pytest.mark.parametrize(("words", "status", "says"), [
    (["whoami", "x"], 64, "unexpected word x"), (["whoamy"], 64, "did you mean whoami?"), (["whoami", "--", "x"], 64, "only exec takes words"),
    (["whoami", "--jsn"], 64, "did you mean --json?"), (["whoami", "--unix-socket=/nonexistent/s"], 1, "there is no such"),
    (["whoami", "--name=a b"], 64, "no name of a profile"),
])
def test_mistakes(run_get: Get, words: list[str], status: int, says: str) -> None:
    run = run_get(*words)
    assert (run.exit_code, run.stdout) == (status, "") and says in run.stderr and run.stderr.count("\n") == 1


def test_not_as_sh(runner: Runner, binaries: Binaries, start_sidecar: Start, injected: dict[str, str], folder: Path) -> None:
    """An SDK has no use for it."""
    sidecar = start_sidecar(env=injected)
    (folder / "sh").write_bytes(binaries.get.read_bytes())
    (folder / "sh").chmod(0o755)
    run = runner.run([folder / "sh", "-c", f"/x/pod-identity-get whoami --unix-socket={sidecar.socket_path}"], {}, private_stdout=True)
    assert (run.exit_code, run.stdout) == (64, "") and "whoami: not under the name sh" in run.stderr
