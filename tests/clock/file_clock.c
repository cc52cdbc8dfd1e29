/* Made-up time for a test build of the sidecar; the shipped program does not contain this file.
 *
 * TEST_CLOCK_FILE names a file of four 64-bit integers: milliseconds added to the wall clock, milliseconds
 * added to the monotonic clock, how many made-up seconds pass in a real one (read once, at the start), and
 * how many made-up milliseconds each fsync takes, as a slow disk's would. It is mapped, so that a change
 * takes effect at the next look at a clock. A change by write() is also the event that the kernel gives when
 * the clock is set or the machine wakes up; a change through a mapping is not, as if that event had been
 * lost.
 *
 * Linked with --wrap=watches_clock, --wrap=epoll_wait and --wrap=fsync. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/serve/loop.h"
#include "common/serve/watches.h"

struct offsets {
    int64_t wall_ms, mono_ms, speed, sync_ms;
};

static const volatile struct offsets *offsets;
static int64_t speed, synced_ms;
static struct moment start;
static struct loop_watch watch;
static watches_event *on_change;

static int64_t read_ms(clockid_t id) {
    struct timespec t;
    return clock_gettime(id, &t) == 0 ? (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 : 0;
}

/* Both run on from the real start at the speed wanted. */
static struct moment made_up(void) {
    int64_t passed = (read_ms(CLOCK_BOOTTIME) - start.mono_ms) * speed + synced_ms;
    return (struct moment){.mono_ms = start.mono_ms + passed + offsets->mono_ms,
                           .wall_ms = start.wall_ms + passed + offsets->wall_ms};
}

static void refuse(const char *what) {
    perror(what);
    _exit(70);
}

__attribute__((constructor)) static void take_over(void) {
    const char *path = getenv("TEST_CLOCK_FILE");
    if (path == NULL)
        refuse("TEST_CLOCK_FILE");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offsets, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        refuse(path);
    close(fd);
    offsets = mapped;
    speed = offsets->speed;
    start = (struct moment){.mono_ms = read_ms(CLOCK_BOOTTIME), .wall_ms = read_ms(CLOCK_REALTIME)};
    clock_use(made_up);
}

static void read_change(struct loop_watch *w, uint32_t events) {
    _Alignas(struct inotify_event) char bytes[1024];
    (void)events;
    while (read(w->fd, bytes, sizeof bytes) > 0)
        continue;
    on_change();
}

bool __wrap_watches_clock(watches_event *handler);
bool __wrap_watches_clock(watches_event *handler) {
    on_change = handler;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, getenv("TEST_CLOCK_FILE"), IN_MODIFY) < 0)
        return false;
    watch = (struct loop_watch){.fd = fd, .ready = read_change};
    return loop_add(&watch, EPOLLIN);
}

/* The loop asks for made-up milliseconds, and the kernel sleeps real ones. */
int __real_epoll_wait(int epoll, struct epoll_event *events, int size, int timeout_ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int size, int timeout_ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int size, int timeout_ms) {
    if (timeout_ms > 0)
        timeout_ms = (int)((timeout_ms + speed - 1) / speed);
    return __real_epoll_wait(epoll, events, size, timeout_ms);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    synced_ms += offsets->sync_ms;
    return __real_fsync(fd);
}
