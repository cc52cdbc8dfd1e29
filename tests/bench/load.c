/* Clients of one HTTP server: each sends a request, waits for the whole answer, and sends the next.
 *
 * load PATH|PORT REQUEST-FILE CLIENTS MILLISECONDS keep|close
 *
 * keep: each client keeps its connection; close: each request has a connection of its own (REQUEST-FILE then
 * says "Connection: close"), timed from before connect to the end of the stream. Prints one JSON object. An
 * answer that is not a 200 counts as an error, and so does a connection that ends too early. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 2000
#define REQUEST_MAX 8192
#define ANSWER_MAX 16384
#define STEP_NS 100    /* latencies are counted in steps of so much; */
#define STEPS 10000000 /* beyond a second they all count as one */

struct client {
    int fd;
    size_t got, expected; /* bytes of the answer; expected is 0 until its head is whole */
    int64_t began_ns;
};

static struct client clients[CLIENTS_MAX];
static unsigned histogram[STEPS + 1];
static char request[REQUEST_MAX], answer[ANSWER_MAX];
static size_t request_len;
static unsigned long done, errors;
static bool keep;
static const char *where;
static int epoll;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Each connection comes from the next of many loopback addresses: their ports do not run out while the old
 * ones rest in TIME_WAIT. */
static int connect_tcp(uint16_t port) {
    static uint32_t turn;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F010001U + turn++ % 200)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail("connect");
    return fd;
}

static int connect_unix(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", where);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail(where);
    return fd;
}

static void begin(struct client *c) {
    c->got = c->expected = 0;
    c->began_ns = now_ns();
    if (c->fd < 0) {
        c->fd = where[0] == '/' ? connect_unix() : connect_tcp((uint16_t)strtoul(where, NULL, 10));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            fail("epoll_ctl");
    }
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
        errors++;
}

static void end(struct client *c, bool good) {
    int64_t took = (now_ns() - c->began_ns) / STEP_NS;
    histogram[took > STEPS ? STEPS : took]++;
    done++;
    if (!good)
        errors++;
    if (!keep || !good) {
        close(c->fd);
        c->fd = -1;
    }
    begin(c);
}

/* The length of the answer whose first bytes are there; 0 if the head is not whole. */
static size_t answer_length(size_t len) {
    answer[len] = '\0';
    char *blank = strstr(answer, "\r\n\r\n");
    const char *length = strcasestr(answer, "\r\nContent-Length:");
    if (blank == NULL || length == NULL || strncmp(answer, "HTTP/1.1 200", 12) != 0)
        return 0;
    return (size_t)(blank + 4 - answer) + strtoul(length + 17, NULL, 10);
}

static void on_readable(struct client *c) {
    ssize_t n = recv(c->fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && c->got == 0)
        c->expected = answer_length((size_t)n);
    bool broken = n > 0 && c->expected == 0;
    if (n > 0)
        c->got += (size_t)n;
    bool whole = c->got == c->expected && c->expected > 0;
    if (n <= 0 || broken || (keep && whole))
        end(c, whole);
}

/* In nanoseconds. Whole numbers throughout: the printf of this C library has no floats. */
static unsigned long percentile(unsigned long percent) {
    unsigned long rank = done * percent / 100, seen = 0;
    for (size_t i = 0; i <= STEPS; i++) {
        seen += histogram[i];
        if (seen > rank)
            return i * STEP_NS;
    }
    return 0;
}

static void run(int count, int64_t for_ns) {
    struct epoll_event events[256];
    int64_t started, now;
    for (int i = 0; i < count; i++) {
        clients[i].fd = -1;
        begin(&clients[i]);
    }
    now = started = now_ns();
    while (now - started < for_ns) {
        int ready = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < ready; i++)
            on_readable(events[i].data.ptr);
        now = now_ns();
    }
    unsigned long per_second = done * 1000000 / (unsigned long)((now - started) / 1000);
    unsigned long p50 = percentile(50), p99 = percentile(99);
    printf("{\"requests\": %lu, \"errors\": %lu, \"per_second\": %lu, \"p50_us\": %lu.%03lu, \"p99_us\": "
           "%lu.%03lu}\n",
           done, errors, per_second, p50 / 1000, p50 % 1000, p99 / 1000, p99 % 1000);
}

int main(int argc, char **argv) {
    if (argc != 6)
        return 64;
    where = argv[1];
    keep = strcmp(argv[5], "keep") == 0;
    int file = open(argv[2], O_RDONLY | O_CLOEXEC), count = (int)strtol(argv[3], NULL, 10);
    ssize_t n = read(file, request, sizeof request);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (n <= 0 || count < 1 || count > CLIENTS_MAX || epoll < 0)
        return 64;
    request_len = (size_t)n;
    run(count, strtoll(argv[4], NULL, 10) * 1000000);
    return 0;
}
