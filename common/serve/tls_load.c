#include "common/serve/tls_load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/wipe.h"
#include "common/serve/tls_certificates.h"

static bool refuse_key(const char *path, const char *why, struct failure *f) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    buf_fmt(&m, "%s: %s", path, why);
    failure_remedy(f, "Give a private key in PEM, without a password: EC on the curve P-256, or RSA of 2048 "
                      "bits. Others would make each handshake too slow for those who wait.");
    return false;
}

/* ---- the key's file ---- */

/* What is decoded takes the place of the text, which is longer. */
struct der_key {
    bool wanted;
    char *text;
    size_t len;
};

static void take_bytes(void *context, const void *bytes, size_t len) {
    struct der_key *key = context;
    if (!key->wanted)
        return;
    memcpy(key->text + key->len, bytes, len);
    key->len += len;
}

static bool is_key(const char *name) {
    return strcmp(name, "PRIVATE KEY") == 0 || strcmp(name, "EC PRIVATE KEY") == 0 ||
           strcmp(name, "RSA PRIVATE KEY") == 0;
}

/* The first key among whatever else is in it. */
enum found { FOUND_NONE, FOUND_KEY, FOUND_BROKEN };

static enum found find_key(char *text, size_t len, br_pem_decoder_context *pem, struct der_key *key) {
    br_pem_decoder_init(pem);
    for (size_t at = 0; at < len;) {
        at += br_pem_decoder_push(pem, text + at, len - at);
        switch (br_pem_decoder_event(pem)) {
        case BR_PEM_BEGIN_OBJ:
            *key = (struct der_key){is_key(br_pem_decoder_name(pem)), text, 0};
            br_pem_decoder_setdest(pem, take_bytes, key);
            break;
        case BR_PEM_END_OBJ:
            if (key->wanted)
                return FOUND_KEY;
            break;
        case BR_PEM_ERROR:
            return FOUND_BROKEN;
        default:
            break;
        }
    }
    return key->wanted ? FOUND_BROKEN : FOUND_NONE;
}

/* BearSSL knows no other line ends than LF. */
static size_t without_cr(char *text, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\r')
            text[n++] = text[i];
    }
    return n;
}

/* In one push: BearSSL's decoders must not be called again after an error. */
static bool take_key(const char *path, char *text, size_t len, struct tls_identity *out, struct failure *f) {
    static br_pem_decoder_context pem;
    struct der_key key = {0};
    if (memmem(text, len, "ENCRYPTED", 9) != NULL)
        return refuse_key(path, "the key is encrypted, and nobody is here to type its password", f);
    len = without_cr(text, len);
    text[len] = '\n';
    enum found found = find_key(text, len + 1, &pem, &key);
    wipe(&pem, sizeof pem);
    switch (found) {
    case FOUND_NONE:
        return refuse_key(path, len == 0 ? "the file is empty" : "no private key in PEM is in it", f);
    case FOUND_BROKEN:
        return refuse_key(path, "the private key is cut off, or is no base64", f);
    case FOUND_KEY:
        break;
    }
    br_skey_decoder_init(&out->key);
    br_skey_decoder_push(&out->key, key.text, key.len);
    int error = br_skey_decoder_last_error(&out->key);
    if (error == BR_ERR_X509_UNSUPPORTED)
        return refuse_key(path, "the private key is neither RSA nor EC on a named curve", f);
    if (error != 0)
        return refuse_key(path, "the private key is malformed", f);
    out->ec = br_skey_decoder_key_type(&out->key) == BR_KEYTYPE_EC;
    return true;
}

static bool judge_key(const char *path, const struct tls_identity *t, struct failure *f) {
    char text[96];
    struct buf why = BUF(text);
    const br_rsa_private_key *rsa = &t->key.key.rsa;
    if (t->ec && t->key.key.ec.curve == BR_EC_secp256r1)
        return true;
    if (!t->ec && rsa->n_bitlen == 2048)
        return true;
    if (t->ec)
        buf_str(&why, "an EC key on a curve other than P-256");
    else
        buf_fmt(&why, "an RSA key of %lu bits", (unsigned long)rsa->n_bitlen);
    return refuse_key(path, text, f);
}

static bool cannot_read(const char *path, const char *why, struct failure *f) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    buf_fmt(&m, "cannot read the private key in %s: %s", path, why);
    failure_remedy(f, "See that the Secret with it is mounted, and that this user may read it.");
    return false;
}

static bool load_key(const char *path, struct tls_identity *out, struct failure *f) {
    char text[TLS_IDENTITY_KEY_FILE_MAX + 1];
    size_t len = 0;
    struct stat s;
    bool taken;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_read(path, strerror(errno), f);
    if (fstat(fd, &s) == 0 && !S_ISREG(s.st_mode))
        taken = cannot_read(path, "it is no regular file", f);
    else if (!io_read_all(fd, text, sizeof text, &len))
        taken = cannot_read(path, strerror(errno), f);
    else if (len == sizeof text)
        taken = cannot_read(path, "it has more than 16384 bytes", f);
    else
        taken = take_key(path, text, len, out, f) && judge_key(path, out, f);
    wipe(text, len + 1 < sizeof text ? len + 1 : sizeof text);
    close(fd);
    return taken;
}

/* ---- do they belong together? ---- */

static bool signs_ec(const struct tls_identity *t, const br_ec_public_key *key) {
    unsigned char hash[br_sha256_SIZE] = {1}, signature[144];
    size_t len = br_ecdsa_i31_sign_asn1(&br_ec_p256_m31, &br_sha256_vtable, hash, &t->key.key.ec, signature);
    return len > 0 && br_ecdsa_i31_vrfy_asn1(&br_ec_p256_m31, hash, sizeof hash, key, signature, len) == 1;
}

static bool signs_rsa(const struct tls_identity *t, const br_rsa_public_key *key) {
    unsigned char hash[br_sha256_SIZE] = {1}, back[br_sha256_SIZE], signature[256];
    return br_rsa_i31_pkcs1_sign(BR_HASH_OID_SHA256, hash, sizeof hash, &t->key.key.rsa, signature) == 1 &&
           br_rsa_i31_pkcs1_vrfy(signature, sizeof signature, BR_HASH_OID_SHA256, sizeof hash, key, back) ==
               1 &&
           memcmp(hash, back, sizeof hash) == 0;
}

static bool is_signed_by(const struct tls_identity *t, const br_x509_pkey *key) {
    if (t->ec)
        return key->key_type == BR_KEYTYPE_EC && key->key.ec.curve == BR_EC_secp256r1 &&
               signs_ec(t, &key->key.ec);
    return key->key_type == BR_KEYTYPE_RSA && key->key.rsa.nlen == 256 && signs_rsa(t, &key->key.rsa);
}

/* By a signature: it also finds a key whose parts do not fit together. */
static bool judge_pair(const struct tls_server_files *files, const struct tls_identity *t,
                       struct failure *f) {
    struct ca_anchor own;
    struct certificate c;
    enum ca_fault fault;
    (void)certificate_read(t->chain[0].data, t->chain[0].data_len, &c);
    bool known = ca_anchor_decode(t->chain[0].data, &c, &own, &fault);
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    if (known && is_signed_by(t, &own.anchor.pkey)) {
        if (certificate_for_servers(&c))
            return true;
        buf_fmt(&m, "%s: the certificate is not for servers: its extended key usage is without serverAuth",
                files->certificate);
        failure_remedy(f, "Have a certificate issued with the usage \"server auth\".");
        return false;
    }
    buf_fmt(&m, "%s and %s do not belong together: the first certificate is not that of the private key",
            files->certificate, files->key);
    failure_remedy(f, "Give both from one Secret, with the server's own certificate first in %s.",
                   files->certificate);
    return false;
}

bool tls_load(const struct tls_server_files *files, struct tls_identity *out, struct failure *f) {
    return tls_certificates_chain(files->certificate, out, f) && load_key(files->key, out, f) &&
           judge_pair(files, out, f) &&
           (files->client_ca == NULL || tls_certificates_authorities(files->client_ca, out, f));
}

void tls_load_wipe(struct tls_identity *t) {
    wipe(t, offsetof(struct tls_identity, der));
}
