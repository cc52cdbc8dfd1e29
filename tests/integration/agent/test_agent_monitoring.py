"""The dashboard and the alert rules, in a real Prometheus that scrapes the real programs: every metric that they have is shown, every query
finds something, every rule can be evaluated. What the rules say is tested by promtool (tests/monitoring/rules_test.yaml)."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness.any_agent import AnyAgent
from harness.aws import needs_openssl
from harness.cluster import Cluster, ConfigMap
from harness.emulator import Emulator
from harness.http import exchange, parse_answer, request_bytes
from harness.leaks import Leaks
from harness.our_agent import OurAgent
from harness.places import Place
from harness.programs import ROOT, Binaries
from harness.prometheus import Prometheus, need
from harness.sidecar import Sidecar
from harness.waiting import eventually

MONITORING = ROOT / "images/helm/pod-identity-toolkit/monitoring"
RULES, DASHBOARD = MONITORING / "rules.yaml", MONITORING / "dashboard.json"
MAKER = runpy.run_path(str(ROOT / "images/helm/dashboard.py"))
NO_KEYS: dict[str, str | None] = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
OF_OTHERS = {"up", "kube_pod_init_container_status_last_terminated_reason", "kube_pod_status_phase"}  # Prometheus', kube-state-metrics'


def queries() -> list[str]:
    """Those of the dashboard, as it would send them."""
    found = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel.get("targets", [])]
    return [expression.replace("$__rate_interval", "30s").replace("$instance", ".*") for expression in found]


def names_in(text: str) -> set[str]:
    """Metrics that expressions name, a histogram's as one."""
    found = set(re.findall(r"\b(?:pod_identity|kube)_\w+|\bup\b", text))
    return {re.sub(r"_duration_seconds_(?:bucket|sum|count)$", "_duration_seconds", name) for name in found}


@pytest.fixture
def place(node_place: Place) -> Place:
    """The sidecar is a pod of the agent's node."""
    return node_place


@pytest.fixture
def emulator(node: Emulator) -> Emulator:
    return node


@pytest.fixture
def any_agent(place: Place, emulator: Emulator, binaries: Binaries, leaks: Leaks, folder: Path) -> Iterator[AnyAgent]:
    """One with associations, at ports of its own; one of the associations cannot be used."""
    associations = ConfigMap(folder / "associations")
    associations.patch(shop__web={"roleArn": "arn:aws:iam::111122223333:role/web"}, shop__cart={"roleArn": "none"})
    agent = AnyAgent(place, emulator, binaries, leaks, Cluster(folder), associations.folder, port=8081, probe_port=2713)
    yield agent
    agent.stop()


@pytest.fixture
def programs(start_agent: Callable[..., OurAgent], any_agent: AnyAgent, start_sidecar: Callable[..., Sidecar], place: Place, emulator: Emulator,
             write_token: Callable[..., Any], folder: Path) -> tuple[OurAgent, AnyAgent, Sidecar, int]:
    """An agent on EKS, one without, and a sidecar that asks the first and writes a file, with the port of its metrics."""
    metadata = {**NO_KEYS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{emulator.serve('imds')['port']}"}
    agent = start_agent("--max-credential-retention-before-renewal=1s", env=metadata)
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(write_token(emulator.token()))}
    port = place.free_port()
    return agent, any_agent, start_sidecar(f"--metrics=127.0.0.1:{port}", f"--credentials-file={folder}/credentials", env=env), port


@pytest.fixture
def webhook(place: Place, binaries: Binaries, folder: Path) -> Iterator[int]:
    """The webhook with all that it may have; the port of its metrics. The certificate, which signs itself, is whom it believes its clients by, too."""
    made = folder / "webhook"
    made.mkdir()
    (made / "associations").mkdir()
    (made / "associations/shop.cart").write_text('{"roleArn": "arn:aws:iam::111122223333:role/cart"}')
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls.key", "-out", "tls.crt", "-days", "30",
                    "-subj", "/CN=webhook"], cwd=made, check=True, capture_output=True)
    port = place.free_port()
    argv = [str(binaries.webhook), f"--https=127.0.0.1:{place.free_port()}", f"--metrics=127.0.0.1:{port}", f"--certificate={made}/tls.crt", f"--key={made}/tls.key",
            f"--client-ca={made}/tls.crt", f"--associations={made}/associations"]
    with open(made / "log", "wb") as log, subprocess.Popen(place.command(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        def answers() -> bool:
            assert process.poll() is None, (made / "log").read_text()
            return b" 200 " in exchange(place.connect("127.0.0.1", port), b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 10)
        try:
            eventually(answers, 20, "the webhook is ready")
            yield port
        finally:
            process.terminate()


@pytest.fixture
def prometheus(programs: tuple[OurAgent, AnyAgent, Sidecar, int], webhook: int, place: Place, folder: Path) -> Iterator[Prometheus]:
    made = Prometheus(place, folder, [RULES], {"kube-system/pod-identity-agent": [2705, 2715], "pod-identity-sidecars": [programs[3]],
                                               "pod-identity/pod-identity-webhook": [webhook]})
    yield made
    made.stop()


@needs_openssl
def test_in_a_real_prometheus(programs: tuple[OurAgent, AnyAgent, Sidecar, int], webhook: int, prometheus: Prometheus, emulator: Emulator, place: Place) -> None:
    agent, any_agent, sidecar, _ = programs
    prometheus.wait_scraped()
    token = emulator.token()
    assert agent.ask(token).status == 200 and any_agent.ask(token).status != 200
    emulator.eks_auth_error("ThrottlingException", times=1000)  # so that renewals fail, and the agents count that

    missing = set(queries())

    def nothing_is_missing() -> bool:
        """After some more requests."""
        agent.ask(token)
        any_agent.ask(token)
        os.kill(sidecar.pid, signal.SIGUSR1)
        missing.difference_update([query for query in missing if prometheus.query(query)])
        return not missing
    try:
        eventually(nothing_is_missing, 90)
    except AssertionError:
        pytest.fail(f"nothing found by: {missing}")

    asked = request_bytes("GET", "/metrics", {"Host": "127.0.0.1"}).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    pages = [agent.page("/metrics", metrics=True), any_agent.page("/metrics", metrics=True), sidecar.get("/metrics"),
             parse_answer(exchange(place.connect("127.0.0.1", webhook), asked, 30))]
    emitted = set(re.findall(r"^# TYPE (\S+) ", "".join(page.body.decode() for page in pages), re.MULTILINE))
    assert len(emitted) > 30 and names_in("\n".join(queries())) == emitted
    assert names_in(RULES.read_text()) - OF_OTHERS <= emitted

    rules = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 10 and {rule["health"] for rule in rules} == {"ok"}, rules
    active = {rule["name"] for rule in rules if rule["state"] != "inactive"}
    assert "PodIdentityAssociationIsUnusable" in active and not {"PodIdentityAgentIsDown", "PodIdentityWebhookIsDown"} & active
    with pytest.raises(AssertionError, match="parse error"):
        prometheus.query("pod_identity_connections{")


def test_promtool(tmp_path: Path) -> None:
    """It takes the rules, and they fire when they should, with what they say; a wrong expectation is seen."""
    promtool = need("promtool")
    test = ROOT / "tests/monitoring/rules_test.yaml"
    for words in (["check", "rules", RULES], ["test", "rules", test]):
        done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tested, known = (set(re.findall(rf"^ *(?:- )?{key}: (\w+)$", path.read_text(), re.MULTILINE)) for key, path in (("alertname", test), ("alert", RULES)))
    assert tested == known
    (tmp_path / "rules.yaml").write_text(RULES.read_text().replace("== 0", "== 2"))
    (tmp_path / "test.yaml").write_text(test.read_text().replace("../../images/helm/pod-identity-toolkit/monitoring/", ""))
    done = subprocess.run([promtool, "test", "rules", tmp_path / "test.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "FAILED" in done.stdout + done.stderr


def test_dashboard_is_what_its_maker_makes() -> None:
    assert DASHBOARD.read_text() == MAKER["text"](), "make pictures"


def test_dashboard_has_no_gaps() -> None:
    """Panels lie beside one another in 24 columns, none over another; each target names its source."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.get("targets", []))
