"""The instance metadata service, version 2: the node's role, and the region. No hop limit."""

from __future__ import annotations

import json
import secrets

from emulator.eksauth import rfc3339
from emulator.httpd import Request, Response
from emulator.state import State

TTL_HEADER, TOKEN_HEADER = "x-aws-ec2-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token"
ROLES = "/latest/meta-data/iam/security-credentials/"
PLAIN = "text/plain"


class Imds:
    """One node's."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.reset()

    def reset(self) -> None:
        """A node with a role, and no session tokens."""
        self.role_arn: str | None = "arn:aws:iam::111122223333:role/demo-node"
        self.sessions: dict[str, float] = {}

    async def handle(self, request: Request) -> Response:
        """Answers one request."""
        if request.path == "/latest/api/token":
            return self.session(request)
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"", PLAIN)
        if self.sessions.get(request.header(TOKEN_HEADER), 0.0) <= self.state.now():
            return Response(401, b"", PLAIN)
        if request.path == "/latest/meta-data/placement/region":
            return Response(200, self.state.settings.region.encode(), PLAIN)
        if self.role_arn and request.path in (ROLES, ROLES.rstrip("/")):
            return Response(200, self.role_arn.rsplit("/", 1)[1].encode(), PLAIN)
        if self.role_arn and request.path == ROLES + self.role_arn.rsplit("/", 1)[1]:
            return Response(200, self.credentials(self.role_arn), PLAIN)
        return Response(404, b"", PLAIN)

    def session(self, request: Request) -> Response:
        """A session token, for as long as asked."""
        if request.method != "PUT":
            return Response(405, b"", PLAIN)
        if request.header("x-forwarded-for"):
            return Response(403, b"", PLAIN)
        ttl = request.header(TTL_HEADER)
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return Response(400, b"", PLAIN)
        token = secrets.token_urlsafe(40) + "=="
        self.state.remember("imds_token", token)
        self.sessions[token] = self.state.now() + int(ttl)
        return Response(200, token.encode(), PLAIN, [(TTL_HEADER, ttl)])

    def credentials(self, role_arn: str) -> bytes:
        """Fresh ones with each call; a session of a node is named after its instance."""
        made = self.state.issue(role_arn, self.state.settings.lifetime_s, "i-0123456789abcdef0")
        return json.dumps({
            "Code": "Success", "LastUpdated": rfc3339(int(made.issued_at)), "Type": "AWS-HMAC",
            "AccessKeyId": made.access_key_id, "SecretAccessKey": made.secret_access_key, "Token": made.session_token,
            "Expiration": rfc3339(int(made.expires_at)),
        }, indent=2).encode()
