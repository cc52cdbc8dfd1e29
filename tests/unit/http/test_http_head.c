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
    assert_true(take(&h, &r, "\r\n"));
    assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
    assert_int_equal(r.retry_after_ms, 0);
    assert_string_equal(r.who.server, "");
    assert_true(take(&h, &r, "Content-Length: 4\r\n"));
}

/* Whether an answer with these lines is taken; what is wrong is told, with the line. */
static bool is_taken(const char *status, const char *first, const char *second) {
    const char *const lines[] = {status, first, second};
    static struct http_response r;
    struct http_head h = {0};
    char line[160];
    memset(&r, 0, sizeof r);
    for (size_t i = 0; i < 3 && lines[i][0] != '\0'; i++) {
        snprintf(line, sizeof line, "%s\r\n", lines[i]);
        if (!take(&h, &r, line)) {
            assert_true(h.not_http && !h.too_large);
            char quoted[160];
            snprintf(quoted, sizeof quoted, ": \"%s\"", lines[i]);
            if (strstr(r.detail, quoted) == NULL)
                fail_msg("%s: %s", lines[i], r.detail);
            return false;
        }
        assert_false(h.not_http);
        assert_string_equal(r.detail, "");
    }
    return true;
}

/* Where the body ends is said once: whoever believes the other of two sees another answer. */
static void length_and_encoding_leave_no_doubt(void **state) {
    (void)state;
    static const struct {
        const char *first, *second;
    } doubts[] = {
        {"Content-Length: 4", "CONTENT-LENGTH: 4"},
        {"Content-Length: 4", "Transfer-Encoding: chunked"},
        {"transfer-encoding: chunked", "content-length: 4"},
        {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"},
        {"Transfer-Encoding: gzip, chunked", ""},
        {"Transfer-Encoding: chunked, chunked", ""},
        {"Transfer-Encoding: identity", ""},
        {"Transfer-Encoding:", ""},
        {"Transfer-Encoding: chunke", ""},
        {"Transfer-Encoding: xchunked", ""},
    };
    for (size_t i = 0; i < COUNT(doubts); i++) {
        if (is_taken("HTTP/1.1 200 OK", doubts[i].first, doubts[i].second))
            fail_msg("%s, %s", doubts[i].first, doubts[i].second);
    }
    assert_true(is_taken("HTTP/1.1 200 OK", "Transfer-Encoding: Chunked", "X: Content-Length"));
    assert_false(is_taken("HTTP/1.0 200 OK", "Transfer-Encoding: chunked", ""));
    assert_true(is_taken("HTTP/1.0 200 OK", "Content-Length: 4", ""));
}

static void a_status_line_has_three_digits(void **state) {
    (void)state;
    static const char *const bad[] = {
        "HTTP/1.1 2000",   "HTTP/1.1 20",     "HTTP/1.1 2",       "HTTP/1.1",         "HTTP/1.1 OK 200",
        "HTTP/1.1 2OO OK", "HTTP/1.1  200",   "HTTP/1.1 099 low", "HTTP/1.1 200\tOK", "http/1.1 503 Slow",
        "HTTP/1.2 200 OK", "HTTP/2 200 OK",   "HTTP/2 x",         "HTTP/11 200 OK",   "HTTP/1.1:200 OK",
        " HTTP/1.1 200",   "SSH-2.0-OpenSSH", "<html>",           "HTTP/1./ 200 OK",  "HTTP/1.1 20/ OK",
        "HTTP/1.1 2:0 OK", "HTTP/1.1 200OK",  "HTTP/1.1\t200 OK", "Content-Length: 4"};
    static const char *const good[] = {"HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 999 x",
                                       "HTTP/1.1 204 2000"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct http_head h = {0};
        static struct http_response r;
        char line[64];
        snprintf(line, sizeof line, "%s\r\n", bad[i]);
        memset(&r, 0, sizeof r);
        if (take(&h, &r, line) || !h.not_http || strncmp(r.detail, "no status line: \"", 17) != 0)
            fail_msg("%s: %s", bad[i], r.detail);
    }
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(is_taken(good[i], "Server: x", ""));
    struct http_head h = {0};
    static struct http_response r;
    assert_false(take(&h, &r, "\r\n"));
    assert_true(h.not_http);
}

/* A header has a name, a colon behind it, and no control characters. */
static void a_header_has_a_name(void **state) {
    (void)state;
    static const char *const bad[] = {"no colon",
                                      " X: folded",
                                      "\tX: folded",
                                      ": no name",
                                      "Content-Length : 4",
                                      "Content\tLength: 4",
                                      "X(: 1",
                                      "X/Y: 1",
                                      "Content-L\x94ngth: 4",
                                      "X~\x7F: 1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct http_head h = {0};
        static struct http_response r;
        char line[64];
        assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
        snprintf(line, sizeof line, "%s\r\n", bad[i]);
        if (take(&h, &r, line) || !h.not_http)
            fail_msg("%s", bad[i]);
        memset(&r, 0, sizeof r);
    }
    static const char controls[] = {0, 1, '\v', '\r', 0x1F, 0x7F};
    for (size_t i = 0; i < sizeof controls; i++) {
        char line[] = "X: a\tb_c\r\n";
        for (size_t at = 0; at < 9; at++) {
            struct http_head h = {0};
            static struct http_response r;
            memset(&r, 0, sizeof r);
            assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
            memcpy(line, "X: a\tb_c\r\n", sizeof line);
            assert_true(http_head_take(&h, line, sizeof line - 1, &r));
            line[at < 8 ? at : 7] = controls[i];
            assert_false(http_head_take(&h, line, sizeof line - 1, &r));
            struct http_head first = {0};
            char status[] = "HTTP/1.1 200 OK\r\n";
            status[13] = controls[i];
            assert_false(http_head_take(&first, status, sizeof status - 1, &r));
        }
    }
    assert_true(is_taken("HTTP/1.1 200 \x80", "x-amzn_a.b~c!#$%&'*+^`|: v:\t\xFF", ""));
}

/* The line is quoted as any text of another is: nothing of it that is secret, no control characters, no end.
 */
static void what_came_is_told(void **state) {
    (void)state;
    static struct http_response r;
    struct http_head h = {0};
    char line[400];
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = "many words "[i % 11];
    memset(&r, 0, sizeof r);
    assert_false(http_head_take(&h, line, sizeof line, &r));
    assert_non_null(strstr(r.detail, "no status line: \"many words many words "));
    assert_true(strlen(r.detail) > 60 && strlen(r.detail) < 100);
    struct http_head tls = {0};
    assert_false(http_head_take(&tls, "\x15\x03\x01\0\x02\x02\n", 7, &r));
    for (const char *c = r.detail; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
}

/* What comes behind the body is no header of the answer, though it must have the form of one. */
static void trailers_are_not_obeyed(void **state) {
    (void)state;
    static struct http_response r;
    struct http_head h = {0};
    memset(&r, 0, sizeof r);
    assert_true(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
    assert_true(take(&h, &r, "Transfer-Encoding: chunked\r\n"));
    assert_true(take(&h, &r, "\r\n"));
    assert_true(take(&h, &r, "Retry-After: 7\r\n"));
    assert_true(take(&h, &r, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert_true(take(&h, &r, "Server: squid\r\n"));
    assert_true(r.retry_after_ms == 0 && r.date_s == 0);
    assert_string_equal(r.who.server, "");
    assert_false(take(&h, &r, "HTTP/1.1 200 OK\r\n"));
}

static void a_length_is_a_number(void **state) {
    (void)state;
    static const char *const none[] = {"", "x", "-1", "+2", "2, 2", "2 2", "2.0", "0x2", "2;x", "/", ":"};
    static struct http_response r;
    char line[64];
    for (size_t i = 0; i < COUNT(none); i++) {
        struct http_head h = {.len = 17};
        memset(&r, 0, sizeof r);
        snprintf(line, sizeof line, "Content-Length: %s\r\n", none[i]);
        if (take(&h, &r, line) || !h.not_http || h.too_large)
            fail_msg("%s", none[i]);
    }
    struct http_head h = {.len = 17}, most = h, over = h;
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
    assert_true(take(&h, &r, "Content-Length: 1\r\n"));
    assert_true(take(&h, &r, "\n"));
    assert_true(take(&h, &r, "Trailer: x\r\n"));
    assert_true(h.whole);
}

static void all_lines_together_have_a_limit(void **state) {
    (void)state;
    struct http_head h = {0};
    static struct http_response r;
    static char line[HTTP_HEADERS_MAX];
    static const char status[] = "HTTP/1.1 200 OK\r\n";
    memset(line, 'x', sizeof line);
    line[1] = ':';
    assert_true(take(&h, &r, status));
    assert_true(http_head_take(&h, line, sizeof line - (sizeof status - 1), &r));
    assert_false(http_head_take(&h, line, 2, &r));
    assert_true(h.too_large && !h.not_http);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken),
        cmocka_unit_test(only_the_last_answer_counts),
        cmocka_unit_test(length_and_encoding_leave_no_doubt),
        cmocka_unit_test(a_status_line_has_three_digits),
        cmocka_unit_test(a_header_has_a_name),
        cmocka_unit_test(what_came_is_told),
        cmocka_unit_test(trailers_are_not_obeyed),
        cmocka_unit_test(a_length_is_a_number),
        cmocka_unit_test(a_head_is_whole_with_its_empty_line),
        cmocka_unit_test(all_lines_together_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
