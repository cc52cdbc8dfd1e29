/* Clients of one HTTP server: each sends a request, waits for the whole answer, and sends the next.
 *
 * load PATH|PORT REQUEST-FILE CLIENTS MILLISECONDS keep|close [RATE]
 *
 * REQUEST-FILE may hold several requests, which are sent in turn, whichever client's turn it is. With RATE so
 * many requests a second are sent in all, each by the next client that has its answer.
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
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 2000
#define REQUESTS_MAX 2000
#define REQUEST_BYTES_MAX (REQUESTS_MAX * 4096) /* of all */
#define ANSWER_MAX 16384
#define STEP_NS 100    /* latencies are counted in steps of so much; */
#define STEPS 10000000 /* beyond a second they all count as one */

struct client {
    int fd;
    size_t got, expected; /* bytes of the answer; expected is 0 until its head is whole */
    int64_t began_ns;     /* 0: it waits for its turn */
};

static struct client clients[CLIENTS_MAX];
static unsigned histogram[STEPS + 1];
static char request_bytes[REQUEST_BYTES_MAX + 1], answer[ANSWER_MAX];
static struct {
    const char *text;
    size_t len;
} requests[REQUESTS_MAX];
static size_t request_count, request_turn;
static long rate; /* 0: as fast as answers come */
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

static void connect_client(struct client *c) {
    if (c->fd < 0) {
        c->fd = where[0] == '/' ? connect_unix() : connect_tcp((uint16_t)strtoul(where, NULL, 10));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            fail("epoll_ctl");
    }
}

static void begin(struct client *c) {
    size_t turn = request_turn++ % request_count;
    c->got = c->expected = 0;
    c->began_ns = now_ns();
    connect_client(c);
    if (send(c->fd, requests[turn].text, requests[turn].len, MSG_NOSIGNAL) != (ssize_t)requests[turn].len)
        errors++;
}

static void end(struct client *c, bool good) {
    int64_t took = (now_ns() - c->began_ns) / STEP_NS;
    if (c->began_ns != 0) {
        histogram[took > STEPS ? STEPS : took]++;
        done++;
    }
    if (!good)
        errors++;
    if (!keep || !good) {
        close(c->fd);
        c->fd = -1;
    }
    c->got = c->expected = 0;
    c->began_ns = 0;
    if (rate == 0)
        begin(c);
    else
        connect_client(c);
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

/* A clock that ticks RATE times a second. */
static int open_ticks(void) {
    const struct timespec each = {.tv_nsec = 1000000000 / rate};
    const struct itimerspec times = {each, each};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0 || timerfd_settime(fd, 0, &times, NULL) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("timerfd");
    return fd;
}

/* Those that are due, by the next clients that have their answer; what nobody is free for is not sent. */
static void on_ticks(int ticks, int count) {
    static int turn;
    uint64_t due = 0;
    if (read(ticks, &due, sizeof due) != sizeof due)
        return;
    for (int tried = 0; due > 0 && tried < count; tried++) {
        struct client *c = &clients[turn++ % count];
        if (c->began_ns == 0) {
            begin(c);
            due--;
        }
    }
}

static void run(int count, int64_t for_ns) {
    struct epoll_event events[256];
    int64_t started, now;
    for (int i = 0; i < count; i++) {
        clients[i].fd = -1;
        if (rate == 0)
            begin(&clients[i]);
        else
            connect_client(&clients[i]);
    }
    int ticks = rate == 0 ? -1 : open_ticks();
    now = started = now_ns();
    while (now - started < for_ns) {
        int ready = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                on_ticks(ticks, count);
            else
                on_readable(events[i].data.ptr);
        }
        now = now_ns();
    }
    unsigned long per_second = done * 1000000 / (unsigned long)((now - started) / 1000);
    unsigned long p50 = percentile(50), p99 = percentile(99);
    printf("{\"requests\": %lu, \"errors\": %lu, \"per_second\": %lu, \"p50_us\": %lu.%03lu, \"p99_us\": "
           "%lu.%03lu}\n",
           done, errors, per_second, p50 / 1000, p50 % 1000, p99 / 1000, p99 % 1000);
}

/* False if the file holds no whole request, or more than there is room for. */
static bool load_requests(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    for (ssize_t n; (n = read(file, request_bytes + len, REQUEST_BYTES_MAX - len)) > 0;)
        len += (size_t)n;
    close(file);
    const char *at = request_bytes;
    for (const char *blank; (blank = strstr(at, "\r\n\r\n")) != NULL; at = blank + 4) {
        if (request_count == REQUESTS_MAX)
            return false;
        requests[request_count].text = at;
        requests[request_count++].len = (size_t)(blank + 4 - at);
    }
    return request_count > 0 && at == request_bytes + len && len < REQUEST_BYTES_MAX;
}

int main(int argc, char **argv) {
    if (argc != 6 && argc != 7)
        return 64;
    where = argv[1];
    keep = strcmp(argv[5], "keep") == 0;
    rate = argc == 7 ? strtol(argv[6], NULL, 10) : 0;
    int count = (int)strtol(argv[3], NULL, 10);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load_requests(argv[2]) || count < 1 || count > CLIENTS_MAX || epoll < 0 || rate < 0)
        return 64;
    run(count, strtoll(argv[4], NULL, 10) * 1000000);
    return 0;
}
