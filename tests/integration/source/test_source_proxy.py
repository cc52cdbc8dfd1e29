"""Proxies on the way to STS: whether one is used, whose user and password it gets, and what it may answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from harness.aws import Aws, needs_openssl
from harness.programs import Binaries, Run, Runner
from harness.reports import assert_failed
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]


def test_proxy(run_init: Init, start_sidecar: Start, aws: Aws, web_token: ProjectedToken) -> None:
    env = aws.irsa(web_token)
    proxy = aws.emulator.serve("proxy")
    target = env["AWS_ENDPOINT_URL_STS"].removeprefix("https://")
    proxied = {**env, "HTTPS_PROXY": f"http://127.0.0.1:{proxy['port']}", "AWS_ENDPOINT_URL_STS": f"https://sts.localhost:{proxy['port']}"}
    # localhost is never proxied, so the server has another name here, which only the proxy can resolve
    port = target.rsplit(":", 1)[1]
    proxied["AWS_ENDPOINT_URL_STS"] = f"https://sts.localhost:{port}"
    run = run_init(env=proxied)
    assert run.exit_code == 0, run.stdout
    assert aws.emulator.proxied() == [f"sts.localhost:{port}"]
    check_container(start_sidecar(env=proxied).get("/v1/credentials"))
    assert len(aws.emulator.proxied()) == 2
    assert run_init(env={**env, "HTTPS_PROXY": "http://127.0.0.1:1"}).exit_code == 0, "localhost is never proxied"


@pytest.mark.parametrize(("no_proxy", "proxied"), [("sts.localhost", 0), (".localhost", 0), ("*", 0), ("example.com,localhost.example", 1)])
def test_no_proxy(run_init: Init, aws: Aws, web_token: ProjectedToken, no_proxy: str, proxied: int) -> None:
    env = aws.irsa(web_token)
    env["AWS_ENDPOINT_URL_STS"] = "https://sts.localhost:" + env["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    env["HTTPS_PROXY"] = f"http://127.0.0.1:{aws.emulator.serve('proxy')['port']}"
    assert run_init(env={**env, "NO_PROXY": no_proxy}).exit_code == 0
    assert len(aws.emulator.proxied()) == proxied


def test_proxy_that_refuses(run_init: Init, aws: Aws, web_token: ProjectedToken) -> None:
    env = aws.irsa(web_token)
    proxy = aws.emulator.serve("proxy")
    env["AWS_ENDPOINT_URL_STS"] = "https://sts.localhost:" + env["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    env["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy['port']}"
    aws.emulator.fault("answer", service="proxy", status=403, body="no", times=None)
    assert_failed(run_init(env=env), "AWS_UNREACHABLE", "proxy", "403", "HTTPS_PROXY")
    env["HTTPS_PROXY"] = "http://proxy.invalid:3128"
    assert_failed(run_init(env=env), "AWS_UNREACHABLE", "proxy", "HTTPS_PROXY")
    env["HTTPS_PROXY"] = "http://127.0.0.1:1"
    assert "com.amazonaws" not in assert_failed(run_init(env=env), "AWS_UNREACHABLE", "Connection refused", "HTTPS_PROXY, 127.0.0.1 port 1")


@pytest.mark.parametrize(("answer", "remedy"), [
    ({"status": 407, "headers": {"Proxy-Authenticate": 'Basic realm="x"'}}, "user and password"),
    ({"status": 407, "headers": {"Proxy-Authenticate": "NTLM"}}, "Basic"),
    ({"status": 403, "body": "<html>blocked by policy</html>"}, "rules"),
    ({"status": 502}, "does not reach"), ({"status": 503}, "does not reach"), ({"status": 504}, "does not reach"),
    ({"status": 302, "headers": {"Location": "http://portal.example/login"}, "body": "<html>log in</html>"}, "rules"),
    ({"status": 511, "body": "<html>log in</html>"}, "rules"),
])
def test_answers_of_the_proxy(run_init: Init, aws: Aws, web_token: ProjectedToken, answer: dict[str, Any], remedy: str) -> None:
    """Told as the proxy's, with its status, and nothing of what stands in its page."""
    env = aws.irsa(web_token)
    env["AWS_ENDPOINT_URL_STS"] = "https://sts.localhost:" + env["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    env["HTTPS_PROXY"] = f"http://joe:Pa55w0rd@127.0.0.1:{aws.emulator.serve('proxy')['port']}"
    aws.emulator.fault("answer", service="proxy", times=None, **{"body": "", **answer})
    run = run_init(env=env)
    text = assert_failed(run, "AWS_UNREACHABLE", "not let through by the proxy", f"answered {answer['status']} to CONNECT", "HTTPS_PROXY", remedy)
    assert "Pa55" not in run.stdout + run.stderr and "log in" not in text and "blocked" not in text


def test_passwords(run_init: Init, start_sidecar: Start, aws: Aws, web_token: ProjectedToken) -> None:
    """Percent-encoded or not, they arrive as they are; the server never sees them."""
    env = aws.irsa(web_token)
    env["AWS_ENDPOINT_URL_STS"] = "https://sts.localhost:" + env["AWS_ENDPOINT_URL_STS"].rsplit(":", 1)[1]
    port = aws.emulator.serve("proxy")["port"]
    for given, user in (("joe:secret", "joe:secret"), ("j%6fe:p%40%3A%2f%23%25%20", "joe:p@:/#% "), ("DOM\\\\joe:x", "DOM\\\\joe:x"), ("joe", "joe:")):
        aws.emulator.proxy_user(user)
        run = run_init(env={**env, "HTTPS_PROXY": f"http://{given}@127.0.0.1:{port}"})
        assert run.exit_code == 0, run.stdout
    assert len(aws.emulator.proxied()) == 4
    for request in aws.requests("sts"):
        assert "proxy-authorization" not in {name.lower() for name, _ in request["headers"]}
    assert_failed(run_init(env={**env, "HTTPS_PROXY": f"http://127.0.0.1:{port}"}), "AWS_UNREACHABLE", "407", "user and password")
    assert_failed(run_init(env={**env, "HTTPS_PROXY": f"http://joe:Pa55@127.0.0.1:{port}"}), "AWS_UNREACHABLE", "407")
    check_container(start_sidecar(env={**env, "HTTPS_PROXY": f"http://joe@127.0.0.1:{port}"}).get("/v1/credentials"))


@pytest.mark.parametrize(("url", "says"), [
    ("http://joe:Pa55#w0rd@proxy.corp:3128", "percent-encoded"), ("http://joe:Pa55/w0rd@proxy.corp:3128", "percent-encoded"),
    ("http://joe:Pa55?w0rd@proxy.corp:3128", "percent-encoded"), ("http://joe:Pa55@w0rd@proxy.corp:3128", "percent-encoded"),
    ("http://joe:Pa55%@proxy.corp:3128", "percent-encoded"), ("http://joe:Pa55 w0rd@proxy.corp:3128", "percent-encoded"),
    ("http://joe:Pa55@proxy.corp:99999", "http://HOST:PORT"), ("http://joe:Pa55@proxy corp:3128", "http://HOST:PORT"),
    ("http://joe:Pa55@", "http://HOST:PORT"), ("socks5://joe:Pa55@proxy.corp:1080", "SOCKS"), ("https://joe:Pa55@proxy.corp:3128", "https://"),
])
def test_unusable_at_the_start(run_init: Init, binaries: Binaries, runner: Runner, aws: Aws, web_token: ProjectedToken, folder: Path, url: str,
                               says: str) -> None:
    """Nothing is sent, and the message holds no part of the password."""
    env = {**aws.irsa(web_token), "AWS_ENDPOINT_URL_STS": "https://sts.example", "HTTPS_PROXY": url}
    run = run_init(env=env)
    assert_failed(run, "SETTING_INVALID", "HTTPS_PROXY", says, "NO_PROXY")
    served = runner.run([binaries.sidecar, f"--unix-socket={folder}/socket"], env)
    assert served.exit_code == 14 and "HTTPS_PROXY" in served.stderr, served.stderr
    assert "Pa55" not in run.stdout + run.stderr + served.stderr + (run.termination_log or "")
    assert run_init(env={**env, "HTTPS_PROXY": "", "HTTP_PROXY": url}).reason == "AWS_UNREACHABLE", "not for https"


def test_the_agent_is_never_proxied(run_init: Init, aws: Aws, injected: dict[str, str]) -> None:
    proxy = aws.emulator.serve("proxy")
    url = f"http://127.0.0.1:{proxy['port']}"
    assert run_init(env={**injected, "HTTP_PROXY": url, "http_proxy": url, "ALL_PROXY": url}).exit_code == 0
    assert aws.emulator.proxied() == []
