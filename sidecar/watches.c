#include "sidecar/watches.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/buf.h"
#include "sidecar/loop.h"

static struct loop_watch signal_watch, clock_watch, token_watch;
static watches_signal *on_signal;
static watches_event *on_clock, *on_token;
static char token_name[NAME_MAX + 1];

static bool watch(struct loop_watch *w, int fd, loop_ready *ready) {
    if (fd < 0)
        return false;
    *w = (struct loop_watch){.fd = fd, .ready = ready};
    return loop_add(w, EPOLLIN);
}

static void read_signals(struct loop_watch *w, uint32_t events) {
    struct signalfd_siginfo info;
    (void)events;
    while (read(w->fd, &info, sizeof info) == sizeof info)
        on_signal((int)info.ssi_signo);
}

bool watches_signals(watches_signal *handler) {
    sigset_t set;
    on_signal = handler;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 &&
           watch(&signal_watch, signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), read_signals);
}

/* A timer that never fires, and is cancelled when the clock is set: that is all it is for. */
static bool arm_clock(int fd) {
    struct itimerspec never = {.it_value = {.tv_sec = INT32_MAX}};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0;
}

static void read_clock(struct loop_watch *w, uint32_t events) {
    uint64_t expirations;
    (void)events;
    bool jumped = read(w->fd, &expirations, sizeof expirations) < 0 && errno == ECANCELED;
    (void)arm_clock(w->fd);
    if (jumped)
        on_clock();
}

bool watches_clock(watches_event *handler) {
    on_clock = handler;
    return watch(&clock_watch, timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC), read_clock) &&
           arm_clock(clock_watch.fd);
}

static bool is_token(const struct inotify_event *event) {
    return event->len > 0 && (strcmp(event->name, "..data") == 0 || strcmp(event->name, token_name) == 0);
}

static void read_token(struct loop_watch *w, uint32_t events) {
    _Alignas(struct inotify_event) char bytes[1024];
    bool rotated = false;
    (void)events;
    for (ssize_t len; (len = read(w->fd, bytes, sizeof bytes)) > 0;) {
        for (ssize_t at = 0; at < len;) {
            const struct inotify_event *event = (const void *)(bytes + at);
            rotated = rotated || is_token(event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    if (rotated)
        on_token();
}

bool watches_token(const char *path, watches_event *handler) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct buf d = BUF(directory), name = BUF(token_name);
    buf_put(&d, path, slash == path ? 1 : (size_t)(slash - path));
    buf_str(&name, slash + 1);
    errno = ENAMETOOLONG;
    if (d.overflow || name.overflow)
        return false;
    on_token = handler;
    if (token_watch.ready != NULL && token_watch.fd >= 0) {
        close(token_watch.fd);
        token_watch.fd = -1;
    }
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return false;
    if (inotify_add_watch(fd, directory, IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE | IN_ONLYDIR) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    return watch(&token_watch, fd, read_token);
}
