#include "common/http/dns_message.h"

#include <string.h>

#define HEADER 12
#define RECORD 10 /* type, class, time to live and length, between a record's name and its data */
#define TYPE_CNAME 5
#define CLASS_IN 1
#define LABELS_MAX 128 /* of a name of 255 bytes: a chain of pointers that goes on is a circle */

#define FLAG_ANSWER 0x80 /* of the third byte */
#define FLAGS_OPCODE 0x78
#define FLAG_TRUNCATED 0x02
#define FLAG_RECURSE 0x01

static unsigned two(const unsigned char *at) {
    return (unsigned)at[0] << 8 | at[1];
}

static void put_two(unsigned char *at, unsigned value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static unsigned char lower(unsigned char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool same_bytes(const unsigned char *a, const unsigned char *b, size_t len) {
    while (len > 0 && lower(*a) == lower(*b))
        a++, b++, len--;
    return len == 0;
}

size_t dns_query(const char *name, uint16_t id, enum dns_type type, unsigned char out[DNS_QUERY_MAX]) {
    unsigned char *at = out + HEADER;
    memset(out, 0, HEADER);
    put_two(out, id);
    out[2] = FLAG_RECURSE;
    out[5] = 1;
    if (strlen(name) >= DNS_NAME_MAX)
        return 0;
    while (*name != '\0') {
        size_t len = strcspn(name, ".");
        if (len == 0 || len > 63)
            return 0;
        *at++ = (unsigned char)len;
        memcpy(at, name, len);
        at += len;
        name += len + (name[len] == '.' ? 1 : 0);
    }
    if (at == out + HEADER)
        return 0;
    *at++ = 0;
    put_two(at, type);
    put_two(at + 2, CLASS_IN);
    return (size_t)(at + 4 - out);
}

/* Behind the name at that place; 0 if it does not end in time. */
static size_t skip_name(const unsigned char *m, size_t len, size_t at) {
    while (at < len) {
        if (m[at] == 0)
            return at + 1;
        if (m[at] >= 0xC0)
            return at + 2 <= len ? at + 2 : 0;
        if (m[at] > 63)
            return 0;
        at += 1U + m[at];
    }
    return 0;
}

/* Follows pointers, which lead back, to a label that lies within the message. */
static bool find_label(const unsigned char *m, size_t len, size_t *at) {
    while (*at + 1 < len && m[*at] >= 0xC0) {
        size_t target = two(m + *at) & 0x3FFF;
        if (target >= *at)
            return false;
        *at = target;
    }
    return *at < len && m[*at] <= 63 && *at + 1 + m[*at] <= len;
}

static bool same_name(const unsigned char *m, size_t len, size_t a, size_t b) {
    for (int labels = 0; labels < LABELS_MAX; labels++) {
        if (!find_label(m, len, &a) || !find_label(m, len, &b))
            return false;
        if (m[a] != m[b] || !same_bytes(m + a + 1, m + b + 1, m[a]))
            return false;
        if (m[a] == 0)
            return true;
        a += 1U + m[a];
        b += 1U + m[b];
    }
    return false;
}

static void add(struct dns_addresses *out, bool ipv6, const unsigned char *bytes) {
    size_t same = 0;
    for (size_t i = 0; i < out->count; i++)
        same += out->list[i].ipv6 == ipv6 ? 1 : 0;
    if (same == DNS_ADDRESSES_MAX)
        return;
    struct dns_address *address = &out->list[out->count++];
    address->ipv6 = ipv6;
    memcpy(address->bytes, bytes, ipv6 ? 16 : 4);
}

/* False if the records are not what the header promises. */
static bool take_records(const unsigned char *m, size_t len, size_t at, unsigned type,
                         struct dns_addresses *out) {
    size_t expected = HEADER; /* where the name stands that the next record must have */
    bool ipv6 = type == DNS_AAAA;
    for (unsigned left = two(m + 6); left > 0; left--) {
        size_t name = at, data = skip_name(m, len, at) + RECORD;
        if (data == RECORD || data > len)
            return false;
        unsigned kind = two(m + data - RECORD), class = two(m + data - RECORD + 2),
                 data_len = two(m + data - 2);
        at = data + data_len;
        if (at > len)
            return false;
        if (class != CLASS_IN || !same_name(m, len, name, expected))
            continue;
        if (kind == TYPE_CNAME)
            expected = data;
        else if (kind == type && data_len == (ipv6 ? 16 : 4))
            add(out, ipv6, m + data);
    }
    return true;
}

enum dns_verdict dns_answer(const unsigned char *query, size_t query_len, const unsigned char *m, size_t len,
                            struct dns_addresses *out, unsigned *code) {
    if (len < HEADER || two(m) != two(query) || (m[2] & FLAG_ANSWER) == 0 || (m[2] & FLAGS_OPCODE) != 0)
        return DNS_NOT_OURS;
    *code = m[3] & 15U;
    bool failed = *code != 0 && *code != DNS_CODE_NXDOMAIN;
    if (failed && two(m + 4) == 0) /* some repeat no question when they fail */
        return DNS_ERROR;
    if (two(m + 4) != 1 || len < query_len || !same_bytes(m + HEADER, query + HEADER, query_len - HEADER))
        return DNS_NOT_OURS;
    if (failed)
        return DNS_ERROR;
    if (*code == DNS_CODE_NXDOMAIN)
        return DNS_NONE;
    size_t had = out->count;
    bool whole = take_records(m, len, query_len, two(query + query_len - 4), out),
         cut = (m[2] & FLAG_TRUNCATED) != 0;
    if (!whole && !cut) {
        out->count = had;
        *code = DNS_CODE_MALFORMED;
        return DNS_ERROR;
    }
    if (out->count > had)
        return DNS_FOUND;
    return cut ? DNS_TRUNCATED : DNS_NONE;
}
