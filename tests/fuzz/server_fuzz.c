/* The whole machine of connections over real sockets: loop, listeners, places, parser, routes and answers,
 * with made-up time and so few places that they run out. The input is a program: connect, send bytes cut
 * anywhere, read some, close, let time pass, publish, withdraw, answer those who wait.
 *
 * What a client reads is a sequence of whole answers, of which only the last may be cut; credentials are byte
 * for byte an edition that was valid while the client was connected; and at the end nothing is left over. */
#include "tests/fuzz/program.h"

#include <fcntl.h>

#include "common/aws/sts.h"
#include "common/base/log.h"
#include "common/base/owner.h"
#include "sidecar/imds.h"
#include "sidecar/metrics.h"
#include "sidecar/routes.h"

#define PLACES 7
#define PARTIALS (SERVER_DENIED_PARTIALS + LISTENERS)
#define CLIENTS 10
#define BEARER "a-bearer-of-the-fuzzer"

static const struct routes_right rights[] = {{BEARER, ANSWERS_ALL}};

/* ---- the server ---- */

struct port {
    struct server_listener listener;
    struct routes routes;
    uint16_t number;
};

static struct port ports[LISTENERS];
static struct connection places[PLACES], *waiting[PLACES];
static struct partial partials[PARTIALS];
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
    rounds_open();
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
        if (i == LISTENER_SOCKET) {
            int fd = listen_unix(socket_path, 0600, (gid_t)-1, &problem);
            HOLDS(fd >= 0 && server_listen(&p->listener, fd));
        } else {
            HOLDS(loopback_listen(&p->listener, &p->number));
        }
        snprintf(p->routes.host_port, sizeof p->routes.host_port, "127.0.0.1:%u", p->number);
    }
}

/* ---- clients ---- */

static struct client {
    int first_edition;
    struct received in;
} clients[CLIENTS];

/* Credentials in a body, as far as it has come: which edition, and all of it from that one. */
static void check_body(const struct client *c, const struct received_body *body) {
    static const char start[] = "{\"AccessKeyId\":\"ASIA";
    char want[64];
    if (body->have < sizeof start + 12 || memcmp(body->bytes, start, sizeof start - 1) != 0)
        return;
    int from = atoi(body->bytes + sizeof start - 1);
    HOLDS(from >= c->first_edition && from <= edition);
    if (body->have < body->len)
        return;
    snprintf(want, sizeof want, "\"secret%034d\"", from);
    HOLDS(memmem(body->bytes, body->len, want, strlen(want)) != NULL);
    snprintf(want, sizeof want, "T%020d\"", from);
    HOLDS(memmem(body->bytes, body->len, want, strlen(want)) != NULL);
}

static void take(struct client *c, size_t max) {
    struct received_body body;
    receive(&c->in, max);
    for (size_t at = 0; at < c->in.len && next_answer(&c->in, &at, &body);)
        check_body(c, &body);
}

static void drop(struct client *c) {
    take(c, RECEIVED_MAX);
    forget(&c->in);
}

static void dial(struct client *c, size_t to) {
    drop(c);
    c->first_edition = edition;
    if (to == LISTENER_SOCKET) {
        c->in.fd = loopback_unix(socket_path, 0);
    } else {
        c->in.fd = loopback_tcp(ports[to].number, 2048);
        loopback_leave_nothing(c->in.fd);
    }
}

static void say(const struct client *c, const void *bytes, size_t len) {
    if (c->in.fd >= 0 && len > 0)
        (void)!send(c->in.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
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

static void say_input(struct program *p, const struct client *c) {
    size_t len;
    const void *piece = next_piece(p, &len);
    say(c, piece, len);
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
        take(c, RECEIVED_MAX);
        break;
    case 8:
        drop(c);
        break;
    case 9:
        if (c->in.fd >= 0)
            shutdown(c->in.fd, SHUT_WR);
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
            clients[i].in.fd = -1;
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
