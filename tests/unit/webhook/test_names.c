#include "tests/unit/unit.h"

#include "agent/webhook/names.h"

static struct names names;

static enum err read_as(enum err (*reader)(struct json_span, struct names *), const char *json) {
    size_t len = strlen(json);
    return reader((struct json_span){guarded(json, len), len}, &names);
}

/* All of them, with bars between. */
static const char *shown(void) {
    static char text[256];
    size_t position = 0;
    text[0] = '\0';
    for (const char *name; (name = names_next(&names, &position)) != NULL;) {
        strcat(text, name);
        strcat(text, "|");
    }
    return text;
}

/* As Go's encoding/csv reads the first record. */
static void csv(void **state) {
    (void)state;
    static const struct {
        const char *json, *names; /* NULL: it cannot be read */
    } table[] = {
        {"\"a\"", "a|"},
        {"\"a,b\"", "a|b|"},
        {"\"a, b \"", "a| b |"},
        {"\"a,,b,\"", "a||b||"},
        {"\"\\\"a\\\",b\"", "a|b|"},
        {"\"\\\"a,b\\\"\"", "a,b|"},
        {"\"\\\"a\\\"\\\"b\\\"\"", "a\"b|"},
        {"\"\\n\\r\\na\\nb\"", "a|"},
        {"\"a\\r\\nb\"", "a|"},
        {"\"a\\rb\"", "a\rb|"},
        {"\"\\u0061\"", "a|"},
        {"\"a\\\"b\"", NULL},
        {"\"\\\"a\"", NULL},
        {"\"\\\"a\\\"b\"", NULL},
        {"\"a,\\\"\"", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        enum err e = read_as(names_read_csv, table[i].json);
        if ((e == ERR_OK) != (table[i].names != NULL))
            fail_msg("%s: %s", table[i].json, err_text(e));
        if (strcmp(shown(), table[i].names != NULL ? table[i].names : "") != 0)
            fail_msg("%s: %s", table[i].json, shown());
    }
    assert_int_equal(read_as(names_read_csv, "\"\""), ERR_EMPTY);
    assert_int_equal(read_as(names_read_csv, "\"\\n\\n\""), ERR_EMPTY);
    assert_int_equal(read_as(names_read_csv, "7"), ERR_TYPE);
}

static void ours(void **state) {
    (void)state;
    assert_int_equal(read_as(names_read, "\" a ,\\tb\\n\""), ERR_OK);
    assert_string_equal(shown(), "a|b|");
    static const char *const wrong[] = {"\"\"", "\" \"", "\"a,\"", "\",a\"", "\"a,,b\""};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(read_as(names_read, wrong[i]), ERR_EMPTY);
        assert_int_equal(names.len, 0);
    }
}

static void limit(void **state) {
    (void)state;
    static char text[NAMES_MAX + 2];
    static char many[2 * NAMES_COUNT_MAX + 4] = "\"";
    for (size_t i = 0; i < NAMES_COUNT_MAX; i++)
        memcpy(many + 1 + 2 * i, "a,", 2);
    many[2 * NAMES_COUNT_MAX] = '"';
    assert_int_equal(read_as(names_read, many), ERR_OK);
    memcpy(many + 2 * NAMES_COUNT_MAX, ",a\"", 4);
    assert_int_equal(read_as(names_read, many), ERR_TOO_LONG);
    assert_int_equal(read_as(names_read_csv, many), ERR_TOO_LONG);
    memset(text, 'a', sizeof text);
    text[0] = text[sizeof text - 2] = '"';
    text[sizeof text - 1] = '\0';
    assert_int_equal(read_as(names_read_csv, text), ERR_OK);
    assert_int_equal(strlen(names.text), NAMES_MAX - 1);
    text[sizeof text - 2] = 'a';
    static char longer[sizeof text + 1];
    memcpy(longer, text, sizeof text - 1);
    longer[sizeof text - 1] = '"';
    assert_int_equal(read_as(names_read, longer), ERR_TOO_LONG);
    assert_int_equal(read_as(names_read_csv, longer), ERR_TOO_LONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(csv), cmocka_unit_test(ours),
                                       cmocka_unit_test(limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
