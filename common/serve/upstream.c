#include "common/serve/upstream.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/log.h"
#include "common/http/http.h"
#include "common/serve/footprint.h"

static struct loop_watch *watches; /* one set, as http.h has one for the process */
static size_t watch_count;
static struct loop_timer timer = {.deadline_ms = CLOCK_NEVER};

/* libcurl goes on for a while after an answer (it closes connections in its own time): its code is given back
 * when it has nothing left to watch or to wait for. */
static void trim_when_idle(void) {
    bool idle = timer.deadline_ms == CLOCK_NEVER;
    for (size_t i = 0; i < watch_count; i++)
        idle = idle && watches[i].ready == NULL;
    if (idle)
        footprint_trim();
}

/* One step of libcurl's a round: of a handshake, each may be a public key operation. What is put off comes
 * again, a socket because it stays ready. */
static bool take_turn(void) {
    static unsigned last;
    bool first = last != loop_round();
    last = loop_round();
    return first;
}

static void on_socket(struct loop_watch *watch, uint32_t events) {
    int mask = 0;
    if (!take_turn())
        return;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        mask |= HTTP_READ;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        mask |= HTTP_WRITE;
    http_socket(watch->fd, mask);
    trim_when_idle();
}

static struct loop_watch *find(int fd) {
    for (size_t i = 0; i < watch_count; i++) {
        if (watches[i].ready != NULL && watches[i].fd == fd)
            return &watches[i];
    }
    return NULL;
}

static uint32_t epoll_mask(int events) {
    return ((events & HTTP_READ) != 0 ? EPOLLIN : 0U) | ((events & HTTP_WRITE) != 0 ? EPOLLOUT : 0U);
}

static void watch_socket(void *context, int fd, int events) {
    (void)context;
    struct loop_watch *watch = find(fd);
    if (events == 0) {
        if (watch != NULL) {
            loop_remove(watch);
            *watch = (struct loop_watch){.fd = -1};
        }
        return;
    }
    if (watch != NULL) {
        loop_change(watch, epoll_mask(events));
        return;
    }
    for (size_t i = 0; i < watch_count && watch == NULL; i++)
        watch = watches[i].ready == NULL ? &watches[i] : NULL;
    errno = ENOSPC;
    if (watch != NULL) {
        *watch = (struct loop_watch){.fd = fd, .ready = on_socket};
        if (loop_add(watch, epoll_mask(events)))
            return;
        *watch = (struct loop_watch){.fd = -1};
    }
    LOG(LOG_ERROR, "cannot watch a socket to upstream", LOG_TEXT("error", strerror(errno)));
}

static void set_timer(void *context, int64_t delay_ms) {
    (void)context;
    timer.deadline_ms = delay_ms < 0 ? CLOCK_NEVER : clock_now().mono_ms + delay_ms;
}

static void on_timer(struct loop_timer *t) {
    if (!take_turn()) {
        t->deadline_ms = loop_now().mono_ms;
        return;
    }
    http_timer();
    trim_when_idle();
}

bool upstream_open(struct loop_watch *sockets, size_t count) {
    const struct http_hooks hooks = {.watch = watch_socket, .timer = set_timer, .context = NULL};
    footprint_open();
    watches = sockets;
    watch_count = count;
    timer.expired = on_timer;
    loop_add_timer(&timer);
    return http_open(&hooks) == ERR_OK;
}
