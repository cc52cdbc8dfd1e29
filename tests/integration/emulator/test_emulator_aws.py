"""botocore's clients of STS, EKS Auth, EKS, IAM, EC2 and IMDS, over TLS with the run's CA, against the emulator."""

from __future__ import annotations

import json
import os
from typing import Any, Callable

import pytest

from harness.emulator import ACCOUNT, NAMESPACE, ROLE_ARN, SERVICE_ACCOUNT, Emulator

botocore = pytest.importorskip("botocore", reason="no botocore: the package index was not reached (make integration tries again)")

import botocore.config  # noqa: E402
import botocore.exceptions  # noqa: E402
import botocore.session  # noqa: E402
import botocore.utils  # noqa: E402

pytestmark = pytest.mark.place("loopback")
Client = Callable[..., Any]
NODE = f"arn:aws:iam::{ACCOUNT}:role/node"
OTHER = "arn:aws:iam::444455556666:role/team/other"
POD_TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}


def trust(principal: str, *actions: str, **conditions: Any) -> dict[str, Any]:
    """A trust policy for one AWS principal."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions) or "sts:AssumeRole"}
    if conditions:
        statement["Condition"] = {operator: pairs for operator, pairs in conditions.items()}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture
def client(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Client:
    """client(service, caller) is a botocore client of the emulator over TLS; a caller of None signs with nothing."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    urls: dict[str, tuple[str, str]] = {}

    def make(service: str, caller: dict[str, str] | None, region: str = "eu-central-1") -> Any:
        if service not in urls:
            listener = emulator.serve("eks-auth-api" if service == "eks-auth" else service, "good")
            urls[service] = listener["url"], listener["ca_file"]
        session = botocore.session.Session()
        if caller:
            session.set_credentials(caller["access_key_id"], caller["secret_access_key"], caller["session_token"] or None)
        url, ca_file = urls[service]
        return session.create_client(service, region, endpoint_url=url, verify=ca_file,
                                     config=botocore.config.Config(retries={"total_max_attempts": 1}))
    return make


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, int, str]:
    """Code, status and text of the error that a call ends with."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def as_caller(credentials: dict[str, Any]) -> dict[str, str]:
    """What STS returned, to sign with."""
    return {"access_key_id": credentials["AccessKeyId"], "secret_access_key": credentials["SecretAccessKey"],
            "session_token": credentials["SessionToken"]}


def test_assume_role_and_identity(client: Client, emulator: Emulator) -> None:
    emulator.role(OTHER, trust(NODE))
    answer = client("sts", emulator.caller(NODE)).assume_role(RoleArn=OTHER, RoleSessionName="deploy")
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::444455556666:assumed-role/other/deploy"
    identity = client("sts", as_caller(answer["Credentials"])).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == ("444455556666", answer["AssumedRoleUser"]["Arn"])
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]


@pytest.mark.parametrize(("principal", "good"), [
    (NODE, True), (f"arn:aws:iam::{ACCOUNT}:root", True), (ACCOUNT, True), ("*", True),
    (f"arn:aws:sts::{ACCOUNT}:assumed-role/node/test", True), (f"arn:aws:iam::{ACCOUNT}:role/nodes", False),
    ("arn:aws:iam::999999999999:root", False)])
def test_trust(client: Client, emulator: Emulator, principal: str, good: bool) -> None:
    emulator.role(OTHER, trust(principal))
    assume = client("sts", emulator.caller(NODE)).assume_role
    if good:
        assume(RoleArn=OTHER, RoleSessionName="deploy")
        return
    code, status, text = refused(assume, RoleArn=OTHER, RoleSessionName="deploy")
    assert (code, status) == ("AccessDenied", 403)
    assert text == (f"User: arn:aws:sts::{ACCOUNT}:assumed-role/node/test is not authorized to perform: sts:AssumeRole "
                    f"on resource: {OTHER}")


def test_unknown_role_is_denied(client: Client, emulator: Emulator) -> None:
    assert refused(client("sts", emulator.caller(NODE)).assume_role, RoleArn=OTHER, RoleSessionName="deploy")[0] == "AccessDenied"


@pytest.mark.parametrize(("given", "good"), [({"ExternalId": "right"}, True), ({"ExternalId": "wrong"}, False), ({}, False)])
def test_external_id(client: Client, emulator: Emulator, given: dict[str, str], good: bool) -> None:
    emulator.role(OTHER, trust(NODE, StringEquals={"sts:ExternalId": "right"}))
    assume = client("sts", emulator.caller(NODE)).assume_role
    if good:
        assume(RoleArn=OTHER, RoleSessionName="deploy", **given)
    else:
        assert refused(assume, RoleArn=OTHER, RoleSessionName="deploy", **given)[0] == "AccessDenied"


@pytest.mark.parametrize(("seconds", "longest", "user", "words"), [
    (3600, 3600, False, None), (3601, 43200, False, "1 hour session limit for roles assumed by role chaining"),
    (7200, 43200, True, None), (7200, 3600, True, "exceeds the MaxSessionDuration set for this role"),
    (43201, 43200, True, "less than or equal to 43200")])
def test_durations(client: Client, emulator: Emulator, seconds: int, longest: int, user: bool, words: str | None) -> None:
    emulator.role(OTHER, trust(ACCOUNT), max_session_s=longest)
    caller = emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/alice" if user else NODE)
    assume = client("sts", caller).assume_role
    if words is None:
        assume(RoleArn=OTHER, RoleSessionName="deploy", DurationSeconds=seconds)
        return
    code, status, text = refused(assume, RoleArn=OTHER, RoleSessionName="deploy", DurationSeconds=seconds)
    assert (code, status) == ("ValidationError", 400) and words in text


def test_tags_and_their_transitivity(client: Client, emulator: Emulator) -> None:
    third = f"arn:aws:iam::{ACCOUNT}:role/third"
    emulator.role(OTHER, trust(NODE))
    emulator.role(third, trust(OTHER, "sts:AssumeRole", "sts:TagSession"))
    params = {"RoleArn": OTHER, "RoleSessionName": "deploy", "Tags": [{"Key": "team", "Value": "a&b <c>"}],
              "TransitiveTagKeys": ["team"]}
    node = client("sts", emulator.caller(NODE))
    assert "sts:TagSession" in refused(node.assume_role, **params)[2]
    emulator.role(OTHER, trust(NODE, "sts:AssumeRole", "sts:TagSession"))
    answer = node.assume_role(**params)
    assert answer["PackedPolicySize"] >= 1
    second = client("sts", as_caller(answer["Credentials"]))
    again = refused(second.assume_role, RoleArn=third, RoleSessionName="deploy", Tags=[{"Key": "team", "Value": "b"}])
    assert again[0] == "InvalidParameterValue" and "transitive tag key" in again[2]
    second.assume_role(RoleArn=third, RoleSessionName="deploy")
    emulator.role(third, trust(OTHER))
    assert "sts:TagSession" in refused(second.assume_role, RoleArn=third, RoleSessionName="deploy")[2]


def test_source_identity(client: Client, emulator: Emulator) -> None:
    emulator.role(OTHER, trust(NODE, "sts:AssumeRole", "sts:SetSourceIdentity"))
    answer = client("sts", emulator.caller(NODE)).assume_role(RoleArn=OTHER, RoleSessionName="deploy", SourceIdentity="alice")
    assert answer["SourceIdentity"] == "alice"
    emulator.role(OTHER, trust(NODE))
    assert "sts:SetSourceIdentity" in refused(client("sts", emulator.caller(NODE)).assume_role, RoleArn=OTHER,
                                              RoleSessionName="deploy", SourceIdentity="alice")[2]


@pytest.mark.parametrize(("policy", "expected"), [
    ("{", "MalformedPolicyDocument"), ("[]", "MalformedPolicyDocument"), (json.dumps({"Statement": ["x" * 2040]}), "PackedPolicyTooLarge")])
def test_session_policies(client: Client, emulator: Emulator, policy: str, expected: str) -> None:
    emulator.role(OTHER, trust(NODE))
    assume = client("sts", emulator.caller(NODE)).assume_role
    assert refused(assume, RoleArn=OTHER, RoleSessionName="deploy", Policy=policy)[:2] == (expected, 400)


def test_managed_policies_of_a_session(client: Client, emulator: Emulator) -> None:
    emulator.role(OTHER, trust(NODE))
    params = {"RoleArn": OTHER, "RoleSessionName": "deploy"}
    assume = client("sts", emulator.caller(NODE)).assume_role
    assert assume(**params, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}])["PackedPolicySize"] >= 1
    for arns in ([{"arn": "arn:aws:iam::aws:role/ReadOnlyAccess"}], [{"arn": "arn:aws:iam::aws:policy/A"}] * 11):
        assert refused(assume, **params, PolicyArns=arns)[:2] == ("ValidationError", 400)


@pytest.mark.parametrize(("value", "good"), [("shop", True), ("bank", False)])
def test_conditions_on_the_callers_tags(client: Client, emulator: Emulator, value: str, good: bool) -> None:
    third = f"arn:aws:iam::{ACCOUNT}:role/third"
    emulator.role(OTHER, trust(NODE, "sts:AssumeRole", "sts:TagSession"))
    emulator.role(third, trust(OTHER, StringEquals={"aws:PrincipalTag/team": "shop"}))
    keys = client("sts", emulator.caller(NODE)).assume_role(RoleArn=OTHER, RoleSessionName="deploy",
                                                            Tags=[{"Key": "team", "Value": value}])["Credentials"]
    assume = client("sts", as_caller(keys)).assume_role
    if good:
        assume(RoleArn=third, RoleSessionName="deploy")
    else:
        assert refused(assume, RoleArn=third, RoleSessionName="deploy")[0] == "AccessDenied"


def test_source_identity_stays_in_a_chain(client: Client, emulator: Emulator) -> None:
    third = f"arn:aws:iam::{ACCOUNT}:role/third"
    for arn, principal in ((OTHER, NODE), (third, OTHER)):
        emulator.role(arn, trust(principal, "sts:AssumeRole", "sts:SetSourceIdentity"))
    keys = client("sts", emulator.caller(NODE)).assume_role(RoleArn=OTHER, RoleSessionName="deploy", SourceIdentity="alice")
    second = client("sts", as_caller(keys["Credentials"]))
    assert second.assume_role(RoleArn=third, RoleSessionName="deploy")["SourceIdentity"] == "alice"
    assert refused(second.assume_role, RoleArn=third, RoleSessionName="deploy", SourceIdentity="bob")[0] == "AccessDenied"
    emulator.role(third, trust(OTHER))
    assert "sts:SetSourceIdentity" in refused(second.assume_role, RoleArn=third, RoleSessionName="deploy")[2]


def web_trust(issuer: str, subject: str) -> dict[str, Any]:
    """A trust policy for the holder of a token."""
    host = issuer.removeprefix("https://")
    return {"Statement": [{
        "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": subject}}}]}


@pytest.mark.parametrize(("token", "subject", "expected"), [
    ({}, "system:serviceaccount:demo:app", None),
    ({}, "system:serviceaccount:demo:other", ("AccessDenied", 403)),
    ({"expires_in_s": -5}, "system:serviceaccount:demo:app", ("ExpiredTokenException", 400)),
    ({"audience": "pods.eks.amazonaws.com"}, "system:serviceaccount:demo:app", ("InvalidIdentityToken", 400)),
    ({"forged": True}, "system:serviceaccount:demo:app", ("InvalidIdentityToken", 400)),
    ({"claims": {"iss": "https://example.com"}}, "system:serviceaccount:demo:app", ("InvalidIdentityToken", 400))])
def test_web_identity(client: Client, emulator: Emulator, token: dict[str, Any], subject: str,
                      expected: tuple[str, int] | None) -> None:
    emulator.role(ROLE_ARN, web_trust(emulator.describe()["issuer"], subject))
    text = emulator.token(**{"audience": "sts.amazonaws.com", **token})
    sts = client("sts", None)
    params = {"RoleArn": ROLE_ARN, "RoleSessionName": "web", "WebIdentityToken": text}
    if expected:
        assert refused(sts.assume_role_with_web_identity, **params)[:2] == expected
        return
    answer = sts.assume_role_with_web_identity(**params)
    assert answer["SubjectFromWebIdentityToken"] == subject
    assert client("sts", as_caller(answer["Credentials"])).get_caller_identity()["Account"] == ACCOUNT


def test_idp_communication_error_then_well(client: Client, emulator: Emulator) -> None:
    emulator.role(ROLE_ARN, web_trust(emulator.describe()["issuer"], "system:serviceaccount:demo:app"))
    emulator.fault("aws_error", service="sts", code="IDPCommunicationError", status=400, message="no route", times=2)
    params = {"RoleArn": ROLE_ARN, "RoleSessionName": "web", "WebIdentityToken": emulator.token(audience="sts.amazonaws.com")}
    sts = client("sts", None)
    for _ in range(2):
        assert refused(sts.assume_role_with_web_identity, **params)[0] == "IDPCommunicationError"
    sts.assume_role_with_web_identity(**params)


def test_eks_auth(client: Client, emulator: Emulator) -> None:
    eks_auth = client("eks-auth", emulator.caller(NODE))
    answer = eks_auth.assume_role_for_pod_identity(clusterName="demo", token=emulator.token())
    assert answer["subject"] == {"namespace": NAMESPACE, "serviceAccount": SERVICE_ACCOUNT}
    assert answer["assumedRoleUser"]["arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/demo-app/eks-demo-")
    keys = answer["credentials"]
    caller = {"access_key_id": keys["accessKeyId"], "secret_access_key": keys["secretAccessKey"],
              "session_token": keys["sessionToken"]}
    assert client("sts", caller).get_caller_identity()["Arn"] == answer["assumedRoleUser"]["arn"]
    # Its tags are transitive: a role further on must allow sts:TagSession.
    emulator.role(OTHER, trust(ROLE_ARN))
    assert "sts:TagSession" in refused(client("sts", caller).assume_role, RoleArn=OTHER, RoleSessionName="deploy")[2]


@pytest.mark.parametrize(("cluster", "token", "expected"), [
    ("demo", {"service_account": "nobody"}, ("ResourceNotFoundException", 404)), ("demo", {"expires_in_s": -5}, ("ExpiredTokenException", 400)),
    ("demo", {"forged": True}, ("InvalidTokenException", 400)), ("demo", {"audience": "x"}, ("InvalidTokenException", 400)),
    ("other", {}, ("ResourceNotFoundException", 404))])
def test_eks_auth_refuses(client: Client, emulator: Emulator, cluster: str, token: dict[str, Any], expected: tuple[str, int]) -> None:
    call = client("eks-auth", emulator.caller(NODE)).assume_role_for_pod_identity
    assert refused(call, clusterName=cluster, token=emulator.token(**token))[:2] == expected


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException", "ServiceUnavailableException"])
def test_eks_auth_scripted_errors(client: Client, emulator: Emulator, code: str) -> None:
    emulator.eks_auth_error(code, times=1)
    call = client("eks-auth", emulator.caller(NODE)).assume_role_for_pod_identity
    assert refused(call, clusterName="demo", token=emulator.token())[0] == code
    call(clusterName="demo", token=emulator.token())


def test_eks_auth_refuses_a_bad_signer(client: Client, emulator: Emulator) -> None:
    caller = {**emulator.caller(NODE), "secret_access_key": "wrong"}
    call = client("eks-auth", caller).assume_role_for_pod_identity
    assert refused(call, clusterName="demo", token=emulator.token())[:2] == ("InvalidSignatureException", 403)
    call = client("eks-auth", emulator.caller(NODE, lifetime_s=-1)).assume_role_for_pod_identity
    assert refused(call, clusterName="demo", token=emulator.token())[:2] == ("ExpiredTokenException", 403)


def test_walkthrough(client: Client, emulator: Emulator) -> None:
    """Role, association, credentials at the agent, update, list, delete."""
    admin = emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin")
    iam, eks = client("iam", admin, "us-east-1"), client("eks", admin)
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(POD_TRUST))["Role"]
    assert iam.get_role(RoleName="reader")["Role"]["AssumeRolePolicyDocument"] == POD_TRUST
    made = eks.create_pod_identity_association(clusterName="demo", namespace="shop", serviceAccount="web",
                                               roleArn=role["Arn"], tags={"a": "b"})["association"]
    assert refused(eks.create_pod_identity_association, clusterName="demo", namespace="shop", serviceAccount="web",
                   roleArn=role["Arn"])[:2] == ("ResourceInUseException", 409)
    eks_auth = client("eks-auth", emulator.caller(NODE))
    token = emulator.token("shop", "web")

    def assume() -> dict[str, Any]:
        return eks_auth.assume_role_for_pod_identity(clusterName="demo", token=token)
    keys = assume()["credentials"]
    caller = {"access_key_id": keys["accessKeyId"], "secret_access_key": keys["secretAccessKey"],
              "session_token": keys["sessionToken"]}
    assert client("ec2", caller).describe_instances()["Reservations"] == []

    identifier = {"clusterName": "demo", "associationId": made["associationId"]}
    writer = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(POD_TRUST))["Role"]
    eks.update_pod_identity_association(**identifier, roleArn=writer["Arn"])
    assert ":assumed-role/writer/" in assume()["assumedRoleUser"]["arn"]
    assert eks.describe_pod_identity_association(**identifier)["association"]["roleArn"].endswith("/writer")
    listed = eks.list_pod_identity_associations(clusterName="demo", namespace="shop")["associations"]
    assert [one["associationId"] for one in listed] == [made["associationId"]]
    eks.delete_pod_identity_association(**identifier)
    assert refused(eks.describe_pod_identity_association, **identifier)[:2] == ("ResourceNotFoundException", 404)
    assert refused(assume)[0] == "ResourceNotFoundException"


def test_role_that_does_not_trust_pods(client: Client, emulator: Emulator) -> None:
    admin = emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin")
    iam = client("iam", admin, "us-east-1")
    half = json.loads(json.dumps(POD_TRUST))
    half["Statement"][0]["Action"] = "sts:AssumeRole"
    iam.create_role(RoleName="demo-app", AssumeRolePolicyDocument=json.dumps(half))
    call = client("eks-auth", emulator.caller(NODE)).assume_role_for_pod_identity
    assert refused(call, clusterName="demo", token=emulator.token())[:2] == ("AccessDeniedException", 400)
    iam.update_assume_role_policy(RoleName="demo-app", PolicyDocument=json.dumps(POD_TRUST))
    call(clusterName="demo", token=emulator.token())
    assert refused(iam.create_role, RoleName="demo-app", AssumeRolePolicyDocument="{}")[:2] == ("EntityAlreadyExists", 409)
    assert refused(iam.get_role, RoleName="nobody")[:2] == ("NoSuchEntity", 404)
    iam.delete_role(RoleName="demo-app")


def test_associations_are_checked(client: Client, emulator: Emulator) -> None:
    eks = client("eks", emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin"))
    wanted = {"clusterName": "demo", "namespace": "shop", "serviceAccount": "web", "roleArn": ROLE_ARN}
    create = eks.create_pod_identity_association
    assert refused(create, **wanted) == ("InvalidParameterException", 400, "Role provided in the request does not exist.")
    emulator.role(ROLE_ARN, trust(NODE))
    assert refused(create, **wanted)[2].startswith("Trust policy of the role provided is invalid.")
    emulator.role(ROLE_ARN, POD_TRUST)
    assert refused(create, **wanted, policy="{}")[0] == "InvalidParameterException"
    assert refused(create, **{**wanted, "clusterName": "other"})[:2] == ("ResourceNotFoundException", 404)
    made = create(**wanted, policy="{}", disableSessionTags=True)["association"]
    assert made["disableSessionTags"] is True and made["policy"] == "{}"
    page = eks.list_pod_identity_associations(clusterName="demo", maxResults=1)
    assert len(page["associations"]) == 1 and page["nextToken"]
    rest = eks.list_pod_identity_associations(clusterName="demo", maxResults=1, nextToken=page["nextToken"])
    assert rest["associations"][0]["associationId"] == made["associationId"] and "nextToken" not in rest


def test_conditions_on_the_tags_of_a_pod(client: Client, emulator: Emulator) -> None:
    policy = json.loads(json.dumps(POD_TRUST))
    policy["Statement"][0]["Condition"] = {"StringEquals": {"aws:RequestTag/kubernetes-namespace": NAMESPACE}}
    emulator.role(ROLE_ARN, policy)
    call = client("eks-auth", emulator.caller(NODE)).assume_role_for_pod_identity
    call(clusterName="demo", token=emulator.token())
    policy["Statement"][0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-namespace"] = "other"
    emulator.role(ROLE_ARN, policy)
    assert refused(call, clusterName="demo", token=emulator.token())[:2] == ("AccessDeniedException", 400)


def test_pods_without_session_tags(client: Client, emulator: Emulator) -> None:
    """Then sts:TagSession is needed nowhere."""
    emulator.role(ROLE_ARN, {"Statement": [{**POD_TRUST["Statement"][0], "Action": "sts:AssumeRole"}]})
    made = client("eks", emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin")).create_pod_identity_association(
        clusterName="demo", namespace="shop", serviceAccount="bare", roleArn=ROLE_ARN, disableSessionTags=True)["association"]
    call = client("eks-auth", emulator.caller(NODE)).assume_role_for_pod_identity
    keys = call(clusterName="demo", token=emulator.token("shop", "bare"))["credentials"]
    assert made["disableSessionTags"] is True
    emulator.role(OTHER, trust(ROLE_ARN))
    caller = {"access_key_id": keys["accessKeyId"], "secret_access_key": keys["secretAccessKey"],
              "session_token": keys["sessionToken"]}
    client("sts", caller).assume_role(RoleArn=OTHER, RoleSessionName="deploy")


def test_target_role(client: Client, emulator: Emulator) -> None:
    admin = emulator.caller(f"arn:aws:iam::{ACCOUNT}:user/admin")
    emulator.role(ROLE_ARN, POD_TRUST)
    made = client("eks", admin).create_pod_identity_association(
        clusterName="demo", namespace="shop", serviceAccount="far", roleArn=ROLE_ARN, targetRoleArn=OTHER)["association"]
    call = client("eks-auth", emulator.caller(NODE)).assume_role_for_pod_identity
    both = ("sts:AssumeRole", "sts:TagSession")
    emulator.role(OTHER, trust(ROLE_ARN, StringEquals={"sts:ExternalId": made["externalId"]}))
    assert refused(call, clusterName="demo", token=emulator.token("shop", "far"))[0] == "AccessDeniedException"
    emulator.role(OTHER, trust(ROLE_ARN, *both, StringEquals={"sts:ExternalId": "another"}))
    assert refused(call, clusterName="demo", token=emulator.token("shop", "far"))[0] == "AccessDeniedException"
    emulator.role(OTHER, trust(ROLE_ARN, *both, StringEquals={"sts:ExternalId": made["externalId"]}))
    answer = call(clusterName="demo", token=emulator.token("shop", "far"))
    assert answer["assumedRoleUser"]["arn"].startswith("arn:aws:sts::444455556666:assumed-role/other/")


def test_ec2_errors(client: Client, emulator: Emulator) -> None:
    call = client("ec2", emulator.caller(NODE, lifetime_s=-1)).describe_instances
    assert refused(call)[:2] == ("RequestExpired", 400)
    call = client("ec2", {**emulator.caller(NODE), "session_token": "wrong"}).describe_instances
    assert refused(call)[:2] == ("AuthFailure", 401)


@pytest.mark.parametrize(("kind", "params"), [("xml_nested", {}), ("garbage", {}), ("reset", {}), ("truncate", {})])
def test_broken_answers_break_the_client(client: Client, emulator: Emulator, kind: str, params: dict[str, Any]) -> None:
    sts = client("sts", emulator.caller(NODE))
    emulator.fault(kind, service="sts", **params)
    with pytest.raises(Exception):  # noqa: B017 - which one is botocore's affair
        assert sts.get_caller_identity()["Arn"]
    assert sts.get_caller_identity()["Account"] == ACCOUNT


@pytest.mark.place("netns")
def test_imds_at_its_own_address(emulator: Emulator) -> None:
    """Twice, as two tests of one run would."""
    emulator.place.add_address("169.254.169.254")  # type: ignore[attr-defined]
    for _ in range(2):
        assert emulator.serve("imds", host="169.254.169.254", port=80)["url"] == "http://169.254.169.254:80"
    with emulator.place.connect("169.254.169.254", 80) as sock:
        sock.sendall(b"GET /latest/meta-data/placement/region HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_imds(emulator: Emulator, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    fetcher = botocore.utils.InstanceMetadataFetcher(base_url=emulator.serve("imds")["url"])
    keys = fetcher.retrieve_iam_role_credentials()
    assert keys["role_name"] == "demo-node"
    caller = {"access_key_id": keys["access_key"], "secret_access_key": keys["secret_key"], "session_token": keys["token"]}
    assert client("sts", caller).get_caller_identity()["Arn"].endswith(":assumed-role/demo-node/i-0123456789abcdef0")
    emulator.node(None)
    assert fetcher.retrieve_iam_role_credentials() == {}
