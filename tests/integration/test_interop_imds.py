"""SDKs' providers for instance profiles at the look-alike of the metadata service; their default chains are in test_interop_matrix.py."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from harness.clients import go_client, node_client, old_botocore_client, shown
from harness.emulator import Emulator
from harness.programs import Runner
from harness.served import issued
from harness.sidecar import Sidecar

Start = Callable[..., Sidecar]


def words_of(client: str) -> list[str | Path]:
    if client == "botocore-old":
        return old_botocore_client()
    name, _, way = client.partition(" ")
    return [*(node_client() if name == "js" else [go_client()]), way]


@pytest.mark.parametrize("client", ["go instance-profile", "js instance-profile", "botocore-old"])
def test_instance_profile(start_sidecar: Start, emulator: Emulator, runner: Runner, folder: Path, client: str) -> None:
    argv = words_of(client)
    port = runner.place.free_port()
    start_sidecar(f"--imds=127.0.0.1:{port}")
    env = {"HOME": str(folder), "AWS_CONFIG_FILE": f"{folder}/none", "AWS_SHARED_CREDENTIALS_FILE": f"{folder}/none", "AWS_REGION": "eu-central-1",
           "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/", "AWS_EC2_METADATA_V1_DISABLED": "true"}
    found = shown(runner.run(argv, env))
    assert found["accessKeyId"] == issued(emulator)[-1][0] and found["complete"] is True
    assert found.get("source", "") in ("", "EC2RoleProvider", "iam-role"), found
    assert emulator.count() == 1
