#include "tests/unit/unit.h"

#include "common/base/buf.h"
#include "common/base/wipe.h"

static void appends_and_terminates(void **state) {
    (void)state;
    char storage[32];
    struct buf b = BUF(storage);
    assert_string_equal(b.data, "");
    buf_str(&b, "ab");
    buf_char(&b, 'c');
    buf_u64(&b, UINT64_MAX);
    assert_string_equal(b.data, "abc18446744073709551615");
    assert_int_equal(b.len, 23);
    assert_false(b.overflow);
    buf_put(&b, NULL, 0);
    assert_int_equal(b.len, 23);
    buf_reset(&b);
    assert_string_equal(storage, "");
}

static void writes_every_integer(void **state) {
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        char storage[32], expected[32];
        struct buf b = BUF(storage);
        buf_i64(&b, numbers[i]);
        snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
        assert_string_equal(b.data, expected);
    }
}

static void overflow_drops_whole_pieces_and_sticks(void **state) {
    (void)state;
    char storage[8];
    struct buf b = BUF(storage);
    buf_str(&b, "1234567");
    assert_false(b.overflow);
    buf_char(&b, 'x');
    assert_true(b.overflow);
    assert_string_equal(b.data, "1234567");
    buf_reset(&b);
    buf_str(&b, "123");
    buf_str(&b, "45678");
    assert_true(b.overflow);
    buf_char(&b, '4'); /* would fit, but the content is incomplete already */
    buf_fmt(&b, "%d", 4);
    assert_string_equal(b.data, "123");
    assert_int_equal(b.len, 3);
}

static void format_at_the_limit(void **state) {
    (void)state;
    char storage[8];
    struct buf b = BUF(storage);
    buf_fmt(&b, "%s", "1234567");
    assert_false(b.overflow);
    assert_string_equal(b.data, "1234567");
    buf_reset(&b);
    buf_fmt(&b, "ab%s", "123456");
    assert_true(b.overflow);
    assert_string_equal(b.data, "");
}

static void a_capacity_of_one_holds_nothing(void **state) {
    (void)state;
    char storage[1] = {'x'};
    struct buf b = BUF(storage);
    assert_string_equal(b.data, "");
    buf_str(&b, "");
    assert_false(b.overflow);
    buf_char(&b, 'a');
    assert_true(b.overflow);
}

static void wiping_leaves_zeros(void **state) {
    (void)state;
    char storage[16];
    memset(storage, 'z', sizeof storage);
    struct buf b = BUF(storage);
    buf_str(&b, "secret");
    buf_wipe(&b);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(storage[i], 0);
    assert_int_equal(storage[8], 'z'); /* what was never used is not touched */
    assert_int_equal(b.len, 0);
}

static const struct {
    const char *text;
    size_t len;
    const char *json;
} literals[] = {
    {"plain", 5, "\"plain\""},
    {"", 0, "\"\""},
    {"\"\\\n\r\t", 5, "\"\\\"\\\\\\n\\r\\t\""},
    {"\x01\x1f\x7f\0", 4, "\"\\u0001\\u001f\\u007f\\u0000\""},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"\xff\xfe", 2, "\"\\ufffd\\ufffd\""},
    {"\xc0\xaf", 2, "\"\\ufffd\\ufffd\""},                       /* overlong slash */
    {"\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\""},            /* surrogate */
    {"\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* above U+10FFFF */
    {"\xf4\x8f\xbf\xbf", 4, "\"\xf4\x8f\xbf\xbf\""},             /* U+10FFFF */
    {"a\xe2\x82", 3, "\"a\\ufffd\\ufffd\""},                     /* cut short */
    {"\xe2\x82z", 3, "\"\\ufffd\\ufffdz\""},                     /* cut short, and more */
};

static void json_literals_are_valid_whatever_comes(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(literals); i++) {
        char storage[128];
        struct buf b = BUF(storage);
        buf_json(&b, guarded(literals[i].text, literals[i].len), literals[i].len);
        assert_string_equal(b.data, literals[i].json);
    }
}

static void printable_is_one_bounded_line(void **state) {
    (void)state;
    char storage[64];
    struct buf b = BUF(storage);
    buf_printable(&b, "a\nb\x1b[0m\xc3\xa9", 9, 20);
    assert_string_equal(b.data, "a?b?[0m??");
    buf_reset(&b);
    buf_printable(&b, guarded("12345", 5), 5, 5);
    assert_string_equal(b.data, "12345");
    buf_reset(&b);
    buf_printable(&b, "123456", 6, 5);
    assert_string_equal(b.data, "12345...");
}

static void secrets_are_compared_whole(void **state) {
    (void)state;
    assert_true(secret_equal("abc", 3, "abc", 3));
    assert_true(secret_equal("", 0, "", 0));
    assert_false(secret_equal("abc", 3, "abd", 3));
    assert_false(secret_equal("xbc", 3, "abc", 3));
    assert_false(secret_equal("abc", 3, "abcd", 4));
    assert_false(secret_equal("abcd", 4, "abc", 3));
    assert_false(secret_equal("", 0, "a", 1));
    assert_false(secret_equal("a", 1, "", 0));
    assert_false(secret_equal("a\0b", 3, "a\0c", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_terminates),
        cmocka_unit_test(writes_every_integer),
        cmocka_unit_test(overflow_drops_whole_pieces_and_sticks),
        cmocka_unit_test(format_at_the_limit),
        cmocka_unit_test(a_capacity_of_one_holds_nothing),
        cmocka_unit_test(wiping_leaves_zeros),
        cmocka_unit_test(json_literals_are_valid_whatever_comes),
        cmocka_unit_test(printable_is_one_bounded_line),
        cmocka_unit_test(secrets_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
