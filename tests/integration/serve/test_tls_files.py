"""Certificates, keys and authorities that a TLS server is given: which are taken, and what is said of the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.cluster import openssl
from harness.https_server import HttpsServer, Pki, ask

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def works(certificate: Path, key: Path, client_ca: Path | None = None) -> None:
    with HttpsServer(certificate, key, client_ca) as server:
        assert not server.refusal, server.refusal
        if client_ca is None:
            with server.tls() as s:
                assert ask(s, GET)[0] == 200


def refusal(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
    with HttpsServer(certificate, key, client_ca) as server:
        assert server.refusal, "it was taken"
    secret = [line for line in key.read_text().splitlines() if len(line) > 20 and "-" not in line] if key.is_file() and os.access(key, os.R_OK) else []
    assert not any(line in server.refusal + server.log for line in secret)
    message, remedy = server.refusal.split("\n")
    assert remedy.endswith(".") and len(remedy) > 20
    return message


def pkcs8(key: Path) -> Path:
    out = key.with_suffix(".pk8")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", key, "-out", out)
    return out


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_each_form_of_a_key_is_taken(pki: Pki, kind: str) -> None:
    certificate, key = pki.pair("server", kind)
    works(certificate, pkcs8(key))
    old = key.with_suffix(".old")
    openssl(*(("rsa", "-traditional") if kind == "rsa" else ("ec",)), "-in", key, "-out", old)
    works(certificate, old)
    for name, text in {
        "crlf": key.read_text().replace("\n", "\r\n"),
        "no line at the end": key.read_text().rstrip("\n"),
        "among others": "some text\n" + certificate.read_text() + "\n" + key.read_text(),
    }.items():
        changed = key.with_name(name)
        changed.write_text(text, newline="")
        works(certificate, changed)


def test_parameters_before_a_key_are_let_pass(pki: Pki) -> None:
    key = pki.folder / "with-parameters.key"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", key)
    assert "EC PARAMETERS" in key.read_text()
    works(pki.certificate("server", key), key)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("rsa1024", "an RSA key of 1024 bits"),
        ("rsa3072", "an RSA key of 3072 bits"),
        ("rsa4096", "an RSA key of 4096 bits"),
        ("secp384r1", "an EC key on a curve other than P-256"),
        ("secp521r1", "an EC key on a curve other than P-256"),
        ("secp256k1", "the private key is neither RSA nor EC on a named curve"),
        ("ed25519", "the private key is neither RSA nor EC on a named curve"),
    ],
)
def test_other_keys_are_refused(pki: Pki, kind: str, why: str) -> None:
    certificate, key = pki.pair("server", kind)
    assert refusal(certificate, key) == f"{key}: {why}"


def test_an_encrypted_key_is_refused(pki: Pki) -> None:
    certificate, key = pki.pair("server", "rsa")
    for words in (("pkcs8", "-topk8"), ("rsa", "-aes128", "-traditional")):
        out = key.with_suffix(f".{words[0]}")
        openssl(*words, "-passout", "pass:secret", "-in", key, "-out", out)
        assert refusal(certificate, out) == f"{out}: the key is encrypted, and nobody is here to type its password"


def test_broken_keys_are_refused(pki: Pki) -> None:
    certificate, key = pki.pair("server", "rsa")
    text, broken = key.read_text(), pki.folder / "broken.key"
    lines = text.splitlines()
    cases = {
        "": "the file is empty",
        "hello": "no private key in PEM is in it",
        certificate.read_text(): "no private key in PEM is in it",
        "\n".join(lines[:-1]): "the private key is cut off, or is no base64",
        "\n".join([*lines[:3], "!!!", *lines[3:]]): "the private key is cut off, or is no base64",
        "\n".join([lines[0], "AAAA", lines[-1]]): "the private key is malformed",
        "\n".join([lines[0], *lines[1:-2], lines[-1]]): "the private key is malformed",
        "x" * 20_000: "it has more than 16384 bytes",
    }
    for content, why in cases.items():
        broken.write_text(content)
        assert why in refusal(certificate, broken), content[:80]


def test_files_that_cannot_be_read_are_named(pki: Pki) -> None:
    certificate, key = pki.pair("server")
    missing = pki.folder / "missing"
    assert refusal(missing, key) == f"cannot read the certificates in {missing}: No such file or directory"
    assert refusal(certificate, missing) == f"cannot read the private key in {missing}: No such file or directory"
    assert refusal(pki.folder, key) == f"cannot read the certificates in {pki.folder}: it is no regular file"
    assert refusal(certificate, pki.folder) == f"cannot read the private key in {pki.folder}: it is no regular file"
    fifo = pki.folder / "fifo"
    os.mkfifo(fifo)
    assert "it is no regular file" in refusal(fifo, key)
    assert "it is no regular file" in refusal(certificate, fifo)


def test_broken_certificates_are_refused(pki: Pki) -> None:
    certificate, key = pki.pair("server")
    text, broken = certificate.read_text(), pki.folder / "broken.crt"
    lines = text.splitlines()
    cases = {
        "": "the file is empty",
        "hello": "no certificate in PEM is in it",
        key.read_text(): "no certificate in PEM is in it",
        "\n".join(lines[:-1]): "certificate 1 is cut off: the line that ends it is missing",
        text + "\n".join(lines[:-1]): "certificate 2 is cut off: the line that ends it is missing",
        "\n".join([lines[0], "????", *lines[1:]]): "certificate 1 is no base64",
        "\n".join([lines[0], "AAAA", lines[-1]]): "certificate 1 cannot be read as a certificate",
        "\n".join([lines[0], *["A" * 64] * 200, lines[-1]]): "certificate 1 has more than 8192 bytes",
        "x" * 70_000: "it has more than 65536 bytes",
    }
    for content, why in cases.items():
        broken.write_text(content)
        assert why in refusal(broken, key), content[:80]


def test_a_pair_that_does_not_belong_together_is_refused(pki: Pki) -> None:
    one, two, three = pki.pair("one"), pki.pair("two"), pki.pair("three", "rsa")
    for certificate, key in ((one[0], two[1]), (one[0], three[1]), (three[0], one[1]), (three[0], pki.key("four", "rsa"))):
        assert refusal(certificate, key) == f"{certificate} and {key} do not belong together: the first certificate is not that of the private key"


def test_a_chain_is_served_whole(pki: Pki) -> None:
    pki.authority("root")
    pki.certificate("between", pki.key("between", "rsa4096"), "root", extensions="basicConstraints=critical,CA:TRUE\n")
    certificate, key = pki.pair("server", issuer="between")
    chain = pki.folder / "chain.crt"
    chain.write_text("".join((pki.folder / f"{name}.crt").read_text() for name in ("server", "between", "root")))
    works_with_root = HttpsServer(chain, key)
    works_with_root.certificate = pki.folder / "root.crt"
    with works_with_root as server, server.tls() as s:
        assert ask(s, GET)[0] == 200


def test_a_chain_in_a_wrong_order_is_refused(pki: Pki) -> None:
    pki.authority("root")
    certificate, key = pki.pair("server", issuer="root")
    chain = pki.folder / "chain.crt"
    chain.write_text((pki.folder / "root.crt").read_text() + certificate.read_text())
    assert refusal(chain, key) == f"{chain}: certificate 2 has not signed the one before it"
    chain.write_text(certificate.read_text() + pki.pair("other")[0].read_text())
    assert refusal(chain, key) == f"{chain}: certificate 2 has not signed the one before it"


def test_a_chain_that_is_too_long_is_refused(pki: Pki) -> None:
    root = pki.authority("root")
    certificate, key = pki.pair("server", issuer="root")
    chain = pki.folder / "chain.crt"
    chain.write_text(certificate.read_text() + root.read_text() * 6)
    assert refusal(chain, key) == f"{chain}: certificate 7 is one too many: a chain may have 6, of 16384 bytes in all"


def test_a_certificate_for_clients_is_refused(pki: Pki) -> None:
    certificate, key = pki.pair("server", extensions="extendedKeyUsage=clientAuth\n")
    assert refusal(certificate, key) == f"{certificate}: the certificate is not for servers: its extended key usage is without serverAuth"


@pytest.mark.parametrize("times", [("20200101000000Z", "20210101000000Z"), ("20900101000000Z", "20910101000000Z")], ids=["ended", "not yet"])
def test_dates_are_a_warning(pki: Pki, times: tuple[str, str]) -> None:
    certificate, key = pki.pair("server", times=times)
    with HttpsServer(certificate, key) as server:
        assert not server.refusal
    assert 'level=warn msg="the server\'s certificates are not valid now: no client will accept them"' in server.log


@pytest.mark.parametrize("kind", ["ec", "rsa", "rsa4096"])
def test_authorities_of_clients_that_are_taken(pki: Pki, kind: str) -> None:
    works(*pki.pair("server"), client_ca=pki.authority("authority", kind))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("secp384r1", "has an EC key on a curve other than P-256"),
        ("ed25519", "has a key that is neither EC P-256 nor RSA"),
        ("rsa1024", "has an RSA key of less than 2048 bits"),
        ("rsa8192", "has an RSA key of more than 4096 bits, or is too long"),
    ],
)
def test_authorities_of_clients_that_are_refused(pki: Pki, kind: str, why: str) -> None:
    if kind == "rsa8192":
        key = pki.folder / "authority.key"
        openssl("genrsa", "-out", key, "5120")
        authority = pki.certificate("authority", key)
    else:
        authority = pki.authority("authority", kind)
    assert refusal(*pki.pair("server"), client_ca=authority) == f"{authority}: certificate 1 {why}"


def test_too_many_authorities_are_refused(pki: Pki) -> None:
    authority, many = pki.authority("authority"), pki.folder / "many.crt"
    many.write_text(authority.read_text() * 8)
    works(*pki.pair("server"), client_ca=many)
    many.write_text(authority.read_text() * 9)
    assert "certificate 9 is one too many: there may be 8 authorities" in refusal(*pki.pair("other"), client_ca=many)


def test_an_authority_that_has_ended_is_a_warning(pki: Pki) -> None:
    ended = pki.certificate("ended", pki.key("ended"), times=("20200101000000Z", "20210101000000Z"))
    with HttpsServer(*pki.pair("server"), ended) as server:
        assert not server.refusal
    assert "an authority of the client CA is not valid any more" in server.log
