/* A server over TLS whose requests have bodies, for the tests of common/serve alone:
 * https_server PORT CERTIFICATE KEY [CLIENT_CA|-] [PLAIN_PORT]. It prints its ports, and says on SIGHUP
 * whether the files could be read anew. What is answered: POST / says how long the body was, and its SHA-256;
 * /large is 300,000 bytes long; /counts has the handshakes. The second port is the same without TLS. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/far.h"
#include "common/base/log.h"
#include "common/serve/listen.h"
#include "common/serve/loop.h"
#include "common/serve/request_body.h"
#include "common/serve/server.h"
#include "common/serve/server_bodies.h"
#include "common/serve/tls_server.h"
#include "common/serve/watches.h"
#include "common/text/hash.h"

enum { PLACES = 64, PARTIALS = 32, ROOMS = 4, KEPT = 262144, READ = 3145728, LARGE = 300000, ANSWERS = 64 };

static struct connection places[PLACES];
static struct partial partials[2 * PARTIALS + SERVER_DENIED_PARTIALS] FAR;
static struct tls_room rooms[PLACES] FAR;
static char body_rooms[ROOMS * KEPT] FAR, large[LARGE] FAR;
static unsigned char sessions[32 * TLS_SERVER_SESSION];
static struct bodies bodies = {.class = &server_bodies, .rooms = body_rooms, .room_count = ROOMS};
static struct tls_server_files files;
static struct server_listener listeners[2];
static struct loop_timer again = {.deadline_ms = CLOCK_NEVER};

static struct text {
    struct answer answer;
    char keep[128], close[128], body[256];
} texts[ANSWERS];

static const struct answer *render(int status, const char *body, size_t len) {
    static size_t next;
    struct text *t = &texts[next++ % ANSWERS];
    server_retire(&t->answer);
    if (body != large)
        snprintf(t->body, sizeof t->body, "%s", body);
    snprintf(t->keep, sizeof t->keep, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n\r\n", status,
             answer_phrase(status), len);
    snprintf(t->close, sizeof t->close, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
             status, answer_phrase(status), len);
    t->answer = (struct answer){.keep = t->keep,
                                .close = t->close,
                                .body = body == large ? large : t->body,
                                .body_len = (uint32_t)len,
                                .keep_len = (uint16_t)strlen(t->keep),
                                .close_len = (uint16_t)strlen(t->close),
                                .status = (int16_t)status};
    return &t->answer;
}

static const struct answer *pick(struct connection *c, const struct request *r) {
    char text[256], hex[HASH_HEX_SIZE] = "-";
    unsigned char hash[HASH_SIZE];
    (void)c;
    if (strcmp(r->path, "/large") == 0)
        return render(200, large, sizeof large);
    if (strcmp(r->path, "/counts") == 0) {
        struct tls_server_counts n = tls_server_counts();
        snprintf(text, sizeof text, "%llu %llu %llu\n", (unsigned long long)n.handshakes,
                 (unsigned long long)n.resumed, (unsigned long long)n.failed);
        return render(200, text, strlen(text));
    }
    if (r->body.bytes != NULL) {
        hash_sha256(r->body.bytes, r->body.len, hash);
        hash_hex(hash, hex);
    }
    snprintf(text, sizeof text, "%u %s %s\n", (unsigned)r->body.len, r->body.dropped ? "dropped" : "kept",
             hex);
    return render(200, text, strlen(text));
}

static const struct answer *refuse(const struct server_listener *l, int status) {
    (void)l;
    return render(status, "refused\n", 8);
}

static void answered(const struct server_listener *l, const struct request *r, int status) {
    (void)l;
    LOG(LOG_DEBUG, "request", LOG_NUMBER("status", status),
        LOG_TEXT("error", r != NULL && r->error != NULL ? r->error : ""));
}

static const struct server_handlers handlers = {.pick = pick, .refuse = refuse, .answered = answered};

static void say(const char *text) {
    printf("%s\n", text);
    fflush(stdout);
}

static bool load(void) {
    static struct failure f;
    enum tls_server_loaded loaded = tls_server_load(&files, &f);
    if (loaded == TLS_SERVER_LATER)
        again.deadline_ms = loop_now().mono_ms + 1000;
    say(loaded == TLS_SERVER_LOADED ? "loaded" : loaded == TLS_SERVER_LATER ? "later" : "refused");
    if (loaded == TLS_SERVER_REFUSED) {
        say(f.message);
        say(f.remedy);
    }
    return loaded == TLS_SERVER_LOADED;
}

static void load_again(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    load();
}

static void on_signal(int number) {
    if (number == SIGHUP)
        load();
    else
        loop_stop();
}

static int listen_on(struct server_listener *l, const char *port_text,
                     const struct server_transport *transport) {
    static const struct request_extras extras = {
        .headers = REQUEST_BODY_HEADERS, .body_kept = KEPT, .body_read = READ};
    static const unsigned char loopback[16] = {127, 0, 0, 1};
    char text[256];
    struct buf problem = BUF(text);
    uint16_t port = (uint16_t)atoi(port_text);
    *l = (struct server_listener){.handlers = &handlers,
                                  .extras = &extras,
                                  .transport = transport,
                                  .bodies = &bodies,
                                  .share = 24,
                                  .partials = PARTIALS};
    int fd = listen_tcp(false, loopback, &port, 0, &problem);
    if (fd >= 0)
        server_bodies_listen(fd);
    if (fd < 0 || !server_listen(l, fd)) {
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    printf("%u\n", port);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv) {
    const struct server_storage storage = {.places = places,
                                           .place_count = PLACES,
                                           .partials = partials,
                                           .partial_count = sizeof partials / sizeof partials[0]};
    const struct tls_server_storage tls = {
        .rooms = rooms, .room_count = PLACES, .sessions = sessions, .sessions_len = sizeof sessions};
    if (argc < 4)
        return 64;
    files =
        (struct tls_server_files){argv[2], argv[3], argc > 4 && strcmp(argv[4], "-") != 0 ? argv[4] : NULL};
    memset(large, 'L', sizeof large);
    log_setup(getenv("DEBUG") != NULL ? LOG_DEBUG : LOG_INFO, LOG_LOGFMT, 2);
    if (!loop_open() || !watches_signals(on_signal))
        return 70;
    server_open(&storage, 16);
    server_bodies_add(&bodies);
    tls_server_open(&tls);
    again.expired = load_again;
    loop_add_timer(&again);
    if (!load())
        return 14;
    if (listen_on(&listeners[0], argv[1], &tls_server_transport) != 0 ||
        (argc > 5 && listen_on(&listeners[1], argv[5], NULL) != 0))
        return 73;
    loop_run();
    server_close();
    tls_server_close();
    return 0;
}
