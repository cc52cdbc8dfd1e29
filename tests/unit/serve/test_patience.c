/* Who gives way on a listener whose newcomers rather wait: three places, made-up time, and a transport that
 * may be too busy to read. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/serve/patience.h"
#include "tests/loopback.h"
#include "tests/rounds.h"

#define OWN 3
#define PLACES (OWN + SERVER_DENIED_SHARE)
#define CLIENTS (OWN + 2)
#define LARGE 4000000 /* more than the kernel takes */
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static int64_t now_ms = 1000000;
static struct connection places[PLACES];
static struct partial partials[OWN + SERVER_DENIED_PARTIALS];
static struct server_link links[PLACES];
static struct server_listener listener;
static uint16_t port;
static char large[LARGE];
static int clients[CLIENTS] = {-1, -1, -1, -1, -1};
static bool busy; /* what clients say stays where it is */

/* ---- the server ---- */

static ssize_t receive(struct connection *c, void *bytes, size_t max) {
    errno = EAGAIN;
    return busy ? -1 : recv(c->watch.fd, bytes, max, 0);
}

static ssize_t send_message(struct connection *c, const struct msghdr *message) {
    return message->msg_iovlen > 0 ? sendmsg(c->watch.fd, message, MSG_NOSIGNAL) : 0;
}

static void end(struct connection *c) {
    c->link = NULL;
}

static void begin(struct connection *c);

static const struct server_transport transport = {begin, receive, send_message, end};

static void begin(struct connection *c) {
    c->link = &links[connections_number(c)];
    *c->link = (struct server_link){.transport = &transport};
}

static const struct answer *pick(struct connection *c, const struct request *r) {
    static const struct answer plain = {.keep = OK,
                                        .close = OK,
                                        .body = "",
                                        .keep_len = sizeof OK - 1,
                                        .close_len = sizeof OK - 1,
                                        .status = 200},
                               big = {.keep = OK,
                                      .close = OK,
                                      .body = large,
                                      .body_len = LARGE,
                                      .keep_len = sizeof OK - 1,
                                      .close_len = sizeof OK - 1,
                                      .status = 200};
    (void)c;
    return strcmp(r->path, "/large") == 0 ? &big : &plain;
}

static const struct answer *refuse(const struct server_listener *l, int status) {
    static struct answer a = {.keep = OK, .close = OK, .body = ""};
    (void)l;
    a.status = (int16_t)status;
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

static void dial(size_t i) {
    clients[i] = loopback_tcp(port, 2048);
    assert_true(clients[i] >= 0);
    pass(0);
}

static void ask(size_t i, const char *path) {
    char text[128];
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_int_equal(send(clients[i], text, (size_t)len, MSG_NOSIGNAL), len);
    pass(0);
}

static void is_open(size_t i) {
    char byte;
    assert_int_equal(recv(clients[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
    assert_int_equal(errno, EAGAIN);
}

static void is_closed(size_t i) {
    char byte;
    ssize_t n = recv(clients[i], &byte, 1, MSG_DONTWAIT);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void has_answer(size_t i) {
    char text[sizeof OK];
    assert_int_equal(recv(clients[i], text, sizeof text, MSG_DONTWAIT), (int)(sizeof OK - 1));
}

static int open_all(void **state) {
    (void)state;
    static const struct server_storage storage = {
        .places = places, .place_count = PLACES, .partials = partials, .partial_count = COUNT(partials)};
    fake_clock(now_ms, now_ms);
    log_setup(LOG_ERROR, LOG_LOGFMT, STDERR_FILENO);
    if (!loop_open())
        return 1;
    server_open(&storage, 32);
    rounds_open();
    listener = (struct server_listener){.handlers = &handlers,
                                        .transport = &transport,
                                        .spare = patience_spare,
                                        .share = OWN,
                                        .partials = OWN};
    return loopback_listen(&listener, &port) ? 0 : 1;
}

static int all_go(void **state) {
    (void)state;
    busy = false;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (clients[i] >= 0)
            close(clients[i]);
        clients[i] = -1;
    }
    for (int i = 0; i < 4; i++)
        pass(CONNECTIONS_IDLE_MS);
    return server_connections() == 0 ? 0 : 1;
}

/* ---- who gives way ---- */

static void who_says_nothing_gives_way_in_time(void **state) {
    (void)state;
    for (size_t i = 0; i < OWN; i++)
        dial(i);
    dial(OWN);
    ask(OWN, "/");
    pass(PATIENCE_MS - 1);
    for (size_t i = 0; i <= OWN; i++)
        is_open(i);
    pass(CONNECTIONS_TURN_MS);
    is_closed(0);
    has_answer(OWN);
    is_open(1);
    is_open(2);
}

static void who_is_told_something_has_its_time_anew(void **state) {
    (void)state;
    for (size_t i = 0; i < OWN; i++)
        dial(i);
    dial(OWN);
    pass(PATIENCE_MS / 2);
    for (size_t i = 0; i < PLACES; i++)
        links[i].told_ms = now_ms;
    pass(PATIENCE_TOLD_MS - 1);
    for (size_t i = 0; i <= OWN; i++)
        is_open(i);
    pass(CONNECTIONS_TURN_MS);
    is_closed(0);
    assert_int_equal(server_connections(), OWN);
}

static void who_has_spoken_is_not_to_blame(void **state) {
    (void)state;
    busy = true;
    for (size_t i = 0; i < OWN; i++) {
        dial(i);
        ask(i, "/");
    }
    dial(OWN);
    ask(OWN, "/");
    pass(3 * PATIENCE_MS);
    for (size_t i = 0; i <= OWN; i++)
        is_open(i);
    busy = false;
    pass(0);
    for (size_t i = 0; i < OWN; i++)
        has_answer(i);
    is_open(OWN); /* they have just been answered, and have places */
    close(clients[1]);
    clients[1] = -1;
    pass(0);
    pass(0);
    has_answer(OWN);
}

static void who_asks_no_more_gives_way(void **state) {
    (void)state;
    for (size_t i = 0; i < OWN; i++) {
        dial(i);
        ask(i, "/");
        has_answer(i);
    }
    pass(PATIENCE_MS);
    ask(0, "/");
    has_answer(0);
    dial(OWN);
    ask(OWN, "/");
    is_closed(1);
    has_answer(OWN);
    is_open(0);
    is_open(2);
}

static void who_takes_no_answer_goes_first(void **state) {
    (void)state;
    dial(0);
    dial(1);
    ask(1, "/large");
    dial(2);
    pass(PATIENCE_MS + CONNECTIONS_TURN_MS);
    dial(OWN);
    ask(OWN, "/");
    has_answer(OWN);
    is_open(0);
    is_open(2);
    assert_int_equal(server_connections(), OWN);
}

int main(void) {
#define TEST(f) cmocka_unit_test_teardown(f, all_go)
    const struct CMUnitTest tests[] = {
        TEST(who_says_nothing_gives_way_in_time), TEST(who_is_told_something_has_its_time_anew),
        TEST(who_has_spoken_is_not_to_blame),     TEST(who_asks_no_more_gives_way),
        TEST(who_takes_no_answer_goes_first),
    };
    return cmocka_run_group_tests(tests, open_all, NULL);
}
