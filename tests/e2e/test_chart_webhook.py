"""The webhook in the chart, rendered: the manifests of images/kubernetes/webhook with the values in them, and the certificate that the chart makes."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chart import CHART, Helm, of_file
from conftest import need
from test_chart import MODES, NAMESPACES, OF_OTHERS, rendered

NAME = "pod-identity-webhook"


@pytest.fixture(scope="module")
def helm() -> Helm:
    return Helm(need("helm", "3.14 or later"))


def no_agent(helm: Helm, *words: str, version: str = "1.34.4", namespace: str = "monitoring") -> list[dict[str, Any]]:
    return helm.template("--set=mode=no-agent,webhook.enabled=true,images.registry=registry.example.com", f"--kube-version={version}", *words, namespace=namespace)


def one(objects: list[dict[str, Any]], kind: str, name: str = NAME) -> dict[str, Any]:
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def plain(thing: Any, namespace: str) -> Any:
    """Without what only a release has: its label, its namespace, and what helm says of pulling."""
    if isinstance(thing, dict):
        return {key: plain(value, namespace) for key, value in thing.items() if key not in ("app.kubernetes.io/instance", "imagePullPolicy", "caBundle")}
    if isinstance(thing, list):
        return [plain(each, namespace) for each in thing]
    return thing.replace(namespace, "pod-identity") if isinstance(thing, str) and thing in (namespace, f"{NAME}.{namespace}.svc") else thing


@pytest.mark.parametrize("name", ["webhook", "template", "configuration", "cert-manager"])
def test_it_is_that_of_the_manifests(helm: Helm, name: str) -> None:
    made = no_agent(helm, "--set=webhook.certificate.by=cert-manager")
    for each in of_file(f"webhook/{name}.yaml"):
        found = one(made, each["kind"], each["metadata"]["name"])
        for key in set(each) - {"metadata"}:
            value = json.loads(json.dumps(each[key]).replace(' "--associations=/etc/pod-identity-webhook/associations",', ""))
            assert plain(found[key], "monitoring") == value, (each["kind"], key)
        assert found["metadata"].get("annotations", {}).get("cert-manager.io/inject-ca-from") == (
            f"monitoring/{NAME}" if each["kind"] == "MutatingWebhookConfiguration" else None)


def test_identity_is_that_of_the_manifest(helm: Helm) -> None:
    """On a cluster that is not EKS the agent's ConfigMap of associations is the webhook's, too, and the region is known."""
    made = rendered(helm, "any-cluster", "--set=webhook.enabled=true,webhook.identity=true,policies.inject=false,anyCluster.injection=false")
    [shipped] = of_file("webhook/identity.yaml")
    assert plain(one(made, "MutatingWebhookConfiguration", "pod-identity-toolkit-identity")["webhooks"], "pod-identity") == shipped["webhooks"]
    assert one(made, "ConfigMap", "associations")["metadata"]["namespace"] == "pod-identity"
    [container] = one(made, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"--associations=/etc/pod-identity-webhook/associations", "--region=eu-central-1"} < set(container["command"])
    assert not [each for each in made if each["kind"].startswith("MutatingAdmissionPolicy")]


@pytest.mark.parametrize(("words", "version", "native"), [([], "1.29.0", True), ([], "1.36.2-eks-1", True), ([], "1.28.9", False), (["--set=webhook.sidecar=classic"], "1.34.4", False)])
def test_native_or_classic_by_the_version(helm: Helm, words: list[str], version: str, native: bool) -> None:
    made = no_agent(helm, *words, version=version)
    [shipped] = of_file(f"webhook/template{'' if native else '-classic'}.yaml")
    template = json.loads(one(made, "ConfigMap")["data"]["template.json"])
    assert template == json.loads(shipped["data"]["template.json"]) and template["native"] == native


@pytest.mark.parametrize("version", ["1.27", "1.28"])
def test_older_ones_take_it(helm: Helm, version: str) -> None:
    """matchConditions came with 1.28."""
    validate = pytest.importorskip("kubernetes_validate")
    made = no_agent(helm, version=f"{version}.3")
    for each in made:
        validate.validate(each, version, strict=True)
    assert all(("matchConditions" in each) == (version == "1.28") for each in one(made, "MutatingWebhookConfiguration", "pod-identity-toolkit")["webhooks"])


def test_images_of_the_template(helm: Helm) -> None:
    """A registry, tag or digest of the values counts in the pods that are injected."""
    digest = "sha256:" + "b" * 64
    made = no_agent(helm, f"--set=images.registry=other.example.com/x,images.tag=v9,images.digests.init={digest}")
    template = json.loads(one(made, "ConfigMap")["data"]["template.json"])
    assert template["init"]["image"] == f"other.example.com/x/pod-identity-init@{digest}"
    assert template["sidecar"]["image"] == "other.example.com/x/pod-identity-sidecar:v9"
    assert one(made, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] == f"other.example.com/x/{NAME}:v9"


def openssl(*words: str, stdin: bytes = b"") -> str:
    done = subprocess.run([need("openssl"), *words], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_charts_certificate(helm: Helm, tmp_path: Path) -> None:
    """P-256, for the Service's name, by an authority that the configuration trusts and that signs nothing else."""
    made = no_agent(helm, "--set=webhook.certificate.days=400")
    secret = one(made, "Secret")
    assert secret["type"] == "kubernetes.io/tls" and set(secret["data"]) == {"tls.crt", "tls.key", "ca.crt", "old.crt"} and not secret["data"]["old.crt"]
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).write_bytes(base64.b64decode(secret["data"][name]))
    openssl("verify", "-CAfile", str(tmp_path / "ca.crt"), "-purpose", "sslserver", "-verify_hostname", f"{NAME}.monitoring.svc", str(tmp_path / "tls.crt"))
    text = openssl("x509", "-in", str(tmp_path / "tls.crt"), "-noout", "-text")
    assert "ASN1 OID: prime256v1" in text and f"DNS:{NAME}.monitoring.svc" in text
    assert openssl("x509", "-in", str(tmp_path / "tls.crt"), "-noout", "-pubkey") == openssl("pkey", "-in", str(tmp_path / "tls.key"), "-pubout")
    for entry in one(made, "MutatingWebhookConfiguration", "pod-identity-toolkit")["webhooks"]:
        assert base64.b64decode(entry["clientConfig"]["caBundle"]) == (tmp_path / "ca.crt").read_bytes()
    openssl("x509", "-in", str(tmp_path / "tls.crt"), "-noout", "-checkend", str(399 * 86400))
    ended = subprocess.run([need("openssl"), "x509", "-in", str(tmp_path / "tls.crt"), "-noout", "-checkend", str(401 * 86400)], capture_output=True, check=False)
    assert ended.returncode == 1


def test_each_has_another_key(helm: Helm) -> None:
    assert one(no_agent(helm), "Secret")["data"]["tls.key"] != one(no_agent(helm), "Secret")["data"]["tls.key"]


def test_who_reaches_it(helm: Helm) -> None:
    made = no_agent(helm, "--set=webhook.apiServers={10.0.0.0/28,fd00::/64}")
    https, metrics = one(made, "NetworkPolicy")["spec"]["ingress"]
    assert https == {"ports": [{"port": "https"}], "from": [{"ipBlock": {"cidr": "10.0.0.0/28"}}, {"ipBlock": {"cidr": "fd00::/64"}}]}
    assert metrics["ports"] == [{"port": "metrics"}]


def test_in_kube_system(helm: Helm) -> None:
    """The namespace of the release is left alone, which is kube-system itself here."""
    made = no_agent(helm, namespace="kube-system")
    for each in one(made, "MutatingWebhookConfiguration", "pod-identity-toolkit")["webhooks"]:
        assert each["namespaceSelector"]["matchExpressions"][0] == {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}
        assert each["clientConfig"]["service"]["namespace"] == "kube-system"


def test_monitored_as_the_agent(helm: Helm) -> None:
    made = no_agent(helm, "--set=monitoring.podMonitor=true")
    deployment = one(made, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert one(made, "PodMonitor")["spec"]["selector"]["matchLabels"].items() <= labels.items() and "annotations" not in deployment["spec"]["template"]["metadata"]
    made = no_agent(helm, "--set=monitoring.serviceMonitor=true")
    service, other = one(made, "Service", f"{NAME}-metrics"), one(made, "Service")
    assert service["spec"]["selector"].items() <= labels.items() and service["spec"]["ports"] == [{"name": "metrics", "port": 8081, "targetPort": "metrics"}]
    wanted = one(made, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items() and not wanted <= other["metadata"]["labels"].items()


def test_off_is_off(helm: Helm) -> None:
    for mode in MODES:
        found = rendered(helm, mode, "--set=webhook.enabled=false")
        assert not [each for each in found if each["kind"] in ("Deployment", "MutatingWebhookConfiguration", "Secret") or each["apiVersion"].startswith(OF_OTHERS[1])]
    assert set(NAMESPACES) == set(MODES) and re.search(r"^webhook:$", (CHART / "values.yaml").read_text(), re.MULTILINE)
