#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "common/base/err.h"

static void waits_are_bounded_both_ways(void **state) {
    (void)state;
    assert_int_equal(clock_until(1500, 1000, 10000), 500);
    assert_int_equal(clock_until(1000, 1000, 10000), 0);
    assert_int_equal(clock_until(500, 1000, 10000), 0);
    assert_int_equal(clock_until(99999, 1000, 10000), 10000);
    assert_int_equal(clock_until(CLOCK_NEVER, 1000, 10000), 10000);
    assert_int_equal(clock_until(CLOCK_NEVER, 0, INT32_MAX), INT32_MAX);
    assert_int_equal(clock_until(0, INT64_MAX, 10000), 0);
}

static void the_source_of_time_can_be_replaced(void **state) {
    (void)state;
    fake_clock(7, 8);
    assert_int_equal(clock_now().mono_ms, 7);
    assert_int_equal(clock_now().wall_ms, 8);
    clock_use(NULL);
    struct moment a = clock_now(), b = clock_now();
    assert_true(a.wall_ms > INT64_C(1700000000000));
    assert_true(b.mono_ms >= a.mono_ms);
}

static void every_error_has_a_phrase_of_its_own(void **state) {
    (void)state;
    for (int e = ERR_OK; e <= ERR_SYSTEM; e++) {
        assert_true(err_text((enum err)e)[0] != '\0');
        for (int other = ERR_OK; other < e; other++)
            assert_string_not_equal(err_text((enum err)e), err_text((enum err)other));
    }
    assert_non_null(err_text((enum err)999));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_bounded_both_ways),
        cmocka_unit_test(the_source_of_time_can_be_replaced),
        cmocka_unit_test(every_error_has_a_phrase_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
