/* The HTTP request parser: what it takes and refuses, and that it is the same however the bytes arrive. */
#include "tests/unit/unit.h"

#include "common/serve/request.h"

#define LINE "GET /v1/credentials HTTP/1.1\r\n"
#define HOST "Host: 127.0.0.1:1234\r\n"
#define END "\r\n"

static const struct request_extras extras = {.headers = {{"x-aws-ec2-metadata-token", true},
                                                         {"x-aws-ec2-metadata-token-ttl-seconds", true},
                                                         {"x-forwarded-for", false}}};

/* What came of all bytes, fed in pieces of at most `piece` bytes after a first piece of `first`. */
struct outcome {
    struct request request;
    enum request_status status;
    size_t used;
};

static struct outcome feed(const char *bytes, size_t len, size_t first, size_t piece) {
    struct outcome o;
    memset(&o, 0, sizeof o);
    request_reset(&o.request);
    size_t want = first;
    while (o.status == REQUEST_MORE && o.used < len) {
        size_t n = want < len - o.used ? want : len - o.used, taken = 99999;
        o.status = request_feed(&o.request, &extras, guarded(bytes + o.used, n), n, &taken);
        assert_true(taken <= n);
        if (o.status == REQUEST_MORE)
            assert_int_equal(taken, n);
        o.used += taken;
        want = piece;
    }
    return o;
}

static void same(const struct outcome *a, const struct outcome *b, const char *bytes) {
    if (a->status != b->status || a->used != b->used || a->request.error_status != b->request.error_status)
        fail_msg("in pieces: %d after %zu bytes, at once: %d after %zu, for %s", (int)b->status, b->used,
                 (int)a->status, a->used, bytes);
    assert_memory_equal(&a->request, &b->request, sizeof a->request);
}

/* At once, byte by byte, and split in two at each place. */
static struct outcome feed_in_every_way(const char *bytes, size_t len) {
    struct outcome whole = feed(bytes, len, len, len), o = feed(bytes, len, 1, 1);
    same(&whole, &o, bytes);
    for (size_t at = 1; at < len; at++) {
        o = feed(bytes, len, at, len);
        same(&whole, &o, bytes);
    }
    return whole;
}

static struct outcome feed_text(const char *text) {
    return feed_in_every_way(text, strlen(text));
}

static void a_plain_request(void **state) {
    (void)state;
    static const char text[] = LINE HOST "Accept: */*\r\nauthorization:  raw.token-1_2  \t\r\n" END;
    struct outcome o = feed_text(text);
    assert_int_equal(o.status, REQUEST_DONE);
    assert_int_equal(o.used, sizeof text - 1);
    assert_int_equal(o.request.method, REQUEST_GET);
    assert_string_equal(o.request.path, "/v1/credentials");
    assert_string_equal(o.request.host, "127.0.0.1:1234");
    assert_string_equal(o.request.authorization, "raw.token-1_2");
    assert_true(o.request.has_host && o.request.has_authorization);
    assert_false(o.request.close || o.request.http_1_0);
}

static void headers_that_a_caller_wants(void **state) {
    (void)state;
    static const struct {
        const char *headers;
        const char *values[COUNT(extras.headers)]; /* NULL: not there */
    } table[] = {
        {"Content-Length: 0\r\n", {NULL, NULL, NULL}},
        {"x-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: 0\r\n", {NULL, "21600", NULL}},
        {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds:60 \r\n", {NULL, "60", NULL}},
        {"X-aws-ec2-metadata-token-ttl-seconds: \r\n", {NULL, "", NULL}},
        {"x-aws-ec2-metadata-token: abc-_123\r\n", {"abc-_123", NULL, NULL}},
        {"x-aws-ec2-metadata-tokens: abc\r\nx-aws-ec2-metadata-toke: abc\r\n", {NULL, NULL, NULL}},
        {"x-aws-ec2-metadata-token: "
         "0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
         {"", NULL, NULL}},
        {"x-forwarded-for: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n", {NULL, NULL, "10.0.0.2"}},
        {"x-forwarded-for: 1\r\nx-aws-ec2-metadata-token: a\r\n"
         "x-aws-ec2-metadata-token-ttl-seconds: b c\r\n",
         {"a", "b c", "1"}},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[512];
        snprintf(text, sizeof text, "PUT /latest/api/token HTTP/1.1\r\n" HOST "%s\r\n", table[i].headers);
        struct outcome o = feed_text(text);
        assert_int_equal(o.status, REQUEST_DONE);
        assert_int_equal(o.request.method, REQUEST_PUT);
        for (size_t k = 0; k < COUNT(extras.headers); k++) {
            const char *value = table[i].values[k];
            assert_int_equal(o.request.extras[k].present, value != NULL);
            assert_string_equal(o.request.extras[k].value, value != NULL ? value : "");
        }
    }
    assert_int_equal(
        feed_text(LINE HOST "x-aws-ec2-metadata-token: a\r\nX-aws-ec2-metadata-token: a\r\n" END).status,
        REQUEST_BAD);
    assert_int_equal(feed_text(LINE HOST "x-aws-ec2-metadata-token-ttl-seconds: 1\r\n"
                                         "x-aws-ec2-metadata-token-ttl-seconds: 1\r\n" END)
                         .status,
                     REQUEST_BAD);
}

/* Every character that RFC 9110 allows in a header's name, and no other. */
static void names_of_headers(void **state) {
    (void)state;
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (int c = 1; c < 256; c++) {
        char text[128];
        if (c == ':' || c == '\r' || c == '\n')
            continue;
        snprintf(text, sizeof text, LINE HOST "x%cx: 1\r\n" END, c);
        enum request_status expected = strchr(allowed, c) != NULL ? REQUEST_DONE : REQUEST_BAD;
        if (feed_text(text).status != expected)
            fail_msg("character %d", c);
    }
}

static void what_sdks_send(void **state) {
    (void)state;
    static const char *const requests[] = {
        "GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nAccept-Encoding: identity\r\nAccept: "
        "application/json\r\n"
        "Authorization: tok\r\nUser-Agent: python-urllib3/2.2.1\r\n\r\n",
        "GET /v1/credentials HTTP/1.1\r\nauthorization: tok\r\nhost: 127.0.0.1:1234\r\nconnection: "
        "close\r\n\r\n",
        "GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\nAccept: "
        "application/json\r\n"
        "User-Agent: aws-sdk-crt/ecs-credentials-provider\r\nAuthorization: tok\r\n\r\n",
        "GET /v1/credentials?x=/y HTTP/1.1\r\nHost: [::1]:65535\r\nContent-Length: 0\r\nAuthorization: "
        "tok\r\n\r\n",
        "\r\nHEAD /v1/credentials HTTP/1.0\r\nAuthorization:tok\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct outcome o = feed_text(requests[i]);
        assert_int_equal(o.status, REQUEST_DONE);
        assert_string_equal(o.request.path, "/v1/credentials");
        assert_string_equal(o.request.authorization, "tok");
        assert_int_equal(o.request.close, i == 1 || i == 4);
        assert_int_equal(o.request.method, i == 4 ? REQUEST_HEAD : REQUEST_GET);
    }
}

#define HEADERS(h) LINE HOST h END

static const struct {
    const char *text;
    int status;
} bad[] = {
    /* the request line */
    {"GET\r\n", 400},
    {" GET / HTTP/1.1\r\n", 400},
    {"G@T / HTTP/1.1\r\n", 400},
    {"ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n", 400},
    {"GET  / HTTP/1.1\r\n", 400},
    {"GET /a b HTTP/1.1\r\n", 400},
    {"GET /\tb HTTP/1.1\r\n", 400},
    {"GET /\xc3\xa9 HTTP/1.1\r\n", 400},
    {"GET http://x/ HTTP/1.1\r\n", 400},
    {"GET * HTTP/1.1\r\n", 400},
    {"GET / http/1.1\r\n", 400},
    {"GET / HTTP/1.1 \r\n", 400},
    {"GET /\r\n", 400},
    {"GET / HTTP/11\r\n", 400},
    {"GET / HTTP/1.11\r\n", 400},
    {"GET / HTTP/2.0\r\n", 505},
    {"GET / HTTP/0.9\r\n", 505},
    {"GET / HTTP/1.2\r\n", 505},
    {"PRI * HTTP/2.0\r\n", 400},
    {"\x16\x03\x01\x02\x01\x01", 400}, /* TLS */
    {"SSH-2.0-x\r\n", 400},
    {"\r\n\r\nGET / HTTP/1.1\r\n", 400}, /* one empty line ahead is enough */
    {"\rGET / HTTP/1.1\r\n", 400},
    {"\nGET / HTTP/1.1\r\n", 400},
    /* line ends */
    {"GET / HTTP/1.1\nHost: x\n\n", 400},
    {LINE "Host: x\n\n", 400},
    {LINE "Host: x\r\r\n", 400},
    {LINE HOST "\rx", 400},
    {LINE HOST "\n", 400},
    /* header lines */
    {HEADERS("no colon\r\n"), 400},
    {HEADERS(": no name\r\n"), 400},
    {HEADERS("Blank : x\r\n"), 400},
    {HEADERS(" folded: x\r\n"), 400},
    {HEADERS("A: b\r\n folded\r\n"), 400},
    {HEADERS("A: b\r\n\tfolded\r\n"), 400},
    {HEADERS("A: \x01\r\n"), 400},
    {HEADERS("A: \x7f\r\n"), 400},
    {HEADERS("A\x80: b\r\n"), 400},
    /* Host */
    {LINE END, 400},
    {HEADERS("Host: other\r\n"), 400},
    {HEADERS("hOST: 127.0.0.1:1234\r\n"), 400},
    /* what smuggles requests */
    {HEADERS("Content-Length: 5\r\n"), 413},
    {HEADERS("Content-Length: 00000\r\nContent-Length: 0\r\n"), 400},
    {HEADERS("Content-Length: 0, 0\r\n"), 400},
    {HEADERS("Content-Length: -1\r\n"), 400},
    {HEADERS("Content-Length: +0\r\n"), 400},
    {HEADERS("Content-Length: 0x0\r\n"), 400},
    {HEADERS("Content-Length:\r\n"), 400},
    {HEADERS("Content-Length: 18446744073709551616\r\n"), 413},
    {HEADERS("Content-Length: 00000000000000000000000000000000000000000000000000000000\r\n"), 400},
    {HEADERS("Transfer-Encoding: chunked\r\n") "5\r\nhello\r\n0\r\n\r\n", 413},
    {HEADERS("Transfer-Encoding: chunked\r\n") "00\r\n\r\n", 400},
    {HEADERS("Transfer-Encoding: chunked\r\n") "0;x=y\r\n\r\n", 400},
    {HEADERS("Transfer-Encoding: chunked\r\n") "0\r\nX: y\r\n\r\n", 400},
    {HEADERS("Transfer-Encoding: chunked\r\n") "0\n\n", 400},
    {HEADERS("Transfer-Encoding: chunked\r\n") LINE, 400},
    {HEADERS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
    {HEADERS("Transfer-Encoding: chunked, chunked\r\n"), 501},
    {HEADERS("Transfer-Encoding: gzip, chunked\r\n"), 501},
    {HEADERS("Transfer-Encoding: chunkedxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), 501},
    {HEADERS("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {HEADERS("transfer-encoding: identity\r\n"), 501},
    {HEADERS("Transfer-Encoding:\r\n"), 501},
    {HEADERS("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400},
    {HEADERS("Authorization: a\r\nAuthorization: a\r\n"), 400},
};

static void bad_requests_and_their_status(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct outcome o = feed_text(bad[i].text);
        if (o.status != REQUEST_BAD || o.request.error_status != bad[i].status)
            fail_msg("%s gave %d, %d", bad[i].text, (int)o.status, o.request.error_status);
        assert_non_null(o.request.error);
    }
    static const char nul_in_value[] = LINE "Host: a\0b\r\n\r\n", nul_in_path[] = "GET /\0 HTTP/1.1\r\n";
    struct outcome o = feed_in_every_way(nul_in_value, sizeof nul_in_value - 1);
    assert_int_equal(o.request.error_status, 400);
    o = feed_in_every_way(nul_in_path, sizeof nul_in_path - 1);
    assert_int_equal(o.request.error_status, 400);
}

/* Envoy repeats its GET with an empty chunked body. */
static void an_empty_chunked_body_is_taken(void **state) {
    (void)state;
    static const char text[] = HEADERS("Transfer-Encoding:  Chunked \r\n") "0\r\n\r\n" LINE;
    struct outcome o = feed_in_every_way(text, sizeof text - 1);
    assert_int_equal(o.status, REQUEST_DONE);
    assert_int_equal(o.used, sizeof text - sizeof LINE);
    for (size_t len = 1; len < o.used; len++)
        assert_int_equal(feed(text, len, len, len).status, REQUEST_MORE);
}

static void the_start_of_a_request_is_never_one(void **state) {
    (void)state;
    static const char text[] = LINE HOST "Authorization: x\r\n" END;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct outcome o = feed(text, len, len, len);
        assert_int_equal(o.status, REQUEST_MORE);
        assert_int_equal(request_begun(&o.request), len > 0);
    }
}

static void bytes_behind_a_request_are_left(void **state) {
    (void)state;
    static const char text[] = LINE HOST END LINE HOST END;
    struct outcome o = feed_in_every_way(text, sizeof text - 1);
    assert_int_equal(o.status, REQUEST_DONE);
    assert_int_equal(o.used, (sizeof text - 1) / 2);
}

/* `before`, then `count` times `filler`, then `after`. Static storage. */
static const char *padded(const char *before, char filler, size_t count, const char *after) {
    static char text[65536];
    size_t n = strlen(before);
    assert_true(n + count + strlen(after) < sizeof text);
    memcpy(text, before, n);
    memset(text + n, filler, count);
    strcpy(text + n + count, after);
    return text;
}

static struct outcome feed_padded(const char *before, char filler, size_t count, const char *after) {
    const char *text = padded(before, filler, count, after);
    struct outcome whole = feed(text, strlen(text), SIZE_MAX, SIZE_MAX), o = feed(text, strlen(text), 1, 1);
    same(&whole, &o, text);
    return whole;
}

static void limits_exactly_and_one_more(void **state) {
    (void)state;
    static const char rest[] = " HTTP/1.1\r\n" HOST END;
    struct outcome o = feed_padded("GET /", 'p', REQUEST_PATH_MAX - 2, rest);
    assert_int_equal(o.status, REQUEST_DONE);
    assert_int_equal(strlen(o.request.path), REQUEST_PATH_MAX - 1);
    o = feed_padded("GET /", 'p', REQUEST_PATH_MAX - 1, rest);
    assert_int_equal(o.status, REQUEST_DONE);
    assert_string_equal(o.request.path,
                        ""); /* no served path is that long: none of them is matched by a part */
    o = feed_padded("GET /v1/credentials?", 'q', REQUEST_TARGET_MAX - 16, rest);
    assert_int_equal(o.status, REQUEST_DONE);
    assert_string_equal(o.request.path, "/v1/credentials");
    o = feed_padded("GET /v1/credentials?", 'q', REQUEST_TARGET_MAX - 15, rest);
    assert_int_equal(o.request.error_status, 414);
    o = feed_padded(LINE "Host: ", 'h', REQUEST_HOST_MAX - 1, "\r\n\r\n");
    assert_int_equal(strlen(o.request.host), REQUEST_HOST_MAX - 1);
    o = feed_padded(LINE "Host: ", 'h', REQUEST_HOST_MAX, "\r\n\r\n");
    assert_int_equal(o.status, REQUEST_DONE);
    assert_string_equal(o.request.host, "");
    assert_true(o.request.has_host);
    o = feed_padded(LINE HOST "Authorization: ", 'a', REQUEST_AUTHORIZATION_MAX - 1, "\r\n\r\n");
    assert_int_equal(strlen(o.request.authorization), REQUEST_AUTHORIZATION_MAX - 1);
    o = feed_padded(LINE HOST "Authorization: ", 'a', REQUEST_AUTHORIZATION_MAX, "\r\n\r\n");
    assert_int_equal(o.status, REQUEST_DONE);
    assert_string_equal(o.request.authorization, "");
    assert_true(o.request.has_authorization);
    o = feed_padded(LINE HOST, 'n', 5000, ": long names that nobody knows are fine\r\n\r\n");
    assert_int_equal(o.status, REQUEST_DONE);
    o = feed_padded(LINE HOST "Connection: ", 'c', 5000, "\r\n\r\n");
    assert_int_equal(o.status, REQUEST_DONE);
    assert_true(o.request.close); /* what cannot be read is taken for the worse */
}

static void all_bytes_together_are_limited(void **state) {
    (void)state;
    size_t fixed = strlen(LINE HOST "A: \r\n\r\n");
    struct outcome o = feed_padded(LINE HOST "A: ", 'x', REQUEST_HEAD_MAX - fixed, "\r\n\r\n");
    assert_int_equal(o.status, REQUEST_DONE);
    o = feed_padded(LINE HOST "A: ", 'x', REQUEST_HEAD_MAX - fixed + 1, "\r\n\r\n");
    assert_int_equal(o.request.error_status, 431);
    assert_int_equal(o.used, REQUEST_HEAD_MAX + 1);
    o = feed_padded(LINE HOST "A: ", 'x', 60000, ""); /* a request without end */
    assert_int_equal(o.request.error_status, 431);
}

static struct outcome feed_headers(size_t count) {
    static char text[REQUEST_HEAD_MAX * 8];
    size_t n = (size_t)sprintf(text, "%s", LINE HOST);
    for (size_t i = 1; i < count; i++)
        n += (size_t)sprintf(text + n, "a:b\r\n");
    strcpy(text + n, END);
    return feed(text, n + 2, SIZE_MAX, SIZE_MAX);
}

static void headers_are_counted(void **state) {
    (void)state;
    assert_int_equal(feed_headers(REQUEST_HEADERS_MAX).status, REQUEST_DONE);
    assert_int_equal(feed_headers(REQUEST_HEADERS_MAX + 1).request.error_status, 431);
    assert_int_equal(feed_headers(20000).request.error_status, 431);
}

static void connections_are_kept_or_closed(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool close;
    } table[] = {
        {LINE HOST "Connection: keep-alive\r\n" END, false},
        {LINE HOST "Connection: close\r\n" END, true},
        {LINE HOST "Connection: foo, CLOSE\r\n" END, true},
        {LINE HOST "Connection: closed\r\n" END, false},
        {LINE HOST "Connection: keep-alive\r\nConnection: close\r\n" END, true},
        {LINE HOST "Connection: close\r\nConnection: keep-alive\r\n" END, true},
        {"GET / HTTP/1.0\r\n" END, true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n" END, true},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct outcome o = feed_text(table[i].text);
        assert_int_equal(o.status, REQUEST_DONE);
        assert_int_equal(o.request.close, table[i].close);
    }
}

static void a_reset_forgets_the_secret(void **state) {
    (void)state;
    static const struct request zero;
    struct outcome o = feed(LINE HOST "Authorization: secret\r\n" END,
                            strlen(LINE HOST "Authorization: secret\r\n" END), 9, 9);
    assert_string_equal(o.request.authorization, "secret");
    request_reset(&o.request);
    assert_memory_equal(&o.request, &zero, sizeof zero);
    assert_false(request_begun(&o.request));
}

/* A token of 64 KiB goes to the caller's room, whole, also if the request moves on its way. */
static void a_long_authorization_has_a_room(void **state) {
    (void)state;
    enum { CAP = 65537, HEAD = 70000 };
    static const struct request_extras wanted = {.head_max = HEAD};
    static char text[HEAD + 200], rooms[2][CAP];
    size_t len = (size_t)snprintf(text, sizeof text, LINE HOST "Authorization: ");
    memset(text + len, 't', CAP);
    for (size_t token = CAP - 1; token <= CAP; token++) {
        strcpy(text + len + token, END END);
        for (size_t cut = 0; cut < 5; cut++) {
            struct request first = {.room = {rooms[0], CAP}}, second = {.room = {rooms[1], CAP}};
            size_t at = (len + token + 4) * cut / 5, used;
            assert_int_equal(request_feed(&first, &wanted, text, at, &used), REQUEST_MORE);
            request_move(&first, &second);
            assert_false(request_begun(&first));
            assert_int_equal(rooms[0][0], 0);
            assert_int_equal(request_feed(&second, &wanted, text + at, len + token + 4 - at, &used),
                             REQUEST_DONE);
            assert_int_equal(strlen(second.room.text), token == CAP ? 0 : token);
            assert_true(second.has_authorization);
            assert_string_equal(second.authorization, "");
            request_reset(&second);
            assert_ptr_equal(second.room.text, rooms[1]);
            for (size_t i = 0; i < CAP; i++)
                assert_int_equal(rooms[1][i] | rooms[0][i], 0);
        }
        text[len + token] = 't';
    }
    memset(text + len, 't', HEAD);
    struct request r = {.room = {rooms[0], CAP}};
    size_t used;
    assert_int_equal(request_feed(&r, &wanted, text, HEAD, &used), REQUEST_MORE);
    assert_int_equal(request_feed(&r, &wanted, text, 1, &used), REQUEST_BAD);
    assert_int_equal(r.error_status, 431);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request),
        cmocka_unit_test(headers_that_a_caller_wants),
        cmocka_unit_test(names_of_headers),
        cmocka_unit_test(what_sdks_send),
        cmocka_unit_test(bad_requests_and_their_status),
        cmocka_unit_test(an_empty_chunked_body_is_taken),
        cmocka_unit_test(the_start_of_a_request_is_never_one),
        cmocka_unit_test(bytes_behind_a_request_are_left),
        cmocka_unit_test(limits_exactly_and_one_more),
        cmocka_unit_test(all_bytes_together_are_limited),
        cmocka_unit_test(headers_are_counted),
        cmocka_unit_test(connections_are_kept_or_closed),
        cmocka_unit_test(a_reset_forgets_the_secret),
        cmocka_unit_test(a_long_authorization_has_a_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
