/* Values as Go reads them. */
#include "tests/unit/unit.h"

#include "agent/go_values.h"

static char text[256];
static struct buf problem;

static struct buf *fresh(void) {
    problem = BUF(text);
    buf_reset(&problem);
    return &problem;
}

static void durations(void **state) {
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"3h", 10800000},
        {"1h30m", 5400000},
        {"1.5h", 5400000},
        {"500ms", 500},
        {"1h1m1s1ms", 3661001},
        {".5s", 500},
        {"1.s", 1000},
        {"+5s", 5000},
        {"-5s", -5000},
        {"1ns", 1},
        {"1500us", 1},
        {"2500\xC2\xB5s", 2},
        {"0h", 0},
        {"10000h", GO_DURATION_MAX_MS},
        {"0.123456789h", 444444},
        {"1m60s", 120000},
        {"-0", 0},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = -1;
        const char *copy = guarded(good[i].text, strlen(good[i].text) + 1);
        if (!go_duration(copy, &ms, fresh()) || ms != good[i].ms)
            fail_msg("%s: %lld, %s", good[i].text, (long long)ms, text);
    }
    const struct {
        const char *text, *says;
    } bad[] = {
        {"", "not a duration"},       {"3", "a unit is missing"},
        {"1.5", "a unit is missing"}, {"h", "not a duration"},
        {".h", "not a duration"},     {"3 h", "not a duration"},
        {"3d", "not a duration"},     {"3h ", "not a duration"},
        {"3H", "not a duration"},     {"--3h", "not a duration"},
        {"1h-1m", "not a duration"},  {"10000h1ns", "10000h"},
        {"10001h", "10000h"},         {"99999999999999999999999s", "10000h"},
        {"+", "not a duration"},      {"-", "not a duration"},
        {"9000h9000h", "10000h"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms;
        const char *copy = guarded(bad[i].text, strlen(bad[i].text) + 1);
        if (go_duration(copy, &ms, fresh()) || strstr(text, bad[i].says) == NULL)
            fail_msg("\"%s\": %s", bad[i].text, text);
    }
}

static void integers(void **state) {
    (void)state;
    const struct {
        const char *text;
        int64_t n;
    } good[] = {{"80", 80},   {"0", 0},   {"0x50", 80}, {"0XfF", 255},
                {"0120", 80}, {"-5", -5}, {"+5", 5},    {"65535", 65535}};
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t n = -99;
        if (!go_integer(good[i].text, -10, 65535, &n, fresh()) || n != good[i].n)
            fail_msg("%s: %lld, %s", good[i].text, (long long)n, text);
    }
    const struct {
        const char *text, *says;
    } bad[] = {
        {"", "not a whole number"},    {"x", "not a whole number"},
        {"8 0", "not a whole number"}, {"80.0", "not a whole number"},
        {"0x", "not a whole number"},  {"080", "octal"},
        {"-", "not a whole number"},   {"65536", "from -10 to 65535"},
        {"-11", "from -10 to 65535"},  {"99999999999999999999", "from -10 to 65535"},
        {"--1", "not a whole number"}, {"tcp://10.0.0.1:80", "not a whole number"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t n;
        if (go_integer(bad[i].text, -10, 65535, &n, fresh()) || strstr(text, bad[i].says) == NULL)
            fail_msg("\"%s\": %s", bad[i].text, text);
    }
}

static void bytes_and_booleans(void **state) {
    (void)state;
    int64_t n;
    bool on;
    assert_true(go_bytes("16Mi", 1, INT64_MAX, &n, fresh()) && n == 16777216);
    assert_true(go_bytes("512Ki", 1, INT64_MAX, &n, fresh()) && n == 524288);
    assert_true(go_bytes("1Gi", 1, INT64_MAX, &n, fresh()) && n == 1073741824);
    assert_true(go_bytes("4096", 1, INT64_MAX, &n, fresh()) && n == 4096);
    static const char *const bad[] = {"", "Mi", "16M", "16MiB", "-1", "1.5Mi", " 1", "16mi"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(go_bytes(bad[i], 1, INT64_MAX, &n, fresh()));
    assert_false(go_bytes("9223372036854775807Gi", 1, 100, &n, fresh()));
    assert_false(go_bytes("0", 1, 100, &n, fresh()));
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"},
                             *const no[] = {"0", "f", "F", "false", "FALSE", "False"},
                             *const neither[] = {"", "yes", "on", "tRUE", "2", "true "};
    for (size_t i = 0; i < COUNT(yes); i++) {
        assert_true(go_bool(yes[i], &on, fresh()) && on);
        assert_true(go_bool(no[i], &on, fresh()) && !on);
        assert_false(go_bool(neither[i], &on, fresh()));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(integers),
        cmocka_unit_test(bytes_and_booleans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
