"""EKS Pod Identity on a cluster that is not EKS: tokens signed by real keys, associations in a mounted ConfigMap, our agent, STS.

Beside it stand init, the sidecar and a real SDK, so that this is the whole circle of a pod. `make walkthrough-any` shows the first test.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.any_agent import AnyAgent
from harness.aws import TARGET, needs_openssl, trust
from harness.cluster import AUDIENCE, ISSUER, Cluster, ConfigMap, Key, b64url
from harness.emulator import ACCOUNT, Emulator
from harness.leaks import Leaks
from harness.places import AGENT_IPV6, Namespace, Place
from harness.programs import Binaries, Run, Runner
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = needs_openssl
READER, WRITER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("reader", "writer"))
AGENT_ROLE = f"arn:aws:iam::{ACCOUNT}:role/pod-identity-agent"
SDK = """
import botocore.session
print(botocore.session.Session().create_client("sts", region_name="eu-central-1").get_caller_identity()["Arn"])
"""


def web_trust(namespace: str, account: str) -> dict[str, Any]:
    """The trust policy of a role for one service account of this cluster."""
    host = ISSUER.removeprefix("https://")
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": AUDIENCE, f"{host}:sub": f"system:serviceaccount:{namespace}:{account}"}}}]}


def tag_trust(namespace: str, account: str) -> dict[str, Any]:
    """The trust policy of a role that the agent's own role assumes, for one service account."""
    return trust(AGENT_ROLE, StringEquals={"aws:RequestTag/kubernetes-namespace": namespace,
                                           "aws:RequestTag/kubernetes-service-account": account,
                                           "aws:RequestTag/eks-cluster-name": "demo"})


class Node:
    """A place with the agent's addresses, a cluster's keys, and an emulator of AWS that trusts its issuer."""

    def __init__(self, places: Any) -> None:
        places.get("netns")
        self._folder = tempfile.TemporaryDirectory(prefix="any-")
        Path(self._folder.name).chmod(0o755)
        self.place, self.cluster = Namespace("-any"), Cluster(Path(self._folder.name))
        self.cluster.keys += [Key(self.cluster.folder, "second"), Key(self.cluster.folder, "curve", "ES256")]
        self.cluster.publish()
        self.cluster.keys[1:] = []
        self.emulator = Emulator(self.place, "--trust-key", str(self.cluster.jwks), "--issuer", ISSUER, as_agent=False)
        places.emulators[self.place.name] = self.emulator

    def close(self, places: Any) -> None:
        """Ends all of it."""
        complaints = places.emulators.pop(self.place.name).stop()
        self.place.remove()
        self._folder.cleanup()
        assert not complaints, complaints


@pytest.fixture(scope="module")
def any_node(places: Any) -> Iterator[Node]:
    """One for all tests here."""
    node = Node(places)
    yield node
    node.close(places)


@pytest.fixture
def place(any_node: Node) -> Place:
    """Where init and sidecar run, too."""
    return any_node.place


@pytest.fixture
def emulator(any_node: Node) -> Emulator:
    """AWS, whose provider for the issuer has our audience among its client ids."""
    any_node.emulator.reset()
    any_node.emulator.settings(client_id=AUDIENCE)
    any_node.emulator.role(READER, web_trust("shop", "web"))
    any_node.emulator.role(WRITER, web_trust("shop", "web"))
    return any_node.emulator


@pytest.fixture
def cluster(any_node: Node) -> Cluster:
    """The keys, as at first."""
    any_node.cluster.publish()
    return any_node.cluster


@pytest.fixture
def associations(folder: Path) -> ConfigMap:
    """One association."""
    made = ConfigMap(folder / "associations")
    made.patch(shop__web={"roleArn": READER})
    return made


Start = Callable[..., AnyAgent]


@pytest.fixture
def start(place: Place, emulator: Emulator, binaries: Binaries, leaks: Leaks, cluster: Cluster, associations: ConfigMap) -> Iterator[Start]:
    """start(*options) -> AnyAgent, stopped in the end."""
    started: list[AnyAgent] = []

    def make(*options: str, configmap: str | None = None, **how: Any) -> AnyAgent:
        started.append(AnyAgent(place, emulator, binaries, leaks, cluster, configmap or associations.folder, *options, **how))
        return started[-1]
    yield make
    for agent in started:
        agent.stop()


def sts_count(emulator: Emulator) -> int:
    """How many requests STS has seen."""
    return int(emulator.call("GET", "/requests?service=sts&last=1")["count"])


def role_of(agent: AnyAgent, emulator: Emulator, token: str) -> str:
    """Whose credentials the agent gives for a token."""
    answer = agent.ask(token)
    assert answer.status == 200, answer.body
    secrets = {one["access_key_id"]: one for one in emulator.secrets() if "access_key_id" in one}
    return str(secrets[answer.json["AccessKeyId"]].get("role_arn"))


# ---- the whole circle ----

def test_the_whole_circle(start: Start, emulator: Emulator, cluster: Cluster, associations: ConfigMap, write_token: Callable[..., ProjectedToken],
                          run_init: Callable[..., Run], start_sidecar: Callable[..., Sidecar], runner: Runner, folder: Path) -> None:
    def show(text: str) -> None:
        print(f"\n== {text}")

    show("An agent for the cluster's own keys, and a ConfigMap of associations: " + json.dumps(associations.data))
    agent = start()
    mounted = write_token(cluster.token("shop", "web"))
    pod = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(mounted),
           "AWS_ENDPOINT_URL_STS": agent.sts_url, "AWS_CA_BUNDLE": str(agent.ca_file), "AWS_REGION": "eu-central-1"}

    show("pod-identity-init waits until the pod's credentials are there")
    run = run_init("--verify=identity", f"--expect-role={READER}", "--expect-namespace=shop", env=pod, text=True, wait="20s")
    print(run.stdout)
    assert run.exit_code == 0, run.stdout + agent.log

    show("pod-identity-sidecar serves them to a real SDK")
    sidecar = start_sidecar(env=pod)
    sdk_env = {**sidecar.app_env, "AWS_ENDPOINT_URL_STS": agent.sts_url, "AWS_CA_BUNDLE": str(agent.ca_file),
               "AWS_EC2_METADATA_DISABLED": "true"}

    def sdk_sees() -> str:
        done = runner.run([sys.executable, "-c", SDK], sdk_env, timeout_s=60)
        assert done.exit_code == 0, done.stderr
        return done.stdout.strip()

    pytest.importorskip("botocore")
    first = sdk_sees()
    print(first)
    assert first.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/eks-demo-pod-1-")

    show("kubectl patch: another role. What was handed out goes on to its end; what comes next is the new role's")
    associations.patch(shop__web={"roleArn": WRITER, "durationSeconds": 900})

    def changed() -> bool:
        sidecar.send_signal(signal.SIGUSR1)
        return "assumed-role/writer/" in sdk_sees()
    eventually(changed, 30, "the other role")

    show("A service account without an association gets nothing, and is told so")
    other = {**pod, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(ProjectedToken(folder / "jobs", cluster.token("shop", "jobs", "job-1")))}
    denied = run_init(env=other, text=True)
    print(denied.stdout)
    assert denied.exit_code == 21 and "No pod identity association found for service account jobs in namespace shop" in denied.stdout
    assert "this cluster is not EKS: add the key shop.jobs in the ConfigMap that the agent's --associations names" in denied.stdout
    assert "aws eks" not in denied.stdout

    show("One is added for it: init, which waits, goes on")
    emulator.role(READER, web_trust("shop", "jobs"))
    associations.patch(shop__jobs={"roleArn": READER})
    assert run_init("--verify=identity", f"--expect-role={READER}", env=other, text=True, wait="20s").exit_code == 0

    show("The first is removed: at once nothing more is given for it")
    associations.patch(shop__web=None)
    token = cluster.token("shop", "web")
    eventually(lambda: agent.ask(token).status == 404, 10, "404")
    refused = agent.ask(token)
    print(refused.body.decode())
    assert refused.body.startswith(b"[associations]: (ResourceNotFoundException): No pod identity association found")
    assert agent.ask((mounted.path).read_text()).status == 404


# ---- tokens ----

def test_forged_tokens_get_nothing(start: Start, emulator: Emulator, cluster: Cluster) -> None:
    agent = start()
    key, claims = cluster.keys[0], cluster.claims("shop", "web")
    good = cluster.token("shop", "web")
    head, body, signature = good.split(".")
    header = {"alg": "RS256", "kid": "first"}
    foreign = Key(cluster.folder, "foreign")
    public = json.dumps(key.jwk).encode()

    def part(value: Any) -> str:
        return b64url(json.dumps(value).encode())

    import hashlib
    import hmac
    hs = f"{part({'alg': 'HS256', 'kid': 'first'})}.{body}"
    mac = b64url(hmac.new(public, hs.encode(), hashlib.sha256).digest())
    flipped = signature[:-8] + ("A" if signature[-8] != "A" else "B") + signature[-7:]
    forged = {
        "none": f"{part({'alg': 'none', 'kid': 'first'})}.{body}.",
        "HMAC with the public key": f"{hs}.{mac}",
        "another's signature under our id": foreign.sign(header, claims),
        "an unknown key": foreign.sign({"alg": "RS256", "kid": "foreign"}, claims),
        "another algorithm": key.sign({"alg": "RS512", "kid": "first"}, claims),
        "ES256 by an RSA key": key.sign({"alg": "ES256", "kid": "first"}, claims),
        "a changed claim": f"{head}.{part({**claims, 'sub': 'system:serviceaccount:kube-system:admin'})}.{signature}",
        "a changed signature": f"{head}.{body}.{flipped}",
        "padding": f"{head}.{body}.{signature}==",
        "no signature": f"{head}.{body}.",
        "crit": key.sign({**header, "crit": ["b64"], "b64": False}, claims),
        "a key of its own": foreign.sign({"alg": "RS256", "jwk": foreign.jwk}, claims),
        "another issuer": cluster.token("shop", "web", iss="https://elsewhere.example"),
        "another audience": cluster.token("shop", "web", aud=["sts.amazonaws.com"]),
        "no audience": cluster.token("shop", "web", aud=[]),
        "expired": cluster.token("shop", "web", exp=claims["iat"] - 1),
        "no end": cluster.token("shop", "web", exp=None),
        "not yet": cluster.token("shop", "web", nbf=claims["iat"] + 600),
        "no pod": cluster.token("shop", "web", **{"kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web"}}}),
        "another node": cluster.token("shop", "web", **{"kubernetes.io": {**claims["kubernetes.io"], "node": {"name": "node-2"}}}),
        "another subject": cluster.token("shop", "web", sub="system:serviceaccount:shop:admin"),
    }
    for name, token in forged.items():
        answer = agent.ask(token)
        assert answer.status == 400, (name, answer.status, answer.body)
        assert b"Service account token" in answer.body or b"TokenException): the token" in answer.body, (name, answer.body)
    assert sts_count(emulator) == 0
    assert agent.ask(good).status == 200
    for name, token in forged.items():
        assert agent.ask(token).status == 400, name
    assert sts_count(emulator) == 1


def test_judging_has_its_price(start: Start, emulator: Emulator, cluster: Cluster) -> None:
    """A client that sends one new token after the other is limited, before the node's processor is."""
    agent = start()
    head, body, signature = cluster.token("shop", "web").split(".")
    statuses = [agent.ask(f"{head}.{body}.{signature[:-6]}{i:04d}{signature[-2:]}").status for i in range(150)]
    assert statuses[:40] == [400] * 40 and 429 in statuses
    assert sts_count(emulator) == 0
    eventually(lambda: agent.ask(cluster.token("shop", "web")).status == 200, 10, "its turn")


def test_a_curve_and_a_new_key(start: Start, emulator: Emulator, cluster: Cluster) -> None:
    agent = start()
    second, curve = Key.__new__(Key), Key.__new__(Key)
    for key, kid, kind in ((second, "second", "RS256"), (curve, "curve", "ES256")):
        key.kid, key.kind, key.path = kid, kind, cluster.folder / f"{kid}.pem"
    assert agent.ask(cluster.token("shop", "web", "pod-1", curve)).status == 400
    cluster.publish(json.dumps({"keys": [key.jwk for key in (*cluster.keys, second, curve)]}))
    eventually(lambda: agent.ask(cluster.token("shop", "web", "pod-2", curve)).status == 200, 10, "the key on P-256")
    assert agent.ask(cluster.token("shop", "web", "pod-3", second)).status == 200
    assert agent.ask(cluster.token("shop", "web", "pod-4")).status == 200
    # One that is gone is believed no more.
    cluster.publish(json.dumps({"keys": [second.jwk]}))
    eventually(lambda: agent.ask(cluster.token("shop", "web", "pod-5")).status == 400, 10, "the first key is gone")
    assert agent.ask(cluster.token("shop", "web", "pod-6", second)).status == 200
    # What is no key set changes nothing.
    for text in ("", "<html>", "{}", '{"keys": []}', " " * 20000):
        cluster.publish(text)
        eventually(lambda: "the cluster's keys were not read" in agent.log, 10, "the complaint")
        assert agent.ask(cluster.token("shop", "web", "pod-7", second)).status == 200
    cluster.publish(json.dumps({"keys": [second.jwk]}))
    eventually(lambda: "the cluster's keys can be read again" in agent.log, 10, "the end of it")


def test_no_keys_yet(start: Start, cluster: Cluster) -> None:
    cluster.publish("nothing")
    agent = start()
    answer = agent.ask(cluster.token("shop", "web"))
    assert answer.status == 503 and b"no keys of the cluster" in answer.body
    cluster.publish()
    eventually(lambda: agent.ask(cluster.token("shop", "web")).status == 200, 10, "keys")


# ---- the cache ----

def test_one_pod_costs_one_request(start: Start, emulator: Emulator, cluster: Cluster) -> None:
    agent = start()
    token = cluster.token("shop", "web")
    answers = [agent.ask(token).body for _ in range(5)] + [agent.ask(token, host=f"[{AGENT_IPV6}]", to=AGENT_IPV6).body]
    assert len(set(answers)) == 1
    # The next token of the same pod leads to the same entry; another pod's does not.
    rotated = cluster.token("shop", "web", exp=cluster.claims("shop", "web")["exp"] + 60)
    assert agent.ask(rotated).body == answers[0]
    assert agent.ask(token).body == answers[0]
    assert sts_count(emulator) == 1
    assert agent.ask(cluster.token("shop", "web", "pod-2")).body != answers[0]
    assert sts_count(emulator) == 2


def test_a_changed_association_drops_its_entries_alone(start: Start, emulator: Emulator, cluster: Cluster, associations: ConfigMap) -> None:
    emulator.role(READER, web_trust("shop", "api"))
    emulator.role(WRITER, web_trust("shop", "web"))
    associations.patch(shop__web={"roleArn": WRITER}, shop__api={"roleArn": READER})
    agent = start()
    web, api = cluster.token("shop", "web"), cluster.token("shop", "api", "api-1")
    before = agent.ask(web).body, agent.ask(api).body
    associations.patch(shop__web={"roleArn": WRITER, "durationSeconds": 900})
    eventually(lambda: agent.ask(web).body != before[0], 10, "other credentials")
    assert agent.ask(api).body == before[1]
    assert sts_count(emulator) == 3


def test_an_outage_of_sts(start: Start, emulator: Emulator, cluster: Cluster) -> None:
    agent = start()
    token = cluster.token("shop", "web")
    before = agent.ask(token).body
    emulator.fault("aws_error", service="sts", code="ServiceUnavailable", status=503, message="busy", times=None)
    assert agent.ask(token).body == before
    answer = agent.ask(cluster.token("shop", "web", "pod-2"))
    assert answer.status == 503 and b"(ServiceUnavailableException)" in answer.body
    emulator.clear_faults()
    eventually(lambda: agent.ask(cluster.token("shop", "web", "pod-2")).status == 200, 20, "STS is back")


def test_a_role_that_does_not_trust(start: Start, emulator: Emulator, cluster: Cluster) -> None:
    emulator.role(READER, web_trust("shop", "another"))
    agent = start()
    answer = agent.ask(cluster.token("shop", "web"))
    assert answer.status == 400 and b"(AccessDeniedException): POST https://localhost" in answer.body
    assert b"AssumeRoleWithWebIdentity" in answer.body and b", fault: client" in answer.body


# ---- associations ----

def test_what_cannot_be_used_is_named(start: Start, cluster: Cluster, associations: ConfigMap) -> None:
    agent = start()
    token = cluster.token("shop", "web")
    assert agent.ask(token).status == 200
    associations.patch(shop__web='{\n  "roleArn": "' + READER + '",\n  "durationSeconds": "900"\n}', shop__api={"roleArn": READER})
    eventually(lambda: agent.ask(token).status == 404, 10, "404")
    assert b"cannot be used: the agent's log says why" in agent.ask(token).body
    assert '"key":"shop.web"' in agent.log and '"line":3,"field":"durationSeconds","problem":"is not a whole number"' in agent.log
    assert agent.metric("pod_identity_agent_associations_unusable") == 1
    associations.patch(shop__web={"roleArn": READER})
    eventually(lambda: agent.ask(token).status == 200, 10, "200")
    assert agent.metric("pod_identity_agent_associations_unusable") == 0


def test_a_thousand_associations(start: Start, cluster: Cluster, associations: ConfigMap) -> None:
    agent = start()
    associations.patch(**{f"many__account-{i}": {"roleArn": READER} for i in range(1000)})
    eventually(lambda: '"usable":1001' in agent.log, 20, "all of them")
    assert agent.ask(cluster.token("shop", "web")).status == 200
    assert agent.ask(cluster.token("many", "account-999", "pod-9")).status == 400  # the role does not trust that one
    assert agent.ask(cluster.token("many", "account-1000", "pod-9")).status == 404


# ---- the agent's own credentials ----

@pytest.fixture
def own(emulator: Emulator) -> dict[str, str]:
    """Credentials of the agent's role, in its environment."""
    made = emulator.caller(AGENT_ROLE, lifetime_s=86400.0)
    return {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"],
            "AWS_SESSION_TOKEN": made["session_token"]}


def test_assume_role_with_tags(start: Start, emulator: Emulator, cluster: Cluster, associations: ConfigMap, own: dict[str, str]) -> None:
    emulator.role(READER, tag_trust("shop", "web"))
    associations.patch(shop__api={"roleArn": READER}, shop__untagged={"roleArn": READER, "disableSessionTags": True})
    agent = start("--exchange=assume-role", "--cluster-arn=arn:aws:eks:eu-central-1:111122223333:cluster/demo", env=own)
    assert agent.ask(cluster.token("shop", "web")).status == 200, agent.log
    # The role trusts the tags of one service account alone.
    assert b"(AccessDeniedException)" in agent.ask(cluster.token("shop", "api", "api-1")).body
    assert b"(AccessDeniedException)" in agent.ask(cluster.token("shop", "untagged", "u-1")).body


def test_a_target_role(start: Start, emulator: Emulator, cluster: Cluster, associations: ConfigMap) -> None:
    emulator.role(TARGET, trust(READER, StringEquals={"sts:ExternalId": "e/1"}))
    associations.patch(shop__web={"roleArn": READER, "targetRoleArn": TARGET, "externalId": "e/1", "durationSeconds": 900})
    agent = start()
    answer = agent.ask(cluster.token("shop", "web"))
    assert answer.status == 200, agent.log
    assert answer.json["AccountId"] == "444455556666"
    associations.patch(shop__web={"roleArn": READER, "targetRoleArn": TARGET, "externalId": "e/2"})
    eventually(lambda: agent.ask(cluster.token("shop", "web")).status == 400, 10, "another external id")


def test_the_ceiling(start: Start, emulator: Emulator, cluster: Cluster, associations: ConfigMap, own: dict[str, str]) -> None:
    associations.patch(shop__web={"roleArn": READER, "exchange": "assume-role"})
    agent = start(env=own)
    assert agent.ask(cluster.token("shop", "web")).status == 404
    assert "it runs with --exchange=web-identity" in agent.log
    assert sts_count(emulator) == 0
