#include "tests/unit/unit.h"

#include "common/base/failure.h"

static const char *quoted(const char *text, size_t max) {
    static char storage[4096];
    struct buf out = BUF(storage);
    size_t len = strlen(text);
    failure_quote(&out, guarded(text, len), len, max);
    assert_false(out.overflow);
    return storage;
}

static void what_looks_secret_is_redacted(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl is bad", "\"token [redacted] is bad\""},
        {"eyJhbGciOiJSUzI1NiJ9", "\"[redacted]\""},
        {"got token=eyJhbGciOiJub25lIn0", "\"got [redacted]\""},
        {"x.eyJhbGciOiJub25lIn0 ends", "\"[redacted] ends\""},
        {"key=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY1", "\"[redacted]\""},
        {"\"SecretAccessKey\":\"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\",",
         "\"\"SecretAccessKey\":\"[redacted]\",\""},
        {"Token IQoJb3JpZ2luX2VjEHAaCXVzLWVhc3QtMSJHMEUCIQDx9", "\"Token [redacted]\""},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(quoted(table[i][0], 400), table[i][1]);
}

static void what_helps_is_kept(void **state) {
    (void)state;
    static const char *const texts[] = {
        "[1f2e3d4c-5b6a-7988-a0b1-c2d3e4f5a6b7]: (AccessDeniedException): Unauthorized Exception! EKS does "
        "not have "
        "permissions to assume the associated role., fault: client",
        "arn:aws:iam::012345678901:role/my-role",
        "Service account token cannot be parsed: token is malformed",
        "eyJ is short",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        char expected[512];
        snprintf(expected, sizeof expected, "\"%s\"", texts[i]);
        assert_string_equal(quoted(texts[i], 400), expected);
    }
}

/* A token cut off by the limit must not show its beginning. */
static void the_limit_cuts_before_a_secret_not_within_it(void **state) {
    (void)state;
    static const char text[] = "abc eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    for (size_t max = 0; max < sizeof text + 4; max++)
        assert_null(strstr(quoted(text, max), "eyJ"));
    assert_string_equal(quoted("abcdef ghi", 6), "\"abcdef...\"");
    assert_string_equal(quoted("abcdef", 6), "\"abcdef\"");
}

static void quotes_are_one_line(void **state) {
    (void)state;
    assert_string_equal(quoted("a\r\nb\tc\x1b[31m\xc3\xa9", 100), "\"a??b?c?[31m??\"");
    assert_string_equal(quoted("text\r\n", 100), "\"text\"");
    assert_string_equal(quoted("", 100), "\"\"");
    assert_string_equal(quoted(" \n\n", 100), "\"\"");
}

static void reasons_and_numbers_are_an_interface(void **state) {
    (void)state;
    static const struct {
        int number;
        const char *name;
    } table[] = {
        {0, "OK"},
        {10, "NOT_INJECTED"},
        {11, "INJECTION_INVALID"},
        {12, "TOKEN_UNREADABLE"},
        {13, "TOKEN_INVALID"},
        {14, "SETTING_INVALID"},
        {20, "AGENT_UNREACHABLE"},
        {21, "ACCESS_DENIED"},
        {22, "THROTTLED"},
        {23, "BAD_RESPONSE"},
        {24, "AWS_UNREACHABLE"},
        {25, "TLS_FAILED"},
        {30, "UNEXPECTED_IDENTITY"},
        {64, "USAGE"},
        {70, "INTERNAL"},
        {99, "INTERNAL"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(reason_name((enum reason)table[i].number), table[i].name);
}

static void beginning_clears_and_remedies_are_bounded(void **state) {
    (void)state;
    static struct failure f;
    static char text[4096];
    memset(&f, 'x', sizeof f);
    struct buf m = failure_begin(&f, REASON_THROTTLED);
    assert_int_equal(f.reason, REASON_THROTTLED);
    assert_false(f.permanent);
    assert_int_equal(f.retry_after_ms, 0);
    assert_string_equal(f.remedy, "");
    buf_str(&m, "what");
    assert_string_equal(f.message, "what");
    memset(text, 'r', sizeof text - 1);
    failure_remedy(&f, "%s", text);
    assert_int_equal(strlen(f.remedy), FAILURE_REMEDY_MAX - 1);
    /* Both, with name and number, go into a termination log. */
    assert_true(FAILURE_MESSAGE_MAX + FAILURE_REMEDY_MAX + 64 <= 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_looks_secret_is_redacted),
        cmocka_unit_test(what_helps_is_kept),
        cmocka_unit_test(the_limit_cuts_before_a_secret_not_within_it),
        cmocka_unit_test(quotes_are_one_line),
        cmocka_unit_test(reasons_and_numbers_are_an_interface),
        cmocka_unit_test(beginning_clears_and_remedies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
