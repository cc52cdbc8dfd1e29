/* The TLS profile, and what its failures mean.
 *
 * TLS 1.2, forward secrecy and AES-GCM only, which every AWS endpoint speaks, the FIPS ones too. The
 * implementations are constant-time ones; for P-256 the faster, as a handshake is done in
 * the thread that serves. */
#include "common/http/tls.h"

#include "common/base/clock.h"
#include "common/base/timefmt.h"
#include "common/http/tls_chain.h"
#include "common/http/tls_curves.h"

#include <string.h>

_Static_assert(sizeof(struct tls_chain) <= sizeof(struct tls), "TLS_STORAGE does not do");

static const struct tls_chain *chain_in(const struct tls *storage) {
    return (const struct tls_chain *)(const void *)storage;
}

void tls_begin(void *client, struct tls *storage, const char *ca_file, unsigned char *bytes, size_t max) {
    static const uint16_t suites[] = {
        BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    };
    static const struct {
        int id;
        const br_hash_class *hash;
    } hashes[] = {{br_sha256_ID, &br_sha256_vtable},
                  {br_sha384_ID, &br_sha384_vtable},
                  {br_sha512_ID, &br_sha512_vtable}};
    struct tls_chain *chain = (struct tls_chain *)(void *)storage;
    br_ssl_client_context *c = client;
    br_ssl_engine_context *engine = &c->eng;

    br_ssl_client_zero(c);
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
    br_ssl_engine_set_suites(engine, suites, sizeof suites / sizeof suites[0]);
    br_ssl_engine_set_rsavrfy(engine, &br_rsa_i31_pkcs1_vrfy);
    br_ssl_engine_set_ec(engine, &tls_curves);
    br_ssl_engine_set_ecdsa(engine, &br_ecdsa_i31_vrfy_asn1);
    br_ssl_engine_set_prf_sha256(engine, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(engine, &br_tls12_sha384_prf);
    br_ssl_engine_set_gcm(engine, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
    br_ssl_engine_set_aes_ctr(engine, &br_aes_ct_ctr_vtable);
    br_ssl_engine_set_ghash(engine, &br_ghash_ctmul);

    br_x509_minimal_init(&chain->minimal, &br_sha256_vtable, NULL, 0);
    br_x509_minimal_set_rsa(&chain->minimal, &br_rsa_i31_pkcs1_vrfy);
    br_x509_minimal_set_ecdsa(&chain->minimal, &tls_curves, &br_ecdsa_i31_vrfy_asn1);
    br_x509_minimal_set_minrsa(&chain->minimal, CA_RSA_MIN);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        br_ssl_engine_set_hash(engine, hashes[i].id, hashes[i].hash);
        br_x509_minimal_set_hash(&chain->minimal, hashes[i].id, hashes[i].hash);
    }
    tls_chain_begin(chain, ca_file, bytes, max);
    br_ssl_engine_set_x509(engine, &chain->vtable);
}

/* ---- what went wrong ---- */

/* A certificate's time as "20261123120000Z", to be compared as text: RFC 5280 4.1.2.5. */
static void full_time(const struct der *time, char out[16]) {
    size_t skip = time->len == 13 ? 2 : 0;
    memset(out, '0', 16);
    if (skip == 2)
        memcpy(out, time->bytes[0] < '5' ? "20" : "19", 2);
    if (time->len + skip == 15)
        memcpy(out + skip, time->bytes, time->len);
    out[15] = '\0';
}

static void put_time(const char time[16], struct buf *detail) {
    buf_fmt(detail, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", time, time + 4, time + 6, time + 8, time + 10,
            time + 12);
}

static enum http_result judge_time(const struct certificate *c, struct buf *detail) {
    char basic[TIME_BASIC_MAX], now[16] = "", from[16], until[16];
    time_format_basic(clock_now().wall_ms / 1000, basic);
    memcpy(now, basic, 8); /* without the T */
    memcpy(now + 8, basic + 9, 7);
    full_time(&c->not_before, from);
    full_time(&c->not_after, until);
    bool early = memcmp(now, from, 14) < 0;
    buf_str(detail, early ? "from " : "until ");
    put_time(early ? from : until, detail);
    buf_str(detail, "; it is ");
    put_time(now, detail);
    buf_str(detail, " here");
    return early ? HTTP_TLS_EARLY : HTTP_TLS_EXPIRED;
}

static bool is_oid(const struct der *oid, const char *bytes, size_t len) {
    return oid->len == len && memcmp(oid->bytes, bytes, len) == 0;
}
#define IS_OID(oid, bytes) is_oid((oid), (bytes), sizeof(bytes) - 1)

/* What BearSSL calls "unsupported" is a key or a signature: which one, the certificate says. */
static enum http_result judge_algorithm(const struct certificate *c, struct buf *detail) {
    const struct der *s = &c->signature;
    bool md = IS_OID(s, "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04"),
         sha1 =
             IS_OID(s, "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05") || IS_OID(s, "\x2A\x86\x48\xCE\x3D\x04\x01");
    if (IS_OID(&c->key, "\x2A\x86\x48\xCE\x3D\x02\x01") &&
        !IS_OID(&c->curve, "\x2A\x86\x48\xCE\x3D\x03\x01\x07") &&
        !IS_OID(&c->curve, "\x2B\x81\x04\x00\x22") && !IS_OID(&c->curve, "\x2B\x81\x04\x00\x23")) {
        buf_str(detail, "its key is on a curve other than P-256, P-384 and P-521");
        return HTTP_TLS_ALGORITHM;
    }
    if (md || sha1) {
        buf_str(detail, md ? "MD5" : "SHA-1");
        return HTTP_TLS_HASH;
    }
    buf_str(detail, IS_OID(s, "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A")
                        ? "RSA-PSS"
                        : "neither RSA nor ECDSA with SHA-256, SHA-384 or SHA-512");
    return HTTP_TLS_ALGORITHM;
}

static enum http_result judge_extension(const struct certificate *c) {
    struct der value;
    bool critical;
    return certificate_extension(c, CERTIFICATE_NAME_CONSTRAINTS, &value, &critical) && critical
               ? HTTP_TLS_CONSTRAINTS
               : HTTP_TLS_EXTENSION;
}

static const struct {
    uint16_t error;
    uint8_t result;
    char detail[56];
} meanings[] = {
    {BR_ERR_X509_BAD_SERVER_NAME, HTTP_TLS_NAME, ""},
    {BR_ERR_X509_NOT_TRUSTED, HTTP_TLS_UNTRUSTED, ""},
    {BR_ERR_X509_WEAK_PUBLIC_KEY, HTTP_TLS_KEY, "an RSA key of less than 2048 bits"},
    {BR_ERR_X509_LIMIT_EXCEEDED, HTTP_TLS_KEY, "an RSA key of more than 4096 bits"},
    {BR_ERR_X509_FORBIDDEN_KEY_USAGE, HTTP_TLS_USAGE, "an authority's key usage"},
    {BR_ERR_WRONG_KEY_USAGE, HTTP_TLS_USAGE, "key usage"},
    {TLS_NOT_FOR_SERVERS, HTTP_TLS_USAGE, "extended key usage without serverAuth"},
    {BR_ERR_X509_NOT_CA, HTTP_TLS_CHAIN, "one that is no authority has signed"},
    {BR_ERR_X509_BAD_SIGNATURE, HTTP_TLS_CHAIN, "a signature is wrong"},
    {BR_ERR_X509_WRONG_KEY_TYPE, HTTP_TLS_CHAIN, "a signature is wrong"},
    {TLS_CHAIN_TOO_LONG, HTTP_TLS_CHAIN, "more than 10 certificates, or than 16384 bytes"},
    {TLS_TOO_MANY_ANCHORS, HTTP_TLS_CHAIN, "more than 4 authorities that are trusted have one name"},
    {TLS_NO_AUTHORITIES, HTTP_TLS_NO_CA, ""},
    {BR_ERR_IO, HTTP_TLS_CLOSED, ""},
    {BR_ERR_UNSUPPORTED_VERSION, HTTP_TLS_VERSION, "an older version, or no TLS at all"},
    {BR_ERR_BAD_VERSION, HTTP_TLS_VERSION, "an older version, or no TLS at all"},
    {BR_ERR_UNKNOWN_TYPE, HTTP_TLS_VERSION, "no TLS at all"},
    {BR_ERR_RECV_FATAL_ALERT + 70, HTTP_TLS_VERSION, "it refuses TLS 1.2, so it speaks TLS 1.3 only"},
    {BR_ERR_RECV_FATAL_ALERT + 86, HTTP_TLS_VERSION, "it refuses TLS 1.2"},
    {BR_ERR_RECV_FATAL_ALERT + 40, HTTP_TLS_CIPHER, "it refuses"},
    {BR_ERR_RECV_FATAL_ALERT + 71, HTTP_TLS_CIPHER, "it refuses"},
    {BR_ERR_BAD_CIPHER_SUITE, HTTP_TLS_CIPHER, ""},
    {BR_ERR_INVALID_ALGORITHM, HTTP_TLS_CIPHER, "another curve or hash"},
    {BR_ERR_RECV_FATAL_ALERT + 112, HTTP_TLS_NAME, "the server does not know the name"},
    {BR_ERR_BAD_SIGNATURE, HTTP_TLS, "the server has not the key of its certificate"},
};

static enum http_result look_up(long error, struct buf *detail) {
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].error == error) {
            buf_str(detail, meanings[i].detail);
            return (enum http_result)meanings[i].result;
        }
    }
    if (error >= BR_ERR_X509_OK && error < BR_ERR_X509_NOT_TRUSTED) {
        buf_fmt(detail, "it is malformed (%ld)", error);
        return HTTP_TLS_CHAIN;
    }
    if (error >= BR_ERR_RECV_FATAL_ALERT && error < BR_ERR_SEND_FATAL_ALERT)
        buf_fmt(detail, "the server's alert %ld", error - BR_ERR_RECV_FATAL_ALERT);
    else if (error != 0)
        buf_fmt(detail, "BearSSL's error %ld", error);
    return HTTP_TLS;
}

enum http_result tls_verdict(const struct tls *storage, long error, struct buf *detail) {
    struct certificate c;
    if (error >= BR_ERR_X509_OK && error < BR_ERR_RECV_FATAL_ALERT && tls_chain_at(chain_in(storage), &c)) {
        if (error == BR_ERR_X509_EXPIRED)
            return judge_time(&c, detail);
        if (error == BR_ERR_X509_UNSUPPORTED)
            return judge_algorithm(&c, detail);
        if (error == BR_ERR_X509_CRITICAL_EXTENSION)
            return judge_extension(&c);
    }
    return look_up(error, detail);
}
