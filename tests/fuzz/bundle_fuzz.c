/* A bundle of authorities, and the same certificates as a server's chain: whatever they hold, nothing is read
 * beyond them, pieces make no difference, and nobody is trusted. */
#include "tests/fuzz/fuzz.h"

#include <bearssl.h>

#include "common/http/ca_anchor.h"
#include "common/http/tls.h"
#include "common/text/pem.h"

enum { CERTIFICATES_MAX = 12 };

struct found {
    size_t count, sum;
    struct {
        unsigned char *der; /* exactly as long as it is, for the sanitizer */
        size_t len;
    } list[CERTIFICATES_MAX];
};

static void look_at(const unsigned char *der, size_t len) {
    struct certificate c;
    struct ca_anchor anchor, copy;
    enum ca_fault fault = CA_FAULTS;
    struct der value;
    bool critical;
    if (!certificate_read(der, len, &c))
        return;
    HOLDS(c.len <= len && c.key.len > 0);
    (void)certificate_is_for(&c, "sts.amazonaws.com");
    (void)certificate_is_for(&c, "127.0.0.1");
    (void)certificate_for_servers(&c);
    (void)certificate_extension(&c, CERTIFICATE_NAME_CONSTRAINTS, &value, &critical);
    if (!ca_anchor_decode(der, &c, &anchor, &fault)) {
        HOLDS(fault < CA_FAULTS);
        return;
    }
    ca_anchor_copy(&anchor, &copy);
    HOLDS(ca_key_accepted(&copy.anchor.pkey) && ca_anchor_same_key(&anchor, &copy));
    if (copy.anchor.pkey.key_type == BR_KEYTYPE_RSA)
        HOLDS(copy.anchor.pkey.key.rsa.e + copy.anchor.pkey.key.rsa.elen <= copy.key + sizeof copy.key);
}

static bool note(void *context, const struct pem *p, enum err error) {
    struct found *f = context;
    HOLDS(p->len <= PEM_DER_MAX);
    f->count++;
    f->sum = f->sum * 31 + p->len * 7 + p->begins_at * 3 + (size_t)error;
    if (error != ERR_OK || p->len == 0)
        return true;
    unsigned char *der = malloc(p->len);
    memcpy(der, p->der, p->len);
    look_at(der, p->len);
    size_t at = f->count - 1;
    if (at < CERTIFICATES_MAX) {
        f->list[at].der = der;
        f->list[at].len = p->len;
    } else {
        free(der);
    }
    return true;
}

static void read_in(const char *text, size_t size, size_t piece, struct found *out) {
    static struct pem p;
    pem_open(&p, 0);
    for (size_t i = 0; i < size; i += piece)
        HOLDS(pem_push(&p, text + i, size - i < piece ? size - i : piece, note, out));
    pem_close(&p, note, out);
}

static void drop(struct found *f) {
    for (size_t i = 0; i < CERTIFICATES_MAX; i++)
        free(f->list[i].der);
}

/* As libcurl's back end does it (curl-tls.patch). No bundle is loaded. */
static void as_a_chain(const struct found *f) {
    static br_ssl_client_context client;
    static struct tls storage;
    static unsigned char bytes[16384];
    char text[256];
    struct buf detail = BUF(text);
    tls_begin(&client, &storage, "", bytes, sizeof bytes);
    const br_x509_class **engine = client.eng.x509ctx;
    int (*check)(const br_x509_class **) = ((struct {
                                               const br_x509_class *vtable;
                                               int (*check)(const br_x509_class **);
                                           } *)engine)
                                               ->check;
    (*engine)->start_chain(engine, "sts.amazonaws.com");
    HOLDS(check(engine) < 0);
    for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
        if (f->list[i].der == NULL)
            continue;
        size_t half = f->list[i].len / 2;
        (*engine)->start_cert(engine, (uint32_t)f->list[i].len);
        (*engine)->append(engine, f->list[i].der, half);
        (*engine)->append(engine, f->list[i].der + half, f->list[i].len - half);
        (*engine)->end_cert(engine);
    }
    int error = (int)(*engine)->end_chain(engine), steps = 0;
    while (error <= 0 && (error = check(engine)) < 0)
        HOLDS(++steps < 100);
    HOLDS(error > 0);
    HOLDS(http_result_of_tls(tls_verdict(&storage, error, &detail)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct found whole = {0}, pieces = {0};
    char *text = malloc(size > 0 ? size : 1);
    memcpy(text, data, size);
    read_in(text, size, size > 0 ? size : 1, &whole);
    read_in(text, size, 3, &pieces);
    HOLDS(whole.count == pieces.count && whole.sum == pieces.sum);
    as_a_chain(&whole);
    look_at(data, size); /* as DER, which a fuzzer reaches more easily */
    drop(&whole);
    drop(&pieces);
    free(text);
    return 0;
}
