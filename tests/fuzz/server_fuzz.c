/* The whole machine of connections over real sockets: loop, listeners, places, parser, routes and answers,
 * with made-up time and so few places that they run out. The input is a program: connect, send bytes cut
 * anywhere, read some, close, let time pass, publish, withdraw, answer those who wait.
 *
 * What a client reads is a sequence of whole answers, of which only the last may be cut; credentials are byte
 * for byte an edition that was valid while the client was connected; and at the end nothing is left over. */
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/aws/sts.h"
#include "common/base/log.h"
#include "common/base/owner.h"
#include "common/serve/listen.h"
#include "common/serve/server.h"
#include "sidecar/imds.h"
#include "sidecar/metrics.h"
#include "sidecar/routes.h"

#define PLACES 7
#define PARTIALS (SERVER_DENIED_PARTIALS + LISTENERS)
#define CLIENTS 10
#define READ_MAX (1 << 18)
#define BEARER "a-bearer-of-the-fuzzer"

static const struct routes_right rights[] = {{BEARER, ANSWERS_ALL}};

static struct moment now = {.mono_ms = 1000000, .wall_ms = 1795000000000};

static struct moment made_up(void) {
    return now;
}

/* ---- the server ---- */

struct port {
    struct server_listener listener;
    struct routes routes;
    uint16_t number;
};

static struct port ports[LISTENERS];
static struct connection places[PLACES], *waiting[PLACES];
static struct partial partials[PARTIALS];
static struct loop_timer step = {.deadline_ms = CLOCK_NEVER};
static char folder[] = "/tmp/server-fuzz-XXXXXX", socket_path[64];
static int edition;

/* Requests of this path wait until the program says so. */
#define LATER "/later"

static const struct answer *pick(struct connection *c, const struct request *r) {
    const struct port *p = OWNER(c->listener, struct port, listener);
    if (strcmp(r->path, LATER) != 0)
        return routes_pick(&p->routes, r);
    for (size_t i = 0; i < PLACES; i++) {
        if (waiting[i] == NULL) {
            waiting[i] = c;
            c->waiting.on = &waiting[i];
            return NULL;
        }
    }
    HOLDS(!"more wait than there are places");
    return NULL;
}

static void gone(struct connection *c) {
    struct connection **mine = c->waiting.on;
    HOLDS(*mine == c);
    *mine = NULL;
}

static const struct answer *late(struct connection *c) {
    gone(c);
    return answers_error(503);
}

static const struct answer *refuse(const struct server_listener *l, int status) {
    (void)l;
    return status == 403 ? answers_refuse(ANSWERS_WRONG_PEER) : answers_error(status);
}

static void answered(const struct server_listener *l, const struct request *r, int status) {
    (void)r;
    metrics_request(OWNER(l, const struct port, listener)->routes.kind, ANSWERS_ALL, status);
}

/* Every third connection to the socket is somebody who may not ask. */
static bool allowed(const struct server_listener *l, int fd) {
    static unsigned count;
    (void)fd;
    return !l->unix_socket || ++count % 3 != 0;
}

static const struct server_handlers handlers = {
    .pick = pick, .refuse = refuse, .allowed = allowed, .answered = answered, .gone = gone, .late = late};

static void stop(struct loop_timer *timer) {
    timer->deadline_ms = CLOCK_NEVER;
    loop_stop();
}

static void rounds(unsigned n) {
    while (n-- > 0) {
        step.deadline_ms = now.mono_ms;
        loop_run();
    }
}

static void publish(void) {
    static const struct sts_identity who = {.arn = "arn:aws:sts::111122223333:assumed-role/r/s"};
    static const struct identity identity = {"default", "pod-identity", &who};
    static struct credentials c;
    credentials_wipe(&c);
    edition++;
    snprintf(c.access_key_id, sizeof c.access_key_id, "ASIA%012d", edition);
    snprintf(c.secret_access_key, sizeof c.secret_access_key, "secret%034d", edition);
    memset(c.session_token, 'T', 500);
    snprintf(c.session_token + 500, 32, "%020d", edition);
    c.expires_ms = now.wall_ms + 3600000;
    for (size_t profile = 0; profile < 2; profile++)
        answers_publish(profile, &c, 1, &identity, NULL, NULL);
}

static void withdraw(void) {
    struct failure f;
    struct buf m = failure_begin(&f, REASON_THROTTLED);
    buf_str(&m, "nothing");
    for (size_t profile = 0; profile < 2; profile++)
        answers_publish(profile, NULL, 0, NULL, &f, "not ready");
}

static void answer_who_waits(size_t from) {
    for (size_t i = 0; i < PLACES; i++) {
        struct connection *c = waiting[(from + i) % PLACES];
        if (c != NULL) {
            waiting[(from + i) % PLACES] = NULL;
            server_answer(c, answers_page(0, ANSWERS_CREDENTIALS));
            return;
        }
    }
}

static void clean_up(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        perror(folder);
}

static void set_up(void) {
    static const char *const names[] = {"default", "second"};
    static const unsigned char loopback[16] = {127, 0, 0, 1};
    static const struct server_storage storage = {
        .places = places, .place_count = PLACES, .partials = partials, .partial_count = PARTIALS};
    char text[512];
    struct buf problem = BUF(text);
    clock_use(made_up);
    log_setup(LOG_ERROR, LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    HOLDS(mkdtemp(folder) != NULL && atexit(clean_up) == 0);
    snprintf(socket_path, sizeof socket_path, "%s/s", folder);
    HOLDS(loop_open() && imds_open());
    answers_open(server_retire, true, names, 2);
    metrics_open(names, 2);
    server_open(&storage, 32);
    step.expired = stop;
    loop_add_timer(&step);
    for (int i = 0; i < LISTENERS; i++) {
        struct port *p = &ports[i];
        p->listener = (struct server_listener){.handlers = &handlers,
                                               .refusals_close = i != LISTENER_SOCKET,
                                               .unix_socket = i == LISTENER_SOCKET,
                                               .extras = i == LISTENER_IMDS ? &imds_headers : NULL,
                                               .borrows = i % 2 == 0,
                                               .share = 2,
                                               .partials = 1};
        p->routes = (struct routes){.kind = (enum listener)i,
                                    .view = ANSWERS_ALL,
                                    .rights = rights,
                                    .right_count = 1,
                                    .host = "127.0.0.1"};
        int fd = i == LISTENER_SOCKET ? listen_unix(socket_path, 0600, (gid_t)-1, &problem)
                                      : listen_tcp(false, loopback, &p->number, 1, &problem);
        HOLDS(fd >= 0 && server_listen(&p->listener, fd));
        snprintf(p->routes.host_port, sizeof p->routes.host_port, "127.0.0.1:%u", p->number);
    }
}

/* ---- clients ---- */

static struct client {
    int fd;
    int first_edition;
    bool ended;
    size_t len;
    char in[READ_MAX];
} clients[CLIENTS];

/* Credentials in a body, as far as it has come: which edition, and all of it from that one. */
static void check_body(const struct client *c, const char *body, size_t have, size_t len) {
    static const char start[] = "{\"AccessKeyId\":\"ASIA";
    char want[64];
    if (have < sizeof start + 12 || memcmp(body, start, sizeof start - 1) != 0)
        return;
    int from = atoi(body + sizeof start - 1);
    HOLDS(from >= c->first_edition && from <= edition);
    if (have < len)
        return;
    snprintf(want, sizeof want, "\"secret%034d\"", from);
    HOLDS(memmem(body, len, want, strlen(want)) != NULL);
    snprintf(want, sizeof want, "T%020d\"", from);
    HOLDS(memmem(body, len, want, strlen(want)) != NULL);
}

static void check(const struct client *c) {
    for (size_t at = 0; at < c->len;) {
        const char *head = c->in + at, *end = memmem(head, c->len - at, "\r\n\r\n", 4);
        if (end == NULL) {
            HOLDS(c->len - at < 600);
            return;
        }
        size_t head_len = (size_t)(end + 4 - head), have = c->len - at - head_len;
        HOLDS(head_len > 12 && memcmp(head, "HTTP/1.1 ", 9) == 0);
        const char *length = memmem(head, head_len, "\r\nContent-Length: ", 18);
        HOLDS(length != NULL);
        size_t len = strtoul(length + 18, NULL, 10);
        check_body(c, end + 4, have < len ? have : len, len);
        if (have < len)
            return;
        at += head_len + len;
        HOLDS(at == c->len || memmem(head, head_len, "Connection: close", 17) == NULL);
    }
}

static void take(struct client *c, size_t max) {
    while (c->fd >= 0 && !c->ended && max > 0 && c->len + 4096 < sizeof c->in) {
        ssize_t n = recv(c->fd, c->in + c->len, max < 4096 ? max : 4096, MSG_DONTWAIT);
        c->ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        if (n <= 0)
            break;
        c->len += (size_t)n;
        max -= (size_t)n;
    }
    check(c);
}

static void drop(struct client *c) {
    take(c, READ_MAX);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->len = 0;
    c->ended = false;
}

static int dial_unix(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial_tcp(uint16_t port) {
    const struct linger at_once = {1, 0}; /* leaves no TIME_WAIT */
    const int small = 2048;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void dial(struct client *c, size_t to) {
    drop(c);
    c->first_edition = edition;
    c->fd = to == LISTENER_SOCKET ? dial_unix() : dial_tcp(ports[to].number);
}

static void say(const struct client *c, const void *bytes, size_t len) {
    if (c->fd >= 0 && len > 0)
        (void)!send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- the program ---- */

#define AS_APP "Host: 127.0.0.1\r\nAuthorization: " BEARER "\r\n"

static const char *const requests[] = {
    "GET /v1/credentials HTTP/1.1\r\n" AS_APP "\r\n",
    "GET /v1/credentials/second HTTP/1.1\r\n" AS_APP "Connection: close\r\n\r\n",
    "GET /v1/credential-process HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /readyz HTTP/1.0\r\n\r\n",
    "PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n",
    "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\nHost: "
    "127.0.0.1\r\nX-aws-ec2-metadata-token: AA\r\n\r\n",
    "GET " LATER " HTTP/1.1\r\n" AS_APP "\r\n",
    "GET " LATER " HTTP/1.0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "GET /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "\r\n",
};
#define REQUESTS (sizeof requests / sizeof requests[0])

struct program {
    const uint8_t *bytes;
    size_t left;
};

static uint8_t next(struct program *p) {
    if (p->left == 0)
        return 0;
    p->left--;
    return *p->bytes++;
}

static void pass(int64_t ms) {
    now.mono_ms += ms;
    now.wall_ms += ms;
    rounds(1);
}

static void say_input(struct program *p, const struct client *c) {
    size_t len = next(p);
    if (len > p->left)
        len = p->left;
    say(c, p->bytes, len);
    p->bytes += len;
    p->left -= len;
}

/* A request: the whole of it, its beginning, or its end. */
static void say_request(struct program *p, const struct client *c) {
    uint8_t which = next(p), from = next(p);
    const char *text = requests[which % REQUESTS];
    size_t len = strlen(text), cut = from % (len + 1);
    if ((which & 0x80) != 0)
        say(c, text + cut, len - cut);
    else
        say(c, text, (which & 0x40) != 0 ? cut : len);
}

static void do_one(struct program *p) {
    uint8_t op = next(p);
    struct client *c = &clients[(op >> 4) % CLIENTS];
    switch (op & 15) {
    case 0:
    case 1:
        dial(c, next(p) % LISTENERS);
        break;
    case 2:
        say_input(p, c);
        break;
    case 3:
    case 4:
        say_request(p, c);
        break;
    case 5:
        for (uint8_t which = next(p), times = next(p) % 40; times > 0; times--)
            say(c, requests[which % REQUESTS], strlen(requests[which % REQUESTS]));
        break;
    case 6:
        take(c, (size_t)next(p) * 16 + 1);
        break;
    case 7:
        take(c, READ_MAX);
        break;
    case 8:
        drop(c);
        break;
    case 9:
        if (c->fd >= 0)
            shutdown(c->fd, SHUT_WR);
        break;
    case 10:
        rounds(1 + next(p) % 4);
        break;
    case 11:
        pass((int64_t)next(p) * 50);
        break;
    case 12:
        publish();
        break;
    case 13:
        withdraw();
        break;
    case 14:
        answer_who_waits(next(p));
        break;
    default:
        pass(11000);
        break;
    }
    if ((op & 0x80) != 0)
        rounds(1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { STEPS_MAX = 300 };
    static bool ready;
    struct program p = {data, size};
    if (!ready) {
        for (size_t i = 0; i < CLIENTS; i++)
            clients[i].fd = -1;
        set_up();
        ready = true;
    }
    publish();
    for (int i = 0; i < STEPS_MAX && p.left > 0; i++)
        do_one(&p);
    for (size_t i = 0; i < CLIENTS; i++) {
        rounds(1);
        drop(&clients[i]);
    }
    rounds(2);
    for (int i = 0; i < 4; i++)
        pass(80000);
    HOLDS(server_connections() == 0);
    for (size_t i = 0; i < PLACES; i++)
        HOLDS(waiting[i] == NULL);
    for (size_t i = 0; i < PARTIALS; i++)
        HOLDS(!partials[i].taken);
    return 0;
}
