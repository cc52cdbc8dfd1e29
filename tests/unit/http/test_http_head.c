/* What the header lines of an answer say, line by line. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "common/http/http_head.h"

static bool take(struct http_head *h, struct http_response *r, const char *line) {
    return http_head_take(h, line, strlen(line), r);
}

static void lines_are_taken(void **state) {
    (void)state;
    struct http_head h = {0};
    static struct http_response r;
    assert_true(take(&h, &r, "HTTP/1.1 503 Slow Down\r\n"));
    assert_true(take(&h, &r, "Retry-After: 7\r\n"));
    assert_true(take(&h, &r, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert_true(take(&h, &r, "x-amzn-ErrorType: ThrottlingException\r\n"));
    assert_true(take(&h, &r, "content-length: 0\r\n"));
    assert_int_equal(r.retry_after_ms, 7000);
    assert_int_equal(r.date_s, 784111777);
    assert_string_equal(r.who.error_type, "ThrottlingException");
    assert_true(take(&h, &r, "Date: yesterday\r\n"));
    assert_int_equal(r.date_s, 0);
}

/* 100 and 103 come before the answer. */
static void only_the_last_answer_counts(void **state) {
    (void)state;
    struct http_head h = {0};
    static struct http_response r;
    assert_true(take(&h, &r, "HTTP/1.1 103 Early Hints\r\n"));
    assert_true(take(&h, &r, "Retry-After: 7\r\n"));
    assert_true(take(&h, &r, "Server: squid\r\n"));
    assert_true(take(&h, &r, "Content-Length: 4\r\n"));
    assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
    assert_int_equal(r.retry_after_ms, 0);
    assert_string_equal(r.who.server, "");
    assert_true(take(&h, &r, "Content-Length: 4\r\n"));
}

static void two_lengths_are_none(void **state) {
    (void)state;
    struct http_head h = {0};
    static struct http_response r;
    assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
    assert_true(take(&h, &r, "Content-Length: 4\r\n"));
    assert_false(h.not_http);
    assert_false(take(&h, &r, "CONTENT-LENGTH: 4\r\n"));
    assert_true(h.not_http);
}

static void a_length_is_a_number(void **state) {
    (void)state;
    static const char *const none[] = {"", "x", "-1", "+2", "2, 2", "2 2", "2.0", "0x2", "2;x", "/", ":"};
    static struct http_response r;
    char line[64];
    for (size_t i = 0; i < COUNT(none); i++) {
        struct http_head h = {0};
        snprintf(line, sizeof line, "Content-Length: %s\r\n", none[i]);
        if (take(&h, &r, line) || !h.not_http || h.too_large)
            fail_msg("%s", none[i]);
    }
    struct http_head h = {0}, most = {0}, over = {0};
    assert_true(take(&h, &r, "Content-Length: 0987654321\r\n"));
    assert_true(take(&most, &r, "Content-Length: 999999999999999999\r\n"));
    assert_false(take(&over, &r, "Content-Length: 1000000000000000000\r\n"));
    assert_true(over.too_large && !over.not_http);
}

/* The empty line ends a head; what comes behind it (a trailer) does not take that back, another answer does.
 */
static void a_head_is_whole_with_its_empty_line(void **state) {
    (void)state;
    struct http_head h = {0};
    static struct http_response r;
    assert_true(take(&h, &r, "HTTP/1.1 100 Continue\r\n"));
    assert_false(h.whole);
    assert_true(take(&h, &r, "\r\n"));
    assert_true(h.whole);
    assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
    assert_true(take(&h, &r, "Server: x\r\n"));
    assert_false(h.whole);
    assert_true(take(&h, &r, "\n"));
    assert_true(take(&h, &r, "Trailer: x\r\n"));
    assert_true(h.whole);
}

static void all_lines_together_have_a_limit(void **state) {
    (void)state;
    struct http_head h = {0};
    static struct http_response r;
    static char line[HTTP_HEADERS_MAX + 2];
    memset(line, 'x', HTTP_HEADERS_MAX);
    assert_true(http_head_take(&h, line, HTTP_HEADERS_MAX, &r));
    assert_false(http_head_take(&h, line, 1, &r));
    assert_true(h.too_large && !h.not_http);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken),
        cmocka_unit_test(only_the_last_answer_counts),
        cmocka_unit_test(two_lengths_are_none),
        cmocka_unit_test(a_length_is_a_number),
        cmocka_unit_test(a_head_is_whole_with_its_empty_line),
        cmocka_unit_test(all_lines_together_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
