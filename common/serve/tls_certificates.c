#include "common/serve/tls_certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/timefmt.h"
#include "common/text/pem.h"

/* Reads one file. */
struct reader {
    const char *path;
    struct tls_identity *out;
    struct failure *f;
    bool (*take)(struct reader *r, const unsigned char *der, const struct certificate *c);
    size_t count;
    struct der subject; /* of the one before, in out->der */
};

static struct buf refuse(const struct reader *r) {
    struct buf m = failure_begin(r->f, REASON_SETTING_INVALID);
    buf_fmt(&m, "%s: ", r->path);
    if (r->count > 0)
        buf_fmt(&m, "certificate %zu ", r->count);
    return m;
}

/* ---- dates ---- */

/* RFC 5280 4.1.2.5: two digits of the year, or four. 0 if it is neither. */
static int64_t seconds_of(const struct der *time) {
    char digits[16] = "", text[TIME_UTC_MAX];
    int64_t ms;
    size_t skip = time->len == 13 ? 2 : 0;
    if (time->len + skip != 15)
        return 0;
    if (skip == 2)
        memcpy(digits, time->bytes[0] < '5' ? "20" : "19", 2);
    memcpy(digits + skip, time->bytes, time->len);
    struct buf b = BUF(text);
    buf_fmt(&b, "%.4s-%.2s-%.2sT%.2s:%.2s:%.3s", digits, digits + 4, digits + 6, digits + 8, digits + 10,
            digits + 12);
    return time_parse_rfc3339(text, b.len, &ms) == ERR_OK ? ms / 1000 : 0;
}

static void earliest(int64_t *until_s, const struct certificate *c) {
    int64_t s = seconds_of(&c->not_after);
    s = s > 0 ? s : 1;
    if (*until_s == 0 || s < *until_s)
        *until_s = s;
}

/* ---- the server's chain ---- */

/* The first one is the server's own, each further one has signed the one before it. */
static bool take_of_chain(struct reader *r, const unsigned char *der, const struct certificate *c) {
    struct tls_identity *out = r->out;
    if (r->count > TLS_IDENTITY_CHAIN_MAX || c->len > sizeof out->der - out->der_len) {
        struct buf m = refuse(r);
        buf_fmt(&m, "is one too many: a chain may have %d, of %d bytes in all", TLS_IDENTITY_CHAIN_MAX,
                TLS_IDENTITY_DER_MAX);
        failure_remedy(r->f, "Leave in %s the server's own certificate and the intermediate ones.", r->path);
        return false;
    }
    unsigned char *own = out->der + out->der_len;
    memcpy(own, der, c->len);
    out->der_len += c->len;
    struct certificate kept;
    (void)certificate_read(own, c->len, &kept);
    if (r->count > 1 && !der_equal(&kept.subject, &r->subject)) {
        struct buf m = refuse(r);
        buf_str(&m, "has not signed the one before it");
        failure_remedy(r->f,
                       "Put the server's own certificate first into %s, then the one that has signed "
                       "it, and so on.",
                       r->path);
        return false;
    }
    r->subject = kept.issuer;
    out->chain[out->chain_len++] = (br_x509_certificate){.data = own, .data_len = c->len};
    int64_t from_s = seconds_of(&c->not_before);
    if (from_s > out->dates.from_s)
        out->dates.from_s = from_s;
    earliest(&out->dates.until_s, c);
    return true;
}

/* ---- authorities of clients ---- */

/* Each of a client's certificates is verified by one of them, or by a key that it brings itself: others would
 * hold the loop for too long. */
static const char *unusable(enum ca_fault fault, const struct ca_anchor *a) {
    static const char *const texts[CA_FAULTS] = {
        [CA_BROKEN] = "cannot be read as a certificate",
        [CA_KIND] = "has a key that is neither EC P-256 nor RSA",
        [CA_SMALL_KEY] = "has an RSA key of less than 2048 bits",
        [CA_LARGE] = "has an RSA key of more than 4096 bits, or is too long",
    };
    if (fault != CA_FAULTS)
        return texts[fault];
    bool other = a->anchor.pkey.key_type == BR_KEYTYPE_EC && a->anchor.pkey.key.ec.curve != BR_EC_secp256r1;
    return other ? "has an EC key on a curve other than P-256" : NULL;
}

static bool take_of_authorities(struct reader *r, const unsigned char *der, const struct certificate *c) {
    struct tls_identity *out = r->out;
    if (r->count > TLS_IDENTITY_AUTHORITIES_MAX || c->subject.len > sizeof out->names - out->names_len) {
        struct buf m = refuse(r);
        buf_fmt(&m, "is one too many: there may be %d authorities of clients, with names of %d bytes in all",
                TLS_IDENTITY_AUTHORITIES_MAX, TLS_IDENTITY_NAMES_MAX);
        failure_remedy(r->f, "Leave in %s only the authorities that sign your clients' certificates.",
                       r->path);
        return false;
    }
    struct ca_anchor *a = &out->authority_keys[out->authority_count];
    enum ca_fault fault;
    if (ca_anchor_decode(der, c, a, &fault))
        fault = CA_FAULTS;
    const char *why = unusable(fault, a);
    if (why != NULL) {
        struct buf m = refuse(r);
        buf_str(&m, why);
        failure_remedy(r->f, "Give authorities with keys of EC P-256 or RSA of 2048 to 4096 bits in %s.",
                       r->path);
        return false;
    }
    unsigned char *name = out->names + out->names_len;
    memcpy(name, c->subject.bytes, c->subject.len);
    out->names_len += c->subject.len;
    a->anchor.dn.data = name;
    a->anchor.dn.len = c->subject.len;
    out->authorities[out->authority_count++] = a->anchor;
    earliest(&out->dates.client_ca_until_s, c);
    return true;
}

/* ---- files ---- */

static bool on_certificate(void *context, const struct pem *pem, enum err error) {
    struct reader *r = context;
    struct certificate c;
    r->count++;
    if (error == ERR_OK && certificate_read(pem->der, pem->len, &c))
        return r->take(r, pem->der, &c);
    struct buf m = refuse(r);
    if (error == ERR_TOO_LONG)
        buf_fmt(&m, "has more than %d bytes", PEM_DER_MAX);
    else if (error == ERR_MISSING)
        buf_str(&m, "is cut off: the line that ends it is missing");
    else
        buf_str(&m, error == ERR_OK ? "cannot be read as a certificate" : "is no base64");
    failure_remedy(r->f, "Write %s anew, with whole certificates in PEM.", r->path);
    return false;
}

static bool cannot_read(const struct reader *r, const char *why) {
    struct buf m = failure_begin(r->f, REASON_SETTING_INVALID);
    buf_fmt(&m, "cannot read the certificates in %s: %s", r->path, why);
    failure_remedy(r->f,
                   "See that the Secret or ConfigMap with it is mounted, and that this user may read it.");
    return false;
}

/* In pieces: the whole of it is never needed. */
static bool read_all(struct reader *r, int fd) {
    static struct pem pem;
    char piece[2048];
    size_t len, all = 0;
    struct stat s;
    if (fstat(fd, &s) == 0 && !S_ISREG(s.st_mode))
        return cannot_read(r, "it is no regular file");
    pem_open(&pem, 0);
    do {
        if (!io_read_all(fd, piece, sizeof piece, &len))
            return cannot_read(r, strerror(errno));
        all += len;
        if (all > TLS_IDENTITY_FILE_MAX)
            return cannot_read(r, "it has more than 65536 bytes");
        if (!pem_push(&pem, piece, len, on_certificate, r))
            return false;
    } while (len == sizeof piece);
    r->f->message[0] = '\0';
    pem_close(&pem, on_certificate, r);
    if (r->f->message[0] != '\0')
        return false;
    if (r->count > 0)
        return true;
    struct buf m = refuse(r);
    buf_str(&m, all == 0 ? "the file is empty" : "no certificate in PEM is in it");
    failure_remedy(r->f, "Write the certificates into %s, each from -----BEGIN CERTIFICATE----- to its end.",
                   r->path);
    return false;
}

static bool read_file(struct reader *r) {
    int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_read(r, strerror(errno));
    bool read = read_all(r, fd);
    close(fd);
    return read;
}

bool tls_certificates_chain(const char *path, struct tls_identity *out, struct failure *f) {
    struct reader r = {.path = path, .out = out, .f = f, .take = take_of_chain};
    return read_file(&r);
}

bool tls_certificates_authorities(const char *path, struct tls_identity *out, struct failure *f) {
    struct reader r = {.path = path, .out = out, .f = f, .take = take_of_authorities};
    return read_file(&r);
}
