#include "common/http/certificate.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum {
    TAG_BOOLEAN = 0x01,
    TAG_OCTETS = 0x04,
    TAG_OID = 0x06,
    TAG_SEQUENCE = 0x30,
    TAG_VERSION = 0xA0,
    TAG_EXTENSIONS = 0xA3,
    TAG_DNS_NAME = 0x82,
    TAG_ADDRESS = 0x87
};

struct element {
    unsigned char tag; /* 0: there is none, or it is broken */
    struct der whole, value;
};

/* Takes the next element off the front. Lengths are definite, and of three bytes at most: more than a chain
 * may have. */
static struct element next(struct der *in) {
    struct element e = {0};
    if (in->len < 2)
        return e;
    size_t header = 2, len = in->bytes[1];
    if (len >= 0x80) {
        size_t more = len & 0x7F;
        if (more == 0 || more > 3 || in->len < 2 + more)
            return e;
        for (len = 0; header < 2 + more; header++)
            len = len << 8 | in->bytes[header];
    }
    if (len > in->len - header)
        return e;
    e.tag = in->bytes[0];
    e.value = (struct der){in->bytes + header, len};
    e.whole = (struct der){in->bytes, header + len};
    in->bytes += header + len;
    in->len -= header + len;
    return e;
}

/* The content of the next element if it has that tag, else nothing, of which everything else is nothing. */
static struct der open_next(struct der *in, unsigned char tag) {
    struct element e = next(in);
    return e.tag == tag ? e.value : (struct der){0};
}

bool der_equal(const struct der *a, const struct der *b) {
    return a->len == b->len && a->len > 0 && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void read_key(struct der *tbs, struct certificate *out) {
    struct der info = open_next(tbs, TAG_SEQUENCE), algorithm = open_next(&info, TAG_SEQUENCE);
    out->key = open_next(&algorithm, TAG_OID);
    out->curve = open_next(&algorithm, TAG_OID);
}

bool certificate_read(const unsigned char *bytes, size_t len, struct certificate *out) {
    struct der in = {bytes, len};
    struct element whole = next(&in);
    *out = (struct certificate){.len = whole.whole.len};
    struct der certificate = whole.tag == TAG_SEQUENCE ? whole.value : (struct der){0};
    struct der tbs = open_next(&certificate, TAG_SEQUENCE);
    struct der algorithm = open_next(&certificate, TAG_SEQUENCE);
    out->signature = open_next(&algorithm, TAG_OID);
    out->version1 = next(&tbs).tag != TAG_VERSION; /* then that was the serial number */
    if (!out->version1)
        (void)next(&tbs);
    (void)next(&tbs); /* the signature's algorithm once more */
    out->issuer = next(&tbs).whole;
    struct der validity = open_next(&tbs, TAG_SEQUENCE);
    out->not_before = next(&validity).value;
    out->not_after = next(&validity).value;
    out->subject = next(&tbs).whole;
    read_key(&tbs, out);
    for (struct element e; (e = next(&tbs)).tag != 0;) {
        if (e.tag == TAG_EXTENSIONS)
            out->extensions = open_next(&e.value, TAG_SEQUENCE);
    }
    return out->key.len > 0;
}

bool certificate_extension(const struct certificate *c, unsigned char number, struct der *value,
                           bool *critical) {
    struct der in = c->extensions;
    for (struct element e; (e = next(&in)).tag == TAG_SEQUENCE;) {
        struct der oid = open_next(&e.value, TAG_OID);
        struct element second = next(&e.value);
        *critical = second.tag == TAG_BOOLEAN && second.value.len == 1 && second.value.bytes[0] != 0;
        if (second.tag == TAG_BOOLEAN)
            second = next(&e.value);
        *value = second.value;
        if (second.tag == TAG_OCTETS && oid.len == 3 && memcmp(oid.bytes, "\x55\x1D", 2) == 0 &&
            oid.bytes[2] == number)
            return true;
    }
    return false;
}

static bool is_same(const struct der *name, const char *host) {
    return name->len == strlen(host) && strncasecmp((const char *)name->bytes, host, name->len) == 0;
}

static bool covers(const struct der *name, const char *host) {
    const char *dot = strchr(host, '.');
    if (name->len > 2 && name->bytes[0] == '*' && name->bytes[1] == '.' && dot != NULL && dot != host) {
        struct der rest = {name->bytes + 1, name->len - 1};
        return is_same(&rest, dot);
    }
    return is_same(name, host);
}

bool certificate_is_for(const struct certificate *c, const char *host) {
    struct der names, address = {0};
    unsigned char numeric[16];
    bool critical;
    if (inet_pton(AF_INET, host, numeric) == 1)
        address = (struct der){numeric, 4};
    else if (inet_pton(AF_INET6, host, numeric) == 1)
        address = (struct der){numeric, 16};
    if (!certificate_extension(c, CERTIFICATE_NAMES, &names, &critical))
        return false;
    names = open_next(&names, TAG_SEQUENCE);
    for (struct element e; (e = next(&names)).tag != 0;) {
        if (address.len > 0 ? e.tag == TAG_ADDRESS && der_equal(&e.value, &address)
                            : e.tag == TAG_DNS_NAME && covers(&e.value, host))
            return true;
    }
    return false;
}

static bool is_for_use(const struct certificate *c, const unsigned char use[8]) {
    static const unsigned char any[] = {0x55, 0x1D, 0x25, 0};
    const struct der wanted[] = {{use, 8}, {any, sizeof any}};
    struct der usages;
    bool critical;
    if (!certificate_extension(c, CERTIFICATE_USAGE, &usages, &critical))
        return true;
    usages = open_next(&usages, TAG_SEQUENCE);
    for (struct element e; (e = next(&usages)).tag == TAG_OID;) {
        if (der_equal(&e.value, &wanted[0]) || der_equal(&e.value, &wanted[1]))
            return true;
    }
    return false;
}

bool certificate_for_servers(const struct certificate *c) {
    static const unsigned char server[] = {0x2B, 6, 1, 5, 5, 7, 3, 1};
    return is_for_use(c, server);
}

bool certificate_for_clients(const struct certificate *c) {
    static const unsigned char client[] = {0x2B, 6, 1, 5, 5, 7, 3, 2};
    return is_for_use(c, client);
}
