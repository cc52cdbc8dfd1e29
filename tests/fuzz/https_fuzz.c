/* A server of TLS and bodies over real sockets, with made-up time and few places. The input is a program:
 * connect, shake hands, ask, send bytes of the input instead, spoil what goes over the wire, close, let time
 * pass, read the certificates anew. At the end nothing is left over: no connection, no room, and no byte in
 * any room. */
#include "tests/fuzz/program.h"

#include <bearssl.h>
#include <fcntl.h>
#include <netinet/tcp.h>

#include "common/base/log.h"
#include "common/http/ca_anchor.h"
#include "common/serve/request_body.h"
#include "common/serve/server_bodies.h"
#include "common/serve/tls_load.h"
#include "common/serve/tls_server.h"

enum { PLACES = 12, PARTIALS = 6, ROOMS = 2, KEPT = 2000, READ = 9000, CLIENTS = 6 };

/* ---- the server ---- */

static struct connection places[PLACES];
static struct partial partials[PARTIALS + SERVER_DENIED_PARTIALS];
static struct tls_room rooms[PLACES];
static char body_rooms[ROOMS * KEPT], large[20000];
static unsigned char sessions[3 * TLS_SERVER_SESSION];
static struct bodies bodies = {.class = &server_bodies, .rooms = body_rooms, .room_count = ROOMS};
static struct server_listener listener;
static uint16_t port;
static br_x509_pkey server_key;
static const struct tls_server_files files = {"tests/pki/server.pem", "tests/pki/server-key.pem", NULL},
                                     with_ca = {"tests/pki/server.pem", "tests/pki/server-key.pem",
                                                "tests/pki/authority.pem"};

static const struct answer answer = {.keep = "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n",
                                     .close = "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n",
                                     .body = large,
                                     .body_len = sizeof large,
                                     .keep_len = 42,
                                     .close_len = 42,
                                     .status = 200},
                           refusal = {.keep = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n",
                                      .close = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n",
                                      .keep_len = 37,
                                      .close_len = 37,
                                      .status = 503};

static const struct answer *pick(struct connection *c, const struct request *r) {
    (void)c;
    HOLDS(r->body.len <= KEPT && r->body_total <= READ && r->body.dropped == (r->body_total > KEPT));
    return &answer;
}

static const struct answer *refuse(const struct server_listener *l, int status) {
    (void)l, (void)status;
    return &refusal;
}

static void answered(const struct server_listener *l, const struct request *r, int status) {
    (void)l, (void)r, (void)status;
}

static const struct server_handlers handlers = {.pick = pick, .refuse = refuse, .answered = answered};

static void set_up(void) {
    static const struct request_extras extras = {
        .headers = REQUEST_BODY_HEADERS, .body_kept = KEPT, .body_read = READ};
    static const struct server_storage storage = {.places = places,
                                                  .place_count = PLACES,
                                                  .partials = partials,
                                                  .partial_count = sizeof partials / sizeof partials[0]};
    static const struct tls_server_storage tls = {rooms, PLACES, sessions, sizeof sessions};
    static struct tls_identity identity;
    static struct ca_anchor own;
    static struct failure f;
    struct certificate c;
    enum ca_fault fault;
    now.wall_ms = 1800000000000; /* the certificates are valid */
    clock_use(made_up);
    log_setup(LOG_ERROR, LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    memset(large, 'L', sizeof large);
    HOLDS(loop_open());
    server_open(&storage, 32);
    server_bodies_add(&bodies);
    tls_server_open(&tls);
    HOLDS(tls_server_load(&files, &f) == TLS_SERVER_LOADED);
    rounds_open();
    listener = (struct server_listener){.handlers = &handlers,
                                        .extras = &extras,
                                        .transport = &tls_server_transport,
                                        .bodies = &bodies,
                                        .share = 100,
                                        .partials = PARTIALS};
    HOLDS(loopback_listen(&listener, &port));
    HOLDS(tls_load(&files, &identity, &f));
    HOLDS(certificate_read(identity.chain[0].data, identity.chain[0].data_len, &c));
    HOLDS(ca_anchor_decode(identity.chain[0].data, &c, &own, &fault));
    server_key = own.anchor.pkey;
}

/* ---- clients ---- */

static struct client {
    int fd;
    bool tls;
    br_ssl_client_context engine;
    br_x509_knownkey_context judge;
    unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
} clients[CLIENTS];

static void drop(struct client *c) {
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->tls = false;
}

static void dial(struct client *c) {
    const int on = 1;
    drop(c);
    c->fd = loopback_tcp(port, 0);
    loopback_leave_nothing(c->fd);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void begin_tls(struct client *c) {
    br_x509_minimal_context unused;
    c->tls = c->fd >= 0;
    br_ssl_client_init_full(&c->engine, &unused, NULL, 0);
    br_x509_knownkey_init_ec(&c->judge, &server_key.key.ec, BR_KEYTYPE_SIGN | BR_KEYTYPE_KEYX);
    br_ssl_engine_set_x509(&c->engine.eng, &c->judge.vtable);
    br_ssl_engine_set_buffer(&c->engine.eng, c->buffer, sizeof c->buffer, 1);
    br_ssl_client_reset(&c->engine, "localhost", 0);
}

static void say(const struct client *c, const void *bytes, size_t len) {
    if (c->fd >= 0 && len > 0)
        (void)!send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Records in both directions, as far as they go; the byte at that place of what is sent is another. */
static void exchange(struct client *c, size_t max, int spoil) {
    for (int i = 0; i < 40 && c->tls; i++) {
        size_t len;
        unsigned char *out = br_ssl_engine_sendrec_buf(&c->engine.eng, &len);
        if (out != NULL) {
            len = len < max ? len : max;
            if (spoil > 0 && (size_t)spoil < len)
                out[spoil] ^= 0x40;
            say(c, out, len);
            br_ssl_engine_sendrec_ack(&c->engine.eng, len);
            rounds(1);
            continue;
        }
        unsigned char *in = br_ssl_engine_recvrec_buf(&c->engine.eng, &len);
        ssize_t n = in == NULL ? -1 : recv(c->fd, in, len, MSG_DONTWAIT);
        if (n > 0)
            br_ssl_engine_recvrec_ack(&c->engine.eng, (size_t)n);
        unsigned char *app = br_ssl_engine_recvapp_buf(&c->engine.eng, &len);
        if (app != NULL)
            br_ssl_engine_recvapp_ack(&c->engine.eng, len);
        if (n <= 0 && app == NULL)
            rounds(1);
    }
}

static void write_app(struct client *c, const char *bytes, size_t len) {
    while (len > 0 && c->tls) {
        size_t room;
        unsigned char *into = br_ssl_engine_sendapp_buf(&c->engine.eng, &room);
        if (into == NULL)
            break;
        room = room < len ? room : len;
        memcpy(into, bytes, room);
        br_ssl_engine_sendapp_ack(&c->engine.eng, room);
        bytes += room;
        len -= room;
    }
    if (c->tls)
        br_ssl_engine_flush(&c->engine.eng, 0);
}

/* ---- the program ---- */

static void ask(struct client *c, uint8_t how) {
    static char text[16000];
    size_t body = (size_t)(how & 31) * 400;
    int n = snprintf(text, sizeof text, "POST /%c HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n%s\r\n",
                     'b', (how & 0x80) != 0 ? "Expect: 100-continue\r\n" : "", body,
                     (how & 0x40) != 0 ? "Connection: close\r\n" : "");
    memset(text + n, 'b', body);
    write_app(c, text, (how & 0x20) != 0 ? (size_t)n + body / 2 : (size_t)n + body);
}

static void do_one(struct program *p) {
    static struct failure f;
    uint8_t op = next(p);
    struct client *c = &clients[(op >> 4) % CLIENTS];
    const void *piece;
    size_t len;
    switch (op & 15) {
    case 0:
        dial(c);
        break;
    case 1:
        dial(c);
        begin_tls(c);
        exchange(c, 65536, 0);
        break;
    case 2:
        begin_tls(c);
        break;
    case 3:
        exchange(c, (size_t)next(p) * 8 + 1, 0);
        break;
    case 4:
        exchange(c, 65536, next(p));
        break;
    case 5:
    case 6:
        ask(c, next(p));
        break;
    case 7:
        piece = next_piece(p, &len);
        say(c, piece, len);
        break;
    case 8:
        piece = next_piece(p, &len);
        write_app(c, piece, len);
        break;
    case 9:
        drop(c);
        break;
    case 10:
        if (c->fd >= 0)
            shutdown(c->fd, SHUT_WR);
        break;
    case 11:
        if (c->tls)
            br_ssl_engine_close(&c->engine.eng);
        break;
    case 12:
        HOLDS(tls_server_load(next(p) % 2 != 0 ? &with_ca : &files, &f) != TLS_SERVER_REFUSED);
        break;
    case 13:
        now.mono_ms += (int64_t)next(p) * 50;
        break;
    default:
        rounds(1 + next(p) % 4);
        break;
    }
    rounds(1);
}

static void nothing_is_left(void) {
    static const struct tls_room zero;
    HOLDS(server_connections() == 0);
    HOLDS(getenv("COUNTS") == NULL || printf("%lu\n", (unsigned long)tls_server_counts().handshakes) > 0);
    for (size_t i = 0; i < PLACES; i++)
        HOLDS(memcmp(&rooms[i], &zero, sizeof zero) == 0);
    for (size_t i = 0; i < sizeof body_rooms; i++)
        HOLDS(body_rooms[i] == '\0');
    for (size_t i = 0; i < sizeof partials / sizeof partials[0]; i++)
        HOLDS(!partials[i].taken && partials[i].bodies == NULL);
    HOLDS(bodies.waiting == NULL && bodies.holders[0] == NULL && bodies.holders[1] == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { STEPS_MAX = 60 };
    static bool prepared;
    static struct failure f;
    struct program p = {data, size};
    if (!prepared) {
        for (size_t i = 0; i < CLIENTS; i++)
            clients[i].fd = -1;
        set_up();
        prepared = true;
    }
    for (int i = 0; i < STEPS_MAX && p.left > 0; i++)
        do_one(&p);
    for (size_t i = 0; i < CLIENTS; i++) {
        rounds(1);
        drop(&clients[i]);
    }
    rounds(2);
    for (int i = 0; i < 4; i++) {
        now.mono_ms += 80000;
        rounds(1);
    }
    nothing_is_left();
    HOLDS(tls_server_load(&files, &f) == TLS_SERVER_LOADED);
    return 0;
}
