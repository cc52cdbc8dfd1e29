"""What EKS Auth, STS and the API server say when they are not themselves: a clear error each time, and nothing good is lost.

The settings of the SDKs that say whom to ask, and through what, are here, too (AGENT.md 1.4 has them of the real agent)."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any, Callable

import pytest

from agent.test_any_api_server import server, watching  # noqa: F401  # fixtures
from agent.test_any_cluster import any_node, associations, cluster, emulator, place, start  # noqa: F401  # fixtures
from agent.test_any_cluster import READER, Start as StartAny
from harness.any_agent import AnyAgent
from harness.api_server import ApiServer
from harness.aws import needs_openssl
from harness.cluster import Cluster, ConfigMap
from harness.emulator import Emulator
from harness.our_agent import OurAgent
from harness.places import Place
from harness.served import issued, triple
from harness.waiting import eventually

StartOurs = Callable[..., OurAgent]
SOON = ("--max-credential-retention-before-renewal", "1s")
NOT_CREDENTIALS: dict[str, dict[str, Any]] = {"cut": {}, "empty": {}, "nested": {}, "welcome": {"body": "welcome"}, "no members": {"json": {"credentials": {}}},
                   "another type": {"json": {"credentials": {"accessKeyId": 7, "secretAccessKey": [], "sessionToken": {}, "expiration": "soon"}}},
                   "huge": {"body": "{\"credentials\":\"" + "x" * 100_000 + "\"}"}}


def say(emulator: Emulator, service: str, name: str) -> None:  # noqa: F811
    """From now on, the service says that."""
    emulator.fault(name if name in ("cut", "empty", "nested") else "answer", service=service, times=None, **NOT_CREDENTIALS[name])


# ---- EKS Auth ----

@pytest.mark.parametrize("name", NOT_CREDENTIALS)
def test_eks_auth_at_a_renewal(start_agent: StartOurs, node: Emulator, name: str) -> None:
    """What the pod has is served on; a pod that has nothing yet is told so, and gets its own as soon as EKS Auth is back."""
    agent = start_agent(*SOON)
    token, other = node.token(), node.token()
    assert agent.ask(token).status == 200
    say(node, "eks-auth-api", name)
    failures = 'pod_identity_cache_errors{type="Recoverable"'
    eventually(lambda: agent.ask(token).status == 200 and failures in agent.page("/metrics", metrics=True).body.decode(), 30, "a renewal fails")
    assert triple(agent.ask(token).json) in issued(node)
    answer = agent.ask(other)
    assert answer.status == 500 and b"AccessKeyId" not in answer.body and answer.header("Content-Type") == "text/plain; charset=utf-8"
    node.clear_faults()
    eventually(lambda: agent.ask(other).status == 200, 20, "EKS Auth is back")
    assert agent.metric("pod_identity_agent_entries") == 2


def test_eks_auth_is_silent_at_last(start_agent: StartOurs, node: Emulator) -> None:
    """It asks for a pause that leaves the next attempt less time than that has by itself: cut off, it says nothing new."""
    agent = start_agent()
    node.fault("answer", service="eks-auth-api", status=503, json={"message": "one moment"},
               headers={"Retry-After": "10", "x-amzn-ErrorType": "ServiceUnavailableException"})
    node.fault("hang", service="eks-auth-api", times=None)
    answer = agent.ask(node.token(), timeout_s=60)
    assert agent.upstream() == 2 and answer.status == 503 and b"(ServiceUnavailableException): one moment, fault: server" in answer.body


def test_eks_auth_gives_expired_credentials_at_a_renewal(start_agent: StartOurs, node: Emulator) -> None:
    agent = start_agent(*SOON)
    token = node.token()
    first = triple(agent.ask(token).json)
    node.associate(lifetime_s=-60.0)
    failures = 'pod_identity_cache_errors{type="Recoverable"'
    eventually(lambda: agent.ask(token).status == 200 and failures in agent.page("/metrics", metrics=True).body.decode(), 30, "a renewal fails")
    assert triple(agent.ask(token).json) == first


def test_expired_credentials_at_a_renewal_are_no_reason_to_drop_good_ones(start_agent: StartOurs, node: Emulator) -> None:
    """With --expired=pass, too: that is for a pod that has none; and the next renewal comes."""
    agent = start_agent(*SOON, "--expired=pass")
    token = node.token()
    first = triple(agent.ask(token).json)
    node.associate(lifetime_s=-60.0)
    eventually(lambda: triple(agent.ask(token).json) in issued(node) and agent.upstream() >= 3, 30, "renewals that bring expired ones")
    kept = triple(agent.ask(token).json)
    assert kept == first or kept in issued(node)[:2]  # the first, or that of a renewal just before
    node.associate()
    eventually(lambda: triple(agent.ask(token).json) not in (first, kept), 40, "renewed again")


def test_what_is_nearly_over_is_asked_for_anew(agent: OurAgent, node: Emulator) -> None:
    """With 15 s left or less nothing is served from memory."""
    node.associate(lifetime_s=14.0)
    token = node.token()
    assert agent.ask(token).body != agent.ask(token).body
    assert agent.upstream() == 2


def test_servers_whose_clocks_differ(agent: OurAgent, node: Emulator) -> None:
    """A refused signature is made again by the server's clock, once: whoever says another time each time is not asked without end."""
    for i in range(20):
        date = formatdate(time.time() + 3600 * (1 + i % 2), usegmt=True)
        node.fault("answer", service="eks-auth-api", status=403, json={"message": "Signature expired"},
                   headers={"x-amzn-ErrorType": "InvalidSignatureException", "Date": date})
    answer = agent.ask(node.token())
    assert answer.status == 403 and b"InvalidSignatureException" in answer.body
    assert agent.upstream() == 2
    node.clear_faults()
    assert agent.ask(node.token()).status == 200


def test_eks_auth_says_nothing(agent: OurAgent, node: Emulator) -> None:
    """It takes the connection: the error says what was waited for."""
    node.listen("mute", service="eks-auth-api")
    answer = agent.ask(node.token())
    assert answer.status == 500 and b"timed out" in answer.body and b"AssumeRoleForPodIdentity" in answer.body, answer.body


# ---- whom it asks, and through what ----

@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_EKS_AUTH", "AWS_ENDPOINT_URL"])
def test_an_endpoint_from_the_environment(start_agent: StartOurs, node: Emulator, variable: str) -> None:
    agent = start_agent(env={variable: node.serve("eks-auth-api", "good")["url"]}, endpoint=False)
    assert agent.ask(node.token()).status == 200


def test_through_a_proxy(start_agent: StartOurs, node: Emulator) -> None:
    """EKS Auth, and never the pods' side."""
    url = f"https://eks-auth.localhost:{node.serve('eks-auth-api', 'good')['port']}"  # a name that only the proxy resolves
    proxy = f"http://127.0.0.1:{node.serve('proxy')['port']}"
    agent = start_agent(env={"AWS_ENDPOINT_URL_EKS_AUTH": url, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy}, endpoint=False)
    assert agent.ask(node.token()).status == 200, agent.log
    assert node.proxied() == [url.removeprefix("https://")]
    assert agent.page("/readyz").status == 200


@pytest.mark.parametrize(("env", "host"), [
    ({}, "eks-auth.eu-central-1.api.aws"),
    ({"AWS_REGION": "us-west-2"}, "eks-auth.us-west-2.api.aws"),
    ({"AWS_REGION": "us-west-2", "AWS_USE_FIPS_ENDPOINT": "true"}, "eks-auth-fips.us-west-2.api.aws")])
def test_the_endpoint_of_the_region(start_agent: StartOurs, node: Emulator, node_place: Place, env: dict[str, str], host: str) -> None:
    """As a proxy hears it that lets nobody through."""
    with node_place.socket(socket.AF_INET) as proxy, ThreadPoolExecutor(1) as pool:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.settimeout(20)
        agent = start_agent(env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}", **env}, endpoint=False)
        asked = pool.submit(agent.ask, node.token(), timeout_s=60)
        connection = proxy.accept()[0]
        with connection:
            assert connection.recv(4096).startswith(f"CONNECT {host}:443 HTTP/1.1\r\n".encode())
        proxy.close()
        assert asked.result().status == 500


def test_authorities_from_aws_ca_bundle(start_agent: StartOurs, node: Emulator, folder: Path) -> None:
    """The real agent ignores it."""
    (folder / "ca.pem").write_bytes(Path(node.serve("eks-auth-api", "good")["ca_file"]).read_bytes())
    agent = start_agent(env={"AWS_CA_BUNDLE": str(folder / "ca.pem"), "SSL_CERT_FILE": None})
    assert agent.ask(node.token()).status == 200, agent.log


# ---- STS ----

STS = {**{name: NOT_CREDENTIALS[name] for name in ("cut", "empty", "nested", "welcome", "huge")},
       "no members": {"body": "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult/></AssumeRoleWithWebIdentityResponse>"},
       "a page": {"body": "<html><body>Sign in</body></html>", "content_type": "text/html"}}


@pytest.mark.parametrize("name", STS)
def test_sts(start: StartAny, emulator: Emulator, cluster: Cluster, name: str) -> None:  # noqa: F811
    agent = start(*SOON)
    token, other = cluster.token("shop", "web"), cluster.token("shop", "web", "pod-2")
    assert agent.ask(token).status == 200
    emulator.fault(name if name in ("cut", "empty", "nested") else "answer", service="sts", times=None, **STS[name])
    failures = 'pod_identity_cache_errors{type="Recoverable"'
    eventually(lambda: agent.ask(token).status == 200 and failures in agent.page("/metrics", metrics=True).body.decode(), 30, "a renewal fails")
    assert agent.ask(token).status == 200
    answer = agent.ask(other)
    assert answer.status >= 500 and b"AccessKeyId" not in answer.body and len(answer.body) > 20, answer.body
    emulator.clear_faults()
    eventually(lambda: agent.ask(other).status == 200, 20, "STS is back")
    assert agent.metric("pod_identity_agent_entries") == 2


def test_sts_gives_expired_credentials(start: StartAny, emulator: Emulator, cluster: Cluster) -> None:  # noqa: F811
    emulator.fault("answer", service="sts", times=None, content_type="text/xml", body="""<AssumeRoleWithWebIdentityResponse
        xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/reader/x
        </Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId>
        <SecretAccessKey>wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00</SecretAccessKey><SessionToken>token</SessionToken>
        <Expiration>2020-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>""")
    answer = start().ask(cluster.token("shop", "web"))
    assert answer.status >= 500 and b"expired" in answer.body, answer.body


# ---- keys and associations of the API server ----

@pytest.mark.parametrize("text", ['{"keys": [' + "[" * 3000 + "]" * 3000 + "]}", "x" * 100_000], ids=["nested", "huge"])  # others: test_any_cluster.py
def test_keys_that_are_none(watching: AnyAgent, server: ApiServer, cluster: Cluster, text: str) -> None:  # noqa: F811
    """Those that are known count on, for new pods, too; what an unknown key prompts is one reading, and not the end of them."""
    eventually(lambda: watching.ask(cluster.token("shop", "web")).status == 200, 10, "the first association")
    cluster.publish(text)
    unknown = cluster.keys[0].sign({"alg": "RS256", "kid": "unknown"}, cluster.claims("shop", "web"))
    eventually(lambda: watching.ask(unknown).status == 400 and "the cluster's keys were not read" in watching.log, 25, "the reading")
    assert watching.ask(cluster.token("shop", "web", "pod-2")).status == 200
    assert watching.page("/readyz").status == 200


@pytest.mark.parametrize("value", ["", "x", "[]", "{", '{"roleArn": 7}', '{"roleArn": "' + READER + '", "roleArn": "x"}', '{"rolearn": "' + READER + '"}',
                                   '{"roleArn": "' + READER + '", "durationSeconds": 7}', "[" * 4000, '{"roleArn": "' + READER + '"} x', "{}"])
def test_an_association_that_is_none(start: StartAny, cluster: Cluster, associations: ConfigMap, value: str) -> None:  # noqa: F811
    """It ends that of its key, and no other's; the log names it."""
    associations.patch(shop__api={"roleArn": READER})
    agent = start()
    assert agent.ask(cluster.token("shop", "web")).status == 200
    associations.patch(shop__web=value)
    eventually(lambda: agent.ask(cluster.token("shop", "web")).status == 404, 10, "404")
    assert '"key":"shop.web"' in agent.log and agent.metric("pod_identity_agent_associations_unusable") == 1
    assert agent.metric("pod_identity_agent_associations") == 1
    assert b"AccessDenied" in agent.ask(cluster.token("shop", "api", "api-1")).body  # its role is asked for all the same
