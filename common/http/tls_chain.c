#include "common/http/tls_chain.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/http/ca_bundle.h"

enum { CHECK_GOOD = 0, CHECK_AGAIN = -1, CHECK_NONE = -2 }; /* curl-tls.patch */

static struct tls_chain *chain_of(const br_x509_class **engine) {
    return (struct tls_chain *)(void *)engine;
}

static int fail(struct tls_chain *t, int error) {
    t->state = CHAIN_BAD;
    t->error = error;
    return error;
}

/* ---- receiving ---- */

static void start_chain(const br_x509_class **engine, const char *host) {
    struct tls_chain *t = chain_of(engine);
    t->host = host != NULL ? host : "";
    t->used = t->count = t->order_count = t->at = 0;
    t->state = CHAIN_NONE;
}

static void start_certificate(const br_x509_class **engine, uint32_t len) {
    struct tls_chain *t = chain_of(engine);
    if (t->state == CHAIN_BAD)
        return;
    if (t->count == TLS_CHAIN_MAX || len > t->max - t->used) {
        fail(t, TLS_CHAIN_TOO_LONG);
        return;
    }
    t->certificates[t->count].bytes = t->bytes + t->used;
    t->certificates[t->count++].len = 0;
}

static void append(const br_x509_class **engine, const unsigned char *bytes, size_t len) {
    struct tls_chain *t = chain_of(engine);
    if (t->state == CHAIN_BAD)
        return;
    if (len > t->max - t->used) {
        fail(t, TLS_CHAIN_TOO_LONG);
        return;
    }
    memcpy(t->bytes + t->used, bytes, len);
    t->used += len;
    t->certificates[t->count - 1].len += len;
}

static void end_certificate(const br_x509_class **engine) {
    (void)engine;
}

/* What the engine needs is the server's key; whether that may be believed is found out before anything is
 * sent to it (check). */
static unsigned end_chain(const br_x509_class **engine) {
    struct tls_chain *t = chain_of(engine);
    if (t->state == CHAIN_BAD)
        return (unsigned)t->error;
    if (t->count == 0)
        return (unsigned)fail(t, BR_ERR_X509_EMPTY_CHAIN);
    br_x509_decoder_init(&t->own, NULL, NULL);
    br_x509_decoder_push(&t->own, t->certificates[0].bytes, t->certificates[0].len);
    int error = br_x509_decoder_last_error(&t->own);
    if (error == 0 && !ca_key_accepted(&t->own.pkey))
        error =
            t->own.pkey.key.rsa.nlen < CA_RSA_MIN ? BR_ERR_X509_WEAK_PUBLIC_KEY : BR_ERR_X509_LIMIT_EXCEEDED;
    t->order_count = 1;
    t->order[0] = 0;
    if (error != 0)
        return (unsigned)fail(t, error);
    t->state = CHAIN_CAME;
    return 0;
}

static const br_x509_pkey *get_key(const br_x509_class *const *engine, unsigned *usages) {
    struct tls_chain *t = (struct tls_chain *)(void *)engine;
    if (t->state == CHAIN_NONE || t->state == CHAIN_BAD)
        return NULL;
    if (usages != NULL)
        *usages = BR_KEYTYPE_SIGN; /* only ECDHE is offered; the certificate's own word is looked at below */
    return &t->own.pkey;
}

/* ---- judging ---- */

static bool read_sent(const struct tls_chain *t, size_t i, struct certificate *out) {
    return certificate_read(t->certificates[i].bytes, t->certificates[i].len, out);
}

static bool in_order(const struct tls_chain *t, size_t i) {
    return memchr(t->order, (int)i, t->order_count) != NULL;
}

/* From the server's own to the last whose issuer was sent, too, whatever the order in which they came. */
static void build(struct tls_chain *t) {
    struct certificate last, other;
    for (bool found = true; found;) {
        found = false;
        if (!read_sent(t, t->order[t->order_count - 1], &last) || der_equal(&last.issuer, &last.subject))
            return;
        for (size_t i = 1; i < t->count && !found; i++) {
            found = !in_order(t, i) && read_sent(t, i, &other) && der_equal(&other.subject, &last.issuer);
            if (found)
                t->order[t->order_count++] = (unsigned char)i;
        }
    }
}

/* Only the authorities of that name: what BearSSL compares first anyway. */
static int trust(struct tls_chain *t, const struct der *name) {
    size_t count;
    enum err e = ca_bundle_find(t->ca_file, name->bytes, name->len, t->anchors, TLS_ANCHORS_MAX, &count);
    for (size_t i = 0; i < count; i++)
        t->list[i] = t->anchors[i].anchor;
    t->minimal.trust_anchors = t->list;
    t->minimal.trust_anchors_num = count;
    if (e == ERR_TOO_LONG && count == TLS_ANCHORS_MAX)
        return TLS_TOO_MANY_ANCHORS;
    return e == ERR_OK ? 0 : TLS_NO_AUTHORITIES;
}

static int began(struct tls_chain *t) {
    enum { DAYS_BEFORE_1970 = 719528, DAY_S = 86400 };
    struct certificate own;
    int64_t now_s = clock_now().wall_ms / 1000;
    if (!tls_chain_at(t, &own))
        return fail(t, BR_ERR_X509_UNEXPECTED);
    if (!certificate_is_for(&own, t->host))
        return fail(t, BR_ERR_X509_BAD_SERVER_NAME);
    build(t);
    br_x509_minimal_set_time(&t->minimal, (uint32_t)(now_s / DAY_S + DAYS_BEFORE_1970),
                             (uint32_t)(now_s % DAY_S));
    t->minimal.vtable->start_chain(&t->minimal.vtable, NULL);
    t->state = CHAIN_LINK;
    return CHECK_AGAIN;
}

static int judged(struct tls_chain *t) {
    unsigned usages = 0;
    int error = (int)t->minimal.vtable->end_chain(&t->minimal.vtable);
    if (error != 0)
        return fail(t, error);
    (void)t->minimal.vtable->get_pkey(&t->minimal.vtable, &usages);
    t->at = 0;
    if ((usages & BR_KEYTYPE_SIGN) == 0)
        return fail(t, BR_ERR_WRONG_KEY_USAGE);
    t->state = CHAIN_GOOD;
    return CHECK_AGAIN; /* what was verified last took its time */
}

/* All of a certificate but its last byte: BearSSL has then verified the signature on the one before it. The
 * last byte makes it verify this one's by an authority that is trusted. So each call has one of the two. */
static int link_certificate(struct tls_chain *t) {
    const size_t i = t->order[t->at], len = t->certificates[i].len;
    struct certificate c;
    if (!read_sent(t, i, &c) || len == 0)
        return fail(t, BR_ERR_X509_UNEXPECTED);
    int error = t->at == 0 ? trust(t, &c.subject) : 0;
    if (error != 0)
        return fail(t, error);
    if (!certificate_for_servers(&c))
        return fail(t, TLS_NOT_FOR_SERVERS);
    t->minimal.vtable->start_cert(&t->minimal.vtable, (uint32_t)len);
    t->minimal.vtable->append(&t->minimal.vtable, t->certificates[i].bytes, len - 1);
    t->state = CHAIN_ISSUER;
    return t->minimal.err == 0 ? CHECK_AGAIN : judged(t);
}

static int ask_authorities(struct tls_chain *t) {
    const size_t i = t->order[t->at], len = t->certificates[i].len;
    struct certificate c;
    (void)read_sent(t, i, &c);
    int error = trust(t, &c.issuer);
    if (error != 0)
        return fail(t, error);
    t->minimal.vtable->append(&t->minimal.vtable, t->certificates[i].bytes + len - 1, 1);
    t->minimal.vtable->end_cert(&t->minimal.vtable);
    if (t->minimal.err != 0 || t->at + 1 == t->order_count)
        return judged(t);
    t->at++;
    t->state = CHAIN_LINK;
    return CHECK_AGAIN;
}

static int check(const br_x509_class **engine) {
    struct tls_chain *t = chain_of(engine);
    switch (t->state) {
    case CHAIN_NONE:
        return CHECK_NONE;
    case CHAIN_CAME:
        return began(t);
    case CHAIN_LINK:
        return link_certificate(t);
    case CHAIN_ISSUER:
        return ask_authorities(t);
    case CHAIN_GOOD:
        return CHECK_GOOD;
    default:
        return t->error;
    }
}

void tls_chain_begin(struct tls_chain *t, const char *ca_file, unsigned char *bytes, size_t max) {
    static const br_x509_class class = {
        sizeof(struct tls_chain), start_chain, start_certificate, append, end_certificate, end_chain, get_key,
    };
    t->vtable = &class;
    t->check = check;
    t->ca_file = ca_file;
    t->bytes = bytes;
    t->max = max;
    start_chain(&t->vtable, NULL);
}

bool tls_chain_at(const struct tls_chain *t, struct certificate *out) {
    return t->at < t->order_count && read_sent(t, t->order[t->at], out);
}
