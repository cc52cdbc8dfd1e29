#include "tests/unit/unit.h"

#include "common/text/base64url.h"

static void vectors_of_rfc_4648(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char text[BASE64URL_SIZE(8)];
        unsigned char bytes[8];
        size_t len = strlen(pairs[i][1]), n;
        base64url_encode((const unsigned char *)pairs[i][0], strlen(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(base64url_decode(guarded(pairs[i][1], len), len, bytes, sizeof bytes, &n), ERR_OK);
        assert_int_equal(n, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], n);
    }
}

static void everything_else_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"A",    "AAAAA", "Zg==", "Zm8=", "Zm9v\n",    " Zm9v", "Zm9+",
                                      "Zm9/", "Zm 9v", "Zh",   "Zm9",  "Z\xc3\xa9", "Zm9v."};
    for (size_t i = 0; i < COUNT(bad); i++) {
        unsigned char out[16];
        size_t n = 77, len = strlen(bad[i]);
        if (base64url_decode(guarded(bad[i], len), len, out, sizeof out, &n) != ERR_SYNTAX)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(n, 77);
    }
}

static void output_is_bounded(void **state) {
    (void)state;
    unsigned char out[3];
    size_t n;
    assert_int_equal(base64url_decode("Zm9v", 4, out, 3, &n), ERR_OK);
    assert_int_equal(base64url_decode("Zm9v", 4, out, 2, &n), ERR_TOO_LONG);
    assert_int_equal(base64url_decode("Zg", 2, out, 0, &n), ERR_TOO_LONG);
    assert_int_equal(base64url_decode("", 0, out, 0, &n), ERR_OK);
    assert_int_equal(n, 0);
}

static void any_bytes_come_back(void **state) {
    (void)state;
    struct dice dice = {.state = 2};
    for (int i = 0; i < 3000; i++) {
        unsigned char bytes[100], back[100];
        char text[BASE64URL_SIZE(100)];
        size_t len = dice_below(&dice, sizeof bytes + 1), n;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (unsigned char)dice_roll(&dice);
        base64url_encode(bytes, len, text);
        assert_true(strlen(text) < BASE64URL_SIZE(len));
        assert_int_equal(base64url_decode(text, strlen(text), back, len, &n), ERR_OK);
        assert_int_equal(n, len);
        assert_memory_equal(bytes, back, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_4648),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(any_bytes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
