#include "tests/unit/unit.h"

#include "common/base/timefmt.h"

static const struct {
    const char *text;
    enum err result;
    int64_t unix_ms;
} times[] = {
    {"1970-01-01T00:00:00Z", ERR_OK, 0},
    {"2015-08-30T12:36:00Z", ERR_OK, 1440938160000},
    {"2026-11-23T12:00:00.5Z", ERR_OK, 1795435200500},
    {"2026-11-23T12:00:00.123456789Z", ERR_OK, 1795435200123},
    {"2026-11-23T12:00:00.000999Z", ERR_OK, 1795435200000},
    {"2026-11-23T14:30:00+02:30", ERR_OK, 1795435200000},
    {"2026-11-23T04:00:00-08:00", ERR_OK, 1795435200000},
    {"2000-02-29T00:00:00Z", ERR_OK, 951782400000},
    {"2016-12-31T23:59:60Z", ERR_OK, 1483228800000},
    {"9999-12-31T23:59:59Z", ERR_OK, 253402300799000},
    {"2100-02-29T00:00:00Z", ERR_RANGE, 0},
    {"2023-02-29T00:00:00Z", ERR_RANGE, 0},
    {"2023-04-31T00:00:00Z", ERR_RANGE, 0},
    {"2023-00-01T00:00:00Z", ERR_RANGE, 0},
    {"2023-13-01T00:00:00Z", ERR_RANGE, 0},
    {"2023-01-00T00:00:00Z", ERR_RANGE, 0},
    {"2023-01-01T24:00:00Z", ERR_RANGE, 0},
    {"2023-01-01T00:60:00Z", ERR_RANGE, 0},
    {"2023-01-01T00:00:61Z", ERR_RANGE, 0},
    {"1969-12-31T23:59:59Z", ERR_RANGE, 0},
    {"0001-01-01T00:00:00Z", ERR_RANGE, 0},
    {"", ERR_SYNTAX, 0},
    {"2023-01-01", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00", ERR_SYNTAX, 0},
    {"2023-01-01 00:00:00Z", ERR_SYNTAX, 0},
    {"2023-01-01t00:00:00z", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00ZZ", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00Z\n", ERR_SYNTAX, 0},
    {" 2023-01-01T00:00:00Z", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00.Z", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00,5Z", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00.1234567890Z", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00+0200", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00+24:00", ERR_SYNTAX, 0},
    {"2023-01-01T00:00:00+01:60", ERR_SYNTAX, 0},
    {"+023-01-01T00:00:00Z", ERR_SYNTAX, 0},
    {"12023-01-01T00:00:00Z", ERR_SYNTAX, 0},
    {"2023-1-1T0:0:0Z", ERR_SYNTAX, 0},
    {"1700000000", ERR_SYNTAX, 0},
};

static void rfc3339_table(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t ms = -1;
        size_t len = strlen(times[i].text);
        enum err e = time_parse_rfc3339(guarded(times[i].text, len), len, &ms);
        if (e != times[i].result)
            fail_msg("%s gave %d", times[i].text, (int)e);
        if (e == ERR_OK && ms != times[i].unix_ms)
            fail_msg("%s gave %lld", times[i].text, (long long)ms);
    }
}

static void every_beginning_of_a_time_is_refused(void **state) {
    (void)state;
    static const char text[] = "2026-11-23T12:00:00.123+02:30";
    int64_t ms;
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_int_equal(time_parse_rfc3339(guarded(text, len), len, &ms), ERR_SYNTAX);
}

/* Every day of every year that can be told, against a calendar kept by counting. */
static void every_day_from_1970_to_9999(void **state) {
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = 0;
    for (int y = 1970; y <= 9999; y++) {
        bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        for (int m = 1; m <= 12; m++) {
            for (int d = 1; d <= lengths[m - 1] + (m == 2 && leap); d++, day++) {
                char expected[64], text[TIME_UTC_MAX];
                int64_t s = day * 86400 + (day * 7919) % 86400, ms;
                snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02dZ", y, m, d,
                         (int)(s % 86400 / 3600), (int)(s / 60 % 60), (int)(s % 60));
                time_format_utc(s, text);
                assert_string_equal(text, expected);
                assert_int_equal(time_parse_rfc3339(text, 20, &ms), ERR_OK);
                assert_int_equal(ms, s * 1000);
            }
        }
    }
}

static void formats_stay_within_their_bounds(void **state) {
    (void)state;
    char utc[TIME_UTC_MAX], basic[TIME_BASIC_MAX];
    time_format_utc(INT64_MIN, utc);
    assert_string_equal(utc, "1970-01-01T00:00:00Z");
    time_format_utc(INT64_MAX, utc);
    assert_string_equal(utc, "9999-12-31T23:59:59Z");
    time_format_basic(1440938160, basic);
    assert_string_equal(basic, "20150830T123600Z");
    time_format_basic(INT64_MAX, basic);
    assert_string_equal(basic, "99991231T235959Z");
}

static void no_month_has_a_day_more(void **state) {
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int m = 1; m <= 12; m++) {
        char text[64];
        int64_t ms;
        snprintf(text, sizeof text, "2023-%02d-%02dT00:00:00Z", m, lengths[m - 1] + 1);
        assert_int_equal(time_parse_rfc3339(text, strlen(text), &ms), ERR_RANGE);
    }
}

static void http_dates(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err result;
        int64_t unix_s;
    } dates[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", ERR_OK, 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", ERR_OK, 0},
        {"Mon, 31 Dec 2029 23:59:59 GMT", ERR_OK, 1893455999},
        {"Sun, 06 Nov 1994 08:49:37 UTC", ERR_SYNTAX, 0},
        {"Sun  06 Nov 1994 08:49:37 GMT", ERR_SYNTAX, 0},
        {"Sunday, 06-Nov-94 08:49:37 GMT", ERR_SYNTAX, 0},
        {"Sun Nov  6 08:49:37 1994", ERR_SYNTAX, 0},
        {"Sun, 06 Nov 1994 08:49:37 GM", ERR_SYNTAX, 0},
        {"Sun, 6 Nov 1994 08:49:37 GMT ", ERR_SYNTAX, 0},
        {"Sun, 31 Feb 1994 08:49:37 GMT", ERR_RANGE, 0},
        {"Sun, 06 Nox 1994 08:49:37 GMT", ERR_RANGE, 0},
        {"", ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < COUNT(dates); i++) {
        int64_t s = -1;
        size_t len = strlen(dates[i].text);
        enum err e = time_parse_http(guarded(dates[i].text, len), len, &s);
        if (e != dates[i].result)
            fail_msg("%s gave %d", dates[i].text, (int)e);
        if (e == ERR_OK)
            assert_int_equal(s, dates[i].unix_s);
    }
}

static void durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err result;
        int64_t ms;
    } table[] = {
        {"0", ERR_OK, 0},
        {"0s", ERR_OK, 0},
        {"500ms", ERR_OK, 500},
        {"5s", ERR_OK, 5000},
        {"2m", ERR_OK, 120000},
        {"1h", ERR_OK, 3600000},
        {"10000h", ERR_OK, INT64_C(36000000000)},
        {"10001h", ERR_RANGE, 0},
        {"99999999999999999999s", ERR_RANGE, 0},
        {"", ERR_EMPTY, 0},
        {"5", ERR_MISSING, 0},
        {"s", ERR_SYNTAX, 0},
        {"-5s", ERR_SYNTAX, 0},
        {"+5s", ERR_SYNTAX, 0},
        {"5 s", ERR_SYNTAX, 0},
        {"5S", ERR_SYNTAX, 0},
        {"5sec", ERR_SYNTAX, 0},
        {"1m30s", ERR_OK, 90000},
        {"1.5s", ERR_OK, 1500},
        {"1.05s", ERR_OK, 1050},
        {"0.500s", ERR_OK, 500},
        {"1h0m0s", ERR_OK, 3600000},
        {"1h1m1s1ms", ERR_OK, 3661001},
        {"0.25h", ERR_OK, 900000},
        {"1m0.5s", ERR_OK, 60500},
        {"9999h60m", ERR_OK, INT64_C(36000000000)},
        {"10000h1ms", ERR_RANGE, 0},
        {"0000", ERR_OK, 0},
        {"1m30", ERR_MISSING, 0},
        {"30s1m", ERR_SYNTAX, 0},
        {"1m1m", ERR_SYNTAX, 0},
        {"1.s", ERR_SYNTAX, 0},
        {".5s", ERR_SYNTAX, 0},
        {"1.2.3s", ERR_SYNTAX, 0},
        {"0.5ms", ERR_SYNTAX, 0},
        {"0.0001s", ERR_SYNTAX, 0},
        {"1m 30s", ERR_SYNTAX, 0},
        {"5d", ERR_SYNTAX, 0},
        {"0x5s", ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t ms = -1;
        enum err e = time_parse_duration(table[i].text, &ms);
        if (e != table[i].result)
            fail_msg("%s gave %d", table[i].text, (int)e);
        if (e == ERR_OK)
            assert_int_equal(ms, table[i].ms);
    }
}

static void what_is_printed_can_be_typed(void **state) {
    (void)state;
    struct dice dice = {.state = 1};
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)dice_below(&dice, UINT64_C(36000000000) >> dice_below(&dice, 36)), back;
        char text[TIME_DURATION_MAX];
        time_format_duration(ms, text);
        assert_int_equal(time_parse_duration(text, &back), ERR_OK);
        assert_int_equal(back, ms);
    }
}

static void rough_durations(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {400, "0.4s"},      {0, "0.0s"},          {9999, "9.9s"},   {45000, "45s"},
        {200000, "3m 20s"}, {18720000, "5h 12m"}, {-45000, "-45s"}, {INT64_C(400000000), "4d 15h"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[TIME_DURATION_MAX];
        time_format_rough(table[i].ms, text);
        assert_string_equal(text, table[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_table),
        cmocka_unit_test(every_beginning_of_a_time_is_refused),
        cmocka_unit_test(every_day_from_1970_to_9999),
        cmocka_unit_test(formats_stay_within_their_bounds),
        cmocka_unit_test(no_month_has_a_day_more),
        cmocka_unit_test(http_dates),
        cmocka_unit_test(durations),
        cmocka_unit_test(what_is_printed_can_be_typed),
        cmocka_unit_test(rough_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
