#include "common/serve/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/base/clock.h"

bool stream_wait(int fd, short events, int64_t deadline_ms) {
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int n = poll(&p, 1, (int)clock_until(deadline_ms, clock_now().mono_ms, INT_MAX));
        if (n > 0)
            return true;
        if (n == 0)
            errno = ETIMEDOUT;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static bool again(void) {
    return errno == EINTR || errno == EAGAIN;
}

static bool send_all(int fd, const char *bytes, size_t len, int64_t deadline_ms) {
    while (len > 0) {
        if (!stream_wait(fd, POLLOUT, deadline_ms))
            return false;
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && again())
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, char *out, size_t cap, size_t *len, int64_t deadline_ms) {
    while (*len < cap) {
        if (!stream_wait(fd, POLLIN, deadline_ms))
            return false;
        ssize_t n = recv(fd, out + *len, cap - *len, 0);
        if (n < 0 && again())
            continue;
        if (n <= 0)
            return n == 0;
        *len += (size_t)n;
    }
    return true;
}

bool stream_ask(int fd, const char *request, size_t request_len, char *out, size_t cap, size_t *len,
                int64_t deadline_ms) {
    *len = 0;
    return send_all(fd, request, request_len, deadline_ms) && receive_all(fd, out, cap, len, deadline_ms);
}
