#include "common/base/io.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "common/base/clock.h"

bool io_read_all(int fd, void *out, size_t cap, size_t *len) {
    ssize_t n = 0;
    *len = 0;
    do {
        n = read(fd, (char *)out + *len, cap - *len);
        *len += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && *len < cap) || (n < 0 && errno == EINTR));
    return n >= 0;
}

bool io_write_all(int fd, const void *bytes, size_t len) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Not O_NONBLOCK: the description of a standard stream is shared with other processes. */
static bool takes(int fd, int64_t wait_ms) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, (int)wait_ms) > 0;
}

bool io_write_now(int fd, const void *bytes, size_t len) {
    return len <= IO_NOW_MAX && takes(fd, 0) && write(fd, bytes, len) == (ssize_t)len;
}

bool io_write_within(int fd, const void *bytes, size_t len, int limit_ms) {
    const char *at = bytes;
    int64_t end_ms = clock_now().mono_ms + limit_ms;
    while (len > 0) {
        if (!takes(fd, clock_until(end_ms, clock_now().mono_ms, limit_ms))) {
            errno = ETIMEDOUT;
            return false;
        }
        size_t part = len < IO_NOW_MAX ? len : IO_NOW_MAX;
        ssize_t n = write(fd, at, part);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}
