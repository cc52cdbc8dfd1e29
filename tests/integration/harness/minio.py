"""A real MinIO server with an OpenID provider: what an air-gapped cluster has in the stead of STS and S3.

`make setup-interop` builds the server from its module (tests/tools.sh). The provider is ours, as an API server is one: a discovery document,
a key set, and tokens as the kubelet mounts them, signed with the openssl command.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import ssl
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Mapping
from urllib.parse import urlsplit

import pytest

from .places import Place
from .tools import find
from .waiting import end, eventually

AUDIENCE = "pods.eks.amazonaws.com"
SUBJECT = "system:serviceaccount:demo:app"
REGION = "us-east-1"  # what MinIO takes where its own is not set


def minio_program() -> str:
    """Its path; leaves out the whole module of tests, with the reason, where there is none."""
    found = find("minio")
    if not found or not shutil.which("openssl"):
        missing = "openssl command" if found else "MinIO server"
        pytest.skip(f"there is no {missing}: make setup-interop gets it, MinIO from its module (some minutes, once)", allow_module_level=True)
    return found


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(folder: Path, *words: str, data: bytes | None = None) -> bytes:
    """What one command printed."""
    done = subprocess.run(["openssl", *words], cwd=folder, input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {words[0]}: {done.stderr.decode()}"
    return done.stdout


class Certificates:
    """A CA, and a server's certificate, in the files that MinIO looks for."""

    def __init__(self, folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> None:
        (folder / "CAs").mkdir(parents=True)
        self.folder, self.ca_file = folder, folder / "CAs" / "ca.crt"
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", str(self.ca_file), "-days", "7", "-subj", "/CN=Air-gapped CA",
                "-addext", "keyUsage=critical,keyCertSign")
        openssl(folder, "req", *key, "-keyout", "private.key", "-out", "server.csr", "-subj", "/CN=minio")
        (folder / "server.ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n")
        openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", str(self.ca_file), "-CAkey", "ca.key", "-CAcreateserial", "-days", "7",
                "-extfile", "server.ext", "-out", "public.crt")

    def context(self) -> ssl.SSLContext:
        """For a server of our own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "public.crt", self.folder / "private.key")
        return context


class Issuer:
    """The cluster's issuer of tokens: /.well-known/openid-configuration and /openid/v1/jwks, as an API server serves them."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        folder.mkdir()
        self.folder, self.asked = folder, []
        openssl(folder, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "issuer.key")
        modulus = openssl(folder, "rsa", "-in", "issuer.key", "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        self.kid = b64url(hashlib.sha256(modulus.encode()).digest())
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            """Two documents."""

            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                body = json.dumps(issuer.documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in issuer.documents else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = certificates.context().wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        self.documents = {
            "/.well-known/openid-configuration": {
                "issuer": self.url, "jwks_uri": f"{self.url}/openid/v1/jwks", "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]},
            "/openid/v1/jwks": {"keys": [{
                "use": "sig", "kty": "RSA", "alg": "RS256", "kid": self.kid, "n": b64url(bytes.fromhex(modulus)), "e": "AQAB"}]}}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, audience: str = AUDIENCE, expires_in_s: int = 3600, subject: str = SUBJECT) -> str:
        """A token as the kubelet mounts it; claims as kubernetes pkg/serviceaccount has them."""
        now = int(time.time())
        _, _, namespace, name = subject.split(":")
        claims = {"aud": [audience], "exp": now + expires_in_s, "iat": now, "iss": self.url, "jti": str(uuid.uuid4()), "nbf": now,
                  "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": str(uuid.uuid4())},
                                    "pod": {"name": f"{name}-7d4b9c6f5-x2x7k", "uid": str(uuid.uuid4())}},
                  "sub": subject}
        signed = ".".join(b64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": self.kid}, claims))
        signature = openssl(self.folder, "dgst", "-sha256", "-sign", "issuer.key", data=signed.encode())
        return f"{signed}.{b64url(signature)}"

    def stop(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Server:
    """MinIO, with one drive, and one role: whoever has a token of the provider for AUDIENCE may read and write."""

    def __init__(self, folder: Path, program: str, settings: Mapping[str, str], certificates: Certificates, address: str,
                 command: Callable[[list[str]], list[str]] = list) -> None:
        """settings: how it is told of the provider. command: what to start, to have a program run elsewhere."""
        self.certificates = certificates
        self.ca_file = str(certificates.ca_file)
        self._log = open(folder / "log", "w+b")
        env = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MINIO_ROOT_USER": "root-of-the-test", "MINIO_ROOT_PASSWORD": uuid.uuid4().hex,
               "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_CI_CD": "on",  # the last: a drive that is no file system of its own
               **settings}
        self.process = subprocess.Popen(
            command([program, "server", "--address", address, "--certs-dir", str(certificates.folder), str(folder / "drive")]),
            env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, cwd=folder)
        try:
            eventually(lambda: self.role_arn != "", 120, "MinIO is up, and names the role")
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """All that it printed."""
        self._log.flush()
        return Path(self._log.name).read_text(errors="replace")

    @property
    def role_arn(self) -> str:
        """As its log has it, where its users find it; "" so far."""
        assert self.process.poll() is None, f"MinIO ended: {self.log}"
        return next((word for word in self.log.split() if word.startswith("arn:minio:iam:")), "")

    def stop(self) -> None:
        """Ends it."""
        end(self.process, timeout_s=15)
        self._log.close()


class MinIO(Server):
    """The server on loopback, and its provider."""

    def __init__(self, folder: Path, program: str, settings: Mapping[str, str]) -> None:
        """settings: how it is told of the provider, whose address is here."""
        certificates = Certificates(folder / "certs")
        self.issuer = Issuer(folder / "issuer", certificates)
        self.port = Place().free_port()
        self.url = f"https://localhost:{self.port}"
        discovery = "MINIO_IDENTITY_OPENID_CONFIG_URL"
        super().__init__(folder, program, {**settings, discovery: self.issuer.url + urlsplit(settings[discovery]).path}, certificates,
                         f"127.0.0.1:{self.port}")

    def stop(self) -> None:
        """Ends both."""
        super().stop()
        self.issuer.stop()
