/* Each reading of quote_decode.h, against values that are known: what comes out, and where it comes from. */
#include "tests/unit/unit.h"

#include "common/text/quote_decode.h"

static struct quote_stream in, out;

static void put_in(const char *text, size_t len) {
    in.len = len;
    memcpy(in.c, text, len);
    for (size_t i = 0; i <= len; i++)
        in.from[i] = (uint16_t)(i * 2); /* as if another reading had come before */
}

static void gives(const char *expected) {
    if (out.len != strlen(expected) || memcmp(out.c, expected, out.len) != 0)
        fail_msg("\"%.*s\" gave \"%.*s\", not \"%s\"", (int)in.len, in.c, (int)out.len, out.c, expected);
}

static void escapes(void **state) {
    (void)state;
    static const struct {
        const char *text, *gives;
    } all[] = {
        {"a\\u0041b", "aAb"},
        {"\\u004a\\u004F\\u005a", "JOZ"},
        {"\\u00e9!", " !"},
        {"\\u004", "u004"},
        {"\\u004g", "u004g"},
        {"\\u00:0", "u00:0"},
        {"\\x41\\x7a", "Az"},
        {"\\x4", "x4"},
        {"\\n\\r\\t\\b\\f", "     "},
        {"\\\"\\/\\\\", "\"/\\"},
        {"x\\", "x\\"},
        {"%41%7A%2f", "Az/"},
        {"%4", "%4"},
        {"%4G", "%4G"},
        {"%@1", "%@1"},
        {"100%", "100%"},
        {"0x41", "A"},
        {"0x4", "0x4"},
        {"0x41,0x5a", "A,Z"},
        {"1x41", "1x41"},
        {"&#65;&#x41;&#X5a;", "AAZ"},
        {"&#65 &#x41 ", "A A "},
        {"&#65", "A"},
        {"&#;", "&#;"},
        {"&#x;", "&#x;"},
        {"&#6a;", "\x06"
                  "a;"},
        {"&#99999999999;", " "},
        {"&sol;&plus;&amp;&num;", "/+&#"},
        {"&lt;&gt;&quot;", "   "},
        {"&lt", "&lt"},
        {"&abcdefghi;", " "},
        {"&abcdefghij;", "&abcdefghij;"},
        {"& b;", "& b;"},
        {"&#", "&#"},
        {"&amp", "&amp"},
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        put_in(all[i].text, strlen(all[i].text));
        bool changed = quote_unescape(&in, &out);
        char expected[64];
        strcpy(expected, all[i].gives);
        for (char *c = expected; *c != '\0'; c++)
            *c = *c < ' ' ? ' ' : *c;
        gives(expected);
        assert_int_equal(changed, strcmp(all[i].text, all[i].gives) != 0);
    }
}

static void escapes_say_where_from(void **state) {
    (void)state;
    put_in("a\\u0041%42&#67;d", 16);
    assert_true(quote_unescape(&in, &out));
    gives("aABCd");
    static const uint16_t from[] = {0, 2, 14, 20, 30, 32};
    assert_memory_equal(out.from, from, sizeof from);
}

/* All 64 digits, of both alphabets: 48 bytes that count up. */
static void base64(void **state) {
    (void)state;
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char text[80];
    for (unsigned digit = 0; digit < 64; digit++) {
        for (int alphabet = 0; alphabet < 2; alphabet++) {
            /* Nine bytes, and "SS" and the digit: the eleventh has the upper part of it. */
            char c = digit < 62 ? all[digit] : (alphabet == 0 ? "+/" : "-_")[digit - 62];
            unsigned eleventh = 2U << 4 | digit >> 2;
            snprintf(text, sizeof text, "QUJDREVGR0hJSS%cB", c);
            put_in(text, strlen(text));
            assert_true(quote_from_base64(&in, 0, &out));
            assert_true(out.len > 10);
            assert_memory_equal(out.c, "ABCDEFGHII", 10);
            assert_int_equal(out.c[10], eleventh);
            /* And its lower part: "R" and the digit, then "E". */
            snprintf(text, sizeof text, "QUJDREVGR0hJR%cEB", c);
            put_in(text, strlen(text));
            assert_true(quote_from_base64(&in, 0, &out));
            assert_int_equal(out.c[9], 'D' + (int)(digit >> 4));
            if ((digit & 15) > 2 && (digit & 15) < 8)
                assert_int_equal(out.c[10], (digit & 15) << 4 | 1);
        }
    }
    put_in("QUJDREVGR0g=", 12);
    assert_true(quote_from_base64(&in, 0, &out));
    gives("ABCDEFGH");
    assert_int_equal(out.from[0], 0);
    assert_int_equal(out.from[1], 2);
    assert_int_equal(out.from[3], 8);
    put_in("QUJD\nREVG\r\n R0g=", 16); /* folded */
    assert_true(quote_from_base64(&in, 0, &out));
    gives("ABCDEFGH");
    for (unsigned skip = 1; skip <= 3; skip++) {
        snprintf(text, sizeof text, "%.*sQUJDREVGR0hJ", (int)skip, "xyz");
        put_in(text, strlen(text));
        assert_true(quote_from_base64(&in, skip, &out));
        gives("ABCDEFGHI");
        assert_int_equal(out.from[0], 2 * skip);
    }
    put_in("QUI=QUJDREVGR0hJ", 16); /* padding ends a group */
    assert_true(quote_from_base64(&in, 0, &out));
    assert_non_null(memmem(out.c, out.len, "ABCDEFGHI", 9));
    put_in("QUJDREVGRw==", 12); /* seven are too few */
    assert_false(quote_from_base64(&in, 0, &out));
}

static void hex(void **state) {
    (void)state;
    put_in("4142434445464748", 16);
    assert_true(quote_from_hex(&in, 0, &out));
    gives("ABCDEFGH");
    assert_int_equal(out.from[1], 4);
    put_in("41:42 43-44,45.46/47%48", 23);
    assert_true(quote_from_hex(&in, 0, &out));
    gives("ABCDEFGH");
    put_in("6a6B6c6D6e6F707A", 16);
    assert_true(quote_from_hex(&in, 0, &out));
    gives("jklmnopz");
    put_in("f4142434445464748", 17);
    assert_true(quote_from_hex(&in, 1, &out));
    gives("ABCDEFGH");
    put_in("x4g4142434445464748", 19); /* a letter ends what was begun */
    assert_true(quote_from_hex(&in, 0, &out));
    gives("ABCDEFGH");
    put_in("41424344454647", 14);
    assert_false(quote_from_hex(&in, 0, &out));
    put_in("4142434445464748z4142434445464749", 33);
    assert_true(quote_from_hex(&in, 0, &out));
    gives("ABCDEFGH ABCDEFGI");
    put_in("41424344454647480041", 20); /* what is left out behind it is no part of it */
    assert_true(quote_from_hex(&in, 0, &out));
    gives("ABCDEFGH ");
    assert_in_range(out.from[out.len], 2 * 16, 2 * 18);
    put_in("0041424344454647480141424344454647497f", 38); /* what is not visible is a blank */
    assert_true(quote_from_hex(&in, 0, &out));
    gives("ABCDEFGH ABCDEFGI ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(escapes_say_where_from),
        cmocka_unit_test(base64),
        cmocka_unit_test(hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
