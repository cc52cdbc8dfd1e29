"""The agent's own credentials: where they come from, what it does when they change or cannot be had, and who it is when a file holds them."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import NODE, Aws, needs_openssl, web_trust
from harness.emulator import ROLE_ARN, Emulator
from harness.our_agent import OurAgent
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = needs_openssl
Start = Callable[..., OurAgent]
NO_KEYS: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}
AGENTS_ROLE = "arn:aws:iam::111122223333:role/agent"
VALID, EXPIRY = "pod_identity_agent_node_credentials_valid", "pod_identity_agent_node_credentials_expiry_seconds"


def imds(node: Emulator) -> dict[str, str | None]:
    """The environment of an EC2 node."""
    return {**NO_KEYS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{node.serve('imds')['port']}"}


def write_keys(path: Path, keys: dict[str, str], owner: int = 0, mode: int = 0o600) -> None:
    """As the credential helper does: beside it, then renamed."""
    new = path.with_name("new")
    new.write_text(f"[default]\naws_access_key_id = {keys['access_key_id']}\naws_secret_access_key = {keys['secret_access_key']}\n"
                   f"aws_session_token = {keys['session_token']}\n")
    new.chmod(mode)
    os.chown(new, owner, owner)
    new.rename(path)


def seen(node: Emulator, service: str) -> list[dict[str, Any]]:
    """The requests that a service has seen."""
    found: list[dict[str, Any]] = node.call("GET", f"/requests?service={service}&secrets=1")["requests"]
    return found


def signers(node: Emulator) -> list[str]:
    """Access key ids that EKS Auth was sent, in order; "" for an unsigned one."""
    found = []
    for request in seen(node, "eks-auth-api"):
        authorization = {name.lower(): value for name, value in dict(request["headers"]).items()}.get("authorization", "")
        found.append(authorization.partition("Credential=")[2].partition("/")[0])
    return found


def took(agent: OurAgent, node: Emulator, pod: str = "one") -> None:
    """A pod that nobody has seen yet gets credentials."""
    answer = agent.ask(node.token(pod=pod))
    assert answer.status == 200, (answer.body, agent.log)


def test_from_the_environment(agent: OurAgent, node: Emulator) -> None:
    took(agent, node)
    assert '"source":"environment"' in agent.log.replace(" ", "") and agent.metric(VALID) == 1


def test_from_the_metadata_service(start_agent: Start, node: Emulator) -> None:
    """Its region, too; a container's variables are not looked at."""
    agent = start_agent(env={**imds(node), "AWS_REGION": None, "AWS_CONTAINER_CREDENTIALS_FULL_URI": agent_url(node),
                             "AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"})
    took(agent, node)
    asked = [request["path"] for request in seen(node, "imds")]
    assert "/latest/meta-data/placement/region" in asked
    assert [path for path in asked if path.startswith("/latest/meta-data/iam")] == [
        "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam/security-credentials/demo-node"]
    assert 0 < agent.metric(EXPIRY) <= 6 * 3600
    took(agent, node, "two")
    assert [request["path"] for request in seen(node, "imds")] == asked  # kept


def agent_url(node: Emulator) -> str:
    """Where a container would ask: it must not."""
    return f"http://127.0.0.1:{node.serve('agent')['port']}/v1/credentials"


def test_a_node_without_a_role(start_agent: Start, node: Emulator) -> None:
    """Ready all the same; pods are told why, and it is asked again until there is one."""
    node.node(None)
    agent = start_agent(env=imds(node))
    answer = agent.ask(node.token(pod="one"))
    assert answer.status == 500 and b"security-credentials/ answered 404" in answer.body
    assert agent.page("/readyz").status == 200 and agent.metric(VALID) == 0
    assert "AmazonEKSWorkerNodePolicy" in agent.log
    node.node(NODE)
    eventually(lambda: agent.ask(node.token(pod="two")).status == 200, 40, "credentials")
    assert "the agent has credentials of its own again" in agent.log


def test_no_metadata_service(start_agent: Start, node: Emulator) -> None:
    agent = start_agent(env={**NO_KEYS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"})
    answer = agent.ask(node.token(pod="one"))
    assert answer.status == 500 and b"PUT http://127.0.0.1:1/latest/api/token was refused" in answer.body
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in agent.log


def test_the_metadata_service_goes_away(start_agent: Start, node: Emulator) -> None:
    """What is valid signs on."""
    agent = start_agent(env=imds(node))
    took(agent, node)
    node.listen("closed", service="imds")
    for pod in ("two", "three"):
        took(agent, node, pod)


def test_from_a_web_identity(start_agent: Start, node: Emulator, write_token: Callable[..., ProjectedToken]) -> None:
    aws = Aws(node)
    node.role(AGENTS_ROLE, web_trust(aws.issuer))
    mounted = write_token(node.token(audience="sts.amazonaws.com"))
    sts = {name: value for name, value in aws.sts().items() if name == "AWS_ENDPOINT_URL_STS"}
    agent = start_agent(env={**NO_KEYS, **sts, "AWS_WEB_IDENTITY_TOKEN_FILE": str(mounted), "AWS_ROLE_ARN": AGENTS_ROLE})
    took(agent, node)
    assert "web-identity" in agent.log and 0 < agent.metric(EXPIRY) <= 3600


@pytest.fixture
def keys_folder(folder: Path) -> Path:
    """The node's folder, mounted: of root, and nobody else's."""
    path = folder / "aws"
    path.mkdir(mode=0o700)
    return path


def hybrid(folder: Path) -> dict[str, str | None]:
    """The environment of a hybrid node."""
    return {**NO_KEYS, "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}


def caller(node: Emulator, **params: Any) -> dict[str, str]:
    """Keys of the node's role."""
    return node.caller(NODE, lifetime_s=3600.0, **params)


def uid_and_capabilities(agent: OurAgent) -> tuple[str, int]:
    """Of the running process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{agent.pid}/status").read_text().splitlines() if ":" in line)
    return status["Uid"].split()[1], int(status["CapEff"], 16) | int(status["CapPrm"], 16)


def test_a_hybrid_node(start_agent: Start, node: Emulator, keys_folder: Path) -> None:
    """A file that only root reads: the agent is its owner, without capabilities. Each rotation counts at once."""
    first, second = caller(node), caller(node)
    write_keys(keys_folder / "credentials", first)
    agent = start_agent("--rotate-credentials", "true", env=hybrid(keys_folder))
    took(agent, node)
    assert uid_and_capabilities(agent) == ("0", 0)
    write_keys(keys_folder / "credentials", second)
    took(agent, node, "two")
    assert signers(node) == [first["access_key_id"], second["access_key_id"]]


def test_the_owner_may_be_anybody(start_agent: Start, node: Emulator, folder: Path) -> None:
    write_keys(folder / "credentials", caller(node), owner=4711)
    agent = start_agent("--rotate-credentials", env=hybrid(folder))
    took(agent, node)
    assert uid_and_capabilities(agent) == ("4711", 0)


def test_a_rotation_that_fails(start_agent: Start, node: Emulator, keys_folder: Path) -> None:
    """The old keys sign on, whatever lies in the file's place; the log says it once."""
    keys = caller(node)
    file = keys_folder / "credentials"
    write_keys(file, keys)
    agent = start_agent("--rotate-credentials", env=hybrid(keys_folder))
    took(agent, node)
    for number, content in enumerate((b"", b"[other]\n", b"[default]\naws_access_key_id = A\n", b"\x00" * 70000)):
        file.write_bytes(content)
        took(agent, node, f"bad-{number}")
    file.unlink()
    took(agent, node, "gone")
    write_keys(file, caller(node), owner=4711)  # of another, and for its owner alone: not ours to read
    took(agent, node, "another")
    assert set(signers(node)) == {keys["access_key_id"]}
    assert "no such section" in agent.log and "4711:4711 with mode 0600" in agent.log
    write_keys(file, caller(node))
    took(agent, node, "good")
    assert len(set(signers(node))) == 2 and "can be read again" in agent.log


def test_half_a_file(start_agent: Start, node: Emulator, keys_folder: Path) -> None:
    """A file that is read while it is being written: if others are there when EKS Auth refuses what it had, they sign at once."""
    keys = caller(node)
    file = keys_folder / "credentials"
    write_keys(file, {**keys, "secret_access_key": keys["secret_access_key"][:-7]})
    agent = start_agent("--rotate-credentials", env=hybrid(keys_folder))
    node.fault("pass", service="eks-auth-api", delay_s=2.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(agent.ask, node.token(pod="one"))
        eventually(lambda: len(signers(node)) == 1, 30, "a request that is signed by half a secret")
        write_keys(file, keys)
        assert answer.result().status == 200, agent.log
    assert len(signers(node)) == 2 and agent.log.count("read anew") == 1
    write_keys(file, {**keys, "secret_access_key": "A" * 40})  # and if it stays wrong, that is said after one attempt
    assert agent.ask(node.token(pod="two")).status == 403 and len(signers(node)) == 3


def test_no_file_yet(start_agent: Start, node: Emulator, keys_folder: Path) -> None:
    """It becomes the folder's owner, and looks again: a node that is set up while the agent starts needs nothing more."""
    agent = start_agent("--rotate-credentials", env=hybrid(keys_folder))
    eventually(lambda: "cannot be read: No such file" in agent.log, 10, "a line about the file")
    assert agent.ask(node.token(pod="early")).status == 500
    write_keys(keys_folder / "credentials", caller(node))
    eventually(lambda: agent.ask(node.token(pod="late")).status == 200, 40, "credentials")
    assert uid_and_capabilities(agent) == ("0", 0)


@pytest.mark.parametrize(("env", "says"), [
    ({"AWS_SECRET_ACCESS_KEY": None}, "has AWS_ACCESS_KEY_ID, and not AWS_SECRET_ACCESS_KEY"),
    ({**NO_KEYS, "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, "AWS_ROLE_ARN is not"),
    ({**NO_KEYS, "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "agent"}, "AWS_ROLE_ARN=agent"),
    ({**NO_KEYS, "AWS_EC2_METADATA_DISABLED": "true"}, "AWS_EC2_METADATA_DISABLED is true"),
    ({**NO_KEYS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds.example"}, "AWS_EC2_METADATA_SERVICE_ENDPOINT="),
    ({"AWS_REGION": "eu-central-1a"}, "AWS_REGION=eu-central-1a is a zone")])
def test_settings_that_cannot_be_used(start_agent: Start, env: dict[str, str | None], says: str) -> None:
    agent = start_agent(env=env, wait=False)
    deadline = time.monotonic() + 20
    while agent.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert agent.process.returncode == 14 and says in agent.log, agent.log


def test_no_secret_is_shown(start_agent: Start, node: Emulator, keys_folder: Path) -> None:
    """Not even at the most talkative level."""
    keys = caller(node)
    write_keys(keys_folder / "credentials", keys)
    agent = start_agent("--rotate-credentials", "-v", "trace", env=hybrid(keys_folder))
    took(agent, node)
    assert keys["secret_access_key"] not in agent.log and keys["session_token"] not in agent.log and ROLE_ARN.split("/")[-1] not in keys["arn"]
