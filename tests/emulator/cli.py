"""The command line: `serve` (default) and `token`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
import urllib.request
from pathlib import Path

from emulator.app import Emulator, run
from emulator.control import Control
from emulator.httpd import Listener
from emulator.signatures import read_keys
from emulator.state import Association, Settings, State
from emulator.tokens import Tokens

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds of `500ms`, `5s`, `2m`, `1h`, or a plain number of seconds; may be negative."""
    for unit, factor in UNITS.items():
        if text.endswith(unit) and text[: -len(unit)].lstrip("-").replace(".", "", 1).isdigit():
            return float(text[: -len(unit)]) * factor
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a duration: {text!r}") from None


def address(text: str) -> tuple[str, int]:
    """`127.0.0.1:80`, `[::1]:80` (port 0 is any free one) or `unix:PATH`."""
    if text.startswith("unix:"):
        return text, 0
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise argparse.ArgumentTypeError(f"not ADDR:PORT: {text!r}")
    return host.strip("[]"), int(port)


def service(text: str) -> tuple[str, str | None, str, int]:
    """`NAME=ADDR:PORT`, or `NAME+CERTIFICATE=ADDR:PORT` for TLS: service, kind of certificate, host, port."""
    names, equals, where = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"not SERVICE=ADDR:PORT: {text!r}")
    name, _, certificate = names.partition("+")
    return (name, certificate or None, *address(where))


def certificate_name(text: str) -> str:
    """`DNS:sts.example.com` or `IP:10.0.0.1`."""
    kind, _, value = text.partition(":")
    if kind not in ("DNS", "IP") or not value or set(value) & set(",\n\r"):
        raise argparse.ArgumentTypeError(f"not DNS:NAME or IP:ADDRESS: {text!r}")
    return text


def association(text: str) -> Association:
    """`NAMESPACE/SERVICE_ACCOUNT=ROLE_ARN`."""
    subject, equals, role_arn = text.partition("=")
    namespace, slash, service_account = subject.partition("/")
    if not (equals and slash and role_arn.count(":") >= 5):
        raise argparse.ArgumentTypeError(f"not NAMESPACE/SERVICE_ACCOUNT=ROLE_ARN: {text!r}")
    return Association(namespace, service_account, role_arn)


def key_of(path: str | None) -> bytes:
    """The key that signs tokens: from the file, which is made if missing; random without a file."""
    if not path:
        return secrets.token_bytes(32)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    with open(path, "rb") as file:
        return file.read()


def serve(argv: list[str]) -> int:
    """Runs the emulator until it is told to stop."""
    parser = argparse.ArgumentParser(prog="emulator", description=__doc__)
    parser.add_argument("--listen", type=address, action="append", metavar="ADDR:PORT",
                        help="an address of the agent; repeatable; default 127.0.0.1:0 (a free port)")
    parser.add_argument("--serve", type=service, action="append", default=[], metavar="SERVICE[+CERTIFICATE]=ADDR:PORT",
                        help="an address of sts, iam, ec2, eks, eks-auth-api, imds or proxy; with TLS if a kind of "
                        "certificate is named, as in sts+good=127.0.0.1:0; repeatable")
    parser.add_argument("--control", type=address, default=("127.0.0.1", 0), metavar="ADDR:PORT",
                        help="the control endpoint, also unix:PATH; default 127.0.0.1:0")
    parser.add_argument("--ready-file", metavar="PATH", help="gets a JSON with the real addresses once it listens")
    parser.add_argument("--late", type=duration, default=0.0, metavar="DURATION",
                        help="refuse connections to the agent this long first")
    parser.add_argument("--association", type=association, action="append", default=[],
                        metavar="NAMESPACE/SERVICE_ACCOUNT=ROLE_ARN", help="repeatable")
    parser.add_argument("--lifetime", type=duration, default=6 * 3600.0, metavar="DURATION",
                        help="of credentials; default 6h")
    parser.add_argument("--renew-after", type=duration, default=3 * 3600.0, metavar="DURATION",
                        help="the agent's cache; default 3h, as the real agent; 0: fresh credentials with each call")
    parser.add_argument("--inbound-rate", type=float, default=0.0, metavar="N",
                        help="requests a second and address; default 0, no limit; the real agent has 1000")
    parser.add_argument("--key-file", metavar="PATH", help="key that signs tokens; made if missing")
    parser.add_argument("--trust-key", action="append", default=[], metavar="PATH",
                        help="public keys (PEM, or a key set as at /openid/v1/jwks) of a real API server, whose tokens of --issuer are "
                        "genuine, too: RS256 and ES256; repeatable")
    parser.add_argument("--issuer", metavar="URL", help="of tokens, its own and those of --trust-key")
    parser.add_argument("--certificate-name", type=certificate_name, action="append", default=[], metavar="DNS:NAME|IP:ADDRESS",
                        help="one more name in the certificates of the services, for clients that reach them by it; repeatable")
    parser.add_argument("--cluster-name", default=Settings.cluster_name, metavar="NAME",
                        help=f"the one cluster that EKS and EKS Auth know; default {Settings.cluster_name}")
    parser.add_argument("--attempts", type=int, default=1, metavar="N",
                        help="how often the agent asks EKS Auth, with its pauses between; default 1; the real agent: 3")
    parser.add_argument("--watch-stdin", action="store_true",
                        help="stop at the end of standard input: when the process that started the emulator is gone")
    options = parser.parse_args(argv)
    settings = Settings(lifetime_s=options.lifetime, renew_after_s=options.renew_after, inbound_rate=options.inbound_rate,
                        attempts=options.attempts, cluster_name=options.cluster_name)

    async def start() -> None:
        state = State(settings, options.association)
        trusted = [key for path in options.trust_key for key in read_keys(Path(path).read_text(encoding="utf-8"))]
        emulator = Emulator(state, Tokens(key_of(options.key_file), options.issuer, trusted), options.certificate_name)
        for host, port in options.listen or [("127.0.0.1", 0)]:
            emulator.add_listener("agent", host, port)
        for name, certificate, host, port in options.serve:
            emulator.add_listener(name, host, port, certificate)
        control = Listener("control", *options.control, Control(emulator).handle, time.time)
        await run(emulator, control, options.late, options.ready_file, options.watch_stdin)
    try:
        asyncio.run(start())
    except (OSError, ValueError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


def token(argv: list[str]) -> int:
    """Prints a token: signed with a shared key file, or issued by a running emulator."""
    parser = argparse.ArgumentParser(prog="emulator token", description="Prints a service account token.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--ready-file", metavar="PATH", help="of the running emulator that is to accept the token")
    source.add_argument("--control", metavar="http://ADDR:PORT", help="control endpoint of that emulator")
    source.add_argument("--key-file", metavar="PATH", help="the key that it was started with")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--service-account", required=True)
    parser.add_argument("--audience", action="append", help="default pods.eks.amazonaws.com")
    parser.add_argument("--expires-in", type=duration, default=86400.0, metavar="DURATION")
    parser.add_argument("--not-before-in", type=duration, default=0.0, metavar="DURATION")
    parser.add_argument("--issued-ago", type=duration, default=0.0, metavar="DURATION")
    parser.add_argument("--pod", metavar="NAME")
    parser.add_argument("--forged", action="store_true", help="with a signature that nobody made")
    options = parser.parse_args(argv)
    wanted = {
        "namespace": options.namespace,
        "service_account": options.service_account,
        "audience": options.audience or ["pods.eks.amazonaws.com"],
        "expires_in_s": options.expires_in,
        "not_before_in_s": options.not_before_in,
        "issued_ago_s": options.issued_ago,
        "pod": options.pod,
        "forged": options.forged,
    }
    if options.key_file:
        print(Tokens(key_of(options.key_file)).issue(time.time(), **wanted))
        return 0
    url = options.control
    if options.ready_file:
        with open(options.ready_file, encoding="utf-8") as file:
            url = json.load(file)["control"]
    request = urllib.request.Request(url + "/tokens", json.dumps(wanted).encode(), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        print(json.load(answer)["token"])
    return 0


def main(argv: list[str]) -> int:
    """Chooses the command."""
    if argv[:1] == ["token"]:
        return token(argv[1:])
    return serve(argv[1:] if argv[:1] == ["serve"] else argv)
