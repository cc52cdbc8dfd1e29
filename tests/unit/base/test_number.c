#include "common/base/number.h"

#include "tests/unit/unit.h"

static void reads(const char *text, unsigned base, uint32_t max, unsigned len, uint32_t expected) {
    uint32_t value = 4711;
    assert_int_equal(number_read(text, base, max, &value), len);
    assert_int_equal(value, expected);
}

static void test_digits(void **state) {
    (void)state;
    reads("0", 10, 9, 1, 0);
    reads("65535", 10, 65535, 5, 65535);
    reads("007 and more", 10, 7, 3, 7);
    reads("4294967295", 10, UINT32_MAX, 10, UINT32_MAX);
    reads("0640", 8, 0777, 4, 0640);
    reads("0689", 8, 0777, 2, 06); /* 8 is no digit of base 8: the caller sees that it is left over */
}

static void test_none(void **state) {
    (void)state;
    reads("", 10, 9, 0, 0);
    reads(" 1", 10, 9, 0, 0);
    reads("-1", 10, 9, 0, 0);
    reads("+1", 10, 9, 0, 0);
    reads("x1", 10, 9, 0, 0);
    reads("8", 8, 9, 0, 0);
}

static void test_too_much(void **state) {
    (void)state;
    reads("65536", 10, 65535, 0, 0);
    reads("4294967296", 10, UINT32_MAX, 0, 0);
    reads("18446744073709551617", 10, UINT32_MAX, 0, 0); /* 1 in 64 bits */
    reads("99999999999999999999999999999999999999", 10, UINT32_MAX, 0, 0);
    reads("1000", 8, 0777, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
