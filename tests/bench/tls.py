"""How long a TLS handshake holds the loop of `pod-identity-sidecar serve`, by what the server has for keys and curves.

tls.py SIDECAR: prints one JSON document; README.md beside this file says what each number means. No verdicts.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "emulator"))
from tls import Tls  # noqa: E402  # pylint: disable=wrong-import-position

HANDSHAKES = 40
CASES = (  # kind of certificate, curve of the key exchange (None: X25519, which OpenSSL likes best)
    ("good", None), ("good", "prime256v1"), ("good-ec", "prime256v1"), ("good-intermediate", "prime256v1"), ("good-rsa4096", "prime256v1"),
    ("good-rsa4096-chain", "prime256v1"), ("good-rsa4096-chain", None), ("good-p384", "secp384r1"), ("good-p521", "secp521r1"),
)
ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class Sts:
    """Answers each request behind TLS with credentials."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context, self.answered = context, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                taken = self.socket.accept()[0]
            except OSError:
                return
            try:
                with self.context.wrap_socket(taken, server_side=True) as secure:
                    self.answer(secure)
            except OSError:
                pass

    def answer(self, secure: ssl.SSLSocket) -> None:
        said = b""
        while b"\r\n\r\n" not in said:
            said += secure.recv(65536)
        head, _, body = said.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        while len(body) < length:
            body += secure.recv(65536)
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        text = ANSWER.format(secret="s" * 40, token=base64.b64encode(os.urandom(600)).decode(), until=until).encode()
        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        self.answered += 1


def wait(what: Any, until_s: float = 20) -> None:
    """Until it is true."""
    end = time.monotonic() + until_s
    while not what():
        if time.monotonic() > end:
            raise TimeoutError("the sidecar did not do what was expected")
        time.sleep(0.002)


def one_case(sidecar: str, tls: Tls, folder: Path, kind: str, curve: str | None) -> dict[str, Any]:
    context = tls.context(kind)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if curve:
        context.set_ecdh_curve(curve)
    sts, output = Sts(context), folder / f"{kind}-{curve}"
    env = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/app", "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"), "AWS_REGION": "eu-central-1",
           "AWS_CA_BUNDLE": tls.ca_file, "AWS_ENDPOINT_URL_STS": f"https://localhost:{sts.socket.getsockname()[1]}"}
    with open(output, "wb") as out, subprocess.Popen([sidecar, f"--unix-socket={folder}/s"], env=env, stdout=out, stderr=subprocess.DEVNULL) as process:
        try:
            wait(lambda: sts.answered == 1)
            longest = []
            for number in range(2, HANDSHAKES + 2):
                time.sleep(0.02)
                seen = output.stat().st_size
                process.send_signal(signal.SIGUSR1)
                wait(lambda: sts.answered == number)  # noqa: B023  # pylint: disable=cell-var-from-loop
                time.sleep(0.02)
                longest.append(sorted((int(us) for us in re.findall(r"held (\d+)", output.read_text()[seen:])), reverse=True))
        finally:
            process.send_signal(signal.SIGTERM)
    sts.socket.close()
    tls.contexts.pop(kind)
    return {"certificate": kind, "curve": curve or "X25519", "handshakes": HANDSHAKES, "longest_us_median": statistics.median(one[0] for one in longest),
            "longest_us_max": max(one[0] for one in longest), "all_us_median": statistics.median(sum(one) for one in longest),
            "rounds_over_100_us": statistics.median(sum(us >= 100 for us in one) for one in longest)}


def main() -> None:
    tls = Tls()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"RS256"}', b'{"aud":["sts.amazonaws.com"],"exp":4102444800}', b"x" * 256)]
        (folder / "token").write_text(".".join(parts), "ascii")
        cases = [one_case(sys.argv[1], tls, folder, kind, curve) for kind, curve in CASES]
    tls.remove()
    print(json.dumps({"tls": {"cases": cases}}, indent=1))


main()
