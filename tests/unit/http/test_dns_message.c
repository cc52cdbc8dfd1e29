#include "tests/unit/unit.h"

#include <unistd.h>

#include "common/http/dns_message.h"

#define NAME "sts.eu-west-1.amazonaws.com"

struct message {
    unsigned char bytes[1500];
    size_t len;
};

static void two(struct message *m, unsigned value) {
    m->bytes[m->len++] = (unsigned char)(value >> 8);
    m->bytes[m->len++] = (unsigned char)value;
}

static void name(struct message *m, const char *text) {
    unsigned char query[DNS_QUERY_MAX];
    size_t len = dns_query(text, 0, DNS_A, query);
    assert_true(len > 0);
    memcpy(m->bytes + m->len, query + 12, len - 16);
    m->len += len - 16;
}

/* A record whose name is a pointer to `owner`, or `text` where that is given. */
static void record(struct message *m, size_t owner, const char *text, unsigned type, const void *data,
                   size_t len) {
    if (text != NULL)
        name(m, text);
    else
        two(m, 0xC000U | (unsigned)owner);
    two(m, type);
    two(m, 1);
    two(m, 0);
    two(m, 30);
    two(m, (unsigned)len);
    memcpy(m->bytes + m->len, data, len);
    m->len += len;
    m->bytes[7]++;
}

static struct message answer_to(const unsigned char *query, size_t len, unsigned flags) {
    struct message m = {.len = len};
    memcpy(m.bytes, query, len);
    m.bytes[2] = (unsigned char)(flags >> 8);
    m.bytes[3] = (unsigned char)flags;
    return m;
}

static const unsigned char v4[4] = {52, 1, 2, 3}, v6[16] = {0x26, [15] = 7};

static unsigned char query[DNS_QUERY_MAX];
static size_t query_len;
static struct dns_addresses found;
static unsigned code;

static struct message begin(enum dns_type type, unsigned flags) {
    query_len = dns_query(NAME, 0x1234, type, query);
    found.count = 0;
    return answer_to(query, query_len, flags);
}

static enum dns_verdict judge(const struct message *m) {
    return dns_answer(query, query_len, (const unsigned char *)guarded(m->bytes, m->len), m->len, &found,
                      &code);
}

static void queries(void **state) {
    (void)state;
    static const unsigned char expected[] = {0x12, 0x34, 1,   0,   0, 1,   0, 0, 0,  0, 0,
                                             0,    2,    'a', 'b', 1, 'c', 0, 0, 28, 0, 1};
    unsigned char out[DNS_QUERY_MAX];
    assert_int_equal(dns_query("ab.c", 0x1234, DNS_AAAA, out), sizeof expected);
    assert_memory_equal(out, expected, sizeof expected);
    assert_int_equal(dns_query("ab.c.", 0x1234, DNS_AAAA, out), sizeof expected);
    assert_memory_equal(out, expected, sizeof expected);
    char longest[300];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 63; i < sizeof longest; i += 64)
        longest[i] = '.';
    longest[253] = '\0';
    assert_int_equal(dns_query(longest, 1, DNS_A, out), DNS_QUERY_MAX);
    longest[253] = 'a', longest[254] = '\0';
    assert_int_equal(dns_query(longest, 1, DNS_A, out), 0);
    memset(longest, 'a', 64);
    longest[64] = '\0';
    assert_int_equal(dns_query(longest, 1, DNS_A, out), 0);
    longest[63] = '\0';
    assert_int_not_equal(dns_query(longest, 1, DNS_A, out), 0);
    static const char *const none[] = {"", ".", "a..b", ".a", "a.."};
    for (size_t i = 0; i < COUNT(none); i++)
        assert_int_equal(dns_query(none[i], 1, DNS_A, out), 0);
}

static void addresses(void **state) {
    (void)state;
    struct message m = begin(DNS_A, 0x8180);
    record(&m, 12, NULL, DNS_A, v4, 4);
    record(&m, 0, "STS.EU-west-1.amazonaws.com", DNS_A, v4, 4);
    record(&m, 12, NULL, 16, "\3txt", 4);        /* another type */
    record(&m, 0, "evil.example", DNS_A, v4, 4); /* another name */
    record(&m, 12, NULL, DNS_A, v6, 16);         /* another length */
    assert_int_equal(judge(&m), DNS_FOUND);
    assert_int_equal(found.count, 2);
    assert_memory_equal(found.list[1].bytes, v4, 4);
    m = begin(DNS_AAAA, 0x8180);
    record(&m, 12, NULL, DNS_AAAA, v6, 16);
    assert_int_equal(judge(&m), DNS_FOUND);
    assert_true(found.count == 1 && found.list[0].ipv6);
    assert_memory_equal(found.list[0].bytes, v6, 16);
    m = begin(DNS_A, 0x8180);
    for (int i = 0; i < 20; i++)
        record(&m, 12, NULL, DNS_A, v4, 4);
    assert_int_equal(judge(&m), DNS_FOUND);
    assert_int_equal(found.count, DNS_ADDRESSES_MAX);
    query_len =
        dns_query(NAME, 0x1234, DNS_AAAA, query); /* what one IP version has takes no place from the other */
    m = answer_to(query, query_len, 0x8180);
    record(&m, 12, NULL, DNS_AAAA, v6, 16);
    assert_int_equal(judge(&m), DNS_FOUND);
    assert_int_equal(found.count, DNS_ADDRESSES_MAX + 1);
}

static void aliases(void **state) {
    (void)state;
    static const unsigned char b[] = {1, 'b', 0}, loop[] = {0xC0, 12}, ahead[] = {0xC3, 0xFF};
    struct message m = begin(DNS_A, 0x8180);
    size_t target = m.len + 12;
    record(&m, 12, NULL, 5, b, 3);
    record(&m, target, NULL, DNS_A, v4, 4);
    record(&m, 12, NULL, DNS_A, v4, 4); /* not the one that the alias leads to */
    assert_int_equal(judge(&m), DNS_FOUND);
    assert_int_equal(found.count, 1);
    m = begin(DNS_A, 0x8180); /* it ends in nothing */
    record(&m, 12, NULL, 5, b, 3);
    assert_int_equal(judge(&m), DNS_NONE);
    m = begin(DNS_A, 0x8180);
    record(&m, 12, NULL, 5, loop, 2);
    record(&m, 12, NULL, 5, loop, 2);
    assert_int_equal(judge(&m), DNS_NONE);
    m = begin(DNS_A, 0x8180);
    record(&m, 12, NULL, 5, ahead, 2);
    record(&m, 12, NULL, DNS_A, v4, 4);
    assert_int_equal(judge(&m), DNS_NONE);
}

/* A name that points at itself from within ends all the same. */
static void circles(void **state) {
    (void)state;
    struct message m = begin(DNS_A, 0x8180);
    unsigned char circle[] = {1, 'a', 0xC0, 0};
    circle[3] = (unsigned char)(m.len + 12);
    record(&m, 12, NULL, 5, circle, sizeof circle);
    record(&m, m.len - sizeof circle, NULL, DNS_A, v4, 4);
    assert_int_equal(judge(&m), DNS_NONE);
    m = begin(DNS_A, 0x8180);
    record(&m, m.len, NULL, DNS_A, v4, 4); /* nothing but a pointer to itself */
    alarm(30);
    assert_int_equal(judge(&m), DNS_NONE);
    alarm(0);
}

static void failures(void **state) {
    (void)state;
    static const struct {
        unsigned flags;
        enum dns_verdict verdict;
    } table[] = {
        {0x8180, DNS_NONE},      {0x8183, DNS_NONE},     {0x8182, DNS_ERROR},
        {0x8185, DNS_ERROR},     {0x8184, DNS_ERROR},    {0x8181, DNS_ERROR},
        {0x8380, DNS_TRUNCATED}, {0x0100, DNS_NOT_OURS}, {0x9180, DNS_NOT_OURS}, /* another kind of message */
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct message m = begin(DNS_A, table[i].flags);
        if (judge(&m) != table[i].verdict)
            fail_msg("flags %04x", table[i].flags);
        if (table[i].verdict == DNS_ERROR)
            assert_int_equal(code, table[i].flags & 15);
    }
    struct message m = begin(DNS_A, 0x8182);
    m.bytes[5] = 0, m.len = 12; /* without its question */
    assert_int_equal(judge(&m), DNS_ERROR);
    m.bytes[3] = 0x80;
    assert_int_equal(judge(&m), DNS_NOT_OURS);
    m = begin(DNS_A, 0x8182);
    m.bytes[4] = 1, m.bytes[5] = 0; /* it says that it repeats 256 */
    assert_int_equal(judge(&m), DNS_NOT_OURS);
}

static void strangers(void **state) {
    (void)state;
    for (size_t at = 0; at < query_len; at++) {
        struct message m = begin(DNS_A, 0x8180);
        record(&m, 12, NULL, DNS_A, v4, 4);
        if (at >= 2 && at < 12)
            continue; /* flags and counts */
        m.bytes[at] ^= 1;
        if (judge(&m) != DNS_NOT_OURS)
            fail_msg("byte %zu differs, and it was taken", at);
    }
}

/* Cut at any byte: never read beyond, and no address out of nothing. */
static void cuts(void **state) {
    (void)state;
    struct message whole = begin(DNS_A, 0x8180);
    size_t head = whole.len;
    record(&whole, 12, NULL, DNS_A, v4, 4);
    record(&whole, 12, NULL, DNS_A, v4, 4);
    for (size_t len = 0; len < whole.len; len++) {
        struct message m = whole;
        m.len = len;
        found.count = 0;
        enum dns_verdict verdict = judge(&m);
        assert_int_equal(verdict, len < head ? DNS_NOT_OURS : DNS_ERROR);
        assert_int_equal(found.count, 0);
        if (len < head)
            continue;
        assert_int_equal(code, DNS_CODE_MALFORMED);
        m.bytes[2] |= 2; /* said to be truncated: what is whole of it counts */
        verdict = judge(&m);
        assert_int_equal(verdict, len < head + 16 ? DNS_TRUNCATED : DNS_FOUND);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries), cmocka_unit_test(addresses), cmocka_unit_test(aliases),
        cmocka_unit_test(circles), cmocka_unit_test(failures),  cmocka_unit_test(strangers),
        cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
