/* What a client whose handshake fails is told. */
#include "tests/unit/unit.h"

#include <bearssl.h>

#include "common/serve/tls_client.h"
#include "common/serve/tls_refusal.h"

static const unsigned char tls_header[5] = {22, 3, 1, 0, 100};

static void test_each_error_has_a_text_and_an_alert(void **state) {
    static const int errors[] = {BR_ERR_BAD_PARAM,         BR_ERR_UNSUPPORTED_VERSION, BR_ERR_BAD_VERSION,
                                 BR_ERR_BAD_SIGNATURE,     BR_ERR_NO_CLIENT_AUTH,      BR_ERR_X509_EXPIRED,
                                 BR_ERR_X509_NOT_TRUSTED,  BR_ERR_X509_BAD_SIGNATURE,  TLS_NOT_FOR_CLIENTS,
                                 TLS_CLIENT_CHAIN_TOO_LONG};
    static const unsigned char alerts[] = {40, 70, 70, 51, 40, 45, 48, 42, 42, 42};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        unsigned char alert[7];
        size_t len;
        const unsigned char *raw = tls_refusal_raw(errors[i], tls_header, alert, &len);
        assert_non_null(tls_refusal_text(errors[i]));
        assert_non_null(raw);
        assert_int_equal(len, 7);
        assert_int_equal(raw[0], 21);
        assert_int_equal(raw[5], 2);
        assert_int_equal(raw[6], alerts[i]);
    }
}

static void test_an_end_needs_no_words(void **state) {
    (void)state;
    assert_null(tls_refusal_text(BR_ERR_OK));
    assert_null(tls_refusal_text(BR_ERR_IO));
}

static void test_alerts_are_not_answered(void **state) {
    unsigned char alert[7];
    size_t len;
    (void)state;
    assert_null(tls_refusal_raw(BR_ERR_RECV_FATAL_ALERT + 48, tls_header, alert, &len));
    assert_null(tls_refusal_raw(BR_ERR_SEND_FATAL_ALERT + 40, tls_header, alert, &len));
    assert_null(tls_refusal_raw(BR_ERR_BAD_VERSION, (const unsigned char *)"hello", alert, &len));
}

static void test_plain_http_is_answered(void **state) {
    unsigned char alert[7];
    size_t len;
    (void)state;
    const char *raw =
        tls_refusal_raw(BR_ERR_UNSUPPORTED_VERSION, (const unsigned char *)"POST ", alert, &len);
    assert_non_null(raw);
    assert_memory_equal(raw, "HTTP/1.1 400 ", 13);
    assert_int_equal(strlen(strstr(raw, "\r\n\r\n") + 4), 33);
    assert_non_null(strstr(raw, "Content-Length: 33\r\n"));
}

/* A hello with these suites; what is too short of it reads nothing beyond it. */
static unsigned char clarified(const unsigned char *suites, size_t len, size_t cut) {
    unsigned char hello[128] = {1, 0, 0, 100, 3, 3}, record[7] = {21, 3, 3, 0, 2, 2, 40};
    size_t at = 38;
    hello[at++] = 2; /* the session's id */
    at += 2;
    hello[at++] = (unsigned char)(len >> 8);
    hello[at++] = (unsigned char)len;
    memcpy(hello + at, suites, len);
    at += len;
    tls_refusal_clarify((const unsigned char *)guarded(hello, at - cut), at - cut, record, sizeof record);
    return record[6];
}

static void test_who_speaks_1_3_only_is_told_so(void **state) {
    static const unsigned char only[] = {0x13, 0x01, 0x13, 0x02, 0x00, 0xFF, 0x1A, 0x1A},
                               both[] = {0x13, 0x01, 0xC0, 0x2B}, none[] = {0x00, 0xFF};
    (void)state;
    assert_int_equal(clarified(only, sizeof only, 0), 70);
    assert_int_equal(clarified(both, sizeof both, 0), 40);
    assert_int_equal(clarified(none, sizeof none, 0), 40);
    for (size_t cut = 1; cut < 51; cut++)
        assert_int_equal(clarified(only, sizeof only, cut), 40);
}

static void test_an_alert_has_a_version(void **state) {
    unsigned char record[7] = {21, 0, 0, 0, 2, 2, 70}, other[7] = {22, 0, 0, 0, 2, 2, 40};
    (void)state;
    tls_refusal_clarify((const unsigned char *)"", 0, record, sizeof record);
    assert_int_equal(record[1], 3);
    assert_int_equal(record[2], 1);
    tls_refusal_clarify((const unsigned char *)"", 0, other, sizeof other);
    assert_int_equal(other[1], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_error_has_a_text_and_an_alert),
        cmocka_unit_test(test_an_end_needs_no_words),
        cmocka_unit_test(test_alerts_are_not_answered),
        cmocka_unit_test(test_plain_http_is_answered),
        cmocka_unit_test(test_who_speaks_1_3_only_is_told_so),
        cmocka_unit_test(test_an_alert_has_a_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
