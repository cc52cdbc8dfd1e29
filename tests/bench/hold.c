/* How long the loop is busy from one wait to the next, in a sidecar that is ours otherwise: each round that
 * took more than FLOOR_US of this process's CPU time is one line on standard output, "held MICROSECONDS".
 *
 * Linked with --wrap=epoll_wait. CPU time, as the machine may do something else in between. */
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define FLOOR_US 50

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);

static int64_t used_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms) {
    static int64_t began_us;
    char line[64];
    int64_t held_us = used_us() - began_us;
    if (began_us != 0 && held_us >= FLOOR_US) {
        int len = snprintf(line, sizeof line, "held %lld\n", (long long)held_us);
        if (write(STDOUT_FILENO, line, (size_t)len) != len)
            _exit(99);
    }
    int result = __real_epoll_wait(fd, events, max, timeout_ms);
    began_us = used_us();
    return result;
}
