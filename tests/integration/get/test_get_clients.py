"""The snippets of sidecar/TOKENS.md with the real clients, against servers that take nothing but a token whose signature is right."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import needs_openssl
from harness.emulator import ACCOUNT, Emulator
from harness.https_server import Pki
from harness.leaks import Leaks
from harness.programs import ROOT, Binaries, Runner
from harness.served import check_container
from harness.sidecar import Sidecar

pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

from harness.postgres import Ldap, PostgresServer  # noqa: E402
from harness.token_servers import REGION, Judge, MySql, Postgres, Redis, TokenServer, api_server  # noqa: E402

pytestmark = [pytest.mark.place("loopback"), needs_openssl]


def needs(program: str, package: str) -> Any:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} ({package})")


def snippet(language: str, word: str) -> str:
    """The block of the documentation in which that stands."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "sidecar/TOKENS.md").read_text(), re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if word in block]
    return str(found)


class Shell:
    """A container with pod-identity-get in its PATH and the sidecar's socket."""

    def __init__(self, sidecar: Sidecar, binaries: Binaries, leaks: Leaks, folder: Path) -> None:
        self.judge, self.leaks = Judge(check_container(sidecar.get())), leaks
        (folder / "bin").mkdir()
        (folder / "bin/pod-identity-get").symlink_to(binaries.get)
        self.env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8", "POD_IDENTITY_UNIX_SOCKET": str(sidecar.socket_path)}
        pki = Pki(folder / "pki")
        self.ca = pki.authority("ca")
        self.pair = pki.pair("server", issuer="ca")

    def run(self, line: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(["sh", "-euc", line], env={**self.env, **env}, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        self.leaks.add_output("client", done.stdout + done.stderr)
        return done

    def serve(self, kind: type[TokenServer], request: pytest.FixtureRequest) -> TokenServer:
        server = kind(*self.pair, self.judge)
        request.addfinalizer(server.close)
        return server


@pytest.fixture
def sidecar(start_sidecar: Callable[..., Sidecar], emulator: Emulator, injected: dict[str, str]) -> Sidecar:
    """With an STS that verifies."""
    return start_sidecar(env={**injected, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_STS": str(emulator.serve("sts")["url"])})


@pytest.fixture
def shell(sidecar: Sidecar, binaries: Binaries, leaks: Leaks, folder: Path) -> Shell:
    return Shell(sidecar, binaries, leaks, folder)


@needs("psql", "postgresql-client")
def test_psql(shell: Shell, request: pytest.FixtureRequest) -> None:
    """As it stands there, with another bundle. Who may log in as one user, may not as another."""
    server = shell.serve(Postgres, request)
    line = snippet("sh", "psql").replace("/etc/rds/global-bundle.pem", str(shell.ca))
    env = {"PGHOST": "localhost", "PGPORT": str(server.port), "PGUSER": "app", "PGDATABASE": "orders"}
    done = shell.run(line, "select current_user;\n", **env)
    assert done.returncode == 0 and "\n app\n" in done.stdout, done
    assert shell.judge.verdicts == ["good"]
    other = shell.run(line.replace("\npsql", "\nPGUSER=admin psql"), "select current_user;\n", **env)
    assert other.returncode == 2 and "authentication failed" in other.stderr and shell.judge.verdicts[1:] == ["for another server or user"]
    changed = shell.run(line.replace("\npsql", '\nPGPASSWORD="${PGPASSWORD}0" psql'), "", **env)
    assert changed.returncode == 2 and "does not match" in shell.judge.verdicts[2]


@needs("psql", "postgresql-client")
def test_psql_and_a_real_server(shell: Shell, runner: Runner, folder: Path, request: pytest.FixtureRequest) -> None:
    """The same snippet and PostgreSQL's own server, which has passwords checked by LDAP: there the verifier is. It takes TLS alone, and passwords of a token's length."""
    ldap = Ldap(*shell.pair, shell.judge)
    request.addfinalizer(ldap.close)
    server = PostgresServer(runner, folder / "postgres", *shell.pair, ldap, users=("app", "admin"))
    request.addfinalizer(server.stop)
    line = snippet("sh", "psql").replace("/etc/rds/global-bundle.pem", str(shell.ca))

    def ask(line: str) -> subprocess.CompletedProcess[str]:
        return shell.run(line, "select 1 as one, current_user, ssl from pg_stat_ssl where pid = pg_backend_pid();\n",
                         PGHOST="localhost", PGPORT=str(server.port), PGUSER="app", PGDATABASE="postgres", PSQLRC="/dev/null")

    done = ask(line.replace("\npsql", "\npsql --csv"))
    assert (done.returncode, done.stdout) == (0, "one,current_user,ssl\n1,app,t\n"), (done, server.log, ldap.errors)
    assert shell.judge.verdicts == ["good"]
    for user, verdict, wrong in (
        ("admin", "for another server or user", line.replace("\npsql", "\nPGUSER=admin psql")),
        ("app", "for another server or user", line.replace('--host="$PGHOST"', "--host=other.example.com")),
        ("app", "does not match", line.replace("\npsql", '\nPGPASSWORD="${PGPASSWORD}0" psql')),
    ):
        assert wrong != line
        done = ask(wrong)
        assert (done.returncode, done.stdout) == (2, "") and f'LDAP authentication failed for user "{user}"' in done.stderr, (wrong, done)
        assert verdict in shell.judge.verdicts.pop(), wrong
    plain = ask(line.replace("verify-full", "disable"))
    assert plain.returncode == 2 and "no encryption" in plain.stderr and shell.judge.verdicts == ["good"], plain


@needs("mariadb", "mariadb-client-core")
def test_mariadb(shell: Shell, request: pytest.FixtureRequest) -> None:
    """MariaDB's client: it has other options for TLS than MySQL's, which Debian does not have."""
    server = shell.serve(MySql, request)
    line = snippet("sh", "mariadb").replace("/etc/rds/global-bundle.pem", str(shell.ca)).replace("3306", str(server.port))
    done = shell.run(line, "select current_user();\n", DB="localhost")
    assert done.returncode == 0 and done.stdout == "current_user()\napp\n", (done, server.errors)
    assert shell.judge.verdicts == ["good"]
    other = shell.run(line.replace("mariadb ", "mariadb --user=admin ").replace("--user=app --ssl", "--ssl"), "select 1;\n", DB="localhost")
    assert other.returncode == 1 and "Access denied" in other.stderr and shell.judge.verdicts[1:] == ["for another server or user"]


@needs("redis-cli", "redis-tools")
def test_redis_cli(shell: Shell, request: pytest.FixtureRequest) -> None:
    server = shell.serve(Redis, request)
    line = snippet("sh", "redis-cli").replace("redis-cli --tls", f"redis-cli --tls --cacert {shell.ca} -p {server.port}")
    done = shell.run(line, "PING\nACL WHOAMI\n", CACHE_ADDRESS="localhost")
    assert (done.returncode, done.stdout.split()) == (0, ["PONG", "app"]), done
    assert shell.judge.verdicts == ["good"]
    other = shell.run(line.replace("--user app", "--user admin"), "PING\n", CACHE_ADDRESS="localhost")
    assert "WRONGPASS" in other.stdout + other.stderr and "PONG" not in other.stdout and shell.judge.verdicts[1:] == ["for another server or user"]


@needs("kubectl", "make setup-e2e")
@pytest.mark.parametrize(("cluster", "let_in"), [("prod", True), ("test", False)])
def test_kubectl(shell: Shell, folder: Path, cluster: str, let_in: bool) -> None:
    """The user of the documentation. The other cluster refuses its token: the cluster's name is signed."""
    with api_server(*shell.pair, cluster) as port:
        config = folder / "kubeconfig"
        config.write_text(f"apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n  - name: c\n    cluster: {{server: 'https://localhost:{port}', certificate-authority: '{shell.ca}'}}\n"
                          f"contexts:\n  - name: c\n    context: {{cluster: c, user: prod}}\n{snippet('yaml', 'pod-identity-get')}")
        done = shell.run("kubectl get --raw /version", KUBECONFIG=str(config))
    if let_in:
        assert done.returncode == 0 and json.loads(done.stdout)["who"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/demo-app/"), done
    else:
        assert (done.returncode, done.stdout) == (1, "") and ("logged in" in done.stderr or "nauthorized" in done.stderr), done
