"""A real MinIO server in the stead of AWS: the air-gapped cluster of images/RECIPES.md. Tokens of the cluster's issuer become credentials by
init and the sidecar, and botocore reads and writes with them. Left out, with the reason, where there is no MinIO server."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.leaks import Leaks
from harness.minio import REGION, SUBJECT, MinIO, minio_program
from harness.programs import ROOT, Binaries, Run
from harness.reports import assert_failed, check_shape
from harness.served import check_container, expires_at
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

botocore = pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

import botocore.exceptions  # noqa: E402
import botocore.session  # noqa: E402

PROGRAM = minio_program()
pytestmark = [pytest.mark.place("loopback"), pytest.mark.xdist_group("minio")]  # one server for all of them
Start = Callable[..., Sidecar]
Init = Callable[..., Run]


def recipe_block(language: str) -> str:
    """The block of that language in the recipe."""
    marker = f"```{language}\n# run by tests/integration/{Path(__file__).name}\n"
    return (ROOT / "images" / "RECIPES.md").read_text().partition(marker)[2].partition("```")[0]


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinIO]:
    """One server for all tests."""
    settings = dict(line.split("=", 1) for line in recipe_block("sh").splitlines())
    server = MinIO(tmp_path_factory.mktemp("minio"), PROGRAM, settings)
    yield server
    server.stop()


@pytest.fixture
def pod_token(minio: MinIO, folder: Path, leaks: Leaks) -> ProjectedToken:
    """The token that the kubelet mounts for EKS Pod Identity's audience."""
    return ProjectedToken(folder / "web", minio.issuer.token(), "token", on_write=lambda text: leaks.add_secret("service_account_token", text))


@pytest.fixture
def env(minio: MinIO, pod_token: ProjectedToken) -> dict[str, str]:
    """The variables of the recipe, with what is called otherwise here."""
    here = {"AWS_ROLE_ARN": minio.role_arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(pod_token), "AWS_ENDPOINT_URL_STS": minio.url, "AWS_CA_BUNDLE": minio.ca_file}
    recipe = dict(re.findall(r'- name: (AWS_\w+)\n +value: "?([^"\n]+)', recipe_block("yaml")))
    assert set(here) < set(recipe)
    return {**recipe, **here}


@pytest.fixture
def s3(minio: MinIO, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Any]:
    """s3(environment): botocore's client, which finds nothing of this machine."""
    def client(environment: dict[str, str]) -> Any:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in {"AWS_CONFIG_FILE": f"{folder}/none", "AWS_SHARED_CREDENTIALS_FILE": f"{folder}/none", "AWS_EC2_METADATA_DISABLED": "true",
                            **environment}.items():
            monkeypatch.setenv(name, value)
        return botocore.session.Session().create_client("s3", region_name=REGION, endpoint_url=minio.url, verify=minio.ca_file)
    return client


def use(s3: Any, bucket: str) -> None:
    """Real calls, each of which MinIO allows only to whom it gave credentials."""
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"of the air-gapped cluster")
    assert s3.get_object(Bucket=bucket, Key="a/b c")["Body"].read() == b"of the air-gapped cluster"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b c"]
    s3.delete_object(Bucket=bucket, Key="a/b c")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("source", ["auto", "web-identity", "irsa"])
def test_init(run_init: Init, env: dict[str, str], minio: MinIO, source: str) -> None:
    assert re.fullmatch(r"arn:minio:iam:::role/[\w-]+", minio.role_arn)
    run = run_init(f"--source={source}", "--session-duration=1h", env={**env, "AWS_EC2_METADATA_DISABLED": "true"})
    assert run.exit_code == 0, run.stdout
    check_shape(run.report)
    passed = {check["id"]: check["message"] for check in run.checks("pass")}
    assert minio.role_arn in passed["injection.pair"] and SUBJECT in passed["token.issuer"] and "credentials.lifetime" in passed
    assert run.checks("warn") == [] and run.report["source"] == "web-identity"


def test_the_sidecars_credentials_read_and_write(start_sidecar: Start, env: dict[str, str], s3: Any) -> None:
    sidecar = start_sidecar("--source=web-identity", env=env)
    body = check_container(sidecar.get())
    assert "AccountId" not in body, "MinIO has no accounts"
    assert 3500 < expires_at(body["Expiration"]) - time.time() <= 3601
    use(s3(sidecar.app_env), "through-the-endpoint")


def test_credential_process(start_sidecar: Start, env: dict[str, str], s3: Any, binaries: Binaries, folder: Path) -> None:
    sidecar = start_sidecar("--source=web-identity", env=env)
    (folder / "config").write_text(f"[default]\ncredential_process = {binaries.get} --unix-socket={sidecar.socket_path}\n")
    use(s3({"AWS_CONFIG_FILE": f"{folder}/config"}), "through-a-process")


def test_once_leaves_a_file_that_works(run_sidecar: Callable[..., Run], env: dict[str, str], s3: Any, folder: Path) -> None:
    run = run_sidecar("once", "--source=web-identity", f"--credentials-file={folder}/credentials", env=env)
    assert run.exit_code == 0, run.stderr
    use(s3({"AWS_SHARED_CREDENTIALS_FILE": f"{folder}/credentials"}), "through-a-file")


def test_a_rotated_token_gives_new_credentials(start_sidecar: Start, env: dict[str, str], s3: Any, minio: MinIO, pod_token: ProjectedToken) -> None:
    sidecar = start_sidecar("--source=web-identity", env=env)
    first = sidecar.get().json["AccessKeyId"]
    pod_token.rotate(minio.issuer.token())
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: sidecar.get().json["AccessKeyId"] != first, 20, "new ones")
    use(s3(sidecar.app_env), "after-the-rotation")


def test_nobody_else_reads(s3: Any) -> None:
    """So that what succeeds above is due to the credentials."""
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidAccessKeyId"):
        s3({"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "of-nobody"}).list_buckets()


@pytest.mark.parametrize(("token", "reason", "says"), [
    ({"audience": "sts.amazonaws.com"}, "ACCESS_DENIED", "must match configured OpenID Client ID"), ({"expires_in_s": -60}, "TOKEN_INVALID", "expired")])
def test_tokens_that_are_refused(run_init: Init, env: dict[str, str], minio: MinIO, pod_token: ProjectedToken, token: dict[str, Any], reason: str,
                                 says: str) -> None:
    pod_token.rotate(minio.issuer.token(**token))
    assert_failed(run_init(env=env), reason, says)


def test_a_role_that_is_not_there(run_init: Init, env: dict[str, str]) -> None:
    assert_failed(run_init(env={**env, "AWS_ROLE_ARN": "arn:minio:iam:::role/nobody"}), "ACCESS_DENIED", "arn:minio:iam:::role/nobody is not defined")


def test_what_minio_has_not(run_init: Init, env: dict[str, str], minio: MinIO) -> None:
    """As the recipe says: nobody can be asked who one is, and no role can be assumed with temporary credentials."""
    assert_failed(run_init("--verify=identity", env=env), "ACCESS_DENIED", "Unsupported action GetCallerIdentity")
    assert_failed(run_init(f"--assume-role={minio.role_arn}", env=env), "ACCESS_DENIED", "AssumeRole", "403 AccessDenied")


def test_it_is_aws_that_has_no_such_role(run_init: Init, env: dict[str, str]) -> None:
    assert_failed(run_init(env={**env, "AWS_ENDPOINT_URL_STS": ""}), "INJECTION_INVALID", "AWS_ENDPOINT_URL_STS")


def test_without_its_authority(run_init: Init, env: dict[str, str]) -> None:
    assert_failed(run_init(env={**env, "AWS_CA_BUNDLE": ""}), "TLS_FAILED", "AWS_CA_BUNDLE")
