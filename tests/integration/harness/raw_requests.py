"""Raw requests to the agent, and what a server of Go 1.26 with the agent's handler makes of them: the real agent is one."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from .http import parse_answer

PLAIN, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
HOST = "169.254.170.23"
GOOD = "Authorization: TOKEN\r\n"


def request(target: str = "/v1/credentials", host: str | None = HOST, more: str = GOOD, method: str = "GET", version: str = "HTTP/1.1",
            end: str = "\r\n", body: str = "") -> str:
    """A raw request whose connection ends behind it."""
    head = f"{method} {target} {version}\r\n" + (f"Host: {host}\r\n" if host is not None else "") + f"Connection: close\r\n{more}\r\n"
    return head.replace("\r\n", end) + body


Facts = Tuple[int, Optional[str], Optional[str], Optional[str], str]
"""Status, type, Location, X-Content-Type-Options, and the body: no more of it than who reads it can tell apart."""
VARIES = re.compile(r"^\[[^\]]*\]|(?<=cannot be parsed: ).*", re.S)


def facts(raw: bytes) -> Facts:
    """Of an answer."""
    answer = parse_answer(raw)
    body = "{}" if answer.status == 200 and answer.body else VARIES.sub("", answer.body.decode("latin-1"))
    return answer.status, answer.header("Content-Type"), answer.header("Location"), answer.header("X-Content-Type-Options"), body


def said(status: int, text: str) -> Facts:
    """A refusal of the server itself."""
    return status, PLAIN, None, None, text


def error(status: int, text: str) -> Facts:
    """Go's http.Error."""
    return status, PLAIN, None, "nosniff", text


def refused(host: str) -> Facts:
    """Another Host than the agent's."""
    return error(403, "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] "
                 f"address not {host}\n")


def moved(location: str) -> Facts:
    """A path that is not clean."""
    return 307, HTML, location, None, f'<a href="{location}">Temporary Redirect</a>.\n\n'


OK: Facts = (200, "application/json", None, None, "{}")
BAD, NOT_FOUND = said(400, "400 Bad Request"), error(404, "404 page not found\n")
EMPTY, UNPARSED = error(400, "Service account token cannot be empty\n"), error(400, "Service account token cannot be parsed: ")

RAW = {
    "good": request(),
    **{f"path {path}": request(path) for path in (
        "//v1/credentials", "/v1//credentials", "/v1/./credentials", "/v1/../v1/credentials", "/v1/credentials/.", "/v1/credentials/..",
        "/v1/credentials/", "/v1/credentials/x", "/./v1/credentials?a=b", "//v1/credentials?a=%20b", "/v1/%63redentials", "/%761/credentials",
        "/v1%2Fcredentials", "/v1/credentials%2F", "/v1/credentials%3Fx", "/v1/credentials?x=%zz", "/v1/%zz", "/v1/credentials#x", "/V1/credentials",
        "/", "", "*", "v1/credentials", "/v1/credentials;x", "/v1/%2e%2e/v1/credentials", "/v1/credentials%20", "/v1/credentials%00", "/a//b")},
    **{f"target {target}": request(target) for target in (
        "http://169.254.170.23/v1/credentials", "http://localhost/v1/credentials", "http://169.254.170.23", "https://169.254.170.23:80/v1/credentials")},
    "target with another Host": request("http://169.254.170.23/v1/credentials", host="localhost"),
    **{f"host {host}": request(host=host) for host in (
        "169.254.170.23:80", "169.254.170.23:", "169.254.170.23:x", "[fd00:ec2::23]", "[fd00:ec2::23]:80", "fd00:ec2::23", "fd00:ec2::23:80",
        "[fd00:ec2::23", "fd00:ec2::23]", "[169.254.170.23]", "[169.254.170.23]:80", "localhost", "LOCALHOST:80", "", " 169.254.170.23 ", "169.254.170.23 x",
        "169.254.170.23/x", "user@169.254.170.23", "[::1]:80:80", "a:b:c", ":80", "[]", "[]:80", "169.254.170.23.", "FD00:EC2::23", "h\xe9")},
    "no host": request(host=None),
    "no host, 1.0": request(host=None, version="HTTP/1.0"),
    "two hosts": request(more=f"Host: {HOST}\r\n{GOOD}"),
    **{f"authorization {value}": request(more=f"Authorization:{value}\r\n") for value in (
        "", "   ", " x", " Bearer TOKEN", " bearer TOKEN", " bearer a.b.c", " Bearer", " TOKEN ", "\tTOKEN\t", " TOKEN TOKEN", " a.b.c", " ..", " a..c")},
    "two authorizations": request(more="Authorization: x\r\nAuthorization: TOKEN\r\n"),
    "lower case": request(more="authorization: TOKEN\r\n"),
    "bare LF": request(end="\n"),
    "folded": request(more="Authorization:\r\n TOKEN\r\n"),
    "folded twice": request(more="Authorization: a\r\n\tb\r\n  c\r\n"),
    "folded first": f"GET /v1/credentials HTTP/1.1\r\n Host: {HOST}\r\n\r\n",
    "blank before colon": request(more="Authorization : TOKEN\r\n"),
    "no colon": request(more="Authorization TOKEN\r\n"),
    "empty name": request(more=": x\r\n"),
    "control in value": request(more="Authorization: a\x01b\r\n"),
    "NUL in value": request(more="Authorization: a\x00b\r\n"),
    "CR in value": request(more="Authorization: a\rb\r\n"),
    "version 1.0": request(version="HTTP/1.0"),
    **{f"version {version}": request(version=version) for version in ("HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1", "HTTP/1.1 x", "X")},
    **{f"method {method}": request(method=method) for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PURGE", "get", "G@T", "", "G(T")},
    "HEAD unclean": request("//v1/credentials", method="HEAD"),
    "POST unclean": request("//v1/credentials", method="POST", more=GOOD + "Content-Length: 0\r\n"),
    "CONNECT unclean": request("//v1/credentials", method="CONNECT"),
    "one word": "GET\r\n\r\n",
    "two words": "GET /v1/credentials\r\n\r\n",
    "empty line first": "\r\n" + request(),
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 40 + "\r\n\r\n",
    "body": request(more=GOOD + "Content-Length: 3\r\n", body="abc", method="POST"),
    "chunked": request(more=GOOD + "Transfer-Encoding: chunked\r\n", body="3\r\nabc\r\n0\r\n\r\n", method="POST"),
    "bad length": request(more=GOOD + "Content-Length: x\r\n"),
    "negative length": request(more=GOOD + "Content-Length: -1\r\n"),
    "two lengths": request(more=GOOD + "Content-Length: 0\r\nContent-Length: 1\r\n"),
    "unknown coding": request(more=GOOD + "Transfer-Encoding: gzip\r\n"),
    "expect": request(more=GOOD + "Expect: 100-continue\r\n"),
    "unknown expect": request(more=GOOD + "Expect: magic\r\n"),
}

EXPECTED: dict[str, Facts] = {
    **dict.fromkeys(("good", "path /v1/%63redentials", "path /%761/credentials", "path /v1/credentials?x=%zz",
        "target http://169.254.170.23/v1/credentials", "target https://169.254.170.23:80/v1/credentials",
        "target with another Host", "host 169.254.170.23:80", "host 169.254.170.23:", "host 169.254.170.23:x",
        "host [fd00:ec2::23]", "host [fd00:ec2::23]:80", "host fd00:ec2::23", "host [169.254.170.23]",
        "host [169.254.170.23]:80", "host  169.254.170.23 ", "authorization  TOKEN ", "authorization \tTOKEN\t", "lower case",
        "bare LF", "folded", "version 1.0", "version HTTP/1.2", "method POST", "method PUT", "method DELETE", "method OPTIONS",
        "method PURGE", "method get", "body", "chunked", "expect"), OK),
    **dict.fromkeys(("path /v1/credentials/", "path /v1/credentials/x", "path /v1%2Fcredentials", "path /v1/credentials%2F",
        "path /v1/credentials%3Fx", "path /v1/credentials#x", "path /V1/credentials", "path /", "path /v1/credentials;x",
        "path /v1/%2e%2e/v1/credentials", "path /v1/credentials%20", "path /v1/credentials%00", "CONNECT unclean"), NOT_FOUND),
    **dict.fromkeys(("path /v1/%zz", "path ", "path v1/credentials", "two hosts", "folded first", "no colon", "empty name",
        "control in value", "NUL in value", "CR in value", "version http/1.1", "version HTTP/1", "version HTTP/1.1 x",
        "version X", "method G@T", "method ", "method G(T", "one word", "two words", "empty line first", "TLS", "bad length",
        "negative length", "two lengths"), BAD),
    **dict.fromkeys(("authorization ", "authorization    "), EMPTY),
    **dict.fromkeys(("authorization  x", "authorization  Bearer TOKEN", "authorization  bearer TOKEN",
        "authorization  bearer a.b.c", "authorization  Bearer", "authorization  TOKEN TOKEN", "authorization  a.b.c",
        "authorization  ..", "authorization  a..c", "two authorizations", "folded twice"), UNPARSED),
    "path //v1/credentials": moved("/v1/credentials"),
    "path /v1//credentials": moved("/v1/credentials"),
    "path /v1/./credentials": moved("/v1/credentials"),
    "path /v1/../v1/credentials": moved("/v1/credentials"),
    "path /v1/credentials/.": moved("/v1/credentials"),
    "path /v1/credentials/..": moved("/v1"),
    "path /./v1/credentials?a=b": moved("/v1/credentials?a=b"),
    "path //v1/credentials?a=%20b": moved("/v1/credentials?a=%20b"),
    "path *": (400, None, None, None, ""),
    "path /a//b": moved("/a/b"),
    "target http://localhost/v1/credentials": refused("localhost"),
    "target http://169.254.170.23": moved("/"),
    "host fd00:ec2::23:80": refused("fd00:ec2::23:80"),
    "host [fd00:ec2::23": refused("[fd00:ec2::23"),
    "host fd00:ec2::23]": refused("fd00:ec2::23]"),
    "host localhost": refused("localhost"),
    "host LOCALHOST:80": refused("LOCALHOST"),
    "host ": refused(""),
    "host 169.254.170.23 x": said(400, "400 Bad Request: malformed Host header"),
    "host 169.254.170.23/x": said(400, "400 Bad Request: malformed Host header"),
    "host user@169.254.170.23": said(400, "400 Bad Request: malformed Host header"),
    "host [::1]:80:80": refused("[::1]:80:80"),
    "host a:b:c": refused("a:b:c"),
    "host :80": refused(""),
    "host []": refused(""),
    "host []:80": refused(""),
    "host 169.254.170.23.": refused("169.254.170.23."),
    "host FD00:EC2::23": refused("FD00:EC2::23"),
    "host h\xe9": said(400, "400 Bad Request: malformed Host header"),
    "no host": said(400, "400 Bad Request: missing required Host header"),
    "no host, 1.0": refused(""),
    "blank before colon": said(400, "400 Bad Request: invalid header name"),
    "version HTTP/2.0": said(505, "505 HTTP Version Not Supported: unsupported protocol version"),
    "version HTTP/0.9": said(505, "505 HTTP Version Not Supported: unsupported protocol version"),
    "method HEAD": (200, "application/json", None, None, ""),
    "HEAD unclean": (307, "text/html; charset=utf-8", "/v1/credentials", None, ""),
    "POST unclean": (307, None, "/v1/credentials", None, ""),
    "unknown coding": said(501, "Unsupported transfer encoding"),
    "unknown expect": (417, None, None, None, ""),
}
