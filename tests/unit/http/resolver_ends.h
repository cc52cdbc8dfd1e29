/* For the tests of the resolver: its sockets are pairs in memory, of which the test holds the servers' ends;
 * resolv.conf and hosts are files of the test. To be linked with --wrap of socket, connect and recv. */
#ifndef POD_IDENTITY_TESTS_RESOLVER_ENDS_H
#define POD_IDENTITY_TESTS_RESOLVER_ENDS_H

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/resolver.h"

#define STARTED_MS 5000
#define LATEST_MS 60000
#define SOCKETS_MAX 64

/* ---- the system, as the resolver sees it ---- */

static struct end {
    int ours, theirs; /* -1: closed */
    int type;
    char address[64];
    int watched;
} ends[SOCKETS_MAX];
static size_t end_count;
static const char *unreachable; /* connecting there fails */

static int refusing = -1; /* a descriptor on which the next recv() fails so */

int __wrap_socket(int family, int type, int protocol);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);

int __wrap_socket(int family, int type, int protocol) {
    int pair[2];
    (void)family, (void)protocol;
    assert_true((type & SOCK_NONBLOCK) != 0 && (type & SOCK_CLOEXEC) != 0);
    assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
    assert_true(end_count < SOCKETS_MAX);
    ends[end_count++] =
        (struct end){.ours = pair[0], .theirs = pair[1], .type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)};
    return pair[0];
}

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags) {
    if (fd != refusing)
        return __real_recv(fd, bytes, len, flags);
    refusing = -1;
    errno = ECONNREFUSED;
    return -1;
}

static struct end *of(int fd) {
    for (size_t i = end_count; i > 0; i--) { /* the newest of that number */
        if (ends[i - 1].ours == fd)
            return &ends[i - 1];
    }
    fail_msg("no socket %d", fd);
    return NULL;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len) {
    struct end *e = of(fd);
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    bool ipv6 = address->sa_family == AF_INET6;
    assert_int_equal(len, ipv6 ? sizeof *v6 : sizeof *v4);
    inet_ntop(address->sa_family, ipv6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, host,
              sizeof host);
    snprintf(e->address, sizeof e->address, "%s:%u", host, ntohs(ipv6 ? v6->sin6_port : v4->sin_port));
    if (unreachable != NULL && strstr(e->address, unreachable) != NULL) {
        errno = ENETUNREACH;
        return -1;
    }
    errno = EINPROGRESS;
    return e->type == SOCK_STREAM ? -1 : 0;
}

static void watch(int fd, int events) {
    struct end *e = of(fd);
    e->watched = events;
    if (events == 0)
        e->ours = -1; /* it is closed now */
}

/* ---- the test's side ---- */

static struct resolver r;
static unsigned char stream[RESOLVER_STREAM_MAX];
static const char *conf_path, *hosts_path;

static int fresh(void **state) {
    (void)state;
    for (size_t i = 0; i < end_count; i++) {
        if (ends[i].theirs >= 0)
            close(ends[i].theirs);
    }
    end_count = 0;
    unreachable = NULL;
    static char conf[256], hosts[256];
    conf_path = strcpy(conf, scratch_path("resolv.conf"));
    hosts_path = strcpy(hosts, scratch_path("hosts"));
    write_file(hosts_path, "127.0.0.1 localhost\n", 20);
    return 0;
}

static void begin(const char *name, const char *conf) {
    write_file(conf_path, conf, strlen(conf));
    assert_true(resolver_start(&r, name, watch, stream, LATEST_MS));
    r.conf_file = conf_path;
    r.hosts_file = hosts_path;
}

static void step(int64_t ms, enum resolver_state expected) {
    enum resolver_state state = resolver_step(&r, ms);
    if (state != expected)
        fail_msg("at %lld: %d, not %d", (long long)ms, (int)state, (int)expected);
    for (size_t i = 0; state != RESOLVER_WORKING && i < RESOLVER_SOCKETS; i++)
        assert_int_equal(r.fds[i], -1);
}

static inline void says(const char *expected) {
    char text[256];
    struct buf out = BUF(text);
    resolver_describe(&r, &out);
    assert_string_equal(text, expected);
}

struct query {
    unsigned char bytes[DNS_QUERY_MAX + 2];
    size_t len;
    struct end *at;
};

/* The next datagram that was sent to that server: it must ask for that name and type. */
static inline struct query asked(const char *address, const char *name, enum dns_type type) {
    struct query q = {.at = NULL};
    unsigned char want[DNS_QUERY_MAX];
    for (size_t i = 0; i < end_count && q.at == NULL; i++) {
        if (strcmp(ends[i].address, address) == 0 && ends[i].type == SOCK_DGRAM && ends[i].ours >= 0)
            q.at = &ends[i];
    }
    if (q.at == NULL)
        fail_msg("%s was not asked", address);
    ssize_t len = recv(q.at->theirs, q.bytes, sizeof q.bytes, MSG_DONTWAIT);
    if (len <= 12)
        fail_msg("%s was sent nothing", address);
    q.len = (size_t)len;
    size_t want_len = dns_query(name, (uint16_t)(q.bytes[0] << 8 | q.bytes[1]), type, want);
    assert_int_equal(q.len, want_len);
    assert_memory_equal(q.bytes, want, want_len);
    return q;
}

static inline void nothing_asked(void) {
    char byte;
    for (size_t i = 0; i < end_count; i++)
        assert_true(ends[i].ours < 0 || recv(ends[i].theirs, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0);
}

/* An answer with these flags, and addresses of one byte each, behind those that all have alike. */
static size_t make(const struct query *q, unsigned flags, const char *last_bytes, unsigned char *out) {
    bool ipv6 = q->bytes[q->len - 3] == DNS_AAAA;
    size_t len = q->len;
    memcpy(out, q->bytes, len);
    out[2] = (unsigned char)(flags >> 8), out[3] = (unsigned char)flags;
    out[7] = (unsigned char)strlen(last_bytes);
    for (; *last_bytes != '\0'; last_bytes++) {
        const unsigned char head[] = {0xC0, 12, 0, ipv6 ? 28 : 1, 0, 1, 0, 0, 0, 60, 0, ipv6 ? 16 : 4};
        memcpy(out + len, head, sizeof head);
        len += sizeof head;
        memset(out + len, 0x20, 16);
        len += ipv6 ? 16 : 4;
        out[len - 1] = (unsigned char)*last_bytes;
    }
    return len;
}

static inline void answer(const struct query *q, unsigned flags, const char *last_bytes) {
    unsigned char out[1024];
    size_t len = make(q, flags, last_bytes, out);
    assert_int_equal(send(q->at->theirs, out, len, 0), len);
}

#define FINE 0x8180
#define SERVFAIL 0x8182
#define NXDOMAIN 0x8183
#define TRUNCATED 0x8380

#define NAME "sts.example.com"
#define ONE "nameserver 10.0.0.1\n"
#define FIRST "10.0.0.1:53"
#define SECOND "10.0.0.2:53"

#endif
