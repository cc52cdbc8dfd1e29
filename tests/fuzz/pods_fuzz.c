/* The agent's core over real sockets: server, judge, trust, flights, store, renewals, failures and the
 * exchange with EKS Auth, with made-up time, a store that holds three pods, and an EKS Auth that answers when
 * and how the input says. The input is a program: connect from one of three addresses, ask with a pod's token
 * or a forged one of its UID, read, close, let time pass, answer a request upstream.
 *
 * Whoever gets credentials has sent a token of that pod which EKS Auth takes, they had not ended when the
 * request was sent, answers come in the order of the requests, and at the end nothing is left over. */
#include "tests/fuzz/program.h"

#include <fcntl.h>

#include "agent/exchange.h"
#include "agent/exchange_eks_auth.h"
#include "agent/flights.h"
#include "agent/keyed_hash.h"
#include "agent/pods.h"
#include "agent/store.h"
#include "common/base/log.h"
#include "tests/fuzz/pods_upstream.h"

#define PLACES (12 + SERVER_DENIED_SHARE)
#define PARTIALS (SERVER_DENIED_PARTIALS + 4)
#define CLIENTS 8
#define ASKED_MAX 512

/* ---- the server ---- */

static struct server_listener listener;
static struct connection places[PLACES];
static struct partial partials[PARTIALS];
static char rooms[1 + PARTIALS][PODS_ROOM];
static uint16_t port;

static const char *no_environment(const char *name) {
    (void)name;
    return NULL;
}

static void set_up(void) {
    static const struct settings settings = {.cluster_name = "demo",
                                             .cache_size = 3,
                                             .cache_bytes = 9000,
                                             .retention_ms = 10800000,
                                             .service_qps = 3,
                                             .max_concurrency = SLOTS};
    static const struct server_storage storage = {.places = places,
                                                  .place_count = PLACES,
                                                  .partials = partials,
                                                  .partial_count = PARTIALS,
                                                  .rooms = rooms[0],
                                                  .room_cap = PODS_ROOM};
    clock_use(made_up);
    log_setup(LOG_ERROR, LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    make_tokens();
    HOLDS(keyed_hash_open() && loop_open());
    server_open(&storage, 32);
    exchange_eks_auth_open("demo", no_environment, false);
    pods_open(&settings);
    rounds_open();
    listener = (struct server_listener){.handlers = &pods_handlers,
                                        .extras = &pods_extras,
                                        .share = 12,
                                        .partials = PARTIALS - SERVER_DENIED_PARTIALS};
    HOLDS(loopback_listen(&listener, &port));
}

/* ---- clients ---- */

static struct client_end {
    bool spoilt; /* has sent what is no whole request, so answers cannot be told apart */
    size_t asked;
    struct {
        int pod, token;
        int64_t at_ms;
    } asks[ASKED_MAX];
    struct received in;
} clients[CLIENTS];

/* Credentials in a body that is whole: of that pod, to who may have them. */
static void check_body(const struct client_end *c, size_t number, const struct received_body *body) {
    static const char start[] = "{\"AccessKeyId\":\"ASIA";
    char want[64];
    if (body->len < sizeof start + 6 || memcmp(body->bytes, start, sizeof start - 1) != 0)
        return;
    int pod = body->bytes[sizeof start - 1] - '0';
    unsigned from = (unsigned)strtoul(body->bytes + sizeof start, NULL, 10);
    HOLDS(from < sizeof ends_ms / sizeof ends_ms[0]);
    snprintf(want, sizeof want, "\"secret%d%05u\"", pod, from);
    HOLDS(memmem(body->bytes, body->len, want, strlen(want)) != NULL);
    snprintf(want, sizeof want, "T%05u\"", from);
    HOLDS(memmem(body->bytes, body->len, want, strlen(want)) != NULL);
    if (c->spoilt)
        return;
    HOLDS(number < c->asked);
    HOLDS(c->asks[number].pod == pod && c->asks[number].token < TOKENS);
    HOLDS(ends_ms[from] > c->asks[number].at_ms);
}

static void take(struct client_end *c, size_t max) {
    struct received_body body;
    size_t at = 0;
    receive(&c->in, max);
    for (size_t number = 0; at < c->in.len && next_answer(&c->in, &at, &body); number++) {
        if (body.have == body.len)
            check_body(c, number, &body);
    }
}

static void drop(struct client_end *c) {
    take(c, RECEIVED_MAX);
    forget(&c->in);
    c->asked = 0;
    c->spoilt = false;
}

static void dial(struct client_end *c, unsigned from) {
    const int small = 2048;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + from % 3)};
    drop(c);
    c->in.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->in.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    loopback_leave_nothing(c->in.fd);
    HOLDS(bind(c->in.fd, (const struct sockaddr *)&address, sizeof address) == 0);
    address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(c->in.fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(c->in.fd);
        c->in.fd = -1;
    }
}

/* What does not go out whole spoils the count of answers. */
static void say(struct client_end *c, const char *bytes, size_t len) {
    if (c->in.fd >= 0 && len > 0 && send(c->in.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
        c->spoilt = true;
}

/* cut: so many bytes are sent a little later, so that it comes in two pieces. */
static void ask(struct client_end *c, uint8_t who, size_t cut) {
    char text[TOKEN_MAX + 256];
    int pod = who % PODS, token = who / PODS % (TOKENS + FORGED);
    if (c->in.fd < 0 || c->asked == ASKED_MAX)
        return;
    snprintf(text, sizeof text,
             "GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: %s\r\n\r\n",
             tokens[pod][token]);
    c->asks[c->asked].pod = pod;
    c->asks[c->asked].token = token;
    c->asks[c->asked++].at_ms = now.wall_ms;
    size_t len = strlen(text), first = cut % len;
    if (first > 0) {
        say(c, text, first);
        rounds(1);
    }
    say(c, text + first, len - first);
}

/* ---- the program ---- */

static void do_one(struct program *p) {
    uint8_t op = next(p), who;
    struct client_end *c = &clients[(op >> 4) & 7];
    switch (op & 15) {
    case 0:
    case 1:
        dial(c, next(p));
        break;
    case 2:
    case 3:
        ask(c, next(p), 0);
        break;
    case 4:
        who = next(p);
        ask(c, who, next(p));
        break;
    case 5:
        who = next(p);
        for (unsigned times = next(p) % 20; times > 0; times--)
            ask(c, who, 0);
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
        c->spoilt = true;
        say(c, (const char *)p->bytes, p->left < 24 ? p->left : 24);
        break;
    case 11:
        pass((int64_t)next(p) * 100);
        break;
    case 12:
        pass((int64_t)next(p) * 60000);
        break;
    case 13:
        pods_reconsider();
        break;
    default:
        who = next(p);
        answer_upstream(who, next(p));
        break;
    }
    if ((op & 0x80) != 0)
        rounds(1);
    HOLDS(flights_under_way() <= SLOTS && store_count() <= 3 && store_bytes() <= 9000);
}

static void answer_all(void) {
    for (unsigned i = 0; i < 200 && exchange_count() > 0; i++) {
        answer_upstream(i, 1); /* a denial */
        pass(1000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { STEPS_MAX = 300 };
    static bool ready;
    struct program p = {data, size};
    now = (struct moment){.mono_ms = now.mono_ms + 1000000, .wall_ms = INT64_C(1795380000000)};
    if (!ready) {
        for (size_t i = 0; i < CLIENTS; i++)
            clients[i].in.fd = -1;
        set_up();
        ready = true;
    }
    for (int i = 0; i < STEPS_MAX && p.left > 0; i++)
        do_one(&p);
    for (size_t i = 0; i < CLIENTS; i++) {
        rounds(1);
        drop(&clients[i]);
    }
    rounds(2);
    answer_all();
    for (int i = 0; i < 4; i++)
        pass(80000);
    answer_all();
    HOLDS(server_connections() == 0 && flights_waiting() == 0 && flights_queued() == 0);
    HOLDS(flights_under_way() == 0 && exchange_count() == 0);
    while (store_high() > 0 && store_count() > 0) { /* each input begins with none */
        for (size_t i = 0; i < store_high(); i++) {
            if (store_at(i) != NULL)
                store_remove(store_at(i));
        }
    }
    HOLDS(store_bytes() == 0);
    for (size_t i = 0; i < PARTIALS; i++)
        HOLDS(!partials[i].taken);
    return 0;
}
