#include "common/http/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 53
#define REPEAT_MS 1000 /* lost packets are rare, and asking again is cheap */
#define GRACE_MS 300   /* for the other IP version, once one has addresses */
#define DATAGRAM_MAX 1500
#define TCP RESOLV_SERVERS_MAX /* its place among the descriptors */

/* Problems of a question: the server's code, or one of these. */
#define PROBLEM_SILENT 0
#define PROBLEM_STREAM 17 /* truncated, and TCP does not help */
#define PROBLEM_OS 256    /* and the system's error */

/* ---- descriptors ---- */

static void shut(struct resolver *r, size_t i) {
    if (r->fds[i] < 0)
        return;
    r->watch(r->fds[i], 0);
    close(r->fds[i]);
    r->fds[i] = -1;
}

/* What connects by UDP without a route is not to be reached; nothing is sent. */
static int connected(const struct dns_address *to, int type) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = to->ipv6 ? AF_INET6 : AF_INET};
    socklen_t len = to->ipv6 ? sizeof address.v6 : sizeof address.v4;
    memcpy(to->ipv6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr, to->bytes,
           to->ipv6 ? 16 : 4);
    address.v4.sin_port = htons(PORT); /* which is where sin6_port is, too */
    int fd = socket(address.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &address.any, len) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool open_socket(struct resolver *r, size_t i, size_t server) {
    if (r->fds[i] >= 0)
        return true;
    r->fds[i] = connected(&r->conf.servers[server], i == TCP ? SOCK_STREAM : SOCK_DGRAM);
    if (r->fds[i] < 0)
        return false;
    r->watch(r->fds[i], i == TCP ? RESOLVER_WRITE : RESOLVER_READ);
    return true;
}

/* ---- questions ---- */

static enum dns_type type_of(const struct resolver *r, const struct resolver_question *q) {
    return q == &r->questions[0] ? DNS_A : DNS_AAAA;
}

static bool other_found(const struct resolver *r, const struct resolver_question *q) {
    return r->questions[q == &r->questions[0] ? 1 : 0].state == QUESTION_FOUND;
}

/* Each server may fail as often as it may be asked; where the other IP version has addresses, once is enough.
 */
static void failed(struct resolver *r, struct resolver_question *q, unsigned problem) {
    q->problem = problem;
    if (++q->errors >= r->conf.attempts * r->conf.count || other_found(r, q))
        q->state = QUESTION_FAILED;
}

/* Of the next server; those that cannot be asked at all are passed by. */
static void ask(struct resolver *r, struct resolver_question *q) {
    unsigned char query[DNS_QUERY_MAX];
    size_t len = dns_query(r->asked, q->id, type_of(r, q), query);
    while (q->state == QUESTION_ASKED) {
        q->server = q->next++ % (unsigned)r->conf.count;
        if (open_socket(r, q->server, q->server) &&
            send(r->fds[q->server], query, len, MSG_NOSIGNAL) == (ssize_t)len)
            return;
        failed(r, q, PROBLEM_OS + (unsigned)errno);
    }
}

static void settle(struct resolver *r, struct resolver_question *q, enum dns_verdict verdict, unsigned code,
                   int64_t now_ms) {
    r->heard = true;
    q->problem = code;
    if (verdict == DNS_FOUND) {
        q->state = QUESTION_FOUND;
        r->grace_ms = now_ms + GRACE_MS;
    } else if (verdict == DNS_NONE) {
        q->state = QUESTION_NONE;
    } else if (verdict == DNS_TRUNCATED) {
        q->by_tcp = true;
        q->problem = PROBLEM_STREAM;
    } else {
        failed(r, q, code);
        ask(r, q);
    }
}

/* The question to which this is the answer; NULL if to none. */
static struct resolver_question *judge(struct resolver *r, const unsigned char *message, size_t len,
                                       enum dns_verdict *verdict, unsigned *code) {
    unsigned char query[DNS_QUERY_MAX];
    for (size_t i = 0; i < 2; i++) {
        struct resolver_question *q = &r->questions[i];
        if (q->state != QUESTION_ASKED)
            continue;
        size_t query_len = dns_query(r->asked, q->id, type_of(r, q), query);
        *verdict = dns_answer(query, query_len, message, len, &r->found, code);
        if (*verdict != DNS_NOT_OURS)
            return q;
    }
    return NULL;
}

/* ---- UDP ---- */

/* The system's error of a server's socket, "Connection refused" mostly: all that it was asked has failed. */
static void server_failed(struct resolver *r, unsigned server, int error) {
    for (size_t i = 0; i < 2; i++) {
        struct resolver_question *q = &r->questions[i];
        if (q->state != QUESTION_ASKED || q->server != server || q->by_tcp)
            continue;
        failed(r, q, PROBLEM_OS + (unsigned)error);
        ask(r, q);
    }
}

static void receive(struct resolver *r, unsigned server, int64_t now_ms) {
    enum { ROUND_MAX = 64 }; /* of whatever arrives; what is left makes the next event */
    unsigned char message[DATAGRAM_MAX];
    for (int i = 0; i < ROUND_MAX && r->fds[server] >= 0; i++) {
        ssize_t len = recv(r->fds[server], message, sizeof message, 0);
        if (len < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return;
            server_failed(r, server, errno);
            continue;
        }
        enum dns_verdict verdict;
        unsigned code = 0;
        struct resolver_question *q = judge(r, message, (size_t)len, &verdict, &code);
        if (q == NULL || q->by_tcp)
            continue;
        q->server = server;
        settle(r, q, verdict, code, now_ms);
    }
}

/* ---- TCP ---- */

static void stream_failed(struct resolver *r, struct resolver_question *q) {
    shut(r, TCP);
    q->problem = PROBLEM_STREAM;
    q->state = QUESTION_FAILED;
}

static void stream_send(struct resolver *r, struct resolver_question *q) {
    unsigned char query[2 + DNS_QUERY_MAX];
    size_t len = dns_query(r->asked, q->id, type_of(r, q), query + 2);
    query[0] = (unsigned char)(len >> 8);
    query[1] = (unsigned char)len;
    ssize_t sent = send(r->fds[TCP], query, len + 2, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return; /* not connected yet */
    if (sent != (ssize_t)(len + 2)) {
        stream_failed(r, q);
        return;
    }
    r->tcp_writing = false;
    r->watch(r->fds[TCP], RESOLVER_READ);
}

/* The length of what is to come, once its first two bytes are there. */
static size_t stream_whole(const struct resolver *r) {
    return r->stream_len < 2 ? 2 : 2 + ((size_t)r->stream[0] << 8 | r->stream[1]);
}

static void stream_receive(struct resolver *r, struct resolver_question *q, int64_t now_ms) {
    size_t whole = stream_whole(r);
    while (r->stream_len < whole) {
        ssize_t len = recv(r->fds[TCP], r->stream + r->stream_len, whole - r->stream_len, 0);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        r->stream_len += len > 0 ? (size_t)len : 0;
        whole = stream_whole(r);
        if (len <= 0 || whole > RESOLVER_STREAM_MAX) {
            stream_failed(r, q);
            return;
        }
    }
    enum dns_verdict verdict;
    unsigned code = 0;
    if (judge(r, r->stream + 2, whole - 2, &verdict, &code) != q || verdict == DNS_TRUNCATED) {
        stream_failed(r, q);
        return;
    }
    shut(r, TCP);
    q->by_tcp = false;
    settle(r, q, verdict, code, now_ms);
}

/* One question at a time. */
static void stream_step(struct resolver *r, int64_t now_ms) {
    for (size_t i = 0; i < 2; i++) {
        struct resolver_question *q = &r->questions[i];
        if (q->state != QUESTION_ASKED || !q->by_tcp)
            continue;
        if (r->fds[TCP] < 0) {
            r->tcp_writing = true;
            r->stream_len = 0;
            if (!open_socket(r, TCP, q->server)) {
                stream_failed(r, q);
                continue;
            }
        }
        if (r->tcp_writing)
            stream_send(r, q);
        if (r->fds[TCP] >= 0 && !r->tcp_writing)
            stream_receive(r, q, now_ms);
        if (r->fds[TCP] >= 0)
            return;
    }
}

/* ---- candidates ---- */

/* The name itself stands first if it has a dot, else last. False: there are no more. */
static bool next_candidate(struct resolver *r) {
    size_t len = strlen(r->name);
    bool first = r->conf.ndots == 0 || strchr(r->name, '.') != NULL, absolute = r->name[len - 1] == '.';
    char domain[DNS_NAME_MAX];
    while (true) {
        size_t n = r->candidate++;
        r->itself = first && n == 0;
        if (r->itself)
            break;
        if (absolute)
            return false;
        if (!resolv_conf_search(r->conf_file, n - (first ? 1 : 0), domain)) {
            r->itself = !first && !r->asked_itself;
            if (r->itself)
                break;
            return false;
        }
        struct buf name = BUF(r->asked);
        buf_fmt(&name, "%s.%s", r->name, domain);
        if (!name.overflow && domain[0] != '\0')
            return true;
    }
    r->asked_itself = true;
    memcpy(r->asked, r->name, len + 1);
    return true;
}

static void begin(struct resolver *r, int64_t now_ms) {
    uint16_t ids[2] = {1, 2};
    (void)!getrandom(ids, sizeof ids, GRND_NONBLOCK); /* without entropy: the ports are random still */
    int64_t limit_ms = now_ms + 1000 * (int64_t)(r->conf.timeout_s * r->conf.attempts * r->conf.count);
    r->limit_ms = limit_ms < r->end_ms ? limit_ms : r->end_ms;
    r->repeat_ms = now_ms + REPEAT_MS;
    r->heard = false;
    r->found.count = 0;
    for (size_t i = 0; i < 2; i++) {
        r->questions[i] = (struct resolver_question){.id = ids[i]};
        ask(r, &r->questions[i]);
    }
}

/* What is told in the end is what DNS said of the name itself. */
static void note_verdict(struct resolver *r) {
    if (r->outcome != RESOLVER_WORKING && !r->itself)
        return;
    const struct resolver_question *q = &r->questions[r->questions[0].state == QUESTION_FAILED ? 0 : 1];
    r->verdict = *q;
    if (q->state != QUESTION_FAILED)
        r->outcome = RESOLVER_NO_NAME;
    else if (q->problem == PROBLEM_SILENT || q->problem >= PROBLEM_OS)
        r->outcome = RESOLVER_SILENT;
    else
        r->outcome = RESOLVER_ERROR;
}

static bool asking(const struct resolver *r) {
    return r->questions[0].state == QUESTION_ASKED || r->questions[1].state == QUESTION_ASKED;
}

/* IPv6 first, where there is a way to it: who connects goes on to the others only after a while. */
static void put_in_order(struct resolver *r) {
    struct dns_addresses sorted = {.count = 0};
    bool first_v6 = false;
    for (size_t i = 0; i < r->found.count && !first_v6; i++) {
        int fd = r->found.list[i].ipv6 ? connected(&r->found.list[i], SOCK_DGRAM) : -1;
        first_v6 = fd >= 0;
        if (first_v6)
            close(fd);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < r->found.count; i++) {
            if (r->found.list[i].ipv6 == (round == 0 ? first_v6 : !first_v6))
                sorted.list[sorted.count++] = r->found.list[i];
        }
    }
    r->found = sorted;
}

static enum resolver_state end(struct resolver *r, enum resolver_state state) {
    resolver_stop(r);
    if (state == RESOLVER_FOUND)
        put_in_order(r);
    return state;
}

/* ---- the outside ---- */

bool resolver_start(struct resolver *r, const char *name, resolver_watch *watch, unsigned char *stream,
                    int64_t end_ms) {
    *r = (struct resolver){.watch = watch, .stream = stream, .end_ms = end_ms};
    r->hosts_file = RESOLV_HOSTS_FILE;
    r->conf_file = RESOLV_CONF_FILE;
    for (size_t i = 0; i < RESOLVER_SOCKETS; i++)
        r->fds[i] = -1;
    size_t len = strlen(name);
    if (len == 0 || len >= sizeof r->name)
        return false;
    memcpy(r->name, name, len + 1);
    return true;
}

static void expire(struct resolver *r, int64_t now_ms) {
    bool again = now_ms >= r->repeat_ms;
    if (again)
        r->repeat_ms = now_ms + REPEAT_MS;
    for (size_t i = 0; i < 2; i++) {
        struct resolver_question *q = &r->questions[i];
        if (q->state != QUESTION_ASKED)
            continue;
        if (now_ms >= r->limit_ms || (other_found(r, q) && now_ms >= r->grace_ms))
            q->state = QUESTION_FAILED;
        else if (again && !q->by_tcp)
            ask(r, q);
    }
}

static int64_t next_deadline(const struct resolver *r) {
    int64_t next = r->limit_ms < r->repeat_ms ? r->limit_ms : r->repeat_ms;
    bool found = r->questions[0].state == QUESTION_FOUND || r->questions[1].state == QUESTION_FOUND;
    return found && r->grace_ms < next ? r->grace_ms : next;
}

static enum resolver_state first_step(struct resolver *r, int64_t now_ms) {
    r->started = true;
    if (resolv_hosts(r->hosts_file, r->name, &r->found))
        return end(r, RESOLVER_FOUND);
    resolv_conf_read(r->conf_file, &r->conf);
    if (r->conf.count == 0)
        return RESOLVER_SILENT;
    next_candidate(r);
    begin(r, now_ms);
    return RESOLVER_WORKING;
}

enum resolver_state resolver_step(struct resolver *r, int64_t now_ms) {
    if (!r->started) {
        enum resolver_state state = first_step(r, now_ms);
        if (state != RESOLVER_WORKING)
            return state;
    }
    for (unsigned i = 0; i < r->conf.count; i++)
        receive(r, i, now_ms);
    stream_step(r, now_ms);
    expire(r, now_ms);
    while (!asking(r)) {
        if (r->found.count > 0)
            return end(r, RESOLVER_FOUND);
        note_verdict(r);
        if (!r->heard || now_ms >= r->end_ms || !next_candidate(r))
            return end(r, r->outcome);
        begin(r, now_ms);
    }
    r->deadline_ms = next_deadline(r);
    return RESOLVER_WORKING;
}

void resolver_stop(struct resolver *r) {
    for (size_t i = 0; i < RESOLVER_SOCKETS; i++)
        shut(r, i);
}

static void put_server(const struct resolver *r, struct buf *out) {
    char text[INET6_ADDRSTRLEN] = "";
    const struct dns_address *server = &r->conf.servers[r->verdict.server];
    (void)inet_ntop(server->ipv6 ? AF_INET6 : AF_INET, server->bytes, text, sizeof text);
    buf_str(out, text);
}

static void put_code(unsigned code, struct buf *out) {
    if (code == DNS_CODE_SERVFAIL)
        buf_str(out, "SERVFAIL");
    else if (code == DNS_CODE_REFUSED)
        buf_str(out, "REFUSED");
    else if (code == DNS_CODE_MALFORMED)
        buf_str(out, "something that is not a DNS answer");
    else if (code == PROBLEM_STREAM)
        buf_str(out, "more than fits by UDP, and nothing by TCP");
    else
        buf_fmt(out, "error %u", code);
}

void resolver_describe(const struct resolver *r, struct buf *out) {
    unsigned problem = r->verdict.problem;
    if (r->conf.count == 0) {
        buf_str(out, "no nameserver in " RESOLV_CONF_FILE " is a numeric address");
        return;
    }
    if (r->outcome == RESOLVER_SILENT) {
        buf_str(out, "nameserver ");
        put_server(r, out);
        buf_fmt(out, " port %d: %s", PORT,
                problem >= PROBLEM_OS ? strerror((int)(problem - PROBLEM_OS)) : "no answer");
        return;
    }
    buf_str(out, "nameserver ");
    put_server(r, out);
    if (r->outcome == RESOLVER_NO_NAME) {
        buf_str(out, problem == DNS_CODE_NXDOMAIN ? " knows no such name" : " knows no address of that name");
        return;
    }
    buf_str(out, " answered ");
    put_code(problem, out);
}
