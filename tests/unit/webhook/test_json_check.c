#include "tests/unit/unit.h"

#include "agent/webhook/json_check.h"

static bool good(const char *text, size_t len, struct json_flaw *flaw) {
    return json_check(guarded(text, len), len, flaw);
}

static void what_is_json(void **state) {
    (void)state;
    static const char *const table[] = {"{}",
                                        "[]",
                                        " {\"a\" : [ 1 , -0.5e+7, true,false,null, \"\" ] } \r\n\t",
                                        "0",
                                        "-0",
                                        "1E9",
                                        "\"\"",
                                        "\"\\u00e9\\ud83d\\n\"",
                                        "[[],{},[{}]]",
                                        "1.0",
                                        "{\"\":0}",
                                        "\"\xc3\xa9\xf0\x9f\x90\xa2\""};
    struct json_flaw flaw;
    for (size_t i = 0; i < COUNT(table); i++) {
        if (!good(table[i], strlen(table[i]), &flaw))
            fail_msg("%s: %s at %zu", table[i], flaw.what, flaw.at);
    }
}

static void what_is_none(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t at;
        const char *what;
    } table[] = {
        {"", 0, "it ends too early"},
        {"{\"a\":1", 6, "it ends too early"},
        {"[1,]", 3, "a value is expected here"},
        {"{\"a\":1,}", 7, "a member's name is expected here"},
        {"{1:2}", 1, "a member's name is expected here"},
        {"{\"a\" 1}", 5, "a colon is expected here"},
        {"[1 2]", 3, "a comma or ] is expected here"},
        {"{\"a\":1]", 6, "a comma or } is expected here"},
        {"1 2", 2, "something follows behind its end"},
        {"]", 0, "a value is expected here"},
        {"nul", 0, "a value is expected here"},
        {"00", 2, "a number begins with 0"},
        {"-", 1, "a number is not complete"},
        {"1.", 2, "a number is not complete"},
        {"1e+", 3, "a number is not complete"},
        {"+1", 0, "a value is expected here"},
        {"\"a", 2, "a string does not end"},
        {"\"\\", 2, "a backslash is followed by what is no escape"},
        {"\"\\u12", 5, "\\u is not followed by four hexadecimal digits"},
        {"\"\x01\"", 1, "a string holds a control character"},
        {"\"\xc3\"", 1, "a string is not valid UTF-8"},
        {"\"\xed\xa0\x80\"", 1, "a string is not valid UTF-8"},
    };
    struct json_flaw flaw;
    for (size_t i = 0; i < COUNT(table); i++) {
        if (good(table[i].text, strlen(table[i].text), &flaw))
            fail_msg("%s was taken", table[i].text);
        if (flaw.at != table[i].at || strcmp(flaw.what, table[i].what) != 0)
            fail_msg("%s: %s at %zu", table[i].text, flaw.what, flaw.at);
    }
    assert_false(good("\"\0\"", 3, &flaw));
}

/* 64 levels of either kind, and no more. */
static void depth(void **state) {
    (void)state;
    char text[200];
    struct json_flaw flaw;
    for (size_t levels = 63; levels <= 65; levels++) {
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        assert_int_equal(good(text, 2 * levels, &flaw), levels <= JSON_CHECK_DEPTH_MAX);
    }
    assert_string_equal(flaw.what, "it is nested more than 64 deep");
    assert_int_equal(flaw.at, 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_json), cmocka_unit_test(what_is_none),
                                       cmocka_unit_test(depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
