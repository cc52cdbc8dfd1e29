/* PEM files as people have them, in pieces of every size. */
#include "tests/unit/unit.h"

#include "common/base/buf.h"
#include "common/text/pem.h"

struct seen {
    size_t count, len[8], begins_at[8];
    enum err error[8];
    unsigned char first[8];
    size_t stop_after;
};

static bool note(void *context, const struct pem *p, enum err error) {
    struct seen *s = context;
    assert_true(s->count < COUNT(s->len));
    s->len[s->count] = p->len;
    s->begins_at[s->count] = p->begins_at;
    s->first[s->count] = p->len > 0 ? p->der[0] : 0;
    s->error[s->count++] = error;
    return s->count != s->stop_after;
}

static struct seen read_in(const char *text, size_t len, size_t piece, size_t at) {
    static struct pem p;
    struct seen s = {0};
    pem_open(&p, at);
    for (size_t i = 0; i < len; i += piece)
        assert_true(pem_push(&p, text + i, len - i < piece ? len - i : piece, note, &s));
    pem_close(&p, note, &s);
    return s;
}

/* The same, whatever the pieces. */
static struct seen read_all(const char *text) {
    struct seen whole = read_in(text, strlen(text), strlen(text) + 1, 0);
    for (size_t piece = 1; piece < 9; piece++) {
        struct seen s = read_in(text, strlen(text), piece, 0);
        assert_memory_equal(&s, &whole, sizeof s);
    }
    return whole;
}

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMAMC\nAQ==\n-----END CERTIFICATE-----"

static void certificates_are_found(void **state) {
    (void)state;
    static const char *const good[] = {
        CERTIFICATE "\n",
        CERTIFICATE,
        "\xEF\xBB\xBF" CERTIFICATE "\n",
        "-----BEGIN CERTIFICATE-----\r\nMAMCAQ==\r\n-----END CERTIFICATE-----\r\n",
        "-----BEGIN CERTIFICATE-----\rMAMCAQ==\r-----END CERTIFICATE-----",
        "  -----BEGIN CERTIFICATE-----  \n\tMAMC AQ==\n  -----END CERTIFICATE-----\t\n",
        "-----BEGIN X509 CERTIFICATE-----\nMAMCAQ\n-----END X509 CERTIFICATE-----\n",
        "-----BEGIN TRUSTED CERTIFICATE-----\nMAMCAQ==\n-----END TRUSTED CERTIFICATE-----\n",
        "# a comment\n\n-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n" CERTIFICATE
        "\nmore\n",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct seen s = read_all(good[i]);
        assert_int_equal(s.count, 1);
        assert_int_equal(s.error[0], ERR_OK);
        assert_int_equal(s.len[0], 4);
        assert_int_equal(s.first[0], 0x30);
    }
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err error;
    } bad[] = {
        {"-----BEGIN CERTIFICATE-----\nMAMC!Q==\n-----END CERTIFICATE-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nMAMCA\n-----END CERTIFICATE-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nMA=CAQ==\n-----END CERTIFICATE-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nMAMCAQ===\n-----END CERTIFICATE-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nMAMCAQ==\n", ERR_MISSING},
        {"-----BEGIN CERTIFICATE-----\nMAMCAQ==", ERR_MISSING},
        {"-----BEGIN CERTIFICATE-----\nMAMCAQ==\n-----BEGIN X-----\n", ERR_MISSING},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct seen s = read_all(bad[i].text);
        assert_int_equal(s.count, 1);
        assert_int_equal(s.error[0], bad[i].error);
    }
    assert_int_equal(
        read_all("-----BEGIN CERTIFICATE REQUEST-----\nMAMC\n-----END CERTIFICATE REQUEST-----\n").count, 0);
    assert_int_equal(read_all("x -----BEGIN CERTIFICATE-----\nMAMC\n").count, 0);
    assert_int_equal(read_all("").count, 0);
}

/* One without an end does not take the next with it. */
static void the_next_one_counts(void **state) {
    (void)state;
    struct seen s = read_all("-----BEGIN CERTIFICATE-----\nMAMC\n" CERTIFICATE "\n");
    assert_int_equal(s.count, 2);
    assert_int_equal(s.error[0], ERR_MISSING);
    assert_int_equal(s.error[1], ERR_OK);
    assert_int_equal(s.begins_at[1], 33);
}

/* What begins there is found again from there. */
static void places_lead_back(void **state) {
    (void)state;
    static const char text[] = "# one\n" CERTIFICATE "\n  # two\n  " CERTIFICATE "\n";
    struct seen s = read_all(text);
    assert_int_equal(s.count, 2);
    for (size_t i = 0; i < 2; i++) {
        struct seen again = read_in(text + s.begins_at[i], strlen(text) - s.begins_at[i], 7, s.begins_at[i]);
        assert_int_equal(again.count, 2 - i);
        assert_int_equal(again.begins_at[0], s.begins_at[i]);
    }
}

static void limits_are_errors(void **state) {
    (void)state;
    static char text[PEM_DER_MAX * 2];
    for (size_t extra = 0; extra < 2; extra++) {
        struct buf b = BUF(text);
        buf_str(&b, "-----BEGIN CERTIFICATE-----\n");
        for (size_t i = 0; i < PEM_DER_MAX / 3; i++)
            buf_str(&b, "MAMC");
        buf_str(&b, extra ? "MAMC" : "MAM=");
        buf_str(&b, "\n-----END CERTIFICATE-----\n");
        struct seen s = read_in(text, b.len, 100, 0);
        assert_int_equal(s.count, 1);
        assert_int_equal(s.error[0], extra ? ERR_TOO_LONG : ERR_OK);
        assert_int_equal(s.len[0], PEM_DER_MAX);
    }
}

static void it_can_be_stopped(void **state) {
    (void)state;
    static struct pem p;
    struct seen s = {.stop_after = 1};
    pem_open(&p, 0);
    assert_false(pem_push(&p, CERTIFICATE "\n" CERTIFICATE "\n", 2 * sizeof CERTIFICATE, note, &s));
    assert_int_equal(s.count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_found), cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(the_next_one_counts),    cmocka_unit_test(places_lead_back),
        cmocka_unit_test(limits_are_errors),      cmocka_unit_test(it_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
