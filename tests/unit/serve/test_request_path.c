/* Escapes in the path of a request: in every way that its bytes can come. */
#include "tests/unit/unit.h"

#include "common/base/buf.h"
#include "common/serve/request.h"

static void feed(struct request *r, const struct buf *bytes, size_t piece) {
    enum request_status status = REQUEST_MORE;
    *r = (struct request){.at = 0};
    request_reset(r);
    for (size_t at = 0; at < bytes->len && status == REQUEST_MORE; at += piece) {
        size_t used, len = bytes->len - at < piece ? bytes->len - at : piece;
        status = request_feed(r, NULL, bytes->data + at, len, &used);
        assert_int_equal(used, len);
    }
    assert_int_equal(status, REQUEST_DONE);
}

/* Once, and only to what is visible: a character that came out of an escape begins none. */
static void escapes_in_a_path(void **state) {
    (void)state;
    static const struct {
        const char *sent, *path;
    } table[] = {
        {"/%61%2Fb%3fc%7e", "/a/b?c~"},
        {"/%2541", "/%2541"},
        {"/%%341", "/%41"},
        {"/%4%41", "/%4A"},
        {"/%00%0d%20%7F%80", "/%00%0d%20%7F%80"},
        {"/%zz%4", "/%zz%4"},
        {"/a%3Fb?%41", "/a?b"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[256];
        struct buf request = BUF(text);
        buf_fmt(&request,
                "GET %s HTTP/1.1\r\n"
                "Host: x\r\n\r\n",
                table[i].sent);
        struct request r;
        for (size_t piece = 1; piece <= request.len; piece++) {
            feed(&r, &request, piece);
            assert_string_equal(r.path, table[i].path);
        }
    }
}

/* One that does not fit as it came is too long, whatever it would come to. */
static void an_escape_that_does_not_fit(void **state) {
    (void)state;
    static char text[REQUEST_PATH_MAX + 64];
    struct buf request = BUF(text);
    struct request r;
    buf_str(&request, "GET /");
    for (int i = 5; i < REQUEST_PATH_MAX + 2; i++)
        buf_char(&request, 'p');
    buf_str(&request, "%41 HTTP/1.1\r\nHost: x\r\n\r\n");
    feed(&r, &request, 1);
    assert_string_equal(r.path, "");
}

static enum request_status feed_by(const char *text, size_t len, size_t piece) {
    struct request r = {0};
    enum request_status status = REQUEST_MORE;
    for (size_t at = 0, used; at < len && status == REQUEST_MORE; at += used)
        status = request_feed(&r, NULL, text + at, len - at < piece ? len - at : piece, &used);
    return status;
}

/* Values are looked at eight bytes at a time: every byte there is, at each place of three times so many. */
static void every_byte_at_every_place_of_a_value(void **state) {
    char text[] = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: 123456789012345678901234\r\n\r\n";
    size_t first = (size_t)(strstr(text, "1234") - text), len = strlen(text);
    (void)state;
    for (size_t at = first; at < first + 24; at++) {
        char before = text[at];
        for (int byte = 0; byte < 256; byte++) {
            bool good = byte == '\t' || (byte >= ' ' && byte != 0x7F);
            text[at] = (char)byte;
            assert_int_equal(feed_by(text, len, len), good ? REQUEST_DONE : REQUEST_BAD);
            assert_int_equal(feed_by(text, len, 1), good ? REQUEST_DONE : REQUEST_BAD);
        }
        text[at] = before;
    }
}

/* For those that want it, also in pieces, and as long as a target may be; others keep nothing of it. */
static void a_query_is_kept_for_whom_wants_it(void **state) {
    (void)state;
    static const struct request_extras wanted = {.query = true}, unwanted = {.query = false};
    static const struct request zero;
    static char longest[REQUEST_TARGET_MAX + 1], text[2 * REQUEST_TARGET_MAX];
    memset(longest, 'q', REQUEST_TARGET_MAX - 2);
    const char *const queries[] = {"", "a=b&c=%20?", longest};
    for (size_t i = 0; i < COUNT(queries); i++) {
        size_t len = (size_t)snprintf(text, sizeof text, "GET /?%s HTTP/1.1\r\nHost: h\r\n\r\n", queries[i]),
               used;
        for (size_t at = 1; at<len; at += len> 200 ? 61 : 1) {
            struct request first = {0}, second = {0};
            assert_int_equal(request_feed(&first, &wanted, text, at, &used), REQUEST_MORE);
            request_move(&first, &second);
            assert_memory_equal(&first, &zero, sizeof zero);
            assert_int_equal(request_feed(&second, &wanted, text + at, len - at, &used), REQUEST_DONE);
            assert_string_equal(second.query, queries[i]);
            assert_int_equal(second.query_len, strlen(queries[i]));
            assert_string_equal(second.path, "/");
            request_reset(&second);
            assert_memory_equal(&second, &zero, sizeof zero);
        }
        struct request r = {0};
        assert_int_equal(request_feed(&r, i == 0 ? NULL : &unwanted, text, len, &used), REQUEST_DONE);
        assert_string_equal(r.query, "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_kept_for_whom_wants_it),
        cmocka_unit_test(escapes_in_a_path),
        cmocka_unit_test(every_byte_at_every_place_of_a_value),
        cmocka_unit_test(an_escape_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
