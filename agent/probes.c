#include "agent/probes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/trust.h"
#include "common/base/clock.h"
#include "common/base/number.h"
#include "common/serve/stream.h"

#define READY "ok\n"
#define ANSWER_MAX 8192 /* what /readyz says has some lines */
#define TIMEOUT_MS 5000 /* for all of it: the agent answers from memory */

static struct {
    enum probes_address state;
    char detail[PROBES_DETAIL_MAX];
} addresses[FLAGS_HOSTS_MAX];

void probes_set(size_t i, enum probes_address state, const char *detail) {
    struct buf text = BUF(addresses[i].detail);
    addresses[i].state = state;
    buf_reset(&text);
    if (detail != NULL)
        buf_printable(&text, detail, strlen(detail), sizeof addresses[i].detail - 4);
}

static size_t count(const struct settings *settings, enum probes_address state) {
    size_t n = 0;
    for (size_t i = 0; i < settings->host_count; i++)
        n += addresses[i].state == state;
    return n;
}

static bool is_bound(const struct settings *settings) {
    size_t bound = count(settings, PROBES_BOUND);
    return bound > 0 && bound + count(settings, PROBES_ABSENT) == settings->host_count;
}

static bool is_trusting(const struct settings *settings) {
    return settings->association_count == 0 || trust_ready();
}

bool probes_ready(const struct settings *settings) {
    return is_bound(settings) && is_trusting(settings);
}

/* ---- the server's side ---- */

static void explain(const struct settings *settings, struct buf *body) {
    if (!is_trusting(settings))
        trust_explain(body);
    if (count(settings, PROBES_ABSENT) == settings->host_count) {
        buf_str(body,
                "not ready: this node has none of the addresses that pods ask at: run `pod-identity-agent "
                "initialize` on it, in an init container\n");
        return;
    }
    for (size_t i = 0; i < settings->host_count; i++) {
        enum probes_address state = addresses[i].state;
        if (state == PROBES_BOUND || state == PROBES_ABSENT)
            continue;
        buf_fmt(body, "not ready: %s:%u is not bound%s%s\n", settings->hosts[i].text,
                (unsigned)settings->port, addresses[i].detail[0] != '\0' ? ": " : " yet",
                addresses[i].detail);
    }
}

int probes_answer(const struct settings *settings, const char *path, struct buf *body) {
    if (strcmp(path, "/healthz") == 0 || (strcmp(path, "/readyz") == 0 && probes_ready(settings))) {
        buf_str(body, READY);
        return 200;
    }
    if (strcmp(path, "/readyz") == 0) {
        explain(settings, body);
        return 503;
    }
    buf_str(body, "404 page not found\n");
    return 404;
}

/* ---- the command ---- */

static bool connect_to(int fd, uint16_t port, int64_t deadline_ms) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int error = 0;
    socklen_t len = sizeof error;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    if (errno != EINPROGRESS || !stream_wait(fd, POLLOUT, deadline_ms) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return false;
    errno = error;
    return error == 0;
}

static bool ask(int fd, uint16_t port, int64_t deadline_ms, char out[ANSWER_MAX], size_t *len) {
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    return fd >= 0 && connect_to(fd, port, deadline_ms) &&
           stream_ask(fd, request, sizeof request - 1, out, ANSWER_MAX, len, deadline_ms);
}

static bool unanswered(uint16_t port, int error, struct buf *problem) {
    buf_fmt(problem, "cannot ask for /readyz at 127.0.0.1:%u: ", (unsigned)port);
    if (error == ECONNREFUSED)
        buf_str(problem, "nobody listens there: the server is not running, or has another --probe-port");
    else if (error == ETIMEDOUT)
        buf_str(problem, "no answer within 5 s: the server hangs, or another program has that port");
    else
        buf_fmt(problem, "%s (errno %d)", strerror(error), error);
    return false;
}

bool probe(const struct settings *settings, struct buf *problem) {
    static const char head[] = "HTTP/1.1 ";
    static char answer[ANSWER_MAX + 1];
    int64_t deadline_ms = clock_now().mono_ms + TIMEOUT_MS;
    if (settings->probe_port == 0) {
        buf_str(problem, "--probe-port is 0: the server does not listen for probes");
        return false;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t len;
    bool answered = ask(fd, settings->probe_port, deadline_ms, answer, &len);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (!answered)
        return unanswered(settings->probe_port, error, problem);
    answer[len] = '\0';
    const char *body = strstr(answer, "\r\n\r\n");
    bool http = body != NULL && strncmp(answer, head, sizeof head - 1) == 0;
    uint32_t status = 0;
    if (http)
        (void)number_read(answer + sizeof head - 1, 10, 999, &status);
    if (status == 200 && strcmp(body + 4, READY) == 0)
        return true;
    if (status == 503 && strncmp(body + 4, "not ready: ", 11) == 0) {
        body += 4;
        for (size_t line; *body != '\0'; body += line + (body[line] == '\n')) {
            line = strcspn(body, "\n");
            buf_str(problem, problem->len > 0 ? "; " : "");
            buf_printable(problem, body, line, 400);
        }
        return false;
    }
    buf_fmt(problem, "what answers at 127.0.0.1:%u is not this agent's server",
            (unsigned)settings->probe_port);
    if (status > 0)
        buf_fmt(problem, " (status %u)", (unsigned)status);
    return false;
}
