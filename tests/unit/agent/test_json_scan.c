#include "tests/unit/unit.h"

#include "agent/json_scan.h"

static struct json_span span(const char *text) {
    struct json_span out = {"", 0};
    size_t len = strlen(text);
    if (!json_span_of(guarded(text, len), len, &out))
        fail_msg("%s is not a value", text);
    return out;
}

static void members(void **state) {
    (void)state;
    struct json_span whole = span(" {\"a\": 1, \"b\" :{\"c\":[1,\"}\"]},\"d\":\"x\\\"y\" } "), name, value;
    size_t position = 0;
    static const char *const names[] = {"\"a\"", "\"b\"", "\"d\""}, *const values[] = {"1",
                                                                                       "{\"c\":[1,\"}\"]}",
                                                                                       "\"x\\\"y\""};
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_span_next(whole, &position, &name, &value));
        assert_int_equal(name.len, strlen(names[i]));
        assert_memory_equal(name.at, names[i], name.len);
        assert_int_equal(value.len, strlen(values[i]));
        assert_memory_equal(value.at, values[i], value.len);
    }
    assert_false(json_span_next(whole, &position, &name, &value));
    assert_true(json_span_member(whole, "b", &value));
    assert_true(json_span_member(value, "c", &value));
    position = 0;
    assert_true(json_span_next(value, &position, &name, &value));
    assert_int_equal(name.len, 0);
    assert_false(json_span_member(whole, "c", &value));
    assert_false(json_span_member(span("[1]"), "c", &value));
    assert_false(json_span_member(span("7"), "c", &value));
}

static void what_is_no_value(void **state) {
    (void)state;
    static const char *const table[] = {"",  " ", "{", "[", "\"a", "\"a\\\"",    "{\"a\":[}]",
                                        "}", "]", ",", ":", "[[]", "{\"a\": \"}"};
    struct json_span out;
    for (size_t i = 0; i < COUNT(table); i++) {
        if (json_span_of(guarded(table[i], strlen(table[i])), strlen(table[i]), &out))
            fail_msg("%s was taken", table[i]);
    }
    char deep[200];
    memset(deep, '[', sizeof deep);
    assert_false(json_span_of(deep, sizeof deep, &out));
}

static void what_is_no_object(void **state) {
    (void)state;
    static const char *const table[] = {"{}",       "{ }",         "{,}", "{1:2}", "{\"a\"}", "{\"a\" 1}",
                                        "{\"a\":}", "{\"a\":1 2}", "[]",  "[ ]",   "[,]",     "7"};
    struct json_span name, value;
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t position = 0;
        if (json_span_next(span(table[i]), &position, &name, &value))
            fail_msg("%s has a member", table[i]);
    }
}

static void strings(void **state) {
    (void)state;
    static const struct {
        const char *text, *plain;
        enum err e;
    } table[] = {
        {"\"\"", "", ERR_OK},
        {"\"a b\"", "a b", ERR_OK},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", ERR_OK},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", ERR_OK},
        {"\"\\u003c\"", "<", ERR_OK},
        {"1", "", ERR_TYPE},
        {"{}", "", ERR_TYPE},
        {"\"\\x\"", "", ERR_SYNTAX},
        {"\"\\u12\"", "", ERR_SYNTAX},
        {"\"\\ud83d\"", "", ERR_SYNTAX},
        {"\"\\ud83dx\"", "", ERR_SYNTAX},
        {"\"\\ude00\"", "", ERR_SYNTAX},
        {"\"\\u0000\"", "", ERR_CONTROL},
        {"\"0123456789012345\"", "", ERR_TOO_LONG},
    };
    char out[16];
    size_t len;
    for (size_t i = 0; i < COUNT(table); i++) {
        enum err e = json_span_text(span(table[i].text), out, sizeof out, &len);
        if (e != table[i].e || (e == ERR_OK && strcmp(out, table[i].plain) != 0))
            fail_msg("%s: %s", table[i].text, err_text(e));
        if (e == ERR_OK)
            assert_int_equal(len, strlen(out));
    }
}

/* A walk that stops early is no walk that came to the end. */
static void where_a_walk_ends(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool over;
    } table[] = {{"{}", true},
                 {"{ }", true},
                 {"[]", true},
                 {"{\"a\":1}", true},
                 {"[ 1 , 2 ]", true},
                 {"{\"a\":1 , }", false},
                 {"{,}", false},
                 {"{\"a\":1 \"b\":2}", false},
                 {"[1,,2]", false},
                 {"{\"a\":}", false},
                 {"{\"a\":1,2}", false},
                 {"{\"a\" 1}", false},
                 {"{\"a\":1:2}", false},
                 {"[1 2]", false},
                 {"7", false}};
    for (size_t i = 0; i < COUNT(table); i++) {
        struct json_span whole = span(table[i].text), name, value;
        size_t position = 0;
        while (json_span_next(whole, &position, &name, &value))
            ;
        if (json_span_over(whole, position) != table[i].over)
            fail_msg("%s: %d", table[i].text, !table[i].over);
    }
}

static void every_beginning_is_survived(void **state) {
    (void)state;
    static const char whole[] =
        "{\"items\":[{\"data\":{\"a.b\":\"{\\\"roleArn\\\": \\\"x\\\"}\",\"c\":\"\\ud83d\\ude00\"}}]}";
    struct json_span out, name, value;
    char plain[64];
    size_t len;
    for (size_t n = 0; n < sizeof whole; n++) {
        assert_int_equal(json_span_of(guarded(whole, n), n, &out), n >= sizeof whole - 1);
        /* As if the brackets were there: what lies in between is walked to its end. */
        size_t position = 0;
        struct json_span cut = {guarded(whole, n), n};
        while (json_span_next(cut, &position, &name, &value))
            (void)json_span_text(value, plain, sizeof plain, &len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),           cmocka_unit_test(what_is_no_value),
        cmocka_unit_test(what_is_no_object), cmocka_unit_test(strings),
        cmocka_unit_test(where_a_walk_ends), cmocka_unit_test(every_beginning_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
