/* The server over real sockets, with made-up time and two places a listener: who is let in when, and how an
 * answer ends. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "common/base/log.h"
#include "tests/loopback.h"
#include "tests/rounds.h"

#define PLACES 14 /* by shares: two for each listener, the rest for the denied */
#define CLIENTS 16
#define LARGE 200000
#define HEAD_OF(status) "HTTP/1.1 " status " X\r\nContent-Length: 0\r\n"

enum { AT_SOCKET, AT_TCP, WITHOUT_PARTIALS, LISTENERS };

static int64_t now_ms = 1000000;
static struct connection places[PLACES];
static struct partial partials[SERVER_DENIED_PARTIALS + 2];
static struct server_listener listeners[LISTENERS];
static uint16_t port;
static char socket_path[LISTEN_PATH_MAX], bare_path[LISTEN_PATH_MAX], large[LARGE];
static int clients[CLIENTS] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

/* ---- what is answered ---- */

static struct answer with_status(int status) {
    static char keep[64], close_too[64];
    int len = snprintf(keep, sizeof keep, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status);
    int close_len = snprintf(close_too, sizeof close_too,
                             "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
    return (struct answer){.keep = keep,
                           .close = close_too,
                           .body = "",
                           .keep_len = (uint16_t)len,
                           .close_len = (uint16_t)close_len,
                           .status = (int16_t)status};
}

/* The path is the status; of "/large" the body is. */
static const struct answer *pick(struct connection *c, const struct request *r) {
    static struct answer a;
    (void)c;
    bool is_large = strcmp(r->path, "/large") == 0;
    a = with_status(is_large ? 200 : atoi(r->path + 1));
    a.body = large;
    a.body_len = is_large ? LARGE : 0;
    return &a;
}

static const struct answer *refuse(const struct server_listener *l, int status) {
    static struct answer a;
    (void)l;
    a = with_status(status);
    return &a;
}

static void answered(const struct server_listener *l, const struct request *r, int status) {
    (void)l, (void)r, (void)status;
}

static const struct server_handlers handlers = {.pick = pick, .refuse = refuse, .answered = answered};

/* ---- time and clients ---- */

static void pass(int64_t ms) {
    now_ms += ms;
    fake_clock(now_ms, now_ms);
    rounds(3);
}

static void dial(size_t i, int to) {
    const int room = 2048;
    clients[i] = to == AT_TCP ? loopback_tcp(port, room)
                              : loopback_unix(to == AT_SOCKET ? socket_path : bare_path, room);
    assert_true(clients[i] >= 0);
}

static void say(size_t i, const char *text) {
    assert_int_equal(send(clients[i], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void ask(size_t i, const char *path) {
    char text[128];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    say(i, text);
}

/* What has come since; "" if nothing. */
static const char *heard(size_t i) {
    static char text[512];
    ssize_t n = recv(clients[i], text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void hears(size_t i, const char *text) {
    assert_string_equal(heard(i), text);
}

static bool listen_at(struct server_listener *l, const char *path) {
    char text[512];
    struct buf problem = BUF(text);
    int fd = listen_unix(path, 0600, (gid_t)-1, &problem);
    return fd >= 0 && server_listen(l, fd);
}

static int open_all(void **state) {
    (void)state;
    static const struct server_storage storage = {
        .places = places, .place_count = PLACES, .partials = partials, .partial_count = COUNT(partials)};
    fake_clock(now_ms, now_ms);
    log_setup(LOG_ERROR, LOG_LOGFMT, STDERR_FILENO);
    snprintf(socket_path, sizeof socket_path, "%s", scratch_path("s"));
    snprintf(bare_path, sizeof bare_path, "%s", scratch_path("bare"));
    memset(large, 'x', sizeof large);
    if (!loop_open())
        return 1;
    server_open(&storage, 32);
    rounds_open();
    for (int i = 0; i < LISTENERS; i++) {
        listeners[i] = (struct server_listener){.handlers = &handlers,
                                                .refusals_close = i == AT_TCP,
                                                .unix_socket = i != AT_TCP,
                                                .share = 2,
                                                .partials = i == WITHOUT_PARTIALS ? 0 : 1};
    }
    return loopback_listen(&listeners[AT_TCP], &port) && listen_at(&listeners[AT_SOCKET], socket_path) &&
                   listen_at(&listeners[WITHOUT_PARTIALS], bare_path)
               ? 0
               : 1;
}

static int all_go(void **state) {
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (clients[i] >= 0)
            close(clients[i]);
        clients[i] = -1;
    }
    for (size_t i = 0; i < LISTENERS; i++)
        listeners[i].group.borrows = false;
    for (int i = 0; i < 4; i++)
        pass(CONNECTIONS_IDLE_MS);
    return server_connections() == 0 ? 0 : 1;
}

/* ---- how an answer ends ---- */

static void refusals_close_where_they_shall(void **state) {
    (void)state;
    static const struct {
        int status;
        bool closes;
    } table[] = {{200, false}, {399, false}, {400, true}, {404, true},
                 {499, true},  {500, false}, {503, false}};
    for (size_t i = 0; i < COUNT(table); i++) {
        for (int to = AT_SOCKET; to <= AT_TCP; to++) {
            char path[16];
            snprintf(path, sizeof path, "/%d", table[i].status);
            dial(0, to);
            ask(0, path);
            pass(0);
            bool closes = strstr(heard(0), "\r\nConnection: close\r\n") != NULL;
            assert_int_equal(closes, table[i].closes && to == AT_TCP);
            close(clients[0]);
            clients[0] = -1;
            pass(0);
        }
    }
}

/* Reads to the end of the answer, or of the connection: how many bytes, and whether it was cut off. */
static size_t read_all(size_t i, size_t most, bool *reset) {
    static char bytes[4096];
    size_t len = 0;
    *reset = false;
    for (int rounds = 0; rounds < 2000 && len < most; rounds++) {
        ssize_t n = recv(clients[i], bytes, sizeof bytes, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        *reset = n < 0 && errno == ECONNRESET;
        if (n == 0 || *reset)
            break;
        pass(0);
    }
    return len;
}

static void an_answer_goes_on_when_its_client_reads(void **state) {
    (void)state;
    bool reset;
    size_t whole = strlen("HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n") + LARGE;
    dial(0, AT_SOCKET);
    ask(0, "/large");
    pass(0);
    pass(CONNECTIONS_WRITE_MS - 1);
    assert_int_equal(read_all(0, whole, &reset), whole);
    ask(0, "/201"); /* and then the next one */
    pass(0);
    hears(0, HEAD_OF("201") "\r\n");
}

/* What a client does not take is thrown away, and does not lie in the kernel as memory of the pod. */
static void who_reads_nothing_is_reset(void **state) {
    (void)state;
    bool reset;
    dial(0, AT_TCP);
    ask(0, "/large");
    pass(0);
    pass(CONNECTIONS_WRITE_MS);
    assert_int_equal(server_connections(), 0);
    assert_true(read_all(0, SIZE_MAX, &reset) < LARGE);
    assert_true(reset);
}

/* A bearer is gone when its request is answered, also one behind a request that was refused. */
static void nothing_of_a_request_stays(void **state) {
    (void)state;
    dial(0, AT_TCP);
    for (int i = 0; i < 2; i++) {
        say(0, "GET /400 HTTP/1.1\r\nHost: x\r\nAuthorization: bearer-that-goes\r\n\r\n");
        pass(0);
        assert_false(lies_in_memory("bearer-that-goes", 16));
    }
    assert_non_null(strstr(heard(0), "Connection: close"));
}

static void without_room_for_a_half_request(void **state) {
    (void)state;
    dial(0, WITHOUT_PARTIALS);
    say(0, "GET /200 HTTP/1.1\r\n");
    pass(0);
    hears(0, HEAD_OF("503") "Connection: close\r\n\r\n");
    dial(1, WITHOUT_PARTIALS);
    ask(1, "/200");
    pass(0);
    hears(1, HEAD_OF("200") "\r\n");
}

/* ---- who is let in ---- */

/* Two have just come and said nothing: a third waits for the end of their turn. */
static void who_is_held_back_comes_in_later(void **state) {
    (void)state;
    dial(0, AT_SOCKET);
    dial(1, AT_SOCKET);
    pass(0);
    dial(2, AT_SOCKET);
    ask(2, "/200");
    pass(CONNECTIONS_TURN_MS - 1);
    hears(2, "");
    pass(1);
    hears(2, HEAD_OF("200") "\r\n");
    assert_int_equal(server_connections(), 2);
}

static void who_is_held_back_comes_in_when_another_goes(void **state) {
    (void)state;
    dial(0, AT_SOCKET);
    dial(1, AT_SOCKET);
    pass(0);
    dial(2, AT_SOCKET);
    ask(2, "/200");
    pass(0);
    hears(2, "");
    close(clients[0]);
    clients[0] = -1;
    pass(0);
    hears(2, HEAD_OF("200") "\r\n");
}

/* As fast as it passes, from the made-up moment on. */
static struct moment passing(void) {
    static int64_t start_ms;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t real_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000;
    start_ms = start_ms != 0 ? start_ms : real_ms;
    return (struct moment){.mono_ms = now_ms + real_ms - start_ms};
}

/* Whoever waits, nothing wakes up before the time has come. */
static void who_is_held_back_costs_nothing(void **state) {
    (void)state;
    clock_use(passing);
    for (size_t i = 0; i < 3; i++)
        dial(i, AT_SOCKET);
    unsigned before = loop_round();
    rounds_until(passing().mono_ms + CONNECTIONS_TURN_MS / 2);
    now_ms = passing().mono_ms;
    fake_clock(now_ms, now_ms);
    assert_in_range(loop_round() - before, 1, 20);
    assert_int_equal(server_connections(), 2);
}

static void all_borrow(void) {
    for (size_t i = 0; i < LISTENERS; i++)
        listeners[i].group.borrows = true;
}

/* How many of the first were closed. */
static size_t closed_of(size_t count) {
    char byte;
    size_t closed = 0;
    for (size_t i = 0; i < count; i++)
        closed += recv(clients[i], &byte, 1, MSG_DONTWAIT) == 0;
    return closed;
}

/* Two are a listener's own, and the others stand free. */
static void free_places_are_borrowed(void **state) {
    (void)state;
    all_borrow();
    for (size_t i = 0; i < PLACES; i++) {
        dial(i, AT_SOCKET);
        ask(i, "/200");
        pass(0);
        hears(i, HEAD_OF("200") "\r\n");
    }
    assert_int_equal(server_connections(), PLACES);
    for (size_t i = 0; i < PLACES; i++) { /* all are kept */
        ask(i, "/201");
        pass(0);
        hears(i, HEAD_OF("201") "\r\n");
    }
}

/* Without waiting for anybody's turn, and no more than are the other's own. */
static void what_is_borrowed_goes_back_at_once(void **state) {
    (void)state;
    all_borrow();
    for (size_t i = 0; i < PLACES; i++)
        dial(i, AT_SOCKET);
    pass(0);
    assert_int_equal(server_connections(), PLACES);
    for (size_t i = PLACES; i < PLACES + 2; i++) {
        dial(i, AT_TCP);
        ask(i, "/200");
        pass(0);
        hears(i, HEAD_OF("200") "\r\n");
        assert_int_equal(closed_of(PLACES), i - PLACES + 1);
    }
    assert_int_equal(server_connections(), PLACES);
}

/* Who has all of its own and finds none free waits for the turn of its own newcomers, and takes from nobody.
 */
static void beyond_its_own_it_takes_from_nobody(void **state) {
    (void)state;
    all_borrow();
    for (size_t i = 0; i < PLACES; i++)
        dial(i, i < 2 ? AT_TCP : AT_SOCKET);
    pass(0);
    assert_int_equal(server_connections(), PLACES);
    dial(PLACES, AT_TCP);
    ask(PLACES, "/200");
    pass(CONNECTIONS_TURN_MS - 1);
    hears(PLACES, "");
    assert_int_equal(closed_of(PLACES), 0);
    pass(1);
    hears(PLACES, HEAD_OF("200") "\r\n");
    assert_int_equal(closed_of(2), 1);
    assert_int_equal(closed_of(PLACES), 1);
}

/* Two events in one round: the listener's makes an idle one give way, and then comes that one's own. It must
 * not be taken for one of the client that has the place now. */
static void an_event_of_who_had_the_place_before_is_nobodys(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        dial(i, AT_SOCKET);
        ask(i, "/200");
        pass(0);
        hears(i, HEAD_OF("200") "\r\n");
    }
    dial(2, AT_SOCKET);
    ask(2, "/large"); /* is being written when the event comes */
    close(clients[0]);
    clients[0] = -1;
    bool reset;
    pass(0);
    assert_int_equal(read_all(2, strlen(HEAD_OF("200") "\r\n") + LARGE, &reset),
                     strlen(HEAD_OF("200") "\r\n") + LARGE);
    assert_false(reset);
}

/* Out of descriptors, with no connection to close: it tries again after a while. */
static void descriptors_run_out(void **state) {
    (void)state;
    struct rlimit limit, none;
    dial(0, AT_SOCKET);
    ask(0, "/200");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int lowest = dup(0);
    close(lowest);
    none = limit;
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    pass(0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pass(SERVER_PAUSE_MS - 1);
    hears(0, "");
    pass(1);
    hears(0, HEAD_OF("200") "\r\n");
}

int main(void) {
#define TEST(f) cmocka_unit_test_teardown(f, all_go)
    const struct CMUnitTest tests[] = {
        TEST(refusals_close_where_they_shall),
        TEST(an_answer_goes_on_when_its_client_reads),
        TEST(who_reads_nothing_is_reset),
        TEST(nothing_of_a_request_stays),
        TEST(without_room_for_a_half_request),
        TEST(who_is_held_back_comes_in_later),
        TEST(who_is_held_back_comes_in_when_another_goes),
        TEST(who_is_held_back_costs_nothing),
        TEST(free_places_are_borrowed),
        TEST(what_is_borrowed_goes_back_at_once),
        TEST(beyond_its_own_it_takes_from_nobody),
        TEST(an_event_of_who_had_the_place_before_is_nobodys),
        TEST(descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, open_all, NULL);
}
