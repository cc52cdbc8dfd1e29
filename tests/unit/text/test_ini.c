#include "tests/unit/unit.h"

#include <unistd.h>

#include "common/text/ini.h"

#define BODY "k = new\n"

static const struct {
    const char *name, *in, *profile, *out;
} table[] = {
    {"empty file", "", "default", "[default]\n" BODY},
    {"other settings of that profile stay", "[default]\na = 1\nk = old\nb = 2\n", "default",
     "[default]\n" BODY "a = 1\nb = 2\n"},
    {"in the middle", "[a]\nx = 1\n\n[default]\ny = 2\n\n[b]\nz = 3\n", "default",
     "[a]\nx = 1\n\n[default]\n" BODY "y = 2\n\n[b]\nz = 3\n"},
    {"at the end, after the others", "[a]\nx = 1\n", "b", "[a]\nx = 1\n\n[b]\n" BODY},
    {"no final newline, other profile", "[a]\nx = 1", "b", "[a]\nx = 1\n\n[b]\n" BODY},
    {"no final newline, that profile", "[a]\nx = 1", "a", "[a]\n" BODY "x = 1"},
    {"no final newline, the header", "[a]", "a", "[a]\n" BODY},
    {"twice: ours once, and the settings of both", "[p]\na = 1\n[q]\nb = 2\n[p]\nK: 1\nc = 3\n[r]\nd = 4\n",
     "p", "[p]\n" BODY "a = 1\n[q]\nb = 2\n[p]\nc = 3\n[r]\nd = 4\n"},
    {"twice: a header with nothing left goes", "[p]\na = 1\n[q]\n[p]\nk = 2\n# end\n", "p",
     "[p]\n" BODY "a = 1\n[q]\n# end\n"},
    {"comments stay where they are", "[p]\n# about a\na = 1\n\n# about q\n; more\n[q]\nb = 2\n", "p",
     "[p]\n" BODY "# about a\na = 1\n\n# about q\n; more\n[q]\nb = 2\n"},
    {"text ahead of all sections", "# kept by hand\n\n[p]\na = 1\n", "p",
     "# kept by hand\n\n[p]\n" BODY "a = 1\n"},
    {"CRLF of others is kept", "[a]\r\nx = 1\r\n[p]\r\nk = 2\r\ny = 2\r\n[b]\r\nz = 3\r\n", "p",
     "[a]\r\nx = 1\r\n[p]\r\n" BODY "y = 2\r\n[b]\r\nz = 3\r\n"},
    {"blanks within the brackets: another name for botocore", "[ p\t]\na = 1\n[q]\n", "p",
     "[p]\n" BODY "a = 1\n[q]\n"},
    {"a comment behind the header", "[p] # mine\na = 1\n[q]\n", "p", "[p] # mine\n" BODY "a = 1\n[q]\n"},
    {"a comment behind the header, with a bracket", "[p] # [x]\na = 1\n", "p", "[p]\n" BODY "a = 1\n"},
    {"an indented bracket is a value", "[p]\ns3 =\n  [p]\n[q]\n", "p", "[p]\n" BODY "s3 =\n  [p]\n[q]\n"},
    {"an indented bracket of another", "[q]\ns3 =\n  [p]\nx = 1\n", "p",
     "[q]\ns3 =\n  [p]\nx = 1\n\n[p]\n" BODY},
    {"all is indented: so are ours", "  [p]\n  k = old\n  a = 1\n  [q]\n  b = 2\n", "p",
     "  [p]\n  " BODY "  a = 1\n  [q]\n  b = 2\n"},
    {"a header below an old value is a part of it, for all readers", "[p]\nk = old\n\t[q]\n", "p",
     "[p]\n" BODY},
    {"the next header is indented, and ours is empty", "\t[p]\n\t[q]\n\tb = 2\n", "p",
     "\t[p]\n\t" BODY "\t[q]\n\tb = 2\n"},
    {"settings are indented, headers are not: ours at the end", "[p]\n  a = 1\n    b\n\n# q\n[q]\nb = 2\n",
     "p", "[p]\n  a = 1\n    b\n" BODY "\n# q\n[q]\nb = 2\n"},
    {"the same at the end of the file", "[p]\n  k = old\n  a = 1", "p", "[p]\n  a = 1\n" BODY},
    {"an old value of several lines goes whole", "[p]\nk = 1\n  2\n\n  3\na = 1\n  2\n", "p",
     "[p]\n" BODY "\na = 1\n  2\n"},
    {"in any case, with a colon", "[p]\nK : 1\nAWS_Security_Token=x\naws_account_id = 1\nkk = 1\n", "p",
     "[p]\n" BODY "kk = 1\n"},
    {"blanks as Python knows them", "[p]\n\x1ck\x1f= old\nb\x1c= 1\n", "p", "[p]\n" BODY "b\x1c= 1\n"},
    {"no-break spaces", "[p]\nk\xC2\xA0= old\nb = 1\n", "p", "[p]\n" BODY "b = 1\n"},
    {"a nested key of that name is not ours", "[p]\ns3 =\n  k = 1\n", "p", "[p]\n" BODY "s3 =\n  k = 1\n"},
    {"a byte order mark", "\xEF\xBB\xBF[p]\nk = 1\na = 1\n", "p", "\xEF\xBB\xBF[p]\n" BODY "a = 1\n"},
    {"old Macs", "[p]\rk = 1\ra = 1\r[q]\r", "p", "[p]\r" BODY "a = 1\r[q]\r"},
    {"a name that begins alike", "[prod]\na = 1\n[pro]\nb = 2\n", "pro",
     "[prod]\na = 1\n[pro]\n" BODY "b = 2\n"},
    {"case matters", "[P]\na = 1\n", "p", "[P]\na = 1\n\n[p]\n" BODY},
    {"\"profile p\" is the config file's spelling", "[profile p]\na = 1\n", "p",
     "[profile p]\na = 1\n\n[p]\n" BODY},
    {"no section: bracket in a comment", "# [p]\nx = 1\n", "p", "# [p]\nx = 1\n\n[p]\n" BODY},
    {"bytes beyond ASCII are kept", "[\xc3\xa9]\nx = \xff\xfe\n", "p",
     "[\xc3\xa9]\nx = \xff\xfe\n\n[p]\n" BODY},
    {"an unclosed bracket is another section", "[p]\nk = 1\n[q\nk = 1\n", "p", "[p]\n" BODY "[q\nk = 1\n"},
    {"a line that is nothing", "[p]\n  what\nk = 1\n", "p", "[p]\n  what\n" BODY},
    {"only blank lines", "\n\n", "p", "\n\n\n[p]\n" BODY},
};

static void table_of_files(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char storage[1024];
        memset(storage, '\n', sizeof storage); /* of something else, before */
        struct buf out = BUF(storage);
        size_t len = strlen(table[i].in);
        assert_int_equal(ini_replace_profile(guarded(table[i].in, len), len, table[i].profile, BODY, &out),
                         ERR_OK);
        if (strcmp(out.data, table[i].out) != 0)
            fail_msg("%s: gave\n%s\nnot\n%s", table[i].name, out.data, table[i].out);
    }
}

static void doing_it_again_changes_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char first[1024], second[1024];
        struct buf a = BUF(first), b = BUF(second);
        assert_int_equal(ini_replace_profile(table[i].in, strlen(table[i].in), table[i].profile, BODY, &a),
                         ERR_OK);
        assert_int_equal(ini_replace_profile(a.data, a.len, table[i].profile, BODY, &b), ERR_OK);
        if (strcmp(a.data, b.data) != 0)
            fail_msg("%s: the second time gave\n%s\nnot\n%s", table[i].name, b.data, a.data);
    }
}

static void a_nul_is_no_text(void **state) {
    (void)state;
    char storage[64];
    struct buf out = BUF(storage);
    assert_int_equal(ini_replace_profile("[a]\n\0\n", 6, "p", BODY, &out), ERR_CONTROL);
}

static void a_full_builder_is_an_error(void **state) {
    (void)state;
    static const char in[] = "[a]\nx = 1\n[p]\n[b]\ny = 2\n";
    char storage[64];
    for (size_t cap = 1; cap < 40; cap++) {
        struct buf out = buf_over(storage, cap);
        enum err e = ini_replace_profile(in, sizeof in - 1, "p", BODY, &out);
        assert_int_equal(e, cap > 32 ? ERR_OK : ERR_TOO_LONG);
    }
}

/* As large as a file may be, and the same header again and again: each line is looked at a few times only. */
static void many_sections_of_that_name(void **state) {
    (void)state;
    static char in[INI_FILE_MAX / 4 * 4], storage[INI_FILE_MAX + 64];
    struct buf out = BUF(storage);
    for (size_t i = 0; i < sizeof in; i += 4)
        memcpy(in + i, "[p]\n", 4);
    alarm(30); /* a fraction of a second; a search from each header on would take minutes */
    assert_int_equal(ini_replace_profile(in, sizeof in, "p", BODY, &out), ERR_OK);
    alarm(0);
    assert_string_equal(storage, "[p]\n" BODY);
}

static void profile_names(void **state) {
    (void)state;
    static const char *const good[] = {"default", "a", "A-b_c.d@e+f=g,h:i/j", "0"};
    static const char *const bad[] = {"",    " ",   "a b",      "a]",  "[a",   "a\nb",
                                      "a#b", "a;b", "\xc3\xa9", "a'b", "a\\b", "a\"b"};
    char text[INI_PROFILE_MAX + 1];
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(ini_profile_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(ini_profile_valid(bad[i]));
    memset(text, 'p', sizeof text);
    text[INI_PROFILE_MAX - 1] = '\0';
    assert_true(ini_profile_valid(text));
    text[INI_PROFILE_MAX - 1] = 'p';
    text[INI_PROFILE_MAX] = '\0';
    assert_false(ini_profile_valid(text));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_files),
        cmocka_unit_test(doing_it_again_changes_nothing),
        cmocka_unit_test(a_nul_is_no_text),
        cmocka_unit_test(a_full_builder_is_an_error),
        cmocka_unit_test(many_sections_of_that_name),
        cmocka_unit_test(profile_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
