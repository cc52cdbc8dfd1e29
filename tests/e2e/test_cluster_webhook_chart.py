"""The webhook by the Helm chart on the real cluster: its own certificate, which upgrades keep until it is due; and a cluster without EKS, where one
ConfigMap gives the role and injects."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Callable

from cluster_fixtures import Agents, Webhook
from harness.aws import web_trust
from harness.emulator import ACCOUNT, Emulator
from our_webhook import LABEL, NAME, Load, OurWebhook, names_of, trial
from real_cluster import ISSUER, Cluster, Space
from test_cluster_chart import AUDIENCE, KEPT, Release, provider, release  # noqa: F401  # pylint: disable=unused-import
from test_cluster_policies import app
from test_cluster_webhook import OURS, check, served

IN = "toolkit"


def secret(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("-n", IN, "secret", NAME)["data"]
    return found


def trusted(cluster: Cluster) -> int:
    """Authorities, of the server's certificate."""
    entries = cluster.get("mutatingwebhookconfiguration", "pod-identity-toolkit")["webhooks"]
    [bundle] = {each["clientConfig"]["caBundle"] for each in entries}
    return base64.b64decode(bundle).count(b"BEGIN CERTIFICATE")


def test_the_charts_certificate(release: Callable[[str], Release], webhook: Webhook, agents: Agents, new_space: Callable[..., Space],  # noqa: F811
                                stocked: Cluster, tmp_path: Path) -> None:
    """Beside EKS's webhook and an agent that is not the chart's. The certificate stays in an upgrade, and is renewed by another one while pods are asked for."""
    chart, servers = release(IN), OurWebhook(stocked, tmp_path, IN)
    agents.use("cloud")
    words = ["--set", "mode=no-agent,webhook.enabled=true"]
    assert "pod-identity-toolkit/inject=enabled" in chart.put(*words)
    first = secret(stocked)
    assert trusted(stocked) == 1
    space = new_space()
    space.wait("labelled pods are injected", lambda: names_of(servers.dry_run(trial(), space.name) or {"spec": {}}) == OURS)
    space.apply(app({LABEL: "enabled"}))
    pod = space.ready("app=app")
    check(pod)
    space.ask(name=pod["metadata"]["name"])

    chart.put(*words, "--set", "monitoring.interval=15s")
    assert secret(stocked) == first
    with Load(stocked, space.name) as load:
        load.more()
        chart.put(*words, "--set", "webhook.certificate.renewal=2")
        second = secret(stocked)
        assert second["tls.crt"] != first["tls.crt"] and second["old.crt"] == first["ca.crt"] and trusted(stocked) == 2
        wanted = base64.b64decode(second["tls.crt"]).decode().partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0].strip()
        servers.taken_up(lambda: all(served(servers, each) == wanted for each in servers.pods()), "the servers show the new certificate")
        load.more()
    chart.put(*words, "--set", "webhook.certificate.renewal=2")
    assert secret(stocked) == second
    chart.put(*words, "--set", "webhook.certificate.renewal=2,webhook.certificate.days=4000,webhook.certificate.renewBeforeDays=3650")
    assert secret(stocked)["old.crt"] == second["ca.crt"]  # it was about to end, by these values
    chart.remove()
    assert [what for what in chart.left() if what not in KEPT] == []  # of other tests' releases, on purpose


def test_without_eks(release: Callable[[str], Release], provider: Emulator, stocked: Cluster, tmp_path: Path) -> None:  # noqa: F811
    """Agent, associations and webhook of one release: a role that is in the values, a pod with the label, and nothing of EKS."""
    role = f"arn:aws:iam::{ACCOUNT}:role/by-webhook"
    provider.role(role, json.loads(json.dumps(web_trust(ISSUER, "system:serviceaccount:by-webhook:app")).replace("sts.amazonaws.com", AUDIENCE)))
    chart, servers = release("pod-identity"), OurWebhook(stocked, tmp_path)
    chart.put("--set", "mode=any-cluster,anyCluster.issuers={" + ISSUER + "},anyCluster.injection=false,anyCluster.keepAssociations=false", "--set",
              "webhook.enabled=true,webhook.identity=true", "--set", f"anyCluster.associations.by-webhook\\.app.roleArn={role}")
    space = Space(stocked, "by-webhook")
    try:
        space.wait("labelled pods are injected", lambda: "eks-pod-identity-token" in json.dumps(servers.dry_run(trial(account="app"), space.name)))
        space.apply(app({LABEL: "enabled"}))
        pod = space.ready("app=app")
        check(pod)
        assert space.ask(name=pod["metadata"]["name"])["complete"]
    finally:
        stocked.kubectl("delete", "namespace", space.name, "--wait=false")
    chart.remove()
    assert [what for what in chart.left() if what not in KEPT] == []  # of other tests' releases, on purpose
