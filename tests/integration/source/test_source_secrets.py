"""No text repeats a secret, however an answer of another writes it; and what an error names stays readable."""

from __future__ import annotations

import base64
import json
import re
import signal
from typing import Any, Callable
from urllib.parse import quote

import pytest

from harness.aws import TARGET, Aws, needs_openssl, trust
from harness.emulator import ROLE_ARN, Emulator
from harness.programs import Run
from harness.reports import assert_failed
from harness.served import check_container
from harness.sidecar import Sidecar
from harness.token_files import ProjectedToken
from harness.waiting import eventually

pytestmark = [pytest.mark.place("loopback"), needs_openssl]
Init, Start = Callable[..., Run], Callable[..., Sidecar]
NS = "https://sts.amazonaws.com/doc/2011-06-15/"
BEARER = "bearer-of-plain-words-and-nothing-else"

WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent of percent": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON": lambda text: "".join(f"\\u{ord(one):04X}" for one in text),
    "entities": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    "base64": lambda text: base64.b64encode(b"t=" + text.encode()).decode(),
    "base64url of hex": lambda text: base64.urlsafe_b64encode(text.encode().hex().encode()).decode(),
    "HEX": lambda text: text.encode().hex().upper(),
    "folded": lambda text: "\r\n ".join(re.findall(".{1,9}", text)),
    "in quotes": lambda text: '", "'.join(re.findall(".{1,7}", text)),
    "the beginning": lambda text: text[:24],
    "the end": lambda text: text[-24:],
}


def shown(text: str, written: str) -> list[str]:
    """Pieces of ten characters of one that stand in the other."""
    return [written[at:at + 10] for at in range(0, max(1, len(written) - 10)) if written[at:at + 10] in text and len(written[at:at + 10]) == 10]


@pytest.mark.parametrize("how", WRITINGS)
@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_the_agent_repeats_the_token(run_init: Init, emulator: Emulator, token: ProjectedToken, how: str, form: str) -> None:
    text = token.real().read_text()
    written = WRITINGS[how](text.split(".", 1)[1] if how != "the beginning" else text)
    said = f"cannot use {written} here"
    body = {"text": said, "json": json.dumps({"message": said}), "html": f"<html><title>{said}</title>{written}</html>"}[form]
    emulator.fault(kind="answer", status=400, body=body, times=None)
    run = run_init()
    text = assert_failed(run, "BAD_RESPONSE", "cannot")
    assert not shown(text + run.stdout + str(run.termination_log), written), text


@pytest.mark.parametrize("how", WRITINGS)
def test_sts_repeats_the_keys_of_the_hop_before(run_init: Init, emulator: Emulator, injected: dict[str, str], how: str) -> None:
    aws = Aws(emulator)
    emulator.role(TARGET, trust(ROLE_ARN))
    # Words, so that nothing but knowing it can tell that it is a secret.
    secret, session = "plainwordsofasecretkeythatlooklikenone12", "sessionwords" * 20
    emulator.fault(kind="patch", set={"SecretAccessKey": secret, "Token": session}, times=None)
    for kept in (secret, session):
        written = WRITINGS[how](kept)
        escaped = written.replace("&", "&amp;").replace("<", "&lt;")
        emulator.fault(service="sts", kind="answer", status=403, content_type="text/xml", body=f'<ErrorResponse xmlns="{NS}"><Error><Type>Sender</Type>'
                       f"<Code>SignatureDoesNotMatch</Code><Message>it should have been {escaped}</Message></Error></ErrorResponse>")
        run = run_init(f"--assume-role={TARGET}", env={**injected, **aws.sts()})
        text = assert_failed(run, "ACCESS_DENIED", "it should have been")
        assert not shown(text, written) and not shown(text, escaped), text


def test_sidecar_shows_no_bearer_and_nothing_that_it_serves(start_sidecar: Start, emulator: Emulator) -> None:
    sidecar = start_sidecar("--log-level=debug", bearer=BEARER)
    served = check_container(sidecar.get("/v1/credentials"))
    said = f"bearer {BEARER[7:]}, key {served['SecretAccessKey']}, token {served['Token'][:200]}, id {served['AccessKeyId']}, end"
    emulator.fault(kind="answer", status=500, body=said, times=None)
    sidecar.send_signal(signal.SIGUSR1)
    eventually(lambda: "refresh failed" in sidecar.stderr, 10, "a refresh that failed")
    line = next(line for line in sidecar.stderr.splitlines() if "refresh failed" in line)
    assert "end" in line and "plain-words" not in line
    assert not shown(line, served["SecretAccessKey"]) and not shown(line, served["Token"])
    assert f"{served['AccessKeyId'][:4]}...{served['AccessKeyId'][-4:]}" in line and served["AccessKeyId"] not in line


@pytest.mark.parametrize(("body", "kept", "hidden"), [
    (json.dumps({"AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "short", "Token": "alsoshort"}), "JSON without a message", "alsoshort"),
    ("id ASIAIOSFODNN7EXAMPLE is not known", "ASIA...MPLE", "IOSFODNN7"),
    ("bad key wJalrXUtnFEMIxKoMDENGxbPxRfiCYzEXAMPLEKE", "bad key", "wJalr"),
    ("<html><title>Sign in</title><body>secret=abc</body></html>", 'a page of HTML "Sign in"', "secret=abc"),
    ("see https://joe:pw@proxy.corp:3128/?key=abc", "https://[redacted]@proxy.corp:3128", "pw@"),
])
def test_what_nobody_here_knows(run_init: Init, emulator: Emulator, body: str, kept: str, hidden: str) -> None:
    emulator.fault(kind="answer", status=400, body=body, times=None)
    text = assert_failed(run_init(), "BAD_RESPONSE", kept)
    assert hidden not in text


@pytest.mark.parametrize("said", [
    "User: arn:aws:sts::111122223333:assumed-role/ng-1-NodeInstanceRole-AbCdEf12/i-0123456789abcdef0 is not authorized to perform: "
    "eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:eu-west-1:111122223333:cluster/prod",
    "No OpenIDConnect provider found in your account for https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
])
def test_what_an_error_names_stays(run_init: Init, emulator: Emulator, said: str) -> None:
    emulator.eks_auth_error("AccessDeniedException", said)
    assert_failed(run_init(), "ACCESS_DENIED", said)


@pytest.mark.parametrize("url", ["http://169.254.170.23:80/v1/credentials?token=Pa55word", "http://joe:Pa55word@169.254.170.23/v1/credentials",
                                 "http://joe:Pa55#word@169.254.170.23/", "http://joe:Pa55word"])
def test_no_url_shows_its_password(run_init: Init, injected: dict[str, str], url: str) -> None:
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL_STS", "AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        env: dict[str, Any] = {**injected, "AWS_REGION": "eu-central-1", name: url}
        options = {"AWS_ENDPOINT_URL_STS": [f"--assume-role={TARGET}"],
                   "AWS_EC2_METADATA_SERVICE_ENDPOINT": ["--source=eks-auth", "--cluster-name=c"]}.get(name, ["--verify=injection"])
        run = run_init(*options, env=env)
        for text in (run.stdout, run.stderr, run.termination_log or ""):
            assert "Pa55" not in text and "word@" not in text, text
