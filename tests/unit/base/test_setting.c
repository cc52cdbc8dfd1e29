#include "tests/unit/unit.h"

#include "common/base/setting.h"

static void flaws(void **state) {
    (void)state;
    static const struct {
        const char *value, *flaw;
    } table[] = {
        {"", NULL},
        {"eu-central-1", NULL},
        {"http://user:pa$$@host:1/?x=\"y\"", NULL},
        {"it's", NULL},
        {"x\n", "ends in a line break"},
        {"x\r\n", "ends in a line break"},
        {"\n", "ends in a line break"},
        {"x ", "ends in a blank"},
        {"x\t", "ends in a blank"},
        {" ", "ends in a blank"},
        {" x", "begins with a blank or line break"},
        {"\nx", "begins with a blank or line break"},
        {"\"x\"", "stands in quotes that belong to it"},
        {"'x'", "stands in quotes that belong to it"},
        {"a${B}c", "holds a reference that was not expanded"},
        {"$(B)", "holds a reference that was not expanded"},
        {"{{ .Values.x }}", "holds a reference that was not expanded"},
        {"a\nb", "holds a line break or another control character"},
        {"a\x7F", "holds a line break or another control character"},
        {"\xE2\x80\x9Cx\xE2\x80\x9D", "holds typographic quotes"},
        {"it\xE2\x80\x99s", "holds typographic quotes"},
        {"a\xC2\xA0", "holds a no-break space"},
        {"\xC3\xA4", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *flaw = setting_flaw(table[i].value);
        if ((flaw == NULL) != (table[i].flaw == NULL) || (flaw != NULL && strcmp(flaw, table[i].flaw) != 0))
            fail_msg("%s: %s", table[i].value, flaw != NULL ? flaw : "none");
    }
}

static void quotes(void **state) {
    (void)state;
    char storage[1024], value[400];
    struct buf b = BUF(storage);
    setting_quote(&b, "a\n\r\t\x1b\xC2\xA0");
    assert_string_equal(b.data, "\"a\\n\\r\\t???\"");
    buf_reset(&b);
    setting_quote(&b, "eu https://u:p@w@host/x z@y");
    assert_string_equal(b.data, "\"eu https://[redacted]@host/x z@y\"");
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    buf_reset(&b);
    setting_quote(&b, value);
    assert_int_equal(b.len, SETTING_SHOWN_MAX + 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(flaws), cmocka_unit_test(quotes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
