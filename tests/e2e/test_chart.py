"""The Helm chart: it renders our manifests with the values in them, valid for each Kubernetes, refuses wrong values in words, and its
README lists every value."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chart import CHART, Helm, by_kind, leaves, of_file
from conftest import ROOT, make, need
from manifests import FOLDER, NO_VALIDATE, load, pod_spec
from test_manifests import SCHEMAS

MODES = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
NAMESPACES = {"eks": "kube-system", "any-cluster": "pod-identity", "no-agent": "monitoring"}
SERVES_V1 = "1.36.0"
OF_THE_OPERATOR = "monitoring.coreos.com/"
OF_OTHERS = (OF_THE_OPERATOR, "cert-manager.io/")  # whose schema Kubernetes does not have


@pytest.fixture(scope="module")
def helm() -> Helm:
    return Helm(need("helm", "3.14 or later"))


def rendered(helm: Helm, mode: str, *words: str, version: str = SERVES_V1) -> list[dict[str, Any]]:
    return helm.template("-f", str(MODES[mode]), "--kube-version", version, *words, namespace=NAMESPACES[mode])


def test_modes_are_all_there() -> None:
    assert set(MODES) == set(json.loads((CHART / "values.schema.json").read_text())["properties"]["mode"]["enum"])


@pytest.mark.parametrize("mode", MODES)
def test_lint(helm: Helm, mode: str) -> None:
    helm.run("lint", str(CHART), "--strict", "-f", str(MODES[mode]), "--namespace", NAMESPACES[mode], "--kube-version", SERVES_V1)
    helm.run("lint", str(CHART), "--strict")


@pytest.mark.parametrize("version", SCHEMAS)
@pytest.mark.parametrize("mode", MODES)
def test_valid(helm: Helm, mode: str, version: str) -> None:
    """By the schema of that Kubernetes, strictly. What it does not serve is left out, as the message says."""
    validate = pytest.importorskip("kubernetes_validate", reason=NO_VALIDATE)
    older = ["--set", "policies.require=false,anyCluster.guard=false"] if version == "1.29" else []
    found = rendered(helm, mode, "--set", "policies.inject=false,anyCluster.injection=false", *older, version=f"{version}.0")
    ours = [each for each in found if not each["apiVersion"].startswith(OF_OTHERS)]
    assert ours or (mode, version) == ("no-agent", "1.29")
    for each in ours:
        validate.validate(each, version, strict=True)


@pytest.mark.parametrize("mode", MODES)
def test_labels_and_places(helm: Helm, mode: str) -> None:
    """Every object is known as this release's; what has a namespace is in the release's."""
    for each in rendered(helm, mode):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "trial" and labels["app.kubernetes.io/managed-by"] == "Helm"
        assert each["metadata"].get("namespace", NAMESPACES[mode]) == NAMESPACES[mode]
        assert each["kind"] != "Namespace"


@pytest.fixture(scope="module")
def operator() -> Path:
    """The Prometheus operator's own types, and cert-manager's, which take no field that they do not have (tests/e2e/operator)."""
    program = ROOT / "build/e2e/operator"
    program.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([need("go", "1.25 or later"), "build", "-buildvcs=false", "-o", program, "."], cwd=ROOT / "tests/e2e/operator",
                          env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        assert "main.go:" not in done.stderr, done.stderr
        pytest.skip(f"the operator's packages cannot be built: {done.stderr.strip()[-300:]}; make setup-e2e installs a Go that is new enough")
    return program


def test_objects_of_the_operator(helm: Helm, operator: Path) -> None:
    found = [each for mode in MODES for each in rendered(helm, mode) if each["apiVersion"].startswith(OF_OTHERS)]
    assert {each["kind"] for each in found} == {"PodMonitor", "ServiceMonitor", "PrometheusRule", "Certificate", "Issuer"}
    [monitor, certificate] = [next(each for each in found if each["kind"] == kind) for kind in ("PodMonitor", "Certificate")]
    wrong = [{**each, "spec": {**each["spec"], "podMetricsEndpoint": []}} for each in (monitor, certificate)]
    lines = "".join(json.dumps(each) + "\n" for each in found + of_file("webhook/cert-manager.yaml") + wrong)
    said = subprocess.run([operator], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(said[:-2]) == {""} and all('unknown field "podMetricsEndpoint"' in each or 'unknown field "spec.podMetricsEndpoint"' in each for each in said[-2:]), said


def without_policy_of_pulling(spec: dict[str, Any]) -> dict[str, Any]:
    spec = copy.deepcopy(spec)
    for container in spec["initContainers"] + spec["containers"]:
        assert container.pop("imagePullPolicy") == "IfNotPresent"
    return spec


@pytest.mark.parametrize("mode, names", [("eks", ["agent/cloud.yaml", "agent/hybrid.yaml"]), ("any-cluster", ["any-cluster/daemonset.yaml"])])
def test_agents_are_those_of_the_manifests(helm: Helm, mode: str, names: list[str]) -> None:
    """With the manifest's own image, cluster and region in the values, every field is the manifest's."""
    made = by_kind(rendered(helm, mode, "--set", "anyCluster.issuers={ISSUER},anyCluster.tokenReview=false", "--skip-schema-validation"), "DaemonSet")
    shipped = by_kind([each for name in names for each in of_file(name)], "DaemonSet")
    assert set(made) == set(shipped) and made
    for name, one in made.items():
        other = shipped[name]
        assert without_policy_of_pulling(one["spec"]["template"]["spec"]) == other["spec"]["template"]["spec"]
        assert one["spec"]["updateStrategy"] == other["spec"]["updateStrategy"]
        for ours, theirs in ((one["spec"]["selector"]["matchLabels"], other["spec"]["selector"]["matchLabels"]),
                             (one["spec"]["template"]["metadata"]["labels"], other["spec"]["template"]["metadata"]["labels"]),
                             (one["metadata"]["labels"], other["metadata"]["labels"])):
            assert theirs.items() <= ours.items() and ours["app.kubernetes.io/instance"] == "trial"


@pytest.mark.parametrize("mode, name", [("any-cluster", "any-cluster/associations.yaml"), ("any-cluster", "any-cluster/guard.yaml"),
                                        ("any-cluster", "any-cluster/injection.yaml"), ("any-cluster", "any-cluster/token-review.yaml"),
                                        ("any-cluster", "admission/mutating.yaml"), ("eks", "admission/validating.yaml")])
def test_the_rest_is_that_of_the_manifests(helm: Helm, mode: str, name: str) -> None:
    made = {(each["kind"], each["metadata"]["name"]): each for each in rendered(helm, mode)}
    shipped = [each for each in of_file(name) if each["kind"] != "Namespace"]
    assert shipped
    for each in shipped:
        one = made[each["kind"], each["metadata"]["name"]]
        if each["kind"] == "ConfigMap":
            each["data"] = {key: json.loads(value) for key, value in each["data"].items()}
            one["data"] = {key: json.loads(value) for key, value in one["data"].items()}
        for key in set(each) - {"metadata", "apiVersion"}:
            assert one[key] == each[key], (each["kind"], key)
        assert one["apiVersion"].split("/")[0] == each["apiVersion"].split("/")[0]


@pytest.mark.parametrize("words, version", [(["--kube-version=1.36.0"], "v1"), (["--kube-version=1.37.2-eks-123"], "v1"),
                                            (["--set=mutatingPolicies.apiVersion=v1beta1"], "v1beta1"),
                                            (["--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy"], "v1beta1"),
                                            (["--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"], "v1")])
def test_version_of_mutating_policies(helm: Helm, words: list[str], version: str) -> None:
    made = helm.template("-f", str(MODES["any-cluster"]), "--kube-version=1.34.4", *words, namespace="pod-identity")
    found = [each["apiVersion"] for each in made if each["kind"].startswith("MutatingAdmissionPolicy")]
    assert found == [f"admissionregistration.k8s.io/{version}"] * 6


REFUSED = [  # what was set, and what helm says then
    (["--set=mode=ekz"], "at '/mode': value must be one of 'eks', 'any-cluster', 'no-agent'"),
    (["--set=clustr.name=x"], "additional properties 'clustr' not allowed"),
    (["--set=agent.image=x"], "at '/agent': additional properties 'image' not allowed"),
    (["--set-string=agent.hybrid=true"], "at '/agent/hybrid': got string, want boolean"),
    (["--set=cluster.region=frankfurt"], "at '/cluster/region': 'frankfurt' does not match pattern"),
    (["--set=images.registry=https://registry.example.com"], "at '/images/registry': 'https://registry.example.com' does not match pattern"),
    (["--set=images.digests.agent=0123"], "at '/images/digests/agent': '0123' does not match pattern"),
    (["--set=agent.args={info}"], "at '/agent/args/0': 'info' does not match pattern"),
    (["--set=anyCluster.associations.app.roleArn=arn:aws:iam::111122223333:role/x"], "at '/anyCluster/associations': additional properties 'app' not allowed"),
    (["--set-json=anyCluster.associations={\"a.b\": {\"roleARN\": \"x\"}}"], "missing property 'roleArn'"),
    (["--set-json=anyCluster.associations={\"a.b\": {\"roleArn\": \"x\"}}"], "'x' does not match pattern"),
    (["--set=images.registry="], "images.registry is empty: push the images to a registry of yours"),
    (["--set=cluster.name="], "cluster.name is empty: set cluster.name=NAME, the cluster's name as EKS knows it"),
    (["--set=mode=any-cluster"], "belongs into the namespace pod-identity, which its policies name, not into kube-system"),
    (["--set=mode=any-cluster", "--namespace=pod-identity", "--set=agent.hybrid=false"], "anyCluster.issuers is empty"),
    (["--set=mode=any-cluster,anyCluster.issuers={https://i}", "--namespace=pod-identity"], "agent.hybrid is for mode eks"),
    (["--set=mode=any-cluster,anyCluster.issuers={https://i},agent.hybrid=false", "--namespace=pod-identity", "--kube-version=1.34.4"],
     "Kubernetes v1.34.4 serves no MutatingAdmissionPolicy"),
    (["--set=policies.inject=true,webhook.enabled=false", "--kube-version=1.33.0"], "Set anyCluster.injection=false and policies.inject=false"),
    (["--set=policies.require=true", "--kube-version=1.29.0"], "Kubernetes v1.29.0 has no ValidatingAdmissionPolicy"),
    (["--set=agent.startupTaint=a b"], "at '/agent/startupTaint': 'a b' does not match pattern"),
    (["--set=agent.startupTaint=a/b", "--kube-version=1.31.0"], "agent.startupTaint needs Kubernetes 1.32 or later, not v1.31.0"),
    (["--set=monitoring.serviceMonitor=true"], "two ways to the same metrics"),
    (["--kube-version=1.26.0"], "chart requires kubeVersion: >=1.27.0-0"),
    (["--set=webhook.inject=false"], "webhook.inject and webhook.identity are both off"),
    (["--set=policies.inject=true", "--kube-version=1.36.0"], "policies.inject and webhook.inject are two ways to the same pod: set policies.inject=false"),
    (["--set=webhook.identity=true"], "webhook.identity is for mode any-cluster"),
    (["--set=webhook.sidecar=native,policies.require=false", "--kube-version=1.28.0"], "Kubernetes v1.28.0 has no native sidecars unless its owner turned them on"),
    (["--set=webhook.certificate.days=90"], "webhook.certificate.days is not more than renewBeforeDays"),
    (["--set=webhook.certificate.by=hand"], "at '/webhook/certificate/by': value must be one of 'chart', 'cert-manager'"),
    (["--set=webhook.apiServers={api}"], "at '/webhook/apiServers/0': 'api' does not match pattern"),
    (["--set=webhook.failurePolicy=fail"], "at '/webhook/failurePolicy': value must be one of 'Fail', 'Ignore'"),
]


@pytest.mark.parametrize("words, text", REFUSED, ids=[" ".join(words)[:60] for words, _ in REFUSED])
def test_refused(helm: Helm, words: list[str], text: str) -> None:
    done = helm.call("template", "trial", str(CHART), "-f", str(MODES["eks"]), "--namespace=kube-system", *words)
    assert done.returncode != 0 and text in done.stderr, done.stderr
    helm.template("-f", str(MODES["eks"]), namespace="kube-system")


def test_associations_of_our_own_namespaces(helm: Helm) -> None:
    for namespace in ("kube-system", "pod-identity"):
        key = f"{namespace}.app".replace(".", "\\.")
        done = helm.call("template", "trial", str(CHART), "-f", str(MODES["any-cluster"]), "--namespace=pod-identity", f"--kube-version={SERVES_V1}",
                         f"--set=anyCluster.associations.{key}.roleArn=arn:aws:iam::111122223333:role/x")
        assert done.returncode != 0 and f"{namespace}.app: pods of kube-system and pod-identity are never injected" in done.stderr


@pytest.mark.parametrize("mode", ["eks", "any-cluster"])
def test_startup_taint(helm: Helm, mode: str) -> None:
    """The manifest's policy with that key and account, and an agent that has the account, its token and the node's name."""
    made = rendered(helm, mode, "--set", "agent.startupTaint=example.org/wait")
    namespace = NAMESPACES[mode]
    text = (FOLDER / "agent/startup-taint.yaml").read_text().replace("example.com/agent-not-ready", "example.org/wait").replace("kube-system", namespace)
    found = {(each["kind"], each["metadata"]["name"]): each for each in made}
    for each in load(text):
        one = found[each["kind"], each["metadata"]["name"]]
        assert {key: one[key] for key in set(each) - {"metadata"}} == {key: each[key] for key in set(each) - {"metadata"}}
    for spec in (pod_spec(each) for each in made if each["kind"] == "DaemonSet"):
        assert "--remove-startup-taint=example.org/wait" in spec["containers"][0]["command"]
        assert (spec["serviceAccountName"], spec.get("automountServiceAccountToken", True), spec["securityContext"]["fsGroup"]) == (
            "pod-identity-agent", True, 65532)
        [node] = [each for each in spec["containers"][0]["env"] if each["name"] == "NODE_NAME"]
        assert node["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"


SAMPLES: dict[str, Any] = {  # another value for each, and the mode in which it counts, where that is not eks
    "mode": "no-agent", "cluster.name": "other", "cluster.region": "us-east-1", "images.registry": "other.example.com", "images.tag": "9",
    "images.pullPolicy": "Always", "images.pullSecrets": [{"name": "pull"}], "images.digests.agent": "sha256:" + "a" * 64,
    "any-cluster images.digests.init": "sha256:" + "b" * 64, "any-cluster images.digests.sidecar": "sha256:" + "c" * 64,
    "agent.hybrid": False, "agent.args": ["--log-level=debug"], "agent.env": [{"name": "A", "value": "b"}],
    "agent.startupTaint": "example.org/wait", "agent.resources": {"limits": {"memory": "64Mi"}}, "agent.tolerations": [{"key": "a", "operator": "Exists"}], "agent.nodeSelector": {"a": "b"},
    "agent.updateStrategy": {"type": "OnDelete"}, "agent.priorityClassName": "high", "agent.podLabels": {"a": "b"},
    "agent.podAnnotations": {"a": "b"}, "any-cluster anyCluster.issuers": ["https://one", "https://two"],
    "any-cluster anyCluster.exchange": "assume-role", "any-cluster anyCluster.tokenReview": False,
    "any-cluster anyCluster.associations": {"a.b": {"roleArn": "arn:aws:iam::111122223333:role/x"}},
    "any-cluster anyCluster.keepAssociations": False, "any-cluster anyCluster.guard": False, "any-cluster anyCluster.injection": False,
    "images.digests.webhook": "sha256:" + "d" * 64, "webhook.enabled": False,
    "any-cluster webhook.inject": False, "any-cluster webhook.identity": True, "webhook.sidecar": "classic",
    "webhook.failurePolicy": "Ignore", "webhook.timeoutSeconds": 9, "webhook.replicas": 3, "webhook.certificate.by": "chart",
    "webhook.apiServers": ["10.0.0.0/28"], "webhook.args": ["--on-problem=refuse"], "webhook.resources": {"limits": {"memory": "64Mi"}},
    "webhook.tolerations": [{"key": "a", "operator": "Exists"}], "webhook.nodeSelector": {"a": "b"}, "webhook.priorityClassName": "high",
    "policies.inject": True, "policies.require": False, "any-cluster mutatingPolicies.apiVersion": "v1beta1", "monitoring.labels": {"release": "x"},
    "monitoring.interval": "15s", "monitoring.podMonitor": False, "any-cluster monitoring.serviceMonitor": False, "monitoring.sidecars": False,
    "monitoring.rules": False, "monitoring.dashboard": False, "monitoring.dashboardLabels": {"a": "b"},
}
OF_THE_CERTIFICATE = {f"webhook.certificate.{name}" for name in ("days", "renewBeforeDays", "renewal")}
"""They count where the chart makes it, each time anew: test_chart_webhook.py, and on the real cluster test_cluster_webhook_chart.py."""
OTHERWISE = "webhook.enabled=true,webhook.certificate.by=cert-manager,policies.inject=false,anyCluster.injection=false"
BESIDE = {"policies.inject": "webhook.enabled=false", "webhook.identity": OTHERWISE, "webhook.inject": f"{OTHERWISE},webhook.identity=true"}
"""What has to be set with it."""


def defaults() -> dict[str, Any]:
    [values] = load((CHART / "values.yaml").read_text())
    return leaves(values)


def test_every_value_counts(helm: Helm) -> None:
    """Each changes what is rendered, and is seen there."""
    assert {name.split()[-1] for name in SAMPLES} | OF_THE_CERTIFICATE == set(defaults())
    plain = {mode: rendered(helm, mode) for mode in MODES}
    for name, value in SAMPLES.items():
        mode = name.split()[0] if " " in name else "eks"
        value_name = name.split()[-1]
        beside = ["--set", BESIDE[value_name]] if value_name in BESIDE else []
        made = rendered(helm, mode, *beside, f"--set-json={value_name}={json.dumps(value)}")
        assert made != (rendered(helm, mode, *beside) if beside else plain[mode]), name
        if isinstance(value, str) and name not in ("mode", "webhook.sidecar", "webhook.certificate.by"):
            assert value in json.dumps(made), name


def test_readme_lists_every_value() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == list(defaults())
    assert {name: json.loads(default) for name, default in rows} == defaults()


def test_schema_knows_every_value() -> None:
    """No object of it takes what it does not know, and none of its names is missing in the values."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def names(part: dict[str, Any], path: str = "") -> list[str]:
        if "properties" not in part or part.get("type") != "object":
            return [path]
        assert part["additionalProperties"] is False, path
        return [name for key, value in part["properties"].items() for name in names(value, f"{path}.{key}".strip("."))]

    known = {name for name in names(schema) if name != "global"}
    resources = {"agent.resources", "webhook.resources"}
    assert {name for name in known if name.rpartition(".")[0] not in resources} | resources == set(defaults())


def test_readme_installs(helm: Helm) -> None:
    """Its commands, rendered in the place of a cluster."""
    found = re.findall(r"^helm install ((?:.*\\\n)*.*)", (CHART / "README.md").read_text(), re.MULTILINE)
    assert len(found) == 3
    for words, kind in zip((shlex.split(text.replace("\\\n", " ")) for text in found), ("DaemonSet", "DaemonSet", "Deployment")):
        words = [str(ROOT / word) if word.startswith("images/") else word for word in words if word != "--create-namespace"]
        done = helm.call("template", *words, "--kube-version", SERVES_V1)
        assert done.returncode == 0 and f"kind: {kind}" in done.stdout, done.stderr


def test_versions() -> None:
    chart = (CHART / "Chart.yaml").read_text()
    version = re.search(r"^VERSION = (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version and re.findall(r"^(?:version|appVersion): (.*)$", chart, re.MULTILINE) == [version[1]] * 2


def test_package(helm: Helm, tmp_path: Path) -> None:
    """`make chart` makes the same bytes twice; it renders what the folder renders, and has no link and no file that nothing reads."""
    package = ROOT / make("chart").split()[-1]
    first = package.read_bytes()
    make("chart")
    assert package.read_bytes() == first
    for mode, values in MODES.items():
        words = ("-f", str(values), "--kube-version", SERVES_V1)
        assert helm.template(*words, namespace=NAMESPACES[mode], chart=package) == helm.template(*words, namespace=NAMESPACES[mode])
    listed = subprocess.run(["tar", "-tvzf", package], capture_output=True, text=True, check=True).stdout
    assert " -> " not in listed and "/ci/" not in listed
    made = helm.run("package", str(CHART), "--destination", str(tmp_path))
    own = subprocess.run(["tar", "-tzf", made.split()[-1]], capture_output=True, text=True, check=True).stdout
    assert {line.split()[-1] for line in listed.splitlines() if not line.endswith("/")} == set(own.split())


def test_namespace_of_the_manifests_is_the_modes() -> None:
    [namespace] = [each for each in of_file("any-cluster/associations.yaml") if each["kind"] == "Namespace"]
    assert namespace["metadata"]["name"] == NAMESPACES["any-cluster"]
    assert (CHART / "manifests").resolve() == FOLDER
