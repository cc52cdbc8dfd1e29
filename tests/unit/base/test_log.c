#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/text/json.h"

static int ends[2];

static int open_pipe(void **state) {
    (void)state;
    fake_clock(0, INT64_C(1795435200999));
    return pipe2(ends, O_NONBLOCK | O_CLOEXEC);
}

static int close_pipe(void **state) {
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What was logged since the last call. */
static const char *logged(void) {
    static char text[16384];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void logfmt_quotes_what_needs_it(void **state) {
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT, ends[1]);
    LOG(LOG_INFO, "credentials refreshed", LOG_TEXT("id", "ASIA...WXYZ"), LOG_NUMBER("took_ms", -12),
        LOG_TEXT("empty", ""), LOG_TEXT("odd", "a=b \"c\"\n\x1b\xff"));
    assert_string_equal(logged(),
                        "time=2026-11-23T12:00:00Z level=info msg=\"credentials refreshed\" id=ASIA...WXYZ "
                        "took_ms=-12 empty=\"\" odd=\"a=b \\\"c\\\"\\n\\u001b\\ufffd\"\n");
    LOG(LOG_ERROR, "short", LOG_NUMBER("n", 0));
    assert_string_equal(logged(), "time=2026-11-23T12:00:00Z level=error msg=short n=0\n");
}

static void json_is_one_valid_object_a_line(void **state) {
    (void)state;
    const struct json *root;
    log_setup(LOG_DEBUG, LOG_JSON, ends[1]);
    LOG(LOG_WARN, "a \"b\"\n", LOG_TEXT("text", "x\ny\xff"), LOG_NUMBER("n", INT64_MIN));
    const char *line = logged();
    assert_string_equal(line,
                        "{\"time\":\"2026-11-23T12:00:00Z\",\"level\":\"warn\",\"msg\":\"a \\\"b\\\"\\n\","
                        "\"text\":\"x\\ny\\ufffd\",\"n\":-9223372036854775808}\n");
    assert_int_equal(json_open(line, strlen(line), &root), ERR_OK);
    json_close();
}

static void levels_are_filtered(void **state) {
    (void)state;
    for (int threshold = LOG_ERROR; threshold <= LOG_DEBUG; threshold++) {
        log_setup((enum log_level)threshold, LOG_LOGFMT, ends[1]);
        for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            assert_int_equal(log_enabled((enum log_level)level), level <= threshold);
            LOG((enum log_level)level, "x", LOG_NUMBER("n", 1));
            assert_int_equal(logged()[0] != '\0', level <= threshold);
        }
    }
}

static void a_line_that_is_too_long_says_so(void **state) {
    (void)state;
    static char text[LOG_LINE_MAX + 100];
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        log_setup(LOG_INFO, (enum log_format)format, ends[1]);
        for (size_t len = LOG_LINE_MAX - 200; len < LOG_LINE_MAX + 50; len++) {
            memset(text, 't', len);
            text[len] = '\0';
            LOG(LOG_INFO, "event", LOG_TEXT("first", "1"), LOG_TEXT("long", text), LOG_TEXT("last", "z"));
            const char *line = logged();
            size_t n = strlen(line);
            assert_true(n < LOG_LINE_MAX);
            assert_int_equal(line[n - 1], '\n');
            bool whole = strstr(line, "last") != NULL;
            assert_int_equal(strstr(line, "truncated") == NULL, whole);
            assert_non_null(strstr(line, "first"));
            assert_ptr_equal(strchr(line, '\n'), line + n - 1);
            const struct json *root;
            if (format == LOG_JSON)
                assert_int_equal(json_open(line, n, &root), ERR_OK);
            json_close();
        }
    }
}

static void errno_survives_even_a_log_that_is_gone(void **state) {
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT, ends[1]);
    errno = EACCES;
    LOG(LOG_INFO, "x", LOG_NUMBER("n", 1));
    assert_int_equal(errno, EACCES);
    logged();
    log_setup(LOG_INFO, LOG_LOGFMT, 9999);
    errno = ENOENT;
    LOG(LOG_INFO, "x", LOG_NUMBER("n", 1));
    assert_int_equal(errno, ENOENT);
}

static void a_repeated_error_is_logged_once(void **state) {
    (void)state;
    struct log_repeat r = {.failing = false};
    log_setup(LOG_INFO, LOG_LOGFMT, ends[1]);
    log_mended(&r, "well again"); /* nothing was wrong */
    assert_string_equal(logged(), "");
    log_failing(&r, LOG_WARN, "refresh failed", "THROTTLED", "answered 429 after 3ms");
    assert_non_null(strstr(
        logged(),
        "level=warn msg=\"refresh failed\" reason=THROTTLED error=\"answered 429 after 3ms\" times=1"));
    for (int i = 0; i < 5; i++)
        log_failing(&r, LOG_WARN, "refresh failed", "THROTTLED", "answered 429 after 4ms");
    assert_string_equal(logged(), "");
    log_failing(&r, LOG_WARN, "refresh failed", "ACCESS_DENIED", "answered 400");
    assert_non_null(strstr(logged(), "reason=ACCESS_DENIED"));
    log_mended(&r, "well again");
    assert_non_null(strstr(logged(), "level=info msg=\"well again\" after_failures=7"));
    log_mended(&r, "well again");
    assert_string_equal(logged(), "");
    log_failing(&r, LOG_WARN, "refresh failed", "ACCESS_DENIED", "answered 400");
    assert_non_null(strstr(logged(), "times=1"));
    log_setup(LOG_DEBUG, LOG_LOGFMT, ends[1]);
    log_failing(&r, LOG_WARN, "refresh failed", "ACCESS_DENIED", "answered 400");
    assert_non_null(strstr(logged(), "level=debug"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_pipe, close_pipe)

/* How many lines fit is the pipe's business: those that did come first, then their gap is told, then it goes
 * on. */
static void a_reader_who_stops_is_not_waited_for(void **state) {
    (void)state;
    static char text[1 << 21];
    char expected[128];
    enum { WRITTEN = 5000 };
    int flags = fcntl(ends[1], F_GETFL);
    assert_int_equal(fcntl(ends[1], F_SETFL, flags & ~O_NONBLOCK), 0); /* as standard error is */
    log_setup(LOG_INFO, LOG_LOGFMT, ends[1]);
    errno = EDOM;
    for (int i = 0; i < WRITTEN; i++)
        LOG(LOG_INFO, "line", LOG_NUMBER("n", i));
    assert_int_equal(errno, EDOM);
    ssize_t len = read(ends[0], text, sizeof text - 1);
    assert_true(len > 0 && text[len - 1] == '\n');
    text[len] = '\0';
    int kept = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        kept++;
    assert_in_range(kept, 100, WRITTEN - 1);
    LOG(LOG_DEBUG, "not wanted", LOG_NUMBER("n", 1));
    LOG(LOG_INFO, "after", LOG_NUMBER("n", 2));
    struct buf e = BUF(expected);
    buf_fmt(&e, "nobody read them\" lines=%d\n", WRITTEN - kept);
    const char *told = logged();
    assert_non_null(strstr(told, expected));
    assert_non_null(strstr(told, "level=info msg=after n=2\n"));
    LOG(LOG_INFO, "again", LOG_NUMBER("n", 3));
    assert_null(strstr(logged(), "dropped"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(logfmt_quotes_what_needs_it),
        TEST(json_is_one_valid_object_a_line),
        TEST(levels_are_filtered),
        TEST(a_line_that_is_too_long_says_so),
        TEST(errno_survives_even_a_log_that_is_gone),
        TEST(a_repeated_error_is_logged_once),
        TEST(a_reader_who_stops_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
