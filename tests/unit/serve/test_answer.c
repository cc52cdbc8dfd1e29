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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wherever_it_was_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
