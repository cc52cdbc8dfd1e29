#include "common/serve/unix_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/number.h"
#include "common/serve/stream.h"

static bool failed(struct buf *problem, const char *what, const char *path, const char *why) {
    buf_fmt(problem, "cannot %s %s: %s", what, path, why);
    return false;
}

static const char *connect_advice(const char *path, int error) {
    struct stat st;
    switch (error) {
    case ENOENT:
        return "there is no such socket (is the sidecar running, and is its volume mounted in this "
               "container?)";
    case ECONNREFUSED:
        if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
            return S_ISDIR(st.st_mode) ? "it is a folder, not a socket" : "it is a file, not a socket";
        return "nobody listens on it (the sidecar has ended)";
    case EACCES:
        return "permission denied (this user needs the socket's group: see --socket-mode and --socket-group)";
    case EAGAIN:
    case ETIMEDOUT:
        return "the sidecar did not answer in time";
    default:
        return strerror(error);
    }
}

/* EAGAIN on a Unix socket means that the backlog is full; there is no event for its end, so it is tried again
 * soon. */
static bool connect_until(int fd, const struct sockaddr_un *address, int64_t deadline_ms) {
    const struct timespec pause = {.tv_nsec = 10000000};
    for (;;) {
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
            return true;
        if (errno != EINTR && (errno != EAGAIN || clock_now().mono_ms >= deadline_ms))
            return false;
        (void)nanosleep(&pause, NULL);
    }
}

static int open_socket(const char *socket_path, int64_t deadline_ms, struct buf *problem) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path) {
        (void)failed(problem, "use", socket_path, "the path of a Unix socket may have at most 107 bytes");
        return -1;
    }
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect_until(fd, &address, deadline_ms))
        return fd;
    (void)failed(problem, "connect to", socket_path, connect_advice(socket_path, errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Splits the answer, and checks that its body is as long as it says: a torn one must not pass for
 * credentials. */
static bool split(struct unix_answer *out, size_t len) {
    static const char head[] = "HTTP/1.1 ", length[] = "\r\nContent-Length: ";
    out->bytes[len] = '\0';
    char *end = strstr(out->bytes, "\r\n\r\n");
    if (end == NULL || strncmp(out->bytes, head, sizeof head - 1) != 0)
        return false;
    const char *field = strstr(out->bytes, length);
    if (field == NULL || field > end)
        return false;
    uint32_t status, body_len;
    out->body = end + 4;
    out->body_len = len - (size_t)(out->body - out->bytes);
    if (number_read(out->bytes + sizeof head - 1, 10, 999, &status) == 0)
        return false;
    out->status = (int)status;
    return number_read(field + sizeof length - 1, 10, UINT32_MAX, &body_len) > 0 && body_len == out->body_len;
}

bool unix_client_get(const char *socket_path, const char *path, struct unix_answer *out,
                     struct buf *problem) {
    char text[UNIX_CLIENT_REQUEST_MAX];
    struct buf request = BUF(text);
    buf_fmt(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (request.overflow)
        return failed(problem, "ask", socket_path, "the request is too long");
    int64_t deadline_ms = clock_now().mono_ms + UNIX_CLIENT_TIMEOUT_MS;
    int fd = open_socket(socket_path, deadline_ms, problem);
    if (fd < 0)
        return false;
    size_t len;
    bool answered =
        stream_ask(fd, request.data, request.len, out->bytes, sizeof out->bytes - 1, &len, deadline_ms);
    int error = errno;
    close(fd);
    if (!answered)
        return failed(problem, "read from", socket_path, connect_advice(socket_path, error));
    if (!split(out, len))
        return failed(problem, "use the answer from", socket_path,
                      "it is cut short, or no answer of a sidecar");
    return true;
}

/* Our own server's JSON: the first "message" holds the text, with no escapes but those of buf_json(). */
void unix_client_explain(const struct unix_answer *answer, struct buf *out) {
    static const char key[] = "\"message\":\"";
    const char *at = strstr(answer->body, key);
    if (at == NULL) {
        size_t len = answer->body_len;
        while (len > 0 && (answer->body[len - 1] == '\n' || answer->body[len - 1] == '\r'))
            len--;
        buf_printable(out, answer->body, len, UNIX_CLIENT_PROBLEM_MAX - 256);
        return;
    }
    for (at += sizeof key - 1; *at != '\0' && *at != '"'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        buf_printable(out, at, 1, 1);
    }
}
