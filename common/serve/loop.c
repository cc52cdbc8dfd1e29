#include "common/serve/loop.h"

#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>

#define EVENTS_PER_ROUND 64

static int epoll_fd = -1;
static unsigned rounds;
static struct loop_timer *timers, **last_timer = &timers;
static struct moment now;
static bool running;

bool loop_open(void) {
    now = clock_now();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd >= 0;
}

static bool control(int operation, struct loop_watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(epoll_fd, operation, watch->fd, &event) == 0;
}

bool loop_add(struct loop_watch *watch, uint32_t epoll_events) {
    return control(EPOLL_CTL_ADD, watch, epoll_events);
}

bool loop_change(struct loop_watch *watch, uint32_t epoll_events) {
    return control(EPOLL_CTL_MOD, watch, epoll_events);
}

void loop_remove(struct loop_watch *watch) {
    (void)control(EPOLL_CTL_DEL, watch, 0);
}

void loop_add_timer(struct loop_timer *timer) {
    timer->next = NULL;
    *last_timer = timer;
    last_timer = &timer->next;
}

struct moment loop_now(void) {
    return now;
}

unsigned loop_round(void) {
    return rounds;
}

static int64_t nearest_deadline(void) {
    int64_t nearest = CLOCK_NEVER;
    for (const struct loop_timer *t = timers; t != NULL; t = t->next) {
        if (t->deadline_ms < nearest)
            nearest = t->deadline_ms;
    }
    return nearest;
}

/* The time asleep is not counted by epoll, but the end of a suspend is an event of its own. */
static int timeout_ms(void) {
    int64_t deadline = nearest_deadline();
    if (deadline == CLOCK_NEVER)
        return -1;
    return (int)clock_until(deadline, clock_now().mono_ms, INT_MAX);
}

static void expire_timers(void) {
    for (struct loop_timer *t = timers; t != NULL && running; t = t->next) {
        if (t->deadline_ms > now.mono_ms)
            continue;
        t->deadline_ms = CLOCK_NEVER;
        t->expired(t);
    }
}

void loop_run(void) {
    struct epoll_event events[EVENTS_PER_ROUND];
    running = true;
    while (running) {
        int count = epoll_wait(epoll_fd, events, EVENTS_PER_ROUND, timeout_ms());
        now = clock_now();
        rounds++;
        for (int i = 0; i < count && running; i++) {
            struct loop_watch *watch = events[i].data.ptr;
            if (watch->fd >= 0)
                watch->ready(watch, events[i].events);
        }
        expire_timers();
    }
}

void loop_stop(void) {
    running = false;
}
