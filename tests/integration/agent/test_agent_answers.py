"""What pods are told: the order of checks, statuses, texts and members of the EKS Pod Identity Agent 0.1.37."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest

from harness.agent import is_text
from harness.emulator import ACCOUNT, NAMESPACE, ROLE_ARN, Emulator
from harness.http import exchange, parse_answer
from harness.our_agent import OurAgent
from harness.places import AGENT_IPV4, AGENT_IPV6
from harness.served import issued, triple

Start = Callable[..., OurAgent]
HEX_ID = r"\[[0-9a-f-]{36}\]"
DENIED = f"Access Denied. Called agent through invalid address, please use either [{AGENT_IPV4} {AGENT_IPV6}] address not "
PARSED = "Service account token cannot be parsed: token is malformed: "
CLAIMS = "Service account token failed basic claim validations: "


def test_credentials(agent: OurAgent, node: Emulator) -> None:
    answer = agent.ask(node.token())
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert list(answer.json) == ["AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration"]
    assert triple(answer.json) == issued(node)[-1]
    assert answer.json["AccountId"] == ACCOUNT
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json["Expiration"])


@pytest.mark.parametrize("to", [AGENT_IPV4, AGENT_IPV6])
@pytest.mark.parametrize("host", [AGENT_IPV4, f"{AGENT_IPV4}:80", f"{AGENT_IPV4}:", f"[{AGENT_IPV6}]", f"[{AGENT_IPV6}]:80", AGENT_IPV6])
def test_hosts_that_are_taken(agent: OurAgent, to: str, host: str) -> None:
    """On whichever address it comes."""
    is_text(agent.ask(None, host=host, to=to), 400, "Service account token cannot be empty")


@pytest.mark.parametrize(("host", "shown"), [
    ("localhost", "localhost"), ("127.0.0.1:80", "127.0.0.1"), ("", ""), ("[::1]:80", "::1"), ("169.254.170.24", "169.254.170.24"),
    ("fd00:ec2::23:80", "fd00:ec2::23:80"), ("169.254.170.23.", "169.254.170.23."), ("169.254.170.23:80:80", "169.254.170.23:80:80")])
def test_hosts_that_are_refused(agent: OurAgent, node: Emulator, host: str, shown: str) -> None:
    """Before the token is looked at."""
    is_text(agent.ask(node.token(), host=host), 403, DENIED + shown)
    is_text(agent.ask(None, host=host), 403, DENIED + shown)
    assert agent.upstream() == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "X"])
def test_any_method(agent: OurAgent, node: Emulator, method: str) -> None:
    answer = agent.ask(node.token(), method=method)
    assert answer.status == 200
    assert (answer.body == b"") == (method == "HEAD")


@pytest.mark.parametrize(("path", "status"), [
    ("/v1/credentials?x=1", 200), ("/v1/%63redentials", 200), ("/", 404), ("/v1", 404), ("/v1/credentials/", 404), ("/v2/credentials", 404),
    ("/" + "a" * 900, 404), ("/metrics", 404), ("/healthz", 404), ("/v1/Credentials", 404)])
def test_paths(agent: OurAgent, node: Emulator, path: str, status: int) -> None:
    answer = agent.ask(node.token() if status == 200 else None, path=path, host=AGENT_IPV4 if status == 200 else "nobody")
    assert answer.status == status
    if status == 404:
        is_text(answer, 404, "404 page not found")


@pytest.mark.parametrize("path", ["//v1/credentials", "/v1//credentials", "/v1/./credentials", "/x/../v1/credentials"])
def test_unclean_paths(agent: OurAgent, path: str) -> None:
    answer = agent.ask(None, path=path)
    assert (answer.status, answer.header("Location")) == (307, "/v1/credentials")
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.body == b'<a href="/v1/credentials">Temporary Redirect</a>.\n\n'


@pytest.mark.parametrize("path", ['//%22%3E%3Cscript%3E', "//v1/%26amp", "/x/../%27", "//[::1]/"])
def test_unclean_paths_that_say_more(agent: OurAgent, path: str) -> None:
    """Nothing that a page or a header would read otherwise goes back."""
    is_text(agent.ask(None, path=path), 404, "404 page not found")


TOKENS: dict[str, tuple[dict[str, Any] | str | None, str]] = {
    "none": (None, "Service account token cannot be empty"),
    "empty": ("", "Service account token cannot be empty"),
    "no JWT": ("abc", PARSED + "token contains an invalid number of segments"),
    "four parts": ("a.b.c.d", PARSED + "token contains an invalid number of segments"),
    "no base64": ("a.b.c", PARSED + "could not base64 decode header: illegal base64 data at input byte 1"),
    "with a scheme": ("Bearer e30.e30.AAAA", PARSED + "could not base64 decode header: illegal base64 data at input byte 6"),
    "expired": ({"expires_in_s": -60}, CLAIMS + "token is expired"),
    "not yet": ({"not_before_in_s": 600}, CLAIMS + "token is not valid yet"),
    "both": ({"expires_in_s": -60, "not_before_in_s": 600}, CLAIMS + "token is expired, token is not valid yet"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_that_are_refused(agent: OurAgent, node: Emulator, name: str) -> None:
    given, text = TOKENS[name]
    token = node.token(**given) if isinstance(given, dict) else given
    is_text(agent.ask(token), 400, text)
    assert agent.upstream() == 0


def test_claims_that_are_no_json(agent: OurAgent, node: Emulator) -> None:
    answer = agent.ask(node.sign(b'{"alg":"RS256"}', b"{"))
    assert answer.status == 400
    assert answer.body.decode().startswith("Service account token cannot be parsed: token is malformed: could not JSON decode claim: ")


@pytest.mark.parametrize("params", [{"audience": "sts.amazonaws.com"}, {"forged": True}, {"claims": {"iat": 99999999999}}])
def test_what_is_not_looked_at(agent: OurAgent, node: Emulator, params: dict[str, Any]) -> None:
    """Signature, audience and iat are EKS Auth's business."""
    agent.ask(node.token(**params))
    assert agent.upstream() == 1


@pytest.mark.parametrize(("code", "status", "fault", "attempts"), [
    ("AccessDeniedException", 400, "client", 1), ("ExpiredTokenException", 400, "client", 1), ("InvalidTokenException", 400, "client", 1),
    ("InvalidParameterException", 400, "client", 1), ("InvalidRequestException", 400, "client", 1),
    ("ResourceNotFoundException", 404, "client", 1), ("ThrottlingException", 429, "client", 3),
    ("InternalServerException", 500, "server", 3), ("ServiceUnavailableException", 503, "server", 3)])
def test_errors_of_eks_auth(agent: OurAgent, node: Emulator, code: str, status: int, fault: str, attempts: int) -> None:
    """In the real agent's form, with its attempts."""
    node.eks_auth_error(code, "words of the service.")
    answer = agent.ask(node.token())
    assert answer.status == status
    assert re.fullmatch(HEX_ID + re.escape(f": ({code}): words of the service., fault: {fault}\n"), answer.body.decode()), answer.body
    is_text(answer, status, answer.body.decode()[:-1])
    assert answer.header("Retry-After") is None
    assert agent.upstream() == attempts
    assert agent.metric(f'pod_identity_http_response{{code="{status}"}}') == 1 + (status == 404)  # and what looked whether it answers


def test_no_association(agent: OurAgent, node: Emulator) -> None:
    answer = agent.ask(node.token(service_account="nobody"))
    assert answer.status == 404
    assert answer.body.decode().endswith(": (ResourceNotFoundException): No pod identity association found for service account nobody "
                                         f"in namespace {NAMESPACE}., fault: client\n")


def test_a_role_without_trust(agent: OurAgent, node: Emulator) -> None:
    node.associate(assumable=False)
    answer = agent.ask(node.token())
    assert answer.status == 400 and b": (AccessDeniedException): Unauthorized Exception! EKS does not" in answer.body


def test_an_error_that_echoes_what_was_sent(agent: OurAgent, node: Emulator) -> None:
    """Neither pods nor the log are shown a secret of the node or of a pod."""
    token = node.token()
    session = agent.env["AWS_SESSION_TOKEN"]
    node.fault("answer", service="eks-auth-api", status=400, headers={"x-amzn-ErrorType": "InvalidRequestException"},
               json={"message": f"cannot read {token} of {session}"}, times=None)
    answer = agent.ask(token)
    assert answer.status == 400 and b": (InvalidRequestException): cannot read " in answer.body
    for text in (answer.body.decode(), agent.log):
        assert token[-40:] not in text and session[:40] not in text and session[-40:] not in text


def test_wrong_cluster(start_agent: Start, node: Emulator) -> None:
    agent = start_agent("--cluster-name", "other")
    answer = agent.ask(node.token())
    assert answer.status == 404 and b": (ResourceNotFoundException): No cluster found for name: other., fault: client" in answer.body


@pytest.mark.parametrize("status", [502, 403, 404])
def test_what_is_not_eks_auth(agent: OurAgent, node: Emulator, status: int) -> None:
    """A page of somebody on the way: its status, and an empty request id alone."""
    node.fault("answer", service="eks-auth-api", status=status, body="<html>no</html>", content_type="text/html", times=None)
    is_text(agent.ask(node.token()), status, "[]")


@pytest.mark.parametrize("fault", [
    {"kind": "answer", "body": "welcome"}, {"kind": "answer", "json": {"credentials": {}}}, {"kind": "empty"}, {"kind": "nested"},
    {"kind": "cut"}])
def test_200_without_credentials(agent: OurAgent, node: Emulator, fault: dict[str, Any]) -> None:
    """Never 200 for what is none."""
    node.fault(fault.pop("kind"), service="eks-auth-api", times=None, **fault)
    answer = agent.ask(node.token())
    assert answer.status == 500 and answer.header("Content-Type") == "text/plain; charset=utf-8"
    node.clear_faults()
    agent.stop()


def test_nobody_answers(agent: OurAgent, node: Emulator) -> None:
    node.listen("closed", service="eks-auth-api")
    answer = agent.ask(node.token())
    assert answer.status == 500 and b"was refused" in answer.body, answer.body


def test_nobody_answers_in_tls(agent: OurAgent, node: Emulator) -> None:
    """How far it came: TCP reached it."""
    node.listen("mute", service="eks-auth-api")
    answer = agent.ask(node.token())
    assert answer.status == 500 and b"timed out while waiting for the TLS answer" in answer.body and b"TCP reached" in answer.body, answer.body
    assert b"while connecting" not in answer.body


def test_expired_credentials_are_refused(agent: OurAgent, node: Emulator) -> None:
    node.associate(lifetime_s=-60.0)
    answer = agent.ask(node.token())
    assert answer.status == 500 and b"expired" in answer.body


def test_expired_credentials_are_passed_on_if_wanted(start_agent: Start, node: Emulator) -> None:
    """The log says so once, and the metrics each time."""
    node.associate(lifetime_s=-60.0)
    agent = start_agent("--expired=pass")
    token = node.token()
    for times in (1, 2):
        assert agent.ask(token).json["AccessKeyId"] == issued(node)[-1][0]
        assert agent.metric("pod_identity_agent_passed_expired_total") == times
    node.associate()
    assert agent.ask(token).json["AccessKeyId"] == issued(node)[-1][0]
    assert agent.metric("pod_identity_agent_passed_expired_total") == 2
    assert agent.log.count("the credentials have expired, and are passed on (--expired=pass)") == 1
    assert agent.log.count("credentials that come are valid again") == 1


@pytest.mark.parametrize(("request_line", "status"), [
    (b"GET /v1/credentials HTTP/1.1\r\n\r\n", 400), (b"GARBAGE\r\n\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 80000 + b"\r\n\r\n", 431)])
def test_what_is_no_request(agent: OurAgent, request_line: bytes, status: int) -> None:
    answer = parse_answer(exchange(agent.connect(), request_line))
    assert (answer.status, answer.header("Connection")) == (status, "close")


@pytest.mark.parametrize("size", [2_000, 5_000, 20_000, 65_000])
def test_tokens_of_any_size(agent: OurAgent, node: Emulator, size: int) -> None:
    """Up to 64 KiB, in claims that are read, or are too large for that."""
    token = node.token(claims={"padding": "x" * (size * 3 // 4 - 900)})
    assert len(token) <= 65536
    first = agent.ask(token)
    assert first.status == 200, first.body
    assert agent.ask(token).body == first.body
    assert agent.upstream() == 1


def test_a_token_that_is_too_large(agent: OurAgent, node: Emulator) -> None:
    token = node.token(claims={"padding": "x" * 50_000})
    is_text(agent.ask(token), 400, "Service account token cannot be parsed: token has more than 65536 characters")


def test_an_expiration_with_a_fraction(agent: OurAgent, node: Emulator) -> None:
    """In whole seconds, which every SDK reads."""
    node.settings(fraction=True)
    answer = agent.ask(node.token())
    assert triple(answer.json) == issued(node)[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json["Expiration"])


def test_roles_of_another_account(agent: OurAgent, node: Emulator) -> None:
    node.associate(role_arn=ROLE_ARN.replace(ACCOUNT, "444455556666"))
    assert agent.ask(node.token()).json["AccountId"] == "444455556666"
