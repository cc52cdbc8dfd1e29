"""What `pod-identity-webhook` costs beside EKS's own webhook: size, memory, latency and admissions a second of both in one run, and what handshakes cost.

webhook.py BINARIES ADMIT HOLD [PART...]: prints one JSON document; README.md beside this file says what each number means. No verdicts.
ADMIT is the client (admit/main.go), HOLD the webhook that says how long its loop was busy. EKS's webhook comes from POD_IDENTITY_EKS_WEBHOOK, or from
where `make setup-e2e` has put it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator

from peers import LOAD_CPU, SERVER_CPU, Bench, Started, free_port
from sidecar import median_ratio, memory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from harness.tools import FOLDER as TOOLS  # noqa: E402  # pylint: disable=wrong-import-position

THEIRS = Path(os.environ.get("POD_IDENTITY_EKS_WEBHOOK") or TOOLS.parent / "cluster/bin/webhook")
ROUNDS, ROUND_MS = 7, 400
ADMISSIONS = 1000
CLIENTS = (1, 10, 50)
HANDSHAKES = 100
KEYS = {"EC P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "RSA 2048": ["-newkey", "rsa:2048"]}
MEASURES = ("per_second", "p50_us", "p99_us", "cpu_us")


def cpu_ns(pid: int) -> int:
    """What all of its threads took of the CPU."""
    return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


class NoCluster(BaseHTTPRequestHandler):
    """An API server that has no objects, for EKS's webhook, which watches service accounts: lists are empty, watches stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802  # pylint: disable=invalid-name
        if "sendInitialEvents=true" in self.path:  # it lists then
            self.answer(400, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "BadRequest", "code": 400})
        elif "watch=" in self.path:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            time.sleep(3600)
        else:
            kind = {"serviceaccounts": "ServiceAccountList", "configmaps": "ConfigMapList"}.get(self.path.partition("?")[0].rpartition("/")[2], "List")
            self.answer(200, {"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})

    def answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # pylint: disable=arguments-differ
        """Nothing."""


def pod(**metadata: Any) -> dict[str, Any]:
    """One of the size of a real one, some 10 KiB with what the API server adds: an app with variables, probes and volumes, and a proxy beside it."""
    env = [{"name": f"SETTING_NUMBER_{number:02}", "value": "a value of some length, as settings are: " + "x" * 40} for number in range(40)]
    mounts = [{"name": f"volume-{number}", "mountPath": f"/var/lib/app/{number}"} for number in range(6)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    common = {"resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
              "imagePullPolicy": "IfNotPresent", "livenessProbe": probe, "readinessProbe": probe}
    containers = [{"name": name, "image": f"registry.example.com/team/{name}:1.2.3", "env": env[:count], "volumeMounts": mounts, **common}
                  for name, count in (("app", 40), ("proxy", 12))]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {
        "generateName": "app-7d9c8b6f5d-", "namespace": "shop", "labels": {"app": "app", "pod-template-hash": "7d9c8b6f5d"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-7d9c8b6f5d", "uid": "00000000-0000-4000-8000-000000000001",
                             "controller": True, "blockOwnerDeletion": True}], **metadata},
        "spec": {"serviceAccountName": "cart", "serviceAccount": "cart", "containers": containers, "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
                 "dnsPolicy": "ClusterFirst", "securityContext": {}, "schedulerName": "default-scheduler", "enableServiceLinks": True,
                 "volumes": [{"name": f"volume-{number}", "emptyDir": {}} for number in range(6)]}, "status": {}}


def review(version: str, the_pod: dict[str, Any]) -> bytes:
    """What the API server sends."""
    return json.dumps({"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "shop", "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:serviceaccounts", "system:authenticated"]},
        "object": the_pod, "oldObject": None, "dryRun": False, "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}}}).encode()


class Webhooks:
    """Both, and what they need: certificates, associations of one service account, a template, and no cluster."""

    def __init__(self, bench: Bench, admit: str, hold: str) -> None:
        self.bench, self.admit, self.hold = bench, admit, hold
        self.certificates = {key: self.certificate(key, words) for key, words in KEYS.items()}
        (bench.folder / "associations").mkdir()
        (bench.folder / "associations/shop.cart").write_text('{"roleArn": "arn:aws:iam::111122223333:role/cart"}')
        template = (ROOT / "images/kubernetes/webhook/template.yaml").read_text().partition("template.json: |\n")[2]
        self.template = bench.put("template.json", template.encode())
        self.bodies = {"identity": bench.put("identity.json", review("v1beta1", pod())),
                       "toolkit": bench.put("toolkit.json", review("v1", pod(labels={"app": "app", "pod-identity-toolkit/inject": "enabled"})))}
        self.apiserver = ThreadingHTTPServer(("127.0.0.1", 0), NoCluster)
        self.apiserver.daemon_threads = True
        threading.Thread(target=self.apiserver.serve_forever, daemon=True).start()

    def certificate(self, key: str, words: list[str]) -> tuple[str, str]:
        """Certificate and key for this machine, which is its own authority."""
        name = key.split()[0].lower()
        crt, private = str(self.bench.folder / f"{name}.crt"), str(self.bench.folder / f"{name}.key")
        subprocess.run(["openssl", "req", "-x509", *words, "-nodes", "-keyout", private, "-out", crt, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        return crt, private

    def start(self, name: str, key: str = "EC P-256", toolkit: bool = False, program: str = "") -> Started:
        """ours or theirs, on one CPU, once it answers. A port that was free may be another's by then: so it is tried again."""
        for _ in range(5):
            started = self.try_to_start(name, key, toolkit, program)
            if started:
                return started
        raise SystemExit(f"bench: {name} finds no port")

    def try_to_start(self, name: str, key: str, toolkit: bool, program: str) -> Started | None:
        """None if its port was taken."""
        (crt, private), port, folder = self.certificates[key], str(free_port()), self.bench.folder
        if name == "ours":
            argv = [program or str(self.bench.binaries / "pod-identity-webhook"), f"--https=127.0.0.1:{port}", "--metrics=off", f"--certificate={crt}", f"--key={private}",
                    "--region=eu-central-1", f"--template={self.template}" if toolkit else f"--associations={folder}/associations"]
        else:
            kubeconfig = self.bench.put("kubeconfig", json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                "users": [{"name": "c", "user": {"token": "none"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.apiserver.server_port}"}}]}).encode())
            identities = self.bench.put("identities.json", json.dumps({"identities": [{"namespace": "shop", "serviceAccount": "cart"}]}).encode())
            argv = [str(THEIRS), "--in-cluster=false", f"--kubeconfig={kubeconfig}", f"--tls-cert={crt}", f"--tls-key={private}", f"--port={port}",
                    f"--metrics-port={free_port()}", "--aws-default-region=eu-central-1", f"--watch-container-credentials-config={identities}", "--logtostderr"]
        log = folder / f"{name}.log"
        with open(log, "ab") as out, open(folder / "held", "wb") as lines:
            # Before its first thread, which Go counts the CPUs for.
            started = self.bench.start(argv, None, stderr=out, stdout=lines if program else out, env={"PATH": os.environ["PATH"], "HOME": str(folder)},
                                       preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}))
        started.port = port
        end = time.monotonic() + 60
        while self.ask(started, key, "toolkit" if toolkit else "identity", 1, 1)["errors"]:
            if started.process.poll() is not None and "address already in use" in log.read_text().lower().rpartition("creating server")[2]:
                return None
            if time.monotonic() > end or started.process.poll() is not None:
                raise SystemExit(f"bench: {name} does not inject: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        return started

    def ask(self, server: Started, key: str, body: str, clients: int, count: int = 0, for_ms: int = 0, how: str = "keep") -> dict[str, Any]:
        """So many clients; each answer has a patch."""
        argv = [self.admit, f"https://127.0.0.1:{server.port}/mutate", self.bodies[body], self.certificates[key][0], str(clients), str(count), str(for_ms), how,
                '"patch"']
        before = cpu_ns(server.process.pid)
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120, preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}))
        one: dict[str, Any] = json.loads(done.stdout)
        return {**one, "cpu_us": (cpu_ns(server.process.pid) - before) / 1000 / max(one["requests"], 1)}


def measure_size(webhooks: Webhooks) -> dict[str, Any]:
    return {"ours_bytes": (webhooks.bench.binaries / "pod-identity-webhook").stat().st_size, "theirs_bytes": THEIRS.stat().st_size}


def measure_memory(webhooks: Webhooks) -> dict[str, Any]:
    """After the first answer, and after 1,000 admissions of ten clients, whole and at the peak."""
    found: dict[str, Any] = {"admissions": ADMISSIONS}
    for name, toolkit in (("ours", False), ("ours_toolkit", True), ("theirs", False)):
        server = webhooks.start(name.partition("_")[0], toolkit=toolkit)
        idle = memory(server.process.pid)
        done = webhooks.ask(server, "EC P-256", "toolkit" if toolkit else "identity", 10, ADMISSIONS)
        found[name] = {"idle": idle, "after": memory(server.process.pid), "errors": done["errors"]}
        server.end()
    return found


def rounds_of(webhooks: Webhooks, servers: dict[str, tuple[Started, str, str]], clients: int, how: str) -> dict[str, Any]:
    """All of them in turn, in a new order each round."""
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name in random.sample(list(servers), len(servers)):
            server, key, body = servers[name]
            rounds[name].append(webhooks.ask(server, key, body, clients, for_ms=ROUND_MS, how=how))
    case: dict[str, Any] = {"clients": clients, "connections": how, "errors": {name: sum(one["errors"] for one in each) for name, each in rounds.items()}}
    for name, each in rounds.items():
        case[name] = {key: round(statistics.median(one[key] for one in each), 1) for key in MEASURES} | {
            "best_p99_us": min(one["p99_us"] for one in each), "protocol": each[0]["protocol"]}
    case["ours_to_theirs"] = {key: median_ratio([one[key] for one in rounds["ours"]], [one[key] for one in rounds["theirs"]]) for key in MEASURES}
    return case


def measure_serving(webhooks: Webhooks) -> dict[str, Any]:
    """The same review to both, and one with the toolkit's label to ours alone."""
    servers = {"ours": (webhooks.start("ours"), "EC P-256", "identity"), "theirs": (webhooks.start("theirs"), "EC P-256", "identity"),
               "ours_toolkit": (webhooks.start("ours", toolkit=True), "EC P-256", "toolkit")}
    cases = {str(clients): rounds_of(webhooks, servers, clients, "keep") for clients in CLIENTS}
    for server, _, _ in servers.values():
        server.end()
    return {"rounds": ROUNDS, "round_ms": ROUND_MS, "body_bytes": {name: Path(path).stat().st_size for name, path in webhooks.bodies.items()}, "cases": cases,
            "p99_ratio": max(case["ours_to_theirs"]["p99_us"] for case in cases.values())}


def measure_handshakes(webhooks: Webhooks) -> dict[str, Any]:
    """A connection for each review, by the server's key; and how long one holds our loop."""
    found: dict[str, Any] = {}
    for key in KEYS:
        servers = {name: (webhooks.start(name, key), key, "identity") for name in ("ours", "theirs")}
        found[key] = rounds_of(webhooks, servers, 1, "close")
        for server, _, _ in servers.values():
            server.end()
        found[key]["held"] = held(webhooks, key)
    return found


def held(webhooks: Webhooks, key: str) -> dict[str, Any]:
    """The longest rounds of the loop while one client makes connections, one by one."""
    output = webhooks.bench.folder / "held"
    server = webhooks.start("ours", key, program=webhooks.hold)
    longest = []
    for _ in range(HANDSHAKES):
        seen = output.stat().st_size
        if webhooks.ask(server, key, "identity", 1, 1, how="close")["errors"]:
            raise SystemExit("bench: no answer")
        longest.append(max([int(us) for us in re.findall(r"held (\d+)", output.read_text()[seen:])] or [0]))
    server.end()
    return {"handshakes": HANDSHAKES, "longest_us_median": statistics.median(longest), "longest_us_max": max(longest)}


PARTS = {"size": measure_size, "memory": measure_memory, "serving": measure_serving, "handshakes": measure_handshakes}


@contextlib.contextmanager
def all_of_it() -> Iterator[Webhooks]:
    with tempfile.TemporaryDirectory(prefix="bench-webhook-") as name:
        bench = Bench(Path(sys.argv[1]), Path(name))
        try:
            yield Webhooks(bench, sys.argv[2], sys.argv[3])
        finally:
            bench.end_all()


def main() -> int:
    if not THEIRS.exists():
        print(f"bench: there is no EKS webhook at {THEIRS}: make setup-e2e builds it, or POD_IDENTITY_EKS_WEBHOOK=PATH names one", file=sys.stderr)
        return 1
    wanted = sys.argv[4:] or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        print(f"bench: no such part: {unknown[0]}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 64
    with all_of_it() as webhooks:
        print(json.dumps({part: PARTS[part](webhooks) for part in wanted}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
