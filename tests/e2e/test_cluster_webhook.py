"""Our webhook on a real cluster as EKS is one: workloads that carry the label, namespaces, EKS's own webhook before and behind it; what people read when
it refuses, or when it is down; its certificate is renewed, and its servers are killed and rolled, while pods are asked for."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from cluster_fixtures import REGISTRY, ROLE, Agents, Webhook
from conftest import ROOT
from harness.emulator import Emulator
from harness.waiting import eventually
from our_webhook import LABEL, NAME, NAMESPACE, Load, OurWebhook, block, documents, names_of, trial
from real_cluster import Cluster, Space
from test_cluster_policies import LOCKED, app, refusal

sys.path.insert(0, str(ROOT / "tests/emulator"))
from tls import Tls  # noqa: E402  # pylint: disable=wrong-import-position,wrong-import-order

ASKED = {LABEL: "enabled"}
OURS = ["pod-identity-init", "pod-identity-sidecar"]
LINK_LOCAL, LOOPBACK = "http://169.254.170.23/v1/credentials", "http://127.0.0.1:9911/v1/credentials"


@pytest.fixture(scope="module")
def ours(stocked: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurWebhook]:
    made = OurWebhook(stocked, tmp_path_factory.mktemp("webhook"))
    try:
        made.install()
        yield made
        made.remove()
    finally:
        stocked.kubectl("delete", "mutatingwebhookconfiguration", "pod-identity-toolkit", "pod-identity-toolkit-identity", "zz-pod-identity-toolkit",
                        "--ignore-not-found")
        stocked.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s", timeout_s=150)


@pytest.fixture
def both(ours: OurWebhook, eks: Agents) -> OurWebhook:
    """Ours and EKS's, ours first."""
    return ours


def workload(kind: str, name: str, image: str = "app", **labels: str) -> dict[str, Any]:
    """One that knows nothing of the toolkit but the label."""
    [deployment] = app({**(labels or ASKED), "app": name})
    template = deployment["spec"]["template"]
    template["spec"]["containers"][0]["image"] = f"{REGISTRY}/{image}:1.0.0"
    metadata = {"name": name}
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
        job = {"template": template}
        spec = job if kind == "Job" else {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": spec}
    more = {"serviceName": name} if kind == "StatefulSet" else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **more}}


def variables(container: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["name"], each.get("value", "")) for each in container.get("env", [])]


def check(pod: dict[str, Any]) -> None:
    """All that a pod needs, once each: ours by EKS's endpoint, the app's by the sidecar's."""
    containers = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    for each in containers:
        names = [name for name, _ in variables(each)]
        assert len(names) == len(set(names)), (each["name"], names)
        found = dict(variables(each))["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        assert found == (LINK_LOCAL if each["name"] in OURS else LOOPBACK), each["name"]
    assert names_of(pod)[:2] == OURS
    volumes = [each["name"] for each in pod["spec"]["volumes"]]
    assert len(volumes) == len(set(volumes)) and {"pod-identity", "eks-pod-identity-token"} < set(volumes)


def test_labelled_workloads(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """Deployment, StatefulSet, Job and CronJob, by a label on their pods, in a namespace where restricted Pod Security is enforced."""
    space = new_space()
    space.apply([workload("Deployment", "app"), workload("StatefulSet", "kept"), workload("Job", "once", "app-once"), workload("CronJob", "nightly", "app-once")])
    space.kubectl("create", "job", "tonight", "--from=cronjob/nightly")
    for name in ("app=app", "app=kept"):
        pod = space.ready(name)
        check(pod)
        space.ask(name=pod["metadata"]["name"])
    for name in ("once", "tonight"):
        space.wait(f"the Job {name} is complete", lambda: space.cluster.get("-n", space.name, "job", name)["status"].get("succeeded") == 1)  # noqa: B023
    pod = space.pod("job-name=tonight")
    assert pod is not None and json.loads(space.log("app", pod["metadata"]["name"]))["complete"]
    check(pod)


def test_init_containers_of_its_own(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """They come behind ours, and have credentials."""
    own = {"name": "migrate", "image": f"{REGISTRY}/app:1.0.0", "command": ["/app", "migrate"], "securityContext": LOCKED}
    space = new_space()
    space.apply(app(ASKED, initContainers=[own]))
    pod = space.ready("app=app")
    check(pod)
    assert names_of(pod) == [*OURS, "migrate"] and json.loads(space.log("migrate", pod["metadata"]["name"]))["complete"]


def test_a_whole_namespace(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """By a label on the namespace; a pod that says `disabled`, and pods of other namespaces, are not touched."""
    space, other = new_space(), new_space()
    space.kubectl("label", "namespace", space.name, f"{LABEL}=enabled")
    space.apply([workload("Deployment", "app", app="app")])
    pod = space.ready("app=app")
    check(pod)
    space.ask(name=pod["metadata"]["name"])
    disabled, unlabelled = both.dry_run(trial(**{LABEL: "disabled"}), space.name), both.dry_run(trial(a="b"), other.name)
    assert disabled and unlabelled and not names_of(disabled) and not names_of(unlabelled)
    by_both = both.dry_run(trial(**ASKED), space.name)
    assert by_both and names_of(by_both) == OURS


def test_eks_webhook_comes_first(both: OurWebhook, new_space: Callable[..., Space], stocked: Cluster) -> None:
    """By a name of the configuration that sorts behind EKS's: what EKS's gave the app goes to our containers, and the app gets our endpoint."""
    [configuration] = documents("configuration")
    before = stocked.get("mutatingwebhookconfiguration", "pod-identity-toolkit")
    configuration["metadata"]["name"] = "zz-pod-identity-toolkit"
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = before["webhooks"][0]["clientConfig"]["caBundle"]
        entry["reinvocationPolicy"] = "Never"
    stocked.apply([configuration])
    stocked.kubectl("delete", "mutatingwebhookconfiguration", "pod-identity-toolkit")
    try:
        def behind() -> bool:
            """EKS's puts its volume before all others, and ours puts its own behind: until then both may be called, or none."""
            pod = both.dry_run(trial(), space.name)
            return pod is not None and names_of(pod) == OURS and "webhook/zz-pod-identity-toolkit" not in json.dumps(pod)
        space = new_space()
        eventually(behind, 60, "labelled pods are injected")
        space.apply(app(ASKED))
        pod = space.ready("app=app")
        check(pod)
        space.ask(name=pod["metadata"]["name"])
    finally:
        stocked.apply(documents("configuration"))
        both.certificate()
        stocked.kubectl("delete", "mutatingwebhookconfiguration", "zz-pod-identity-toolkit")


def test_identity_without_eks(ours: OurWebhook, agents: Agents, new_space: Callable[..., Space], webhook: Webhook, stocked: Cluster) -> None:
    """identity.yaml in the place of EKS's webhook, which is down: pods whose service account is in the ConfigMap get variables and token, and no others."""
    agents.use("cloud")
    space = new_space()
    webhook.stop()
    try:
        stocked.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "associations", "namespace": NAMESPACE},
                        "data": {f"{space.name}.app": json.dumps({"roleArn": ROLE})}}])
        stocked.apply(documents("identity"))
        ours.certificate()

        def injected() -> bool:
            pod = ours.dry_run(trial(account="app", a="b"), space.name)
            return pod is not None and "eks-pod-identity-token" in json.dumps(pod)
        ours.taken_up(injected, "associated pods are injected")
        pod = ours.dry_run(trial(a="b"), space.name)
        assert pod and "eks-pod-identity-token" not in json.dumps(pod)
        space.apply([workload("Deployment", "bare", bare="bare"), workload("Deployment", "app")])
        bare = space.ready("app=bare")
        assert dict(variables(bare["spec"]["containers"][0]))["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == LINK_LOCAL
        assert bare["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled" and not names_of(bare)
        space.ask(name=bare["metadata"]["name"])
        pod = space.ready("app=app")
        check(pod)
        space.ask(name=pod["metadata"]["name"])
    finally:
        stocked.kubectl("delete", "mutatingwebhookconfiguration", "pod-identity-toolkit-identity", "--ignore-not-found")
        stocked.kubectl("-n", NAMESPACE, "delete", "configmap", "associations", "--ignore-not-found")
        webhook.start()


def test_classic(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """template-classic.yaml in the place of template.yaml: the sidecar is the first container, the app's logs are shown by default; a Job is refused."""
    space = new_space()

    def count(classic: bool) -> None:
        both.cluster.apply(documents("template-classic" if classic else "template"))
        both.taken_up(lambda: all(("pod-identity-sidecar" in json.dumps((both.dry_run(trial(), space.name) or {"spec": {"containers": []}})["spec"]["containers"])) == classic
                                  for _ in range(6)), "the template counts")
    try:
        count(True)
        space.apply(app(ASKED))
        pod = space.ready("app=app")
        assert [each["name"] for each in pod["spec"]["containers"]] == ["pod-identity-sidecar", "app"] and names_of(pod) == ["pod-identity-init"]
        assert pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "app"
        space.ask(name=pod["metadata"]["name"])
        space.apply([workload("Job", "once", "app-once")])
        assert 'admission webhook "pods.inject.pod-identity-toolkit" denied the request: ' in refusal(space)
    finally:
        count(False)


# --- what people read


def test_a_pod_that_is_refused(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """`kubectl apply` says why, and so do the events of a ReplicaSet."""
    space = new_space(enforce="privileged")
    pod = trial()
    pod["spec"]["hostNetwork"] = True
    done = space.apply([pod], check=False)
    says = ('admission webhook "pods.inject.pod-identity-toolkit" denied the request: the pod has the label pod-identity-toolkit/inject, but no pod-identity-init: it has '
            "hostNetwork, and its loopback is the node's: take the label away, and add the sidecar by hand, with its Unix socket or a port of its own")
    assert done.returncode != 0 and says in done.stderr, done.stderr
    [deployment] = app(ASKED, volumes=[{"name": "pod-identity", "emptyDir": {}}])
    space.apply([deployment])
    said = refusal(space)
    assert 'admission webhook "pods.inject.pod-identity-toolkit" denied the request: ' in said and "it has a volume pod-identity, a name that the toolkit uses: rename it" in said


def test_a_dry_run(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """Injects as any other, and leaves nothing."""
    space = new_space()
    pod = both.dry_run(trial(), space.name)
    assert pod and names_of(pod) == OURS
    assert space.pod("trial") is None


@pytest.fixture
def down(both: OurWebhook) -> Iterator[OurWebhook]:
    """No server runs."""
    both.scale(0)
    yield both
    both.scale(2)
    eventually(both.injects, 60, "labelled pods are injected again")


def test_nobody_answers(down: OurWebhook, new_space: Callable[..., Space], stocked: Cluster) -> None:
    """Fail: labelled pods are refused, and a ReplicaSet makes them by itself once a server is back; all others, the servers too, come as ever.
    Ignore: they are made as they are."""
    space = new_space()
    done = space.apply([trial()], check=False)
    says = 'Internal error occurred: failed calling webhook "pods.inject.pod-identity-toolkit": failed to call webhook: Post "https://pod-identity-webhook.pod-identity.svc:443/mutate?timeout=5s": '
    assert done.returncode != 0 and says in done.stderr and f'no endpoints available for service "{NAME}"' in done.stderr, done.stderr
    assert down.dry_run(trial(a="b"), space.name) is not None
    space.apply(app(ASKED))
    assert says in refusal(space)
    down.scale(2)
    pod = space.ready("app=app", timeout_s=240)  # the ReplicaSet's own back-off
    assert names_of(pod) == OURS
    down.scale(0)
    patch = json.dumps([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}])
    stocked.kubectl("patch", "mutatingwebhookconfiguration", "pod-identity-toolkit", "--type=json", "-p", patch)
    try:
        eventually(lambda: down.dry_run(trial(), space.name), 60, "the configuration counts")
        pod = down.dry_run(trial(), space.name)
        assert pod and not names_of(pod)
    finally:
        stocked.apply(documents("configuration"))
    down.run(block("When it is down"))
    eventually(lambda: names_of(down.dry_run(trial(), space.name) or {"spec": {"initContainers": [{"name": "?"}]}}) == [], 60, "nobody is asked any more")
    stocked.apply(documents("configuration"))
    down.certificate()
    entries = stocked.get("mutatingwebhookconfiguration", "pod-identity-toolkit")["webhooks"]
    assert {each["failurePolicy"] for each in entries} == {"Fail"} and all(each["clientConfig"]["caBundle"] for each in entries)


def test_other_causes(both: OurWebhook, new_space: Callable[..., Space], stocked: Cluster) -> None:
    """What TROUBLESHOOTING.md lists, in the API server's words: another authority, a certificate that has ended, and somebody who never answers."""
    space = new_space()
    page = (ROOT / "images/TROUBLESHOOTING.md").read_text()

    def says(words: str) -> None:
        assert f"| `{words}` |" in page
        space.wait(words, lambda: words in space.apply([trial()], check=False).stderr)

    def patch(**client: Any) -> None:
        operations = [{"op": "add", "path": f"/webhooks/0/clientConfig/{key}", "value": value} for key, value in client.items()]
        if "url" in client:
            operations = [{"op": "remove", "path": "/webhooks/0/clientConfig/service"}, {"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 1}, *operations]
        stocked.kubectl("patch", "mutatingwebhookconfiguration", "pod-identity-toolkit", "--type=json", "-p", json.dumps(operations))

    try:
        patch(caBundle=base64.b64encode((stocked.run / "pki/ca.crt").read_bytes()).decode())
        says("certificate signed by unknown authority")
        silent = stocked.node.command([sys.executable, "-c", "import socket, sys; s = socket.create_server(('127.0.0.1', 9555)); print(flush=True); sys.stdin.read()"])
        with subprocess.Popen(silent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdin and process.stdout.readline()
            patch(url="https://127.0.0.1:9555/mutate")
            says("context deadline exceeded")
            process.stdin.close()
        stocked.kubectl("delete", "mutatingwebhookconfiguration", "pod-identity-toolkit")
        stocked.apply(documents("configuration"))

        maker = Tls()
        maker.request("ended", "ec:prime256v1", "ended")
        maker.sign("ended", maker.authority("ca"), ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth",
                                                    f"subjectAltName=DNS:{NAME}.{NAMESPACE}.svc"], -30 * 86400, -86400, "sha256")
        made = {name: Path(maker.path(file)).read_bytes() for name, file in (("tls.crt", "ended.crt"), ("tls.key", "ended.key"), ("ca.crt", "ca.crt"))}
        maker.remove()
        data = {name: base64.b64encode(content).decode() for name, content in made.items()}
        stocked.kubectl("-n", NAMESPACE, "patch", "secret", NAME, "--type=merge", "-p", json.dumps({"data": data}))
        both.certificate()
        both.taken_up(lambda: all(served(both, pod) in made["tls.crt"].decode() for pod in both.pods()), "the servers show the one that has ended")
        says("certificate has expired")
    finally:
        stocked.apply(documents("configuration"))
        both.certificate("renew")
    both.taken_up(lambda: both.dry_run(trial(), space.name) is not None, "labelled pods are injected again")


# --- its life


def served(ours: OurWebhook, pod: dict[str, Any]) -> str:
    """The certificate that a server shows, as text."""
    done = ours.cluster.on_node("openssl", "s_client", "-connect", f"{pod['status']['podIP']}:8443", "-servername", f"{NAME}.{NAMESPACE}.svc", check=False, timeout_s=20)
    return done.stdout.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0].strip()


def test_the_certificate_is_renewed(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """`certificate.sh renew` while pods are asked for: each of them is injected, and the servers take the new one without a restart."""
    space = new_space()
    secret = ("-n", NAMESPACE, "secret", NAME)
    before = both.cluster.get(*secret)["data"]
    uids = {each["metadata"]["uid"] for each in both.pods()}
    with Load(both.cluster, space.name) as load:
        load.more()
        both.certificate("renew")
        after = both.cluster.get(*secret)["data"]
        assert after["tls.crt"] != before["tls.crt"] and after["old.crt"] == before["ca.crt"]
        wanted = base64.b64decode(after["tls.crt"]).decode().partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0].strip()
        assert wanted

        both.taken_up(lambda: all(served(both, pod) == wanted for pod in both.pods()), "the servers show the new certificate")
        load.more()
        bundle = base64.b64decode(both.cluster.get("mutatingwebhookconfiguration", "pod-identity-toolkit")["webhooks"][0]["clientConfig"]["caBundle"])
        assert bundle.count(b"BEGIN CERTIFICATE") == 2
    pods = both.pods()
    assert {each["metadata"]["uid"] for each in pods} == uids and all(each["status"]["containerStatuses"][0]["restartCount"] == 0 for each in pods)


def test_servers_are_replaced(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """`kubectl rollout restart`, as every upgrade does it, while pods are asked for: each of them is injected."""
    space = new_space()
    uids = {each["metadata"]["uid"] for each in both.pods()}
    with Load(both.cluster, space.name) as load:
        load.more()
        both.cluster.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{NAME}")
        both.rolled_out()
        eventually(lambda: not {each["metadata"]["uid"] for each in both.listed("pods")} & uids, 120, "the old ones are gone")
        load.more()


def test_a_thousand_pods(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """What the servers hold after a thousand admissions is what they held after a hundred, and never was more than 4 MiB."""
    space = new_space()

    def held(key: str) -> list[int]:
        """KiB of each server's process, as the node sees it."""
        pids = both.cluster.on_node("pgrep", "-x", NAME[:15]).stdout.split()
        assert len(pids) == 2
        return [int(re.search(rf"^{key}:\s+(\d+) kB", both.cluster.on_node("cat", f"/proc/{pid}/status").stdout, re.MULTILINE)[1]) for pid in pids]  # type: ignore[index]
    with Load(both.cluster, space.name) as load:
        load.more(100)
        before = held("VmRSS")
        load.more(900)
        after = held("VmRSS")
    assert all(now <= then + 256 for then, now in zip(before, after)), (before, after)
    assert max(held("VmHWM")) <= 4096


def test_servers_are_killed(both: OurWebhook, new_space: Callable[..., Space]) -> None:
    """Both at once: the kubelet starts them again, and pods are injected as before."""
    space = new_space()
    home = Space.__new__(Space)
    home.cluster, home.name = both.cluster, NAMESPACE
    for pod in both.pods():
        home.signal("webhook", "KILL", pod["metadata"]["name"])
    eventually(lambda: all(one["restartCount"] >= 1 and one["ready"] for each in both.pods() for one in each["status"]["containerStatuses"]), 120, "they are back")
    eventually(lambda: both.dry_run(trial(), space.name), 60, "labelled pods are injected")
    space.apply(app(ASKED))
    check(space.ready("app=app"))


def test_a_template_with_a_mistake(both: OurWebhook, new_space: Callable[..., Space], aws: Emulator) -> None:
    """The old one stays, and the log names the mistake; a template that is right again counts for new pods, without a restart."""
    space = new_space()
    [shipped] = documents("template")
    wrong = json.loads(shipped["data"]["template.json"])
    wrong["sidecars"] = wrong.pop("sidecar")

    def put(template: dict[str, Any]) -> None:
        both.cluster.apply([{**shipped, "data": {"template.json": json.dumps(template)}}])

    def logged() -> bool:
        return all("sidecars" in both.cluster.kubectl("-n", NAMESPACE, "logs", each["metadata"]["name"]).stdout for each in both.pods())

    def counts() -> bool:
        return all("--log-level=debug" in json.dumps(both.dry_run(trial(), space.name)) for _ in range(6))
    try:
        put(wrong)
        both.taken_up(logged, "the mistake is logged")
        pod = both.dry_run(trial(), space.name)
        assert pod and names_of(pod) == OURS
        right = json.loads(shipped["data"]["template.json"])
        right["sidecar"]["command"].append("--log-level=debug")
        put(right)
        both.taken_up(counts, "the new template counts")
    finally:
        both.cluster.apply([shipped])
    assert all(each["status"]["containerStatuses"][0]["restartCount"] <= 1 for each in both.pods()) and aws.secrets() is not None


def test_it_may_do_nothing(both: OurWebhook) -> None:
    """Its account has no right of its own, its pods no token and nothing to write to, and Pod Security takes them as restricted."""
    account = f"system:serviceaccount:{NAMESPACE}:{NAME}"
    for words in (["list", "pods"], ["get", "secrets"], ["get", "configmaps"], ["create", "pods"]):
        done = both.cluster.kubectl("auth", "can-i", *words, "-A", f"--as={account}", check=False)
        assert done.stdout.strip() == "no", words
    for pod in both.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False and "serviceAccountToken" not in json.dumps(pod["spec"])
    namespace = both.cluster.get("namespace", NAMESPACE)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
