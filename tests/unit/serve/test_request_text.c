/* Blanks, values and names of a head, many bytes at a time: held against the same one by one. */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <limits.h>

#include "common/serve/request_text.h"

#define LONGEST 200 /* some blocks, and what is left behind them */

static size_t blanks(char *out, const char *bytes, size_t len) {
    (void)out;
    return text_blanks(bytes, len);
}

static size_t value(char *out, const char *bytes, size_t len) {
    (void)out;
    return text_value(bytes, len);
}

static bool is_blank(unsigned char c) {
    return c == ' ' || c == '\t';
}

static bool of_a_value(unsigned char c) {
    return c >= 0x20 && c != 0x7F;
}

static bool of_a_name(unsigned char c) {
    return c < 0x80 && (isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL));
}

/* Every byte at every place of runs of every length, which end where their storage does. */
static void ends_where_it_ends(size_t (*run)(char *out, const char *bytes, size_t len),
                               bool (*goes_on)(unsigned char c), char usual) {
    static char text[LONGEST], out[LONGEST];
    memset(text, usual, sizeof text);
    for (size_t len = 0; len <= sizeof text; len += len < 40 ? 1 : 37) {
        const char *whole = guarded(text, len);
        assert_int_equal(run(out, whole, len), len);
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c <= UCHAR_MAX; c += at % 5 == 0 ? 1 : 31) {
                text[at] = (char)c;
                size_t expected = goes_on((unsigned char)c) ? len : at;
                if (run(out, text, len) != expected)
                    fail_msg("byte 0x%02x at %zu of %zu", c, at, len);
            }
            text[at] = usual;
        }
    }
}

static void blanks_end(void **state) {
    (void)state;
    ends_where_it_ends(blanks, is_blank, ' ');
}

static void values_end_at_a_control_character(void **state) {
    (void)state;
    ends_where_it_ends(value, of_a_value, 'v');
    ends_where_it_ends(value, of_a_value, '\xE4');
}

static void names_end_at_what_no_name_has(void **state) {
    (void)state;
    ends_where_it_ends(text_name, of_a_name, 'N');
    ends_where_it_ends(text_name, of_a_name, '_');
}

static void names_are_kept_in_lower_case(void **state) {
    (void)state;
    for (size_t len = 0; len < 60; len++) {
        for (unsigned c = 1; c < 0x80; c++) {
            char text[60], out[60];
            if (!of_a_name((unsigned char)c))
                continue;
            memset(text, 'X', sizeof text);
            memset(out, '?', sizeof out);
            text[len / 2] = (char)c;
            assert_int_equal(text_name(out, text, len), len);
            for (size_t at = 0; at < sizeof out; at++)
                assert_int_equal(out[at], at < len ? tolower((unsigned char)text[at]) : '?');
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_end),
        cmocka_unit_test(values_end_at_a_control_character),
        cmocka_unit_test(names_end_at_what_no_name_has),
        cmocka_unit_test(names_are_kept_in_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
