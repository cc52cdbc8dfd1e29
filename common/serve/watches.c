#include "common/serve/watches.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/serve/loop.h"

/* One set for the process, as its signals and its clock are. */
static struct loop_watch signal_watch, clock_watch, file_watch;
static watches_signal *on_signal;
static watches_event *on_clock, *on_file;
static struct watches_file *files;

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

/* A timer that never fires, and is cancelled when the clock is set: that is all it is for. The kernel counts
 * in nanoseconds, so its end of time is in 2262. */
static bool arm_clock(int fd) {
    struct itimerspec never = {.it_value = {.tv_sec = INT64_MAX / 1000000000}};
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

/* Of a folder, anything: it has no name here. */
static bool is_watched(const struct inotify_event *event) {
    bool named = event->len > 0, ours = named && strcmp(event->name, "..data") == 0;
    for (const struct watches_file *f = files; f != NULL; f = f->next)
        ours = ours || f->name[0] == '\0' || (named && strcmp(event->name, f->name) == 0);
    return ours;
}

static void read_files(struct loop_watch *w, uint32_t events) {
    _Alignas(struct inotify_event) char bytes[1024];
    bool replaced = false;
    (void)events;
    for (ssize_t len; (len = read(w->fd, bytes, sizeof bytes)) > 0;) {
        for (ssize_t at = 0; at < len;) {
            const struct inotify_event *event = (const void *)(bytes + at);
            replaced = replaced || is_watched(event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    if (replaced)
        on_file();
}

void watches_forget_files(void) {
    files = NULL;
    if (file_watch.ready != NULL && file_watch.fd >= 0) {
        close(file_watch.fd);
        file_watch.fd = -1;
    }
}

/* The one inotify instance: a user may have few of them. */
static int file_descriptor(void) {
    if (file_watch.ready != NULL && file_watch.fd >= 0)
        return file_watch.fd;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return fd >= 0 && watch(&file_watch, fd, read_files) ? fd : -1;
}

static bool add(struct watches_file *file, const char *directory, uint32_t mask, watches_event *handler) {
    on_file = handler;
    int fd = file_descriptor();
    if (fd < 0 || inotify_add_watch(fd, directory, mask | IN_ONLYDIR | IN_MASK_ADD) < 0)
        return false;
    for (const struct watches_file *f = files; f != NULL; f = f->next) {
        if (f == file)
            return true;
    }
    file->next = files;
    files = file;
    return true;
}

bool watches_file(struct watches_file *file, const char *path, watches_event *handler) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct buf d = BUF(directory), name = BUF(file->name);
    buf_put(&d, path, slash == path ? 1 : (size_t)(slash - path));
    buf_str(&name, slash + 1);
    errno = ENAMETOOLONG;
    if (d.overflow || name.overflow)
        return false;
    return add(file, directory, IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE, handler);
}

bool watches_folder(struct watches_file *file, const char *path, watches_event *handler) {
    file->name[0] = '\0';
    return add(file, path,
               IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_DELETE_SELF |
                   IN_MOVE_SELF,
               handler);
}
