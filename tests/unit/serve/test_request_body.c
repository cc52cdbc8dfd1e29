/* Bodies of requests: what is kept, what is dropped, and that it is the same however the bytes arrive. */
#include "tests/unit/unit.h"

#include "common/serve/request.h"
#include "common/serve/request_body.h"

enum { KEPT = 1000, READ = 3000 };
#define HEAD "POST / HTTP/1.1\r\nHost: x\r\n"

static const struct request_extras extras = {
    .headers = REQUEST_BODY_HEADERS, .body_kept = KEPT, .body_read = READ};

static struct request request;
static char room[KEPT];

/* What came of all bytes, in pieces of that size. */
static enum request_status feed(const char *bytes, size_t len, size_t piece, size_t *used) {
    enum request_status status = REQUEST_MORE;
    request_reset(&request);
    memset(room, 0, sizeof room);
    *used = 0;
    while ((status == REQUEST_MORE || status == REQUEST_BODY) && *used < len) {
        size_t n = piece < len - *used ? piece : len - *used, taken = 99999;
        status = request_body_feed(&request, &extras, guarded(bytes + *used, n), n, &taken);
        assert_true(taken <= n);
        *used += taken;
        if (status == REQUEST_BODY)
            request.body.bytes = room;
    }
    return status;
}

static void expect(const char *bytes, size_t len, enum request_status status, int error, uint32_t kept,
                   bool dropped) {
    const size_t pieces[] = {1, 2, 3, 7, 100, 100000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t used;
        assert_int_equal(feed(bytes, len, pieces[i], &used), status);
        assert_int_equal(request.error_status, error);
        if (status == REQUEST_DONE) {
            assert_int_equal(request.body.len, kept);
            assert_int_equal(request.body.dropped, dropped);
            assert_int_equal(used, len);
        }
        for (uint32_t k = 0; k < request.body.len; k++)
            assert_int_equal(room[k], 'b');
    }
}

static void with_length(size_t body, uint32_t kept, bool dropped) {
    static char text[READ + 200];
    int n = snprintf(text, sizeof text, HEAD "Content-Length: %zu\r\n\r\n", body);
    memset(text + n, 'b', body);
    expect(text, (size_t)n + body, REQUEST_DONE, 0, kept, dropped);
}

static void in_chunks(size_t body, size_t chunk, uint32_t kept, bool dropped) {
    static char text[READ * 8];
    size_t n = (size_t)snprintf(text, sizeof text, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t rest = body; rest > 0;) {
        size_t now = chunk < rest ? chunk : rest;
        n += (size_t)snprintf(text + n, sizeof text - n, "%zx\r\n", now);
        memset(text + n, 'b', now);
        n += now;
        n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
        rest -= now;
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "0\r\n\r\n");
    expect(text, n, REQUEST_DONE, 0, kept, dropped);
}

static void test_up_to_the_room_all_is_kept(void **state) {
    (void)state;
    for (size_t n = 0; n <= KEPT; n += n < 3 ? 1 : n == KEPT - 1 ? 1 : 249) {
        with_length(n, (uint32_t)n, false);
        in_chunks(n, 10, (uint32_t)n, false);
    }
    with_length(KEPT, KEPT, false);
    in_chunks(KEPT, KEPT, KEPT, false);
}

static void test_of_more_the_beginning_is_kept(void **state) {
    (void)state;
    for (size_t n = KEPT + 1; n <= READ; n += 1999) {
        with_length(n, REQUEST_BODY_PREFIX, true);
        in_chunks(n, 33, REQUEST_BODY_PREFIX, true);
        in_chunks(n, READ, REQUEST_BODY_PREFIX, true);
    }
    with_length(READ, REQUEST_BODY_PREFIX, true);
    assert_int_equal(room[REQUEST_BODY_PREFIX], 0);
    in_chunks(READ, 100, REQUEST_BODY_PREFIX, true);
    for (size_t i = REQUEST_BODY_PREFIX; i < KEPT; i++)
        assert_int_equal(room[i], 0); /* wiped: it had been kept */
}

static void refused(const char *rest, int status) {
    char text[600];
    int n = snprintf(text, sizeof text, HEAD "%s", rest);
    expect(text, (size_t)n, REQUEST_BAD, status, 0, false);
}

static void test_what_is_refused(void **state) {
    (void)state;
    refused("Content-Length: 3001\r\n\r\n", 413);
    refused("Content-Length: 99999999999999999999999\r\n\r\n", 413);
    refused("Content-Length: -1\r\n\r\n", 400);
    refused("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refused("Transfer-Encoding: gzip\r\n\r\n", 501);
    refused("Transfer-Encoding: chunked\r\n\r\nbb9\r\n", 413);
    refused("Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", 413);
    refused("Transfer-Encoding: chunked\r\n\r\n1\r\nbb", 400);
    refused("Transfer-Encoding: chunked\r\n\r\n1\nb", 400);
    refused("Transfer-Encoding: chunked\r\n\r\nx", 400);
}

static void test_the_next_request_is_not_touched(void **state) {
    static const char two[] = HEAD "Content-Length: 2\r\n\r\nbb" HEAD "\r\n";
    size_t used;
    (void)state;
    assert_int_equal(feed(two, sizeof two - 1, 1000, &used), REQUEST_DONE);
    assert_int_equal(used, strlen(HEAD "Content-Length: 2\r\n\r\nbb"));
}

static void test_who_waits_to_be_asked(void **state) {
    static const char *const heads[] = {
        HEAD "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        HEAD "Expect: x\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t used;
        assert_int_equal(feed(heads[i], strlen(heads[i]), 1000, &used), REQUEST_BODY);
        assert_int_equal(request_body_expected(&request), i == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_the_room_all_is_kept),
        cmocka_unit_test(test_of_more_the_beginning_is_kept),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_next_request_is_not_touched),
        cmocka_unit_test(test_who_waits_to_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
