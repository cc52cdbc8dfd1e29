"""A CA for the run, and server certificates of every kind: good ones, and each kind that a client must refuse.

Python's standard library cannot make certificates, so the `openssl` command does. Each kind is made when it is first asked for.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Sequence

DAY_S = 86400
NAMES = "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1,IP:169.254.170.23,IP:169.254.169.254"


@dataclass
class Kind:
    """How a server's certificate is made."""

    key: str = "rsa:2048"
    """rsa:BITS or ec:CURVE"""
    san: str | None = NAMES
    common_name: str = "localhost"
    from_s: float = -DAY_S
    until_s: float = 7 * DAY_S
    issuer: str = "ca"
    """ca, other-ca (which nobody trusts), self, or one of INTERMEDIATES"""
    send_chain: tuple[str, ...] | bool = True
    """the order in which certificates are sent, "self" being the server's; True: as they should be; False: the server's alone"""
    digest: str = "sha256"
    usage: str = "critical,digitalSignature,keyEncipherment"
    extended: str = "serverAuth"
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    options: tuple[str, ...] = ()
    """more for `openssl ca`"""


KINDS = {
    "good": Kind(),
    "good-ec": Kind(key="ec:prime256v1", usage="critical,digitalSignature"),
    "good-intermediate": Kind(issuer="intermediate"),
    "good-p384": Kind(key="ec:secp384r1", digest="sha384", usage="critical,digitalSignature"),
    "good-rsa4096": Kind(key="rsa:4096", digest="sha512"),
    "good-many-names": Kind(san=",".join([NAMES, *(f"DNS:service-{number}.region.example" for number in range(500))])),
    "good-p521": Kind(key="ec:secp521r1", digest="sha512", usage="critical,digitalSignature"),
    "good-out-of-order": Kind(issuer="second", send_chain=("self", "ca", "second", "intermediate")),
    "good-rsa4096-chain": Kind(key="rsa:4096", issuer="rsa4096"),
    "good-tls1.2": Kind(versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)),
    "expired": Kind(from_s=-30 * DAY_S, until_s=-DAY_S),
    "not-yet-valid": Kind(from_s=DAY_S, until_s=30 * DAY_S),
    "wrong-host": Kind(san="DNS:other.example", common_name="other.example"),
    "self-signed": Kind(issuer="self"),
    "unknown-ca": Kind(issuer="other-ca"),
    "client-only": Kind(extended="clientAuth"),
    "wrong-usage": Kind(usage="critical,keyCertSign"),
    "not-a-ca": Kind(issuer="not-a-ca"),
    "intermediate-missing": Kind(issuer="intermediate", send_chain=False),
    "sha1": Kind(digest="sha1"),
    "small-key": Kind(key="rsa:1024"),
    "no-san": Kind(san=None),
    "address-as-name": Kind(san="DNS:localhost,DNS:127.0.0.1"),
    "brainpool": Kind(key="ec:brainpoolP256r1", usage="critical,digitalSignature"),
    "brainpool-ca": Kind(issuer="brainpool"),
    "rsa-pss": Kind(issuer="rsa4096", options=("-sigopt", "rsa_padding_mode:pss")),
    "large-key": Kind(key="rsa:5120"),
    "name-constraints": Kind(issuer="constrained"),
    "client-ca": Kind(issuer="client-ca"),
    "ip-only": Kind(san="IP:127.0.0.1,IP:::1", common_name="127.0.0.1"),
}


# Key, signer and extensions of each authority.
CA = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
AUTHORITIES = {
    "ca": ("ec:prime256v1", None, CA),
    "other-ca": ("ec:prime256v1", None, CA),
    "intermediate": ("ec:prime256v1", "ca", CA),
    "second": ("rsa:2048", "intermediate", CA),
    "rsa4096": ("rsa:4096", "ca", CA),
    "brainpool": ("ec:brainpoolP256r1", "ca", CA),
    "constrained": ("ec:prime256v1", "ca", (*CA, "nameConstraints=critical,permitted;DNS:localhost")),
    "client-ca": ("ec:prime256v1", "ca", (*CA, "extendedKeyUsage=clientAuth")),
    "not-a-ca": ("ec:prime256v1", "ca", ("basicConstraints=critical,CA:FALSE", *CA[1:])),
}


class Tls:
    """The keys and certificates of one run, in a folder that goes when it ends."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        """names: `DNS:…` or `IP:…`, which every certificate with the usual names has, too."""
        self.names = names
        self.folder: str | None = None
        self.openssl = shutil.which("openssl")
        self.authorities: set[str] = set()
        self.contexts: dict[str, ssl.SSLContext] = {}

    @property
    def ca_file(self) -> str:
        """The certificate that clients are to trust."""
        self.authority("ca")
        return self.path("ca.crt")

    def path(self, name: str) -> str:
        """A file of the folder."""
        if self.folder is None:
            self.folder = tempfile.mkdtemp(prefix="emulator-tls-")
        return os.path.join(self.folder, name)

    def run(self, *args: str) -> None:
        """One openssl command; ValueError with its own words if it fails."""
        if not self.openssl:
            raise ValueError("TLS needs the openssl command (make setup-test)")
        done = subprocess.run([self.openssl, *args], capture_output=True, text=True, check=False, cwd=self.path(""))
        if done.returncode != 0:
            raise ValueError(f"openssl {args[0]}: {done.stderr.strip()}")

    def request(self, name: str, key: str, subject: str) -> None:
        """A key and a request for a certificate."""
        kind, _, size = key.partition(":")
        option = f"rsa_keygen_bits:{size}" if kind == "rsa" else f"ec_paramgen_curve:{size}"
        self.run("genpkey", "-algorithm", kind.upper(), "-pkeyopt", option, "-out", f"{name}.key")
        with open(self.path("request.cnf"), "w", encoding="ascii") as file:
            file.write(f"[req]\nprompt = no\ndistinguished_name = name\n[name]\nO = Emulator\nCN = {subject}\n")
        self.run("req", "-new", "-key", f"{name}.key", "-config", "request.cnf", "-out", f"{name}.csr")

    def authority(self, name: str) -> str:
        """Makes a CA when it is first needed: a root, or an intermediate under `ca`."""
        if name in self.authorities:
            return name
        key, signer, extensions = AUTHORITIES[name]
        issuer = name if signer is None else self.authority(signer)
        self.request(name, key, f"Emulator {name}")
        self.sign(name, issuer, list(extensions), -60 * DAY_S, 60 * DAY_S, "sha256")
        self.authorities.add(name)
        return name

    def sign(self, name: str, issuer: str, extensions: list[str], from_s: float, until_s: float, digest: str,
             *options: str) -> None:
        """A certificate for a request. `openssl ca` is the command that takes any dates."""
        now = time.time()
        start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + shift)) for shift in (from_s, until_s))
        with open(self.path("ca.cnf"), "w", encoding="ascii") as file:
            file.write("[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n"
                       f"unique_subject = no\npolicy = any\ndefault_md = {digest}\nx509_extensions = ext\n"
                       "[any]\norganizationName = supplied\ncommonName = supplied\n[ext]\n" + "\n".join(extensions) + "\n")
        open(self.path("index.txt"), "a", encoding="ascii").close()
        own = ["-selfsign", "-keyfile", f"{name}.key"] if issuer == name else ["-cert", f"{issuer}.crt", "-keyfile", f"{issuer}.key"]
        self.run("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.crt",
                 "-startdate", start, "-enddate", end, *own, *options)

    def context(self, kind_name: str) -> ssl.SSLContext:
        """What a server with such a certificate uses; ValueError for a kind that does not exist."""
        if kind_name in self.contexts:
            return self.contexts[kind_name]
        if kind_name not in KINDS:
            raise ValueError(f"unknown certificate {kind_name!r}; there are {sorted(KINDS)}")
        kind, name = KINDS[kind_name], f"server-{kind_name}"
        self.request(name, kind.key, kind.common_name)
        extensions = ["basicConstraints=CA:FALSE", f"keyUsage={kind.usage}", f"extendedKeyUsage={kind.extended}"]
        if kind.san:
            more = self.names if kind.san.startswith(NAMES) else ()
            extensions.append(f"subjectAltName={','.join([kind.san, *more])}")
        issuer = name if kind.issuer == "self" else self.authority(kind.issuer)
        self.sign(name, issuer, extensions, kind.from_s, kind.until_s, kind.digest, *kind.options)
        chain = ["self"]
        if isinstance(kind.send_chain, tuple):
            chain = list(kind.send_chain)
        elif kind.send_chain and kind.issuer not in ("ca", "other-ca", "self"):
            chain.append(kind.issuer)
        with open(self.path(f"{name}.pem"), "w", encoding="ascii") as file:
            for part in chain:
                with open(self.path(f"{name if part == 'self' else part}.crt"), encoding="ascii") as certificate:
                    file.write(certificate.read())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that a small key or SHA-1 can be served at all
        context.minimum_version, context.maximum_version = kind.versions
        context.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        self.contexts[kind_name] = context
        return context

    def remove(self) -> None:
        """Takes the folder away."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
