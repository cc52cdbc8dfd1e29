/* The least that a server can do for an HTTP answer: what `pod-identity-sidecar serve` is measured against,
 * and, with a rate, the agent of a node. Built and linked as our programs are.
 *
 * bare_server PATH|PORT KEEP-FILE CLOSE-FILE [RATE BURST REFUSE-FILE]
 *
 * Answers whatever comes with the bytes of KEEP-FILE, or, if the request says "Connection: close", with those
 * of CLOSE-FILE and the end of the connection. With RATE, requests beyond it (a token bucket, filled at
 * first) get REFUSE-FILE. Prints its port or path when it listens; on SIGTERM counts, as JSON, and ends. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 16384
#define REQUEST_MAX 65536 /* an agent's client sends a token */
#define CONNECTIONS_MAX 4096
#define SLOT_MS 100 /* requests are counted by so much time */
#define SLOTS_MAX 3000

struct answer {
    size_t len;
    char bytes[ANSWER_MAX];
};

static struct answer keep, closing, refusal;
static double rate, burst, bucket, filled_at;
static unsigned answered, refused, slots[SLOTS_MAX];
static char request[REQUEST_MAX];
static char tails[CONNECTIONS_MAX][4]; /* the last bytes of a request that came in pieces */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void load_answer(struct answer *a, const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(file, a->bytes, sizeof a->bytes);
    if (n <= 0) {
        perror(path);
        exit(1);
    }
    a->len = (size_t)n;
    close(file);
}

static int listen_at(const char *where) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool unix_socket = where[0] == '/';
    int on = 1, type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(unix_socket ? AF_UNIX : AF_INET, type, 0);
    snprintf(local.sun_path, sizeof local.sun_path, "%s", where);
    loopback.sin_port = htons((uint16_t)strtoul(where, NULL, 10));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int bound = unix_socket ? bind(fd, (struct sockaddr *)&local, sizeof local)
                            : bind(fd, (struct sockaddr *)&loopback, sizeof loopback);
    if (bound != 0 || listen(fd, CONNECTIONS_MAX) != 0) {
        perror(where);
        exit(1);
    }
    socklen_t len = sizeof loopback;
    if (!unix_socket && getsockname(fd, (struct sockaddr *)&loopback, &len) == 0)
        printf("%u\n", (unsigned)ntohs(loopback.sin_port));
    else
        puts(where);
    fflush(stdout);
    return fd;
}

/* Whether the bucket has a token for one more request. Counts both kinds. */
static bool allowed(double started) {
    double now = seconds();
    size_t slot = (size_t)((now - started) * 1000 / SLOT_MS);
    if (slot < SLOTS_MAX)
        slots[slot]++;
    bucket += (now - filled_at) * rate;
    filled_at = now;
    bucket = bucket > burst ? burst : bucket;
    if (bucket < 1) {
        refused++;
        return false;
    }
    bucket -= 1;
    answered++;
    return true;
}

/* Whether the request ends with these bytes; a whole one in a piece, as a rule. */
static bool request_ends(int fd, size_t len) {
    if (len >= 4)
        return memcmp(request + len - 4, "\r\n\r\n", 4) == 0;
    char *tail = tails[fd];
    memmove(tail, tail + len, 4 - len);
    memcpy(tail + 4 - len, request, len);
    return memcmp(tail, "\r\n\r\n", 4) == 0;
}

static void on_connection(int fd, double started) {
    ssize_t n = recv(fd, request, sizeof request, 0);
    if (n <= 0) {
        close(fd);
        return;
    }
    if (!request_ends(fd, (size_t)n)) {
        if (n >= 4)
            memcpy(tails[fd], request + n - 4, 4);
        return;
    }
    bool close_after = memmem(request, (size_t)n, "\r\nConnection: close", 19) != NULL;
    const struct answer *a = close_after ? &closing : &keep;
    if (rate > 0 && !allowed(started))
        a = &refusal;
    ssize_t sent = send(fd, a->bytes, a->len, MSG_NOSIGNAL);
    if (close_after || sent != (ssize_t)a->len)
        close(fd);
}

static void on_listener(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= CONNECTIONS_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
    }
}

static void report(void) {
    unsigned peak_slot = 0, peak_second = 0, second = 0;
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        second += slots[i] - (i >= 1000 / SLOT_MS ? slots[i - 1000 / SLOT_MS] : 0);
        peak_second = second > peak_second ? second : peak_second;
        peak_slot = slots[i] > peak_slot ? slots[i] : peak_slot;
    }
    printf("{\"answered\": %u, \"refused\": %u, \"peak_in_1s\": %u, \"peak_in_100ms\": %u}\n", answered,
           refused, peak_second, peak_slot);
}

static void serve(int listener, int signals) {
    struct epoll_event events[64];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    double started = filled_at = seconds();
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = i == 0 ? listener : signals};
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == signals)
                return;
            if (events[i].data.fd == listener)
                on_listener(epoll, listener);
            else
                on_connection(events[i].data.fd, started);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 7)
        return 64;
    load_answer(&keep, argv[2]);
    load_answer(&closing, argv[3]);
    if (argc == 7) {
        rate = strtod(argv[4], NULL);
        burst = bucket = strtod(argv[5], NULL);
        load_answer(&refusal, argv[6]);
    }
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, NULL);
    serve(listen_at(argv[1]), signalfd(-1, &terminate, SFD_CLOEXEC));
    report();
    return 0;
}
