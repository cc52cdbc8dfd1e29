"""The server: reviews over TLS, files that change, memory, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Callable

import pytest

from harness.clients import go_client
from harness.reviews import ASK, INIT, SIDECAR, TEMPLATE, Webhook, pod, review
from harness.sidecar import wanted_sandbox
from harness.sizes import resident_kib, small_pages
from harness.waiting import eventually
from harness.webhook_process import Authority, Mounted, WebhookProcess

RESIDENT_KIB, PEAK_KIB = 1536, 4096


def test_reviews(start: Callable[..., WebhookProcess]) -> None:
    """Both paths; what `review` says is what the server says."""
    server = start()
    assert server.ask(pod(labels=ASK)).pod == server.webhook.ask(pod(labels=ASK), *server.webhook.options("both")).pod
    assert server.ask(pod(), "/mutate").pod["spec"].get("initContainers") is None
    assert [each["name"] for each in server.ask(pod(), "/mutate/namespace?timeout=10s").pod["spec"]["initContainers"]] == [INIT["name"], SIDECAR["name"]]
    assert server.metric('reviews_total{result="patched"}') == 3 and server.metric('injections_total{kind="toolkit"}') == 2


def test_a_burst(start: Callable[..., WebhookProcess]) -> None:
    """As of an API server, which asks on as many connections as it has pods to make: 60 requests begin before the first one is whole, and all are answered."""
    server = start()
    body = json.dumps(review(pod())).encode()
    connections = [server.connect() for _ in range(60)]
    for each in connections:
        each.connect()
        each.send(b"POST /mutate HTTP/1.1\r\n")
    for each in connections:
        each.send(b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = each.sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        each.close()


def test_curl(start: Callable[..., WebhookProcess], tmp_path: Path) -> None:
    """Another TLS library and HTTP client, with a body that is announced first."""
    server = start()
    body = tmp_path / "review.json"
    body.write_text(json.dumps(review(pod(annotations={"x": "y" * 100000}))))
    for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        done = subprocess.run(["curl", "-sS", "--cacert", server.authority.file, "-H", "Content-Type: application/json", *more,
                               "--data-binary", f"@{body}", f"https://127.0.0.1:{server.port}/mutate"], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["response"]["patchType"] == "JSONPatch"


def test_go(start: Callable[..., WebhookProcess]) -> None:
    """The HTTP client and TLS of the API server: four at a time on kept connections."""
    server = start()
    text = json.dumps(review(pod(labels=ASK, annotations={"x": "y" * 20000})))
    done = subprocess.run([go_client(), "admit", f"https://127.0.0.1:{server.port}/mutate?timeout=10s", server.authority.file], input=text,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["answers"], found["proto"], found["tls"]) == (100, "HTTP/1.1", "TLS 1.2") and found["bytes"] > 1000
    handshakes = sum(server.metric(f'tls_handshakes_total{{result="{result}"}}') for result in ("full", "resumed"))
    assert handshakes <= 8 and server.metric('reviews_total{result="patched"}') == 100


def test_what_is_no_review(start: Callable[..., WebhookProcess]) -> None:
    """Each with its status, and words; the connection goes on."""
    server = start()
    connection = server.connect()
    assert server.post("{}", "/mutate", connection) == (400, b"the body is of kind none: an AdmissionReview is expected\n")
    assert server.post("", "/mutate", connection)[0] == 400
    assert server.post("{}", "/other", connection)[0] == 404
    connection.request("GET", "/mutate")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Allow"]) == (405, "POST") and answer.read()
    assert server.ask(pod(), connection=connection).patch
    assert server.page("/other")[0] == 404
    assert server.metric('reviews_total{result="failed"}') == 2
    assert 'problem="the body is of kind none' in server.log


@pytest.mark.parametrize("refuse", [False, True])
def test_large_bodies(start: Callable[..., WebhookProcess], refuse: bool) -> None:
    """To 256 KiB they are looked at, to 3 MiB answered as configured, and beyond refused."""
    server = start(*(["--on-large=refuse"] if refuse else []))
    spare = 262144 - len(json.dumps(review(pod(annotations={"x": ""}))))
    assert server.ask(pod(annotations={"x": "y" * spare})).patch
    for size in (spare + 1, 2_900_000):
        answer = server.ask(pod(annotations={"x": "y" * size}))
        assert answer.allowed != refuse and answer.patch is None
        assert "its review has more than 262144 bytes" in (answer.message if refuse else answer.warnings[0])
    try:
        assert server.post("y" * 3_300_000)[0] == 413
    except (ConnectionError, ssl.SSLError):
        pass  # it need not read what it refuses
    assert server.ask(pod()).patch


@pytest.mark.alone
def test_memory(start: Callable[..., WebhookProcess]) -> None:
    """1,000 admissions on kept connections and on new ones: what is resident stays flat, and within the limits."""
    server = start()
    server.ask(pod(labels=ASK))
    assert small_pages(server.process.pid)
    idle = resident_kib(server.process.pid)
    text = json.dumps(review(pod(labels=ASK, annotations={"x": "y" * 8000})))

    def some(count: int) -> None:
        connection = server.connect()
        for _ in range(count):
            assert server.post(text, connection=connection)[0] == 200
        connection.close()

    def round_of_500() -> int:
        threads = [threading.Thread(target=some, args=(60,)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        for _ in range(20):
            assert server.post(text)[0] == 200
        return resident_kib(server.process.pid)

    first, second = round_of_500(), round_of_500()
    sizes = server.memory_kib()
    said = f"idle {idle} KiB, after 500 {first}, after 1000 {second}, peak {sizes['VmHWM']}"
    print(said)
    assert server.metric('reviews_total{result="patched"}') == 1001
    assert idle <= RESIDENT_KIB and sizes["VmHWM"] <= PEAK_KIB and second - first <= 128, said


def test_certificate_rotation_under_load(start: Callable[..., WebhookProcess], authority: Authority) -> None:
    """No request fails while the Secret changes again and again; open connections go on, new ones get the new certificate."""
    server = start()
    kept = server.connect()
    assert server.ask(pod(), connection=kept).patch
    before = ssl.get_server_certificate(("127.0.0.1", server.port))
    stop, failed, done = threading.Event(), [], [0]

    def load() -> None:
        while not stop.is_set():
            try:
                assert server.ask(pod()).patch
                done[0] += 1
            except Exception as e:  # pylint: disable=broad-except
                failed.append(e)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        for number in range(4):
            pair = authority.pair(f"rotated-{number}", "2048" if number % 2 else "ec")
            server.secret.put_pair(pair)
            wanted = ssl.PEM_cert_to_DER_cert(pair[0].read_text())
            eventually(lambda: ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port))) == wanted, 20,  # pylint: disable=cell-var-from-loop
                       "new connections get the new certificate")
        count = done[0]
        eventually(lambda: done[0] > count + 4, 20, "requests go on")
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert not failed and done[0] > 10
    assert server.ask(pod(), connection=kept).patch
    assert ssl.get_server_certificate(("127.0.0.1", server.port)) != before


def test_a_pair_that_does_not_fit(start: Callable[..., WebhookProcess], authority: Authority) -> None:
    """At a reload: logged and counted, and the old one stays."""
    server = start()
    before = ssl.get_server_certificate(("127.0.0.1", server.port))
    server.secret.put_pair((authority.pair("one")[0], authority.pair("two")[1]))
    eventually(lambda: server.metric('reload_failures_total{file="certificate"}') >= 1, 20, "the failure is counted")
    assert 'msg="the new certificate cannot be used: the old one stays"' in server.log
    assert ssl.get_server_certificate(("127.0.0.1", server.port)) == before and server.ask(pod()).patch
    server.secret.put_pair(authority.pair("three"))
    eventually(lambda: 'msg="the certificate can be used again"' in server.log, 20, "the next one is taken")


def test_a_start_that_cannot_be(webhook: Webhook, authority: Authority, tmp_path: Path) -> None:
    """Pairs that do not fit, missing files, keys of other kinds: the reason, and what to do; `check` says the same."""
    good, other = authority.pair("good"), authority.pair("other")
    large = authority.pair("large", "4096")
    for pair, words in [((good[0], other[1]), "do not belong together"), ((good[0], tmp_path / "nothing"), "No such file"),
                        ((good[1], good[1]), "no certificate in PEM"), (large, "an RSA key of 4096 bits")]:
        options = [f"--certificate={pair[0]}", f"--key={pair[1]}", *webhook.options("toolkit")]
        done = webhook.call(*options, "--https=127.0.0.1:0", "--metrics=off")
        said = done.stderr.decode()
        assert done.returncode == 14 and "Remedy: " in said and words in said, (pair, said)
        checked = webhook.call("check", *options)
        assert checked.returncode == done.returncode and said.splitlines()[-1] in checked.stderr.decode()


@pytest.mark.parametrize("from_s, until_s, words", [(-7200, -3600, "the certificate has ended"), (3600, 7200, ""), (-60, 86400, "the certificate ends soon")],
                         ids=["ended", "not yet", "soon"])
def test_dates(start: Callable[..., WebhookProcess], webhook: Webhook, authority: Authority, from_s: int, until_s: int, words: str) -> None:
    """A certificate that is not valid now is no reason to end: it may be renewed. But it is told, and the webhook is not ready."""
    pair = authority.pair("dated", from_s=from_s, until_s=until_s)
    server = start(pair=pair)
    valid = from_s < 0 < until_s
    assert words in server.log
    assert server.page("/readyz") == ((200, "ok\n") if valid else (503, "the certificate is not valid now\n"))
    assert server.metric("ready") == valid and abs(server.metric("certificate_expiry_seconds") - until_s) < 600
    checked = webhook.call("check", f"--certificate={pair[0]}", f"--key={pair[1]}", *webhook.options("toolkit"))
    assert checked.returncode == (0 if valid else 14) and (b"is not valid now" in checked.stderr) != valid
    server.secret.put_pair(authority.pair("renewed"))
    eventually(lambda: server.page("/readyz")[0] == 200 and server.ask(pod()).patch, 20, "the renewed one is valid")


def test_sandbox(start: Callable[..., WebhookProcess]) -> None:
    """Without capabilities and new privileges, behind seccomp, where the machine has it."""
    server = start()
    if wanted_sandbox() != "require":
        pytest.skip("this machine has not all parts of the sandbox")
    assert server.ask(pod()).patch  # nobody is answered before it
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if ":\t" in line)
    assert (status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapBnd"], 16)) == ("2", "1", 0, 0)


def test_check(webhook: Webhook, authority: Authority, tmp_path: Path) -> None:
    """All that is read, and all that is wrong at once."""
    pair = authority.pair("checked")
    options = [f"--certificate={pair[0]}", f"--key={pair[1]}"]
    good = tmp_path / "good"
    good.mkdir()
    (good / "default.app").write_text('{"roleArn": "arn:aws:iam::111122223333:role/demo"}')
    done = webhook.call("check", *options, *webhook.options("toolkit"), f"--associations={good}")
    assert done.returncode == 0 and done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("certificate: valid until 20") and lines[1:] == ["template: init container and native sidecar", "associations: 1 usable, 0 not"]
    (tmp_path / "bad.json").write_text("{}")
    done = webhook.call("check", *options, f"--template={tmp_path / 'bad.json'}", f"--associations={webhook.associations}")
    assert done.returncode == 14 and b"neither init nor sidecar" in done.stderr and b"key=default.unusable" in done.stderr
    assert b"associations: 4 usable, 1 not" in done.stdout


def test_files_that_change(start: Callable[..., WebhookProcess], tmp_path: Path) -> None:
    """Template and associations count when the kubelet has swapped them; a bad template is told, and the old one stays."""
    role = b'{"roleArn": "arn:aws:iam::111122223333:role/demo"}'
    templates = Mounted(tmp_path / "template", {"template.json": json.dumps(TEMPLATE).encode()})
    keys = Mounted(tmp_path / "keys", {})
    server = start(f"--template={templates.folder / 'template.json'}", f"--associations={keys.folder}", which="none")
    assert server.ask(pod()).patch is None
    keys.put({"default.app": role})
    eventually(lambda: server.ask(pod()).patch is not None, 20, "a new association counts")
    assert server.metric("associations") == 1
    keys.put({})
    eventually(lambda: server.ask(pod()).patch is None, 20, "one that is gone does not")
    templates.put({"template.json": b"{"})
    eventually(lambda: server.metric('reload_failures_total{file="template"}') >= 1, 20, "the failure is counted")
    assert "the new template cannot be used: the old one stays" in server.log
    assert server.ask(pod(labels=ASK)).pod["spec"]["initContainers"][0]["image"] == INIT["image"]
    changed = {**TEMPLATE, "init": {**INIT, "image": "registry/init:2"}}
    templates.put({"template.json": json.dumps(changed).encode()})
    eventually(lambda: server.ask(pod(labels=ASK)).pod["spec"]["initContainers"][0]["image"] == "registry/init:2", 20, "the next one counts")


def test_the_end(start: Callable[..., WebhookProcess]) -> None:
    """SIGTERM: not ready at once, answers on for --linger, each the last of its connection; a second one ends it at once."""
    server = start("--linger=60s")
    assert server.page("/readyz") == (200, "ok\n") and server.page("/healthz") == (200, "ok\n")
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.page("/readyz")[0] == 503, 10, "it is not ready")
    connection = server.connect()
    connection.request("POST", "/mutate", json.dumps(review(pod())))
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Connection"] == "close" and answer.read()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0 and "msg=ended" in server.log
    assert start("--linger=200ms").stop() == 0  # its time ends by itself, too


def test_a_low_limit_of_open_files(start: Callable[..., WebhookProcess]) -> None:
    """It is said how many connections are left; those are served."""
    server = start()
    assert server.stop() == 0 and "fewer connections" not in server.log
    server.argv[:0] = ["/bin/sh", "-c", 'ulimit -n 40; exec "$@"', "sh"]
    server.start()
    assert re.search(r"level=warn msg=\"there can be fewer connections than planned\" connections=\d+ planned=\d+ remedy=", server.log)
    assert server.ask(pod()).patch


def test_killed_and_started_again(start: Callable[..., WebhookProcess]) -> None:
    """Nothing is left behind that hinders the next one."""
    server = start()
    assert server.ask(pod()).patch
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    server.start()
    assert server.ask(pod()).patch
    assert server.stop() == 0


def test_client_certificates(start: Callable[..., WebhookProcess], authority: Authority, tmp_path: Path) -> None:
    """With --client-ca, only clients of that authority are answered."""
    clients = Authority(tmp_path / "clients", "clients")
    server = start(f"--client-ca={clients.file}", identity_of_client=clients.pair("api-server"))
    assert server.ask(pod()).patch
    for other in (None, authority.pair("stranger")):
        server.client_pair = other
        with pytest.raises((ssl.SSLError, ConnectionError)):
            server.post(json.dumps(review(pod())))
    server.client_pair = clients.pair("another")
    assert server.ask(pod()).patch


def test_dry_run(start: Callable[..., WebhookProcess]) -> None:
    """The same answer."""
    server = start()
    assert server.ask(pod(labels=ASK), dryRun=True).patch == server.ask(pod(labels=ASK)).patch
    assert "dry_run=yes" in server.log
