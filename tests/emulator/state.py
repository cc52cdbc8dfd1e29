"""What the emulator knows: settings, associations, secrets it issued, requests it saw."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

JOURNAL_MAX = 50_000  # requests remembered in full; the totals go on counting beyond it
SECRET_HEADERS = ("authorization", "proxy-authorization", "x-amz-security-token", "x-aws-ec2-metadata-token")
ACCESS_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass
class Settings:
    """Knobs of the control endpoint; the command line gives the values that a reset returns to."""

    lifetime_s: float = 6 * 3600.0
    """Life of new credentials, unless the association says otherwise."""
    renew_after_s: float = 3 * 3600.0
    """The agent's cache: the same credentials for the same token this long; 0 switches it off."""
    clock_skew_s: float = 0.0
    """Added to the machine's clock: shows in Date headers, expiries and checks of tokens."""
    inbound_rate: float = 0.0
    """Requests a second and address before 429 (burst: half of it); the real agent has 1000; 0 = off."""
    attempts: int = 1
    """How often the agent asks EKS Auth before it gives up, with pauses of up to 1, 2, ... s; the real agent: 3."""
    fraction: bool = False
    """Expiration with a fraction of a second, as EKS Auth may send one."""
    audience: str = "pods.eks.amazonaws.com"
    client_id: str = "sts.amazonaws.com"
    """The client id of the OIDC provider in IAM: the audience of web identity tokens."""
    cluster_name: str = "demo"
    """The one cluster that EKS and EKS Auth know."""
    region: str = "eu-central-1"
    """Signatures must be scoped to it; IAM's to us-east-1."""

    def change(self, values: dict[str, Any]) -> None:
        """Sets the named knobs; ValueError for one that does not exist or has another type."""
        known = {f.name: type(getattr(self, f.name)) for f in dataclasses.fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; there are {sorted(known)}")
            wanted = known[name]
            if wanted is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if not isinstance(value, wanted):
                raise ValueError(f"setting {name!r} must be {wanted.__name__}")
            setattr(self, name, value)


@dataclass
class Association:
    """Which role the pods of one service account get (EKS: pod identity association)."""

    namespace: str
    service_account: str
    role_arn: str
    lifetime_s: float | None = None
    assumable: bool = True
    """False: the role's trust policy does not let EKS assume it. A role that IAM knows is judged by its policy as well."""
    association_id: str = field(default_factory=lambda: "a-" + secrets.token_hex(9)[:17])
    target_role_arn: str | None = None
    external_id: str | None = None
    disable_session_tags: bool = False
    policy: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)
    modified_at: float = field(default_factory=time.time)

    @property
    def account_id(self) -> str:
        """The account in the role's ARN, as the agent cuts it out."""
        return self.role_arn.split(":")[4]


@dataclass
class Credentials:
    """One set of temporary credentials, random, of realistic shape."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    account_id: str
    role_arn: str
    issued_at: float
    expires_at: float
    session_name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    transitive: frozenset[str] = frozenset()
    source_identity: str = ""
    user_arn: str = ""
    """Long-lived keys of a user: no session token, no role."""

    @property
    def arn(self) -> str:
        """As GetCallerIdentity shows it: the role's path is not part of it."""
        if self.user_arn:
            return self.user_arn
        partition = self.role_arn.split(":")[1]
        return f"arn:{partition}:sts::{self.account_id}:assumed-role/{self.role_arn.rsplit('/', 1)[1]}/{self.session_name}"


@dataclass
class Seen:
    """One request, from the moment that its head was read."""

    number: int
    service: str
    listener: str
    remote: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    at: float
    monotonic: float
    status: int | None = None
    fault: str | None = None
    seconds: float | None = None

    def public(self, with_secrets: bool) -> dict[str, Any]:
        """As JSON; without secrets the value of a secret header becomes the start of its hash."""
        shown = []
        for name, value in self.headers:
            if not with_secrets and name.lower() in SECRET_HEADERS:
                value = "sha256:" + hashlib.sha256(value.encode("latin-1")).hexdigest()[:16]
            shown.append([name, value])
        return {**dataclasses.asdict(self), "headers": shown}


@dataclass
class State:
    """Everything that outlives one request."""

    defaults: Settings = field(default_factory=Settings)
    first_associations: list[Association] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secrets: dict[str, str] = {}  # value -> kind; never forgotten, tests search outputs for them
        self.issued: dict[str, Credentials] = {}  # by access key id
        self.changed = asyncio.Condition()
        self.reset()

    def reset(self) -> None:
        """Back to the state of the command line. What was issued stays known."""
        self.settings = dataclasses.replace(self.defaults)
        self.associations = {
            (a.namespace, a.service_account): dataclasses.replace(a) for a in self.first_associations
        }
        self.cache: dict[str, tuple[Credentials, float]] = {}
        self.reset_journal()

    def reset_journal(self) -> None:
        """Forgets the requests seen, and starts to count at zero."""
        self.journal: deque[Seen] = deque(maxlen=JOURNAL_MAX)
        self.totals: dict[str, int] = {}
        self.connections: dict[str, int] = {}

    def now(self) -> float:
        """The emulator's wall clock, seconds since the epoch."""
        return time.time() + self.settings.clock_skew_s

    async def saw(self, seen: Seen) -> None:
        """Counts a request and wakes those who wait for it."""
        self.totals[seen.service] = seen.number = self.totals.get(seen.service, 0) + 1
        self.journal.append(seen)
        async with self.changed:
            self.changed.notify_all()

    async def wait_for(self, service: str, count: int, timeout_s: float) -> bool:
        """True as soon as the service has seen that many requests since the last reset."""
        async def enough() -> None:
            async with self.changed:
                await self.changed.wait_for(lambda: self.totals.get(service, 0) >= count)
        try:
            await asyncio.wait_for(enough(), timeout_s)
        except asyncio.TimeoutError:
            return False
        return True

    def remember(self, kind: str, value: str) -> None:
        """Adds a value to the list that no program may ever print."""
        self.secrets[value] = kind

    def new_credentials(self, association: Association) -> Credentials:
        """Makes credentials for the association's role."""
        lifetime_s = association.lifetime_s if association.lifetime_s is not None else self.settings.lifetime_s
        return self.issue(association.target_role_arn or association.role_arn, lifetime_s, "eks-pod")

    def issue(self, role_arn: str, lifetime_s: float, session_name: str, **session: Any) -> Credentials:
        """Makes credentials of a session of the role; `session` may have tags, transitive and source_identity."""
        now = self.now()
        made = Credentials(
            access_key_id="ASIA" + "".join(secrets.choice(ACCESS_KEY_ALPHABET) for _ in range(16)),
            secret_access_key=base64.b64encode(secrets.token_bytes(30)).decode(),
            session_token=random_session_token(),
            account_id=role_arn.split(":")[4],
            role_arn=role_arn,
            issued_at=now,
            expires_at=now + lifetime_s,
            session_name=session_name,
            **session,
        )
        self.keep(made)
        return made

    def keep(self, made: Credentials) -> None:
        """Knows credentials from now on, and that they are secret."""
        self.issued[made.access_key_id] = made
        self.remember("access_key_id", made.access_key_id)
        self.remember("secret_access_key", made.secret_access_key)
        if made.session_token:
            self.remember("session_token", made.session_token)


def random_session_token() -> str:
    """About 800 to 1150 characters of base64 with `+`, `/` and `=`, starting as real ones do."""
    while True:
        size = secrets.choice([n for n in range(600, 850) if n % 3])
        token = "IQoJb3JpZ2luX2Vj" + base64.b64encode(secrets.token_bytes(size)).decode()
        if "+" in token and "/" in token:
            return token
