#include "tests/unit/unit.h"

#include "agent/webhook/members.h"
#include "agent/webhook/patch.h"

static struct json_span span(const char *text) {
    size_t len = strlen(text);
    struct json_span out;
    assert_true(json_span_of(guarded(text, len), len, &out));
    return out;
}

static void assert_span(struct json_span got, const char *wanted) {
    if (got.len != strlen(wanted) || memcmp(got.at, wanted, got.len) != 0)
        fail_msg("%.*s, not %s", (int)got.len, got.at, wanted);
}

/* The last of two counts, escapes in names are read, and null is not there. */
static void members(void **state) {
    (void)state;
    struct member m[] = {{.name = "a", .kind = SPAN_NUMBER},
                         {.name = "b", .kind = SPAN_ARRAY},
                         {.name = "c", .kind = SPAN_STRING},
                         {.name = "d", .kind = SPAN_TRUE}};
    assert_null(members_pick(span("{\"\\u0061\":1,\"a\":2,\"b\":null,\"C\":7,\"d\":false}"), m, COUNT(m)));
    assert_span(m[0].value, "2");
    assert_int_equal(m[1].value.len, 0);
    assert_int_equal(m[2].value.len, 0);
    assert_span(m[3].value, "false");
    assert_null(members_pick(span("{\"a\":2,\"a\":null,\"b\":7,\"b\":[]}"), m, COUNT(m)));
    assert_int_equal(m[0].value.len, 0);
    assert_string_equal(members_pick(span("{\"a\":2,\"a\":\"x\"}"), m, COUNT(m)), "a");
    assert_string_equal(members_pick(span("{\"d\":0}"), m, COUNT(m)), "d");
    assert_null(members_pick(span("[1]"), m, COUNT(m)));
    assert_int_equal(m[0].value.len, 0);
    assert_span(members_get(span("{\"x\":{\"y\":[]}}"), "x"), "{\"y\":[]}");
}

static void strings(void **state) {
    (void)state;
    assert_true(span_is(span("\"\""), "") && span_is(span("\"a\\/b\""), "a/b") &&
                span_is(span("\"\\u00e9\""), "\xc3\xa9"));
    assert_false(span_is(span("\"ab\""), "a") || span_is(span("7"), "7") ||
                 span_is(span("\"\\u0000\""), "") || span_is((struct json_span){"", 0}, ""));
    assert_true(span_begins(span("\"abc\""), "ab") && span_begins(span("\"\\u0061bc\""), "abc"));
    assert_false(span_begins(span("\"ab\""), "abc"));
    assert_true(span_same((struct json_span){"\"a\"", 3}, (struct json_span){"\"\\u0061\"", 8}));
    assert_false(span_same((struct json_span){"\"a\"", 3}, (struct json_span){"\"b\"", 3}));
    assert_int_equal(span_line("a\nb\nc", "a\nb\nc"), 1);
    const char *text = "a\nb\nc";
    assert_int_equal(span_line(text, text + 4), 3);
}

static const char *added(struct json_span there, bool in_place, size_t count) {
    static char text[512];
    static struct buf out;
    out = BUF(text);
    struct patch patch = {.out = &out};
    struct additions a = {.patch = &patch, .there = there};
    if (in_place)
        a.name = "l";
    else
        a.path = "/l";
    for (size_t i = 0; i < count; i++) {
        buf_fmt(additions_next(&a), "%zu", i);
        additions_done(&a);
    }
    additions_end(&a);
    if (!in_place)
        (void)patch_end(&patch);
    return text;
}

/* A list that is there is added to; one that is not is made; and nothing is written for nothing. */
static void additions(void **state) {
    (void)state;
    const struct json_span none = {"", 0}, empty = {"[]", 2}, two = {"[8,9]", 5};
    assert_string_equal(added(none, false, 0), "");
    assert_string_equal(added(two, false, 0), "");
    assert_string_equal(added(none, false, 2), "[{\"op\":\"add\",\"path\":\"/l\",\"value\":[0,1]}]");
    assert_string_equal(added(empty, false, 1), "[{\"op\":\"add\",\"path\":\"/l/-\",\"value\":0}]");
    assert_string_equal(
        added(two, false, 2),
        "[{\"op\":\"add\",\"path\":\"/l/-\",\"value\":0},{\"op\":\"add\",\"path\":\"/l/-\",\"value\":1}]");
    assert_string_equal(added(none, true, 0), "");
    assert_string_equal(added(none, true, 2), ",\"l\":[0,1]");
    assert_string_equal(added(two, true, 2), ",\"l\":[8,9,0,1]");
    assert_string_equal(added(two, true, 0), ",\"l\":[8,9]");
    assert_string_equal(added(empty, true, 1), ",\"l\":[0]");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(members), cmocka_unit_test(strings),
                                       cmocka_unit_test(additions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
