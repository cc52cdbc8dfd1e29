/* The HTTP client as the programs drive it: common/http and the real libcurl, over real sockets, driven by an
 * event loop or by http_wait(). The input is two bytes that say how (see below), and what the server, or the
 * proxy, sends.
 *
 * Whatever comes: one verdict, in words that are printable and hold no secret; an answer only if it is whole,
 * with nothing of another answer in it; no connection to anybody else; and nothing left over. Where the
 * answer is one that a strict reader understands, the client must have understood the same. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/strict_answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http/http.h"

/* The first byte. */
enum { PLAIN, THROUGH_PROXY, TUNNEL, OVER_TLS, KINDS };
#define KIND(byte) ((byte)&3)
#define BY_WAITING 0x04
#define WITH_BODY 0x08
enum { END_CLOSE, END_RESET, END_HALF, END_SILENT };
#define END(byte) (((byte) >> 4) & 3)
#define EARLY 0x40 /* the server does not wait for the request */
#define AGAIN 0x80 /* the first answer starts the transfer anew, as the next request of a fetch does */
/* The second: into what pieces the answer is cut, and whether the client gives up midway. */
#define SPLIT(byte) ((byte)&0x3F)
#define GIVES_UP 0x40

#define TOKEN "tokenOfTheFuzzerThatNobodyElseSees"
#define PASSWORD "passwordOfTheProxy"
#define BASIC "Basic dXNlcjpwYXNzd29yZE9mVGhlUHJveHk="
#define SILENCE_MS 15
#define LONG_MS 4000
#define WATCHED_MAX 64

static struct http_transfer transfer;
static struct {
    uint8_t how, split;
    const uint8_t *bytes;
    size_t len;
} in;
static char url[128], origin[64];
static unsigned done_count;
static bool answered;

/* ---- the server ---- */

static struct {
    int listener, fd;
    uint16_t port;
    unsigned accepted, steps;
    bool asked, ended;
    size_t sent, request_len;
    char request[8192];
} server;

static void server_forget(void) {
    if (server.fd >= 0)
        close(server.fd);
    server.fd = -1;
}

static void server_accept(void) {
    const int on = 1;
    int fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    server_forget();
    server.fd = fd;
    server.accepted++;
    server.asked = server.ended = false;
    server.sent = server.request_len = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void server_read(void) {
    while (server.fd >= 0 && server.request_len < sizeof server.request - 1) {
        ssize_t n = recv(server.fd, server.request + server.request_len,
                         sizeof server.request - 1 - server.request_len, 0);
        if (n <= 0)
            break;
        server.request_len += (size_t)n;
    }
    server.request[server.request_len] = '\0';
    server.asked = server.asked || (in.how & EARLY) != 0 || strstr(server.request, "\r\n\r\n") != NULL ||
                   (KIND(in.how) == OVER_TLS && server.request_len > 0);
}

static void server_end(void) {
    const struct linger reset = {1, 0};
    server.ended = true;
    if (END(in.how) == END_RESET)
        setsockopt(server.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (END(in.how) == END_HALF)
        shutdown(server.fd, SHUT_WR);
    if (END(in.how) == END_CLOSE || END(in.how) == END_RESET)
        server_forget();
}

/* One piece each time. */
static void server_step(void) {
    server.steps++;
    server_accept();
    if (server.fd < 0)
        return;
    server_read();
    if (!server.asked || server.ended)
        return;
    size_t left = in.len - server.sent, piece = SPLIT(in.split);
    if (piece == 0 || piece > left)
        piece = left;
    else if (piece > 32)
        piece = piece * 61 < left ? piece * 61 : left;
    ssize_t n = piece > 0 ? send(server.fd, in.bytes + server.sent, piece, MSG_NOSIGNAL) : 0;
    if (n > 0)
        server.sent += (size_t)n;
    if (server.sent == in.len || (n < 0 && errno != EAGAIN))
        server_end();
}

/* ---- the system, as the client sees it ---- */

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);

/* http_wait() waits here. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
    server_step();
    return __real_poll(fds, count, timeout < 2 ? timeout : 2);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len) {
    const struct sockaddr_in *to = (const struct sockaddr_in *)(const void *)address;
    HOLDS(address->sa_family == AF_INET && to->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    HOLDS(ntohs(to->sin_port) == server.port);
    return __real_connect(fd, address, len);
}

static struct pollfd watched[WATCHED_MAX];
static size_t watched_count;
static int64_t timer_due_ms = CLOCK_NEVER;

static struct moment real_time_of_2027(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct moment){.mono_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000, .wall_ms = 1800000000000};
}

static void watch(void *context, int fd, int events) {
    size_t i = 0;
    (void)context;
    while (i < watched_count && watched[i].fd != fd)
        i++;
    if (events == 0) {
        if (i < watched_count)
            watched[i] = watched[--watched_count];
        return;
    }
    HOLDS(i < WATCHED_MAX);
    watched[i] = (struct pollfd){.fd = fd,
                                 .events = (short)(((events & HTTP_READ) != 0 ? POLLIN : 0) |
                                                   ((events & HTTP_WRITE) != 0 ? POLLOUT : 0))};
    if (i == watched_count)
        watched_count++;
}

static void set_timer(void *context, int64_t delay_ms) {
    (void)context;
    timer_due_ms = delay_ms < 0 ? CLOCK_NEVER : clock_now().mono_ms + delay_ms;
}

/* As the sidecar's loop does. */
static void loop_once(void) {
    struct pollfd fds[WATCHED_MAX];
    size_t count = watched_count;
    server_step();
    memcpy(fds, watched, sizeof fds);
    int ready = __real_poll(fds, count, (int)clock_until(timer_due_ms, clock_now().mono_ms, 2));
    for (size_t i = 0; ready > 0 && i < count; i++) {
        int events = ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 ? HTTP_READ : 0) |
                     ((fds[i].revents & POLLOUT) != 0 ? HTTP_WRITE : 0);
        if (events != 0)
            http_socket(fds[i].fd, events);
    }
    if (timer_due_ms <= clock_now().mono_ms) {
        timer_due_ms = CLOCK_NEVER;
        http_timer();
    }
}

/* ---- invariants ---- */

static bool holds_word(const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= in.len; i++) {
        if (strncasecmp((const char *)in.bytes + i, word, len) == 0)
            return true;
    }
    return false;
}

static void check_text(const char *text, size_t max) {
    HOLDS(strlen(text) < max);
    for (const char *c = text; *c != '\0'; c++)
        HOLDS(*c >= ' ' && *c <= '~');
    HOLDS(strstr(text, TOKEN) == NULL || holds_word(TOKEN));
    HOLDS(strstr(text, PASSWORD) == NULL || holds_word(PASSWORD));
    HOLDS(strstr(text, BASIC) == NULL || holds_word(BASIC));
}

/* Every byte of the body came, in this order. */
static void check_body(const struct http_response *r) {
    size_t at = 0;
    HOLDS(r->body_len <= HTTP_BODY_MAX && r->body[r->body_len] == '\0');
    for (size_t i = 0; i < r->body_len; i++, at++) {
        const uint8_t *found = memchr(in.bytes + at, r->body[i], in.len - at);
        HOLDS(found != NULL);
        at = (size_t)(found - in.bytes);
    }
}

/* An empty line ends the head of each answer. */
static bool holds_a_head(void) {
    return memmem(in.bytes, in.len, "\n\n", 2) != NULL || memmem(in.bytes, in.len, "\n\r\n", 3) != NULL;
}

/* Nothing is in the way of the answer: the server waits for the request, and ends in peace. */
static bool is_tame(void) {
    return (in.how & (EARLY | WITH_BODY)) == 0 && END(in.how) != END_RESET;
}

static void check_against_strict(const struct http_response *r) {
    const struct strict *s = read_strictly((const char *)in.bytes, in.len);
    bool ends = !s->by_close || END(in.how) == END_CLOSE || END(in.how) == END_HALF;
    bool whole = s->usable && s->whole && s->status != 101 && ends;
    HOLDS(r->result != HTTP_ANSWERED || (s->usable && s->heads_len <= HTTP_HEADERS_MAX));
    if (whole && is_tame() && s->heads_len <= HTTP_HEADERS_MAX / 2 && s->body_len <= HTTP_BODY_MAX)
        HOLDS(r->result == HTTP_ANSWERED);
    if (s->usable && s->retries == 0)
        HOLDS(r->retry_after_ms == 0);
    if (r->result != HTTP_ANSWERED)
        return;
    HOLDS(r->status == s->status);
    if (s->retries == 1 && s->retry_after_ms > 0)
        HOLDS(r->retry_after_ms == s->retry_after_ms);
    if (s->status == 101)
        return;
    HOLDS(s->whole || s->status == 204 || s->status == 304);
    HOLDS(r->body_len == s->body_len && memcmp(r->body, s->body, r->body_len) == 0);
}

static void check_response(const struct http_response *r) {
    HOLDS(r->result >= HTTP_ANSWERED && r->result < HTTP_RESULTS);
    check_text(r->detail, sizeof r->detail);
    check_text(r->who.server, sizeof r->who.server);
    check_text(r->who.via, sizeof r->who.via);
    check_text(r->who.error_type, sizeof r->who.error_type);
    HOLDS(r->retry_after_ms >= 0 && r->retry_after_ms <= 86400000 && r->elapsed_ms >= 0);
    HOLDS(r->retry_after_ms == 0 || holds_word("retry-after"));
    HOLDS(r->date_s == 0 || holds_word("date"));
    HOLDS((r->result == HTTP_ANSWERED) == (r->status != 0));
    HOLDS(r->result != HTTP_NOT_HTTP || r->detail[0] != '\0');
    if (server.accepted > 0 && server.request_len > 0) {
        HOLDS(r->result != HTTP_CONNECT_TIMEOUT); /* it was reached */
        HOLDS(r->result != HTTP_PROXY_TIMEOUT || KIND(in.how) == TUNNEL);
        HOLDS(r->result != HTTP_TLS_TIMEOUT || KIND(in.how) == OVER_TLS || r->proxy_status / 100 == 2);
        HOLDS(r->result != HTTP_ANSWER_TIMEOUT || KIND(in.how) <= THROUGH_PROXY);
    }
    HOLDS((KIND(in.how) == THROUGH_PROXY || KIND(in.how) == TUNNEL) == (r->proxy_variable != NULL));
    HOLDS(r->result != HTTP_ANSWERED || holds_a_head());
    check_body(r);
    if (KIND(in.how) == PLAIN || KIND(in.how) == THROUGH_PROXY) {
        HOLDS(!http_result_of_tls(r->result) && r->proxy_status == 0);
        check_against_strict(r);
        return;
    }
    /* Nobody here can end a handshake; what a proxy says to CONNECT is not the server's. */
    HOLDS(r->result != HTTP_ANSWERED && r->retry_after_ms == 0 && r->date_s == 0 && r->body_len == 0);
    HOLDS(r->who.server[0] == '\0' && r->who.via[0] == '\0' && r->who.error_type[0] == '\0');
}

static void begins(const char *text) {
    size_t len = strlen(text) < server.request_len ? strlen(text) : server.request_len;
    HOLDS(memcmp(server.request, text, len) == 0);
}

/* What the server was sent: the request, and no secret that is not for it. */
static void check_request(void) {
    bool whole = strstr(server.request, "\r\n\r\n") != NULL;
    char line[256];
    const char *method = (in.how & WITH_BODY) != 0 ? "POST" : "GET";
    if (KIND(in.how) == TUNNEL) {
        begins("CONNECT sts.example.test:443 HTTP/1.1\r\nHost: sts.example.test:443\r\n");
        HOLDS(strstr(server.request, TOKEN) == NULL);
    } else if (KIND(in.how) == OVER_TLS) {
        begins("\x16\x03");
        HOLDS(memmem(server.request, server.request_len, TOKEN, strlen(TOKEN)) == NULL);
        return;
    } else {
        snprintf(line, sizeof line, "%s %s/x HTTP/1.1\r\nHost: ", method,
                 KIND(in.how) == THROUGH_PROXY ? origin : "");
        begins(line);
        HOLDS(!whole || strstr(server.request, "Authorization: " TOKEN "\r\n") != NULL);
    }
    bool to_proxy = KIND(in.how) != PLAIN;
    HOLDS(!whole || (strstr(server.request, "Proxy-Authorization: " BASIC "\r\n") != NULL) == to_proxy);
}

/* ---- a run ---- */

static void start(void);

static void on_done(void *context, const struct http_response *r) {
    HOLDS(context == &in);
    done_count++;
    answered = answered || r->result == HTTP_ANSWERED;
    if (server.accepted > 0)
        check_request();
    check_response(r);
    if ((in.how & AGAIN) != 0 && done_count == 1)
        start();
}

static void start(void) {
    static const struct http_header headers[] = {{"Authorization", TOKEN}, {"Accept", "application/json"}};
    const struct http_request request = {
        .method = (in.how & WITH_BODY) != 0 ? "POST" : "GET",
        .url = url,
        .headers = headers,
        .header_count = 2,
        .body = (in.how & WITH_BODY) != 0 ? "Action=AssumeRole" : NULL,
        .body_len = (in.how & WITH_BODY) != 0 ? 17 : 0,
        .local = KIND(in.how) == PLAIN,
        .connect_timeout_ms = LONG_MS,
        .total_timeout_ms = END(in.how) == END_SILENT ? SILENCE_MS : LONG_MS,
    };
    HOLDS(http_start(&transfer, &request, on_done, &in) == ERR_OK);
}

static void set_up(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    char proxy[128];
    clock_use(real_time_of_2027);
    log_setup(LOG_ERROR, LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    server.fd = -1;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    HOLDS(bind(server.listener, (const struct sockaddr *)&address, sizeof address) == 0);
    HOLDS(listen(server.listener, 16) == 0);
    HOLDS(getsockname(server.listener, (struct sockaddr *)&address, &len) == 0);
    server.port = ntohs(address.sin_port);
    clearenv();
    snprintf(proxy, sizeof proxy, "http://user:" PASSWORD "@127.0.0.1:%u", server.port);
    setenv("http_proxy", proxy, 1);
    setenv("https_proxy", proxy, 1);
    http_trust("tests/pki/authority.pem");
}

static void set_url(void) {
    if (KIND(in.how) == TUNNEL)
        snprintf(origin, sizeof origin, "https://sts.example.test");
    else if (KIND(in.how) == THROUGH_PROXY)
        snprintf(origin, sizeof origin, "http://sts.example.test");
    else
        snprintf(origin, sizeof origin, "http%s://127.0.0.1:%u", KIND(in.how) == OVER_TLS ? "s" : "",
                 server.port);
    snprintf(url, sizeof url, "%s/x", origin);
}

/* Until all has ended, or the client gives up. */
static void run(void) {
    enum { ROUNDS_MAX = 100000 };
    unsigned last = (in.split & GIVES_UP) != 0 ? server.steps + 1 + SPLIT(in.split) / 4 : 0;
    start();
    for (unsigned i = 0; transfer.easy != NULL && i < ROUNDS_MAX; i++) {
        if (last != 0 && server.steps >= last) {
            http_cancel(&transfer);
            HOLDS(transfer.easy == NULL);
            return;
        }
        if ((in.how & BY_WAITING) != 0)
            http_wait(&transfer);
        else
            loop_once();
    }
    HOLDS(transfer.easy == NULL && done_count == ((in.how & AGAIN) != 0 ? 2 : 1));
}

static int lowest_free(void) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct http_hooks hooks = {.watch = watch, .timer = set_timer};
    static bool ready;
    if (size < 2)
        return 0;
    if (!ready)
        set_up();
    ready = true;
    in.how = data[0], in.split = data[1], in.bytes = data + 2, in.len = size - 2;
    set_url();
    done_count = 0;
    server.accepted = 0;
    int fds = lowest_free();
    HOLDS(http_open((in.how & BY_WAITING) != 0 ? NULL : &hooks) == ERR_OK);
    run();
    server_accept(); /* nobody else may have come */
    HOLDS(server.accepted <= ((in.how & AGAIN) != 0 ? 2U : 1U));
    server_forget();
    HOLDS(watched_count == 0);
    for (size_t i = 0; KIND(in.how) != OVER_TLS && i < sizeof transfer.body; i++)
        HOLDS(transfer.body[i] == '\0');
    http_close();
    timer_due_ms = CLOCK_NEVER;
    HOLDS(lowest_free() == fds);
    return 0;
}
