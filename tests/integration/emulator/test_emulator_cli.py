"""The real `aws` command drives the emulator: roles, associations, and who am I."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

from harness.clients import aws_cli
from harness.emulator import ACCOUNT, Emulator
from harness.programs import Run, Runner

pytestmark = pytest.mark.place("loopback")
TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
SUBJECT = ("--namespace", "shop", "--service-account", "web")


@pytest.fixture
def aws(emulator: Emulator, runner: Runner, folder: Path) -> Callable[..., Any]:
    """aws(service, operation, ...) as an administrator, over TLS; returns what was printed, or the run where fails=True."""
    words = aws_cli()
    admin = emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin")
    listeners = {service: emulator.serve(service, "good") for service in ("sts", "iam", "ec2", "eks")}
    isolated = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "",
                "AWS_CA_BUNDLE": listeners["sts"]["ca_file"], "AWS_MAX_ATTEMPTS": "1"}

    def run(service: str, *options: str, caller: dict[str, str] | None = None, fails: bool = False) -> Any:
        keys = caller or admin
        env = {**isolated, "AWS_ACCESS_KEY_ID": keys["access_key_id"], "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"]}
        if keys["session_token"]:
            env["AWS_SESSION_TOKEN"] = keys["session_token"]
        region = "us-east-1" if service == "iam" else "eu-central-1"  # IAM's; the endpoint in the command hides that from it
        done = runner.run([*words, service, *options, "--endpoint-url", listeners[service]["url"], "--region", region, "--output", "json"],
                          env, timeout_s=120)
        if fails:
            assert done.exit_code != 0, done
            return done
        assert done.exit_code == 0, done
        return json.loads(done.stdout) if done.stdout else {}
    return run


def test_associations(aws: Callable[..., Any], emulator: Emulator) -> None:
    def on(operation: str, *options: str, **how: Any) -> Any:
        return aws("eks", f"{operation}-pod-identity-association", "--cluster-name", "demo", *options, **how)

    arns = [aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", json.dumps(TRUST))["Role"]["Arn"]
            for name in ("reader", "writer")]
    made = on("create", *SUBJECT, "--role-arn", arns[0], "--tags", "team=shop")["association"]
    assert (made["roleArn"], made["tags"]) == (arns[0], {"team": "shop"})
    again: Run = on("create", *SUBJECT, "--role-arn", arns[0], fails=True)
    assert "(ResourceInUseException)" in again.stderr and made["associationId"] in again.stderr

    one = ("--association-id", made["associationId"])
    assert on("describe", *one)["association"] == made
    changed = on("update", *one, "--role-arn", arns[1], "--disable-session-tags")["association"]
    assert (changed["roleArn"], changed["disableSessionTags"]) == (arns[1], True)
    assert on("update", *one, "--no-disable-session-tags")["association"]["disableSessionTags"] is False
    listed = aws("eks", "list-pod-identity-associations", "--cluster-name", "demo", "--namespace", "shop")["associations"]
    assert [found["associationId"] for found in listed] == [made["associationId"]]
    assert emulator.call("GET", "/associations")[-1]["role_arn"] == arns[1]

    on("delete", *one)
    assert "(ResourceNotFoundException)" in on("describe", *one, fails=True).stderr
    assert "Role provided in the request does not exist." in on("create", *SUBJECT, "--role-arn", arns[0] + "s", fails=True).stderr


def test_who_am_i(aws: Callable[..., Any], emulator: Emulator) -> None:
    assert aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    node = emulator.caller(f"arn:aws:iam::{ACCOUNT}:role/node")
    assert aws("sts", "get-caller-identity", caller=node)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/node/test"
    assert aws("ec2", "describe-instances", caller=node) == {"Reservations": []}
    old = emulator.caller(f"arn:aws:iam::{ACCOUNT}:role/node", lifetime_s=-1)
    assert "(ExpiredToken)" in aws("sts", "get-caller-identity", caller=old, fails=True).stderr
    assert "(RequestExpired)" in aws("ec2", "describe-instances", caller=old, fails=True).stderr
    wrong = {**node, "secret_access_key": "wrong-secret-of-some-length"}
    assert "(SignatureDoesNotMatch)" in aws("sts", "get-caller-identity", caller=wrong, fails=True).stderr
