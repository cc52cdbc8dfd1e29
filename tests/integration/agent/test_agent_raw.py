"""Byte for byte: what our agent makes of raw requests, beside what the real one was seen to make of them."""

from __future__ import annotations

from harness.emulator import Emulator
from harness.http import exchange
from harness.our_agent import OurAgent
from harness.raw_requests import BAD, EXPECTED, NOT_FOUND, OK, RAW, Facts, facts, moved, refused, said

BODY = said(413, "413 Request Entity Too Large: requests have no body here")

# Said in agent/README.md. Our parser is the sidecar's: it refuses what RFC 9112 lets a server refuse, and keeps no query.
OURS: dict[str, Facts] = {
    **dict.fromkeys(("path /./v1/credentials?a=b", "path //v1/credentials?a=%20b", "path /v1/%2e%2e/v1/credentials"), moved("/v1/credentials")),
    "path /v1%2Fcredentials": OK,
    "path /v1/%zz": NOT_FOUND,
    **dict.fromkeys(("path *", "target http://169.254.170.23/v1/credentials", "target http://localhost/v1/credentials",
                     "target http://169.254.170.23", "target https://169.254.170.23:80/v1/credentials", "target with another Host",
                     "no host", "two authorizations", "bare LF", "folded", "folded twice", "blank before colon"), BAD),
    **{f"host {host}": refused(host) for host in ("169.254.170.23 x", "169.254.170.23/x", "user@169.254.170.23", "h\xe9")},
    "version HTTP/1.2": EXPECTED["version HTTP/2.0"],
    "CONNECT unclean": EXPECTED["POST unclean"],
    "empty line first": OK,
    "body": BODY, "chunked": BODY,
    "unknown expect": OK,
}


def test_same_answers_as_the_real_agents(agent: OurAgent, node: Emulator) -> None:
    """With the exceptions above, each of which is one."""
    token = node.token()
    seen = {name: facts(exchange(agent.connect(), raw.replace("TOKEN", token).encode("latin-1"), 10)) for name, raw in RAW.items()}
    assert seen == {**EXPECTED, **OURS}
    assert [name for name in OURS if OURS[name] == EXPECTED[name]] == []
