/* What the loop and the HTTP client tell each other; the test is the client, in http.c's place, and counts
 * how often its code is given back. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/http/http.h"
#include "common/serve/footprint.h"
#include "common/serve/upstream.h"
#include "tests/rounds.h"

#define START_MS 1000

static struct http_hooks hooks;
static struct loop_watch sockets[2];
static int ends[2];
static struct { int calls, fd, events, timers, trims; } seen;

enum err http_open(const struct http_hooks *given) {
    hooks = *given;
    return ERR_OK;
}

void footprint_open(void) {}

void footprint_trim(void) {
    seen.trims++;
}

void http_socket(int fd, int events) {
    seen.calls++;
    seen.fd = fd;
    seen.events = events;
}

void http_timer(void) {
    seen.timers++;
    hooks.timer(hooks.context, -1);
}

/* One round at that moment, with whatever is ready. */
static void round_at(int64_t mono_ms) {
    memset(&seen, 0, sizeof seen);
    fake_clock(mono_ms, 0);
    rounds(1);
}

static int open_all(void **state) {
    (void)state;
    fake_clock(START_MS, 0);
    if (!loop_open() || !upstream_open(sockets, COUNT(sockets)))
        return 1;
    rounds_open();
    return 0;
}

static int open_ends(void **state) {
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

static int close_ends(void **state) {
    (void)state;
    hooks.watch(hooks.context, ends[0], 0);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void is(int calls, int events) {
    assert_int_equal(seen.calls, calls);
    assert_int_equal(seen.events, events);
    if (calls > 0)
        assert_int_equal(seen.fd, ends[0]);
}

static void only_what_is_ready_is_told(void **state) {
    (void)state;
    hooks.watch(hooks.context, ends[0], HTTP_READ);
    round_at(START_MS);
    is(0, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    round_at(START_MS);
    is(1, HTTP_READ);
    hooks.watch(hooks.context, ends[0], HTTP_WRITE); /* what came stays where it is */
    round_at(START_MS);
    is(1, HTTP_WRITE);
    hooks.watch(hooks.context, ends[0], HTTP_READ | HTTP_WRITE);
    round_at(START_MS);
    is(1, HTTP_READ | HTTP_WRITE);
}

/* libcurl closes a descriptor right after it has said so, and the next one may have the same number. */
static void what_is_forgotten_is_not_told(void **state) {
    (void)state;
    hooks.watch(hooks.context, ends[0], HTTP_WRITE);
    hooks.watch(hooks.context, ends[0], 0);
    hooks.watch(hooks.context, ends[0], 0); /* harmless */
    round_at(START_MS);
    is(0, 0);
    for (size_t i = 0; i < 3 * COUNT(sockets); i++) { /* its place is free again */
        hooks.watch(hooks.context, ends[0], HTTP_WRITE);
        round_at(START_MS);
        is(1, HTTP_WRITE);
        hooks.watch(hooks.context, ends[0], 0);
    }
}

static void the_timer_is_due_once_and_not_before(void **state) {
    (void)state;
    hooks.timer(hooks.context, 50);
    round_at(START_MS + 49);
    assert_int_equal(seen.timers, 0);
    round_at(START_MS + 50);
    assert_int_equal(seen.timers, 1);
    assert_int_equal(seen.trims, 1); /* nothing is left to wait for */
    round_at(START_MS + 5000);
    assert_int_equal(seen.timers, 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_ends, close_ends)
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_ready_is_told),
        TEST(what_is_forgotten_is_not_told),
        TEST(the_timer_is_due_once_and_not_before),
    };
    return cmocka_run_group_tests(tests, open_all, NULL);
}
