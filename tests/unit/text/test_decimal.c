/* Decimal numbers, beside the C library's own conversion. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdlib.h>

#include "common/text/decimal.h"

static void check(const char *text, double relative) {
    char *end, *expected_end;
    double value = decimal_parse(text, &end), expected = strtod(text, &expected_end);
    if (end != expected_end)
        fail_msg("%s: ends at %d, expected %d", text, (int)(end - text), (int)(expected_end - text));
    if (value != expected && !(fabs(value - expected) <= fabs(expected) * relative))
        fail_msg("%s: %.17g, expected %.17g", text, value, expected);
}

static void whole_numbers_are_exact(void **state) {
    (void)state;
    static const char *const table[] = {"0",
                                        "-0",
                                        "1",
                                        "-1",
                                        "7",
                                        "1795435200",
                                        "9007199254740992",
                                        "-9007199254740991",
                                        "1e3",
                                        "1E+15",
                                        "00012",
                                        "12e0",
                                        "4294967296",
                                        "1000000000000000000"};
    for (size_t i = 0; i < COUNT(table); i++)
        check(table[i], 0);
    for (int64_t n = 1; n < INT64_C(9007199254740992); n = n * 3 + 1) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)n);
        check(text, 0);
    }
}

static void others_are_near(void **state) {
    (void)state;
    static const char *const table[] = {"0.5",
                                        "0.1",
                                        "-3.25",
                                        "1.795435200123e9",
                                        "12345678901234567890123",
                                        "1e22",
                                        "1e300",
                                        "1e308",
                                        "1e309",
                                        "-1e400",
                                        "1e-5",
                                        "1e-300",
                                        "1e-307",
                                        "1e-400",
                                        "1e999999999999",
                                        "1e-999999999999",
                                        "0e999",
                                        "0.000000000000000000000000001",
                                        "123456789.123456789123456789",
                                        "1.797693134862e308",
                                        "100000000000000000000000000000000000000000000e-40"};
    for (size_t i = 0; i < COUNT(table); i++)
        check(table[i], 1e-14);
}

static void where_a_number_ends(void **state) {
    (void)state;
    static const char *const table[] = {"",        "-", "x",  "1x", "1.",  "1.x", "1e", "1e+", "1e-x",
                                        "1.5e3.5", ".", "-.", "e5", "--1", "1-",  "1 ", "1,2"};
    for (size_t i = 0; i < COUNT(table); i++)
        check(table[i], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(others_are_near),
        cmocka_unit_test(where_a_number_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
