"""EKS Pod Identity as its users know it, from the role to its end, with the real aws command: also `make walkthrough`, which shows it.

Role with the trust policy of pods.eks.amazonaws.com, association, init and sidecar of a pod, AWS calls through the sidecar's
credentials, another role for the association, and its deletion.
"""

from __future__ import annotations

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import needs_openssl
from harness.clients import aws_cli
from harness.emulator import ACCOUNT, Emulator
from harness.programs import Run, Runner
from harness.served import check_container, check_error
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
CLUSTER, NAMESPACE, SERVICE_ACCOUNT = "demo", "shop", "web"
SHORT_S = 24.0


class Shell:
    """Runs the aws command against the emulator, and shows what a user would type and see."""

    def __init__(self, emulator: Emulator, runner: Runner, folder: Path) -> None:
        self.words, self.runner, self.steps = aws_cli(), runner, 0
        self.urls = {service: emulator.serve(service, "good") for service in ("sts", "iam", "ec2", "eks")}
        self.base = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "",
                     "AWS_CA_BUNDLE": self.urls["sts"]["ca_file"], "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_REGION": "eu-central-1"}
        admin = emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin")
        self.admin = {"AWS_ACCESS_KEY_ID": admin["access_key_id"], "AWS_SECRET_ACCESS_KEY": admin["secret_access_key"]}

    def step(self, text: str) -> None:
        """A heading."""
        self.steps += 1
        print(f"\n== {self.steps}. {text}")

    def show(self, command: list[str], output: str) -> None:
        """What was typed, and what came."""
        print("$ " + shlex.join(command))
        print("\n".join("  " + line for line in output.rstrip().splitlines()))

    def aws(self, service: str, *options: str, env: dict[str, str] | None = None) -> Any:
        """One command, as the administrator or with a pod's environment; what it printed."""
        region = ["--region", "us-east-1"] if service == "iam" else []  # IAM's; the endpoint in the command hides that from it
        done = self.runner.run([*self.words, service, *options, "--endpoint-url", self.urls[service]["url"], "--output", "json", *region],
                               {**self.base, **(self.admin if env is None else env)}, timeout_s=120)
        self.show(["aws", service, *options], done.stdout + done.stderr)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else {}


def test_walkthrough(emulator: Emulator, runner: Runner, folder: Path, write_token: Callable[..., ProjectedToken], run_init: Callable[..., Run],
                     run_sidecar: Callable[..., Run], start_sidecar: Callable[..., Sidecar]) -> None:
    shell = Shell(emulator, runner, folder)

    def on(operation: str, *options: str) -> Any:
        return shell.aws("eks", operation, "--cluster-name", CLUSTER, *options)

    def role(name: str) -> str:
        return str(shell.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", json.dumps(TRUST))["Role"]["Arn"])

    shell.step("A role that pods may have: its trust policy names pods.eks.amazonaws.com")
    reader = role("reader")

    shell.step("An association gives it to a service account")
    subject = ("--namespace", NAMESPACE, "--service-account", SERVICE_ACCOUNT)
    association = on("create-pod-identity-association", *subject, "--role-arn", reader)["association"]["associationId"]

    shell.step("The webhook injects a pod, and pod-identity-init looks at it before the app starts")
    token = write_token(emulator.token(NAMESPACE, SERVICE_ACCOUNT))
    pod = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": emulator.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
           "AWS_ENDPOINT_URL_STS": shell.urls["sts"]["url"].replace("127.0.0.1", "localhost"), "AWS_CA_BUNDLE": shell.urls["sts"]["ca_file"],
           "AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
    options = ["--verify=identity", f"--expect-role={reader}", f"--expect-namespace={NAMESPACE}"]
    run = run_init(*options, env=pod, text=True)
    shell.show(["pod-identity-init", *options], run.stdout)
    assert run.exit_code == 0, run.stdout

    shell.step("pod-identity-sidecar serves its credentials, and an app uses them")
    emulator.settings(lifetime_s=SHORT_S)
    sidecar = start_sidecar(env=pod)
    shell.show(["pod-identity-sidecar", "serve", f"--http=127.0.0.1:{sidecar.port}"], sidecar.stderr)
    app = sidecar.app_env
    who = shell.aws("sts", "get-caller-identity", env=app)
    assert who["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/")
    assert shell.aws("ec2", "describe-instances", env=app) == {"Reservations": []}

    shell.step("Another role for the association: the sidecar has it at its next refresh")
    writer = role("writer")
    on("update-pod-identity-association", "--association-id", association, "--role-arn", writer)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "/writer/" in run_sidecar("whoami", f"--unix-socket={sidecar.socket_path}", env=pod).stdout, 20, "the other role")
    told = run_sidecar("whoami", f"--unix-socket={sidecar.socket_path}", env=pod)
    shell.show(["pod-identity-sidecar", "whoami"], told.stdout)
    assert shell.aws("sts", "get-caller-identity", env=app)["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/writer/")

    shell.step("What there is")
    listed = on("list-pod-identity-associations", "--namespace", NAMESPACE)["associations"]
    assert [one["associationId"] for one in listed] == [association]
    assert on("describe-pod-identity-association", "--association-id", association)["association"]["roleArn"] == writer

    shell.step("The association is deleted: new pods are told why they get nothing")
    on("delete-pod-identity-association", "--association-id", association)
    denied = run_init(env=pod, text=True)
    shell.show(["pod-identity-init"], denied.termination_log or "")
    assert denied.exit_code == 21 and "ACCESS_DENIED" in (denied.termination_log or "")
    assert f"--namespace {NAMESPACE} --service-account {SERVICE_ACCOUNT}" in (denied.termination_log or "")

    shell.step(f"The running pod goes on until its credentials end ({SHORT_S:g} s here, hours at AWS), and then is told, too")
    check_container(sidecar.get())
    eventually(lambda: sidecar.get().status == 503, SHORT_S + 20, "the end of the credentials")
    message = check_error(sidecar.get(), 503, "ACCESS_DENIED")
    print("GET /v1/credentials: 503 " + message)
    assert "expired" in message and "ResourceNotFoundException" in message
    print(f"\nDone: {shell.steps} steps at {time.strftime('%H:%M:%S')}.")
