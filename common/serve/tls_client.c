#include "common/serve/tls_client.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/wipe.h"
#include "common/serve/tls_server_curves.h"

#define DAYS_TO_1970 719528
#define DAY_S 86400

static struct tls_client *of(const br_x509_class **engine) {
    return (struct tls_client *)(void *)engine;
}

static void start_chain(const br_x509_class **engine, const char *name) {
    struct tls_client *c = of(engine);
    (void)name;
    c->count = 0;
    c->too_long = false;
    c->own_len = 0;
    c->minimal.vtable->start_chain(&c->minimal.vtable, NULL);
}

static void start_cert(const br_x509_class **engine, uint32_t len) {
    struct tls_client *c = of(engine);
    c->count++;
    c->too_long = c->too_long || c->count > TLS_CLIENT_CHAIN_MAX || len > sizeof c->own;
    if (!c->too_long)
        c->minimal.vtable->start_cert(&c->minimal.vtable, len);
}

static void append(const br_x509_class **engine, const unsigned char *bytes, size_t len) {
    struct tls_client *c = of(engine);
    if (c->too_long)
        return;
    if (c->count == 1 && len <= sizeof c->own - c->own_len) {
        memcpy(c->own + c->own_len, bytes, len);
        c->own_len += len;
    }
    c->minimal.vtable->append(&c->minimal.vtable, bytes, len);
}

static void end_cert(const br_x509_class **engine) {
    struct tls_client *c = of(engine);
    if (!c->too_long)
        c->minimal.vtable->end_cert(&c->minimal.vtable);
}

static unsigned end_chain(const br_x509_class **engine) {
    struct tls_client *c = of(engine);
    struct certificate own;
    if (c->too_long)
        return TLS_CLIENT_CHAIN_TOO_LONG;
    unsigned error = c->minimal.vtable->end_chain(&c->minimal.vtable);
    if (error != 0)
        return error;
    return certificate_read(c->own, c->own_len, &own) && certificate_for_clients(&own) ? 0
                                                                                       : TLS_NOT_FOR_CLIENTS;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *engine, unsigned *usages) {
    const struct tls_client *c = (const struct tls_client *)(const void *)engine;
    return c->minimal.vtable->get_pkey(&c->minimal.vtable, usages);
}

void tls_client_begin(struct tls_client *c, const struct tls_identity *t) {
    static const br_x509_class vtable = {
        sizeof(struct tls_client), start_chain, start_cert, append, end_cert, end_chain, get_pkey};
    int64_t now_s = clock_now().wall_ms / 1000;
    c->vtable = &vtable;
    br_x509_minimal_init(&c->minimal, &br_sha256_vtable, t->authorities, t->authority_count);
    br_x509_minimal_set_hash(&c->minimal, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(&c->minimal, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(&c->minimal, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_rsa(&c->minimal, br_rsa_pkcs1_vrfy_get_default());
    br_x509_minimal_set_ecdsa(&c->minimal, &tls_server_curves, &br_ecdsa_i31_vrfy_asn1);
    br_x509_minimal_set_minrsa(&c->minimal, CA_RSA_MIN);
    br_x509_minimal_set_time(&c->minimal, (uint32_t)(now_s / DAY_S + DAYS_TO_1970),
                             (uint32_t)(now_s % DAY_S));
}

void tls_client_wipe(struct tls_client *c) {
    wipe(c, offsetof(struct tls_client, own) + c->own_len);
}
