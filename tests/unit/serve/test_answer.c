/* What is left of an answer after any number of bytes: nothing twice, nothing left out. */
#include "tests/unit/unit.h"

#include "common/serve/answer.h"

#define KEEP "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
#define CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
#define BODY "hello"

static const struct answer answer = {.keep = KEEP,
                                     .close = CLOSE,
                                     .body = BODY,
                                     .body_len = sizeof BODY - 1,
                                     .keep_len = sizeof KEEP - 1,
                                     .close_len = sizeof CLOSE - 1,
                                     .status = 200};

static void rest_is(bool close, bool with_body, const char *whole) {
    size_t len = strlen(whole);
    for (size_t sent = 0; sent <= len; sent++) {
        struct iovec pieces[ANSWER_PIECES];
        char text[256];
        size_t count, at = 0;
        answer_rest(&answer, close, with_body, sent, pieces, &count);
        for (size_t i = 0; i < count; i++) {
            assert_true(pieces[i].iov_len > 0 && at + pieces[i].iov_len <= len);
            memcpy(text + at, pieces[i].iov_base, pieces[i].iov_len);
            at += pieces[i].iov_len;
        }
        text[at] = '\0';
        assert_string_equal(text, whole + sent);
        assert_int_equal(count == 0, sent == len);
    }
}

static void wherever_it_was_cut(void **state) {
    (void)state;
    rest_is(false, true, KEEP BODY);
    rest_is(true, true, CLOSE BODY);
    rest_is(false, false, KEEP); /* to a HEAD */
    rest_is(true, false, CLOSE);
}

/* Of each status that a server here gives: RFC 9110 15, RFC 6585, and Go's words for 413 and 414, which are
 * the older ones. What is unknown has words as well. */
static void a_status_has_its_words(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *words;
    } rows[] = {
        {200, "OK"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    size_t known = 0;
    for (int status = 100; status < 600; status++)
        known += strcmp(answer_phrase(status), "Error") != 0;
    assert_int_equal(known, COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(answer_phrase(rows[i].status), rows[i].words);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wherever_it_was_cut),
                                       cmocka_unit_test(a_status_has_its_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
