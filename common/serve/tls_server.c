#include "common/serve/tls_server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/pages.h"
#include "common/base/wipe.h"
#include "common/serve/tls_link.h"
#include "common/serve/tls_refusal.h"
#include "common/serve/tls_rest.h"
#include "common/serve/tls_setup.h"
#include "common/serve/tls_slots.h"
#include "common/serve/tls_turns.h"

#define ROOMS_KEPT 4       /* so many at a time are usual: their memory is kept */
#define RECORDS_PER_TURN 8 /* that say nothing, before others have their turn */
#define IN_USUAL 8192      /* of it; what is above is given back when it was needed */
#define COMPLAIN_MS 60000  /* one line of the log about handshakes that fail, at most */
_Static_assert(sizeof(struct tls_link) <= sizeof(struct tls_room), "TLS_SERVER_ROOM does not do");

static struct tls_server_storage storage;
static struct tls_server_counts counts;

enum tls_server_loaded tls_server_load(const struct tls_server_files *files, struct failure *f) {
    switch (tls_slots_load(files, f)) {
    case TLS_SLOTS_BUSY:
        return TLS_SERVER_LATER;
    case TLS_SLOTS_REFUSED:
        return TLS_SERVER_REFUSED;
    case TLS_SLOTS_LOADED:
        break;
    }
    tls_sessions_forget(tls_slots_current());
    return TLS_SERVER_LOADED;
}

bool tls_server_dates(struct tls_server_dates *out) {
    const struct tls_identity *t = tls_slots_current();
    if (t != NULL)
        *out = t->dates;
    return t != NULL;
}

struct tls_server_counts tls_server_counts(void) {
    return counts;
}

void tls_server_close(void) {
    tls_sessions_forget(NULL);
    tls_slots_wipe();
}

void tls_server_open(const struct tls_server_storage *given) {
    storage = *given;
    tls_turns_open();
    tls_rest_open(storage.rooms);
    tls_sessions_open(storage.sessions, storage.sessions_len);
}

/* ---- a connection's beginning and end ---- */

/* Without a room, or a certificate: it comes to its end at once. */
static ssize_t receive_nothing(struct connection *c, void *bytes, size_t max) {
    (void)c;
    (void)bytes;
    (void)max;
    return 0;
}

static void end_nothing(struct connection *c) {
    c->link = NULL;
}

static ssize_t send_nothing(struct connection *c, const struct msghdr *message) {
    (void)c;
    (void)message;
    errno = EPIPE;
    return -1;
}

static const struct server_transport nothing = {
    .receive = receive_nothing, .send = send_nothing, .end = end_nothing};
static struct server_link lost = {.transport = &nothing};

static void begin(struct connection *c) {
    c->link = &lost;
    for (size_t i = 0; i < storage.room_count && tls_slots_current() != NULL; i++) {
        struct tls_link *l = (struct tls_link *)(void *)storage.rooms[i].bytes;
        if (l->taken)
            continue;
        l->taken = true;
        l->link.transport = &tls_server_transport;
        l->connection = c;
        c->link = &l->link;
        return;
    }
}

/* Only when there is something to read: who connects and says nothing costs no more than a page. */
static void start(struct tls_link *l) {
    l->started = true;
    l->identity = tls_slots_enter();
    tls_setup(&l->context, l->identity);
    br_ssl_engine_set_buffers_bidi(&l->context.eng, l->in, sizeof l->in, l->out, sizeof l->out);
    tls_sessions_begin(&l->session, l->identity);
    br_ssl_server_set_cache(&l->context, &l->session.vtable);
    if (l->identity->authority_count > 0) {
        l->judges = true;
        tls_client_begin(&l->client, l->identity);
        br_ssl_engine_set_x509(&l->context.eng, &l->client.vtable);
    }
    (void)br_ssl_server_reset(&l->context);
}

static void end(struct connection *c) {
    struct tls_link *l = tls_link_of(c);
    if (l->waits)
        tls_turns_take_out(l);
    size_t i = (size_t)((struct tls_room *)(void *)l - storage.rooms);
    if (l->identity != NULL)
        tls_slots_leave(l->identity);
    if (l->judges)
        tls_client_wipe(&l->client);
    if (l->started)
        wipe(l->in, l->in_used);
    wipe(l, l->started ? offsetof(struct tls_link, in) : offsetof(struct tls_link, context));
    if (i >= ROOMS_KEPT)
        pages_give_back(&storage.rooms[i], &storage.rooms[i + 1]);
    c->link = NULL;
}

/* ---- handshakes ---- */

/* What BearSSL computes at once takes up to some milliseconds: one such step in a round of the loop, so that
 * those who are served already wait for no more than one. */
static unsigned step_round;
static bool step_taken;

static bool may_step(void) {
    if (step_round != loop_round())
        step_taken = false;
    step_round = loop_round();
    return !step_taken;
}

/* All that was to be sent has been sent. */
static void tell(struct connection *c, int error) {
    const struct tls_link *l = tls_link_of(c);
    unsigned char alert[7];
    size_t len;
    if (l->in_used < TLS_HEADER || l->context.eng.out.vtable != &br_sslrec_out_clear_vtable)
        return;
    const void *raw = tls_refusal_raw(error, l->in, alert, &len);
    if (raw != NULL)
        (void)send(c->watch.fd, raw, len, MSG_NOSIGNAL);
}

static void complain(struct connection *c, int error) {
    static int64_t next_ms;
    static uint64_t told;
    const char *why = tls_refusal_text(error);
    if (why == NULL)
        return;
    tell(c, error);
    counts.failed++;
    enum log_level level = loop_now().mono_ms >= next_ms ? LOG_WARN : LOG_DEBUG;
    if (!log_enabled(level))
        return;
    LOG(level, "a TLS handshake failed", LOG_TEXT("because", why), LOG_NUMBER("bearssl", error),
        LOG_NUMBER("failed", (int64_t)(counts.failed - told)));
    if (level == LOG_WARN) {
        next_ms = loop_now().mono_ms + COMPLAIN_MS;
        told = counts.failed;
    }
}

/* After each step. */
static void look(struct connection *c) {
    struct tls_link *l = tls_link_of(c);
    if (l->identity == NULL)
        return;
    unsigned state = br_ssl_engine_current_state(&l->context.eng);
    if (state == BR_SSL_CLOSED) {
        complain(c, br_ssl_engine_last_error(&l->context.eng));
    } else if ((state & (BR_SSL_SENDAPP | BR_SSL_RECVAPP)) != 0) {
        l->done = true;
        counts.handshakes++;
        counts.resumed += l->session.resumed;
    } else {
        return;
    }
    tls_slots_leave(l->identity);
    l->identity = NULL;
}

/* ---- records ---- */

/* Sends what the engine has to send. False with errno. */
static bool push(struct connection *c) {
    struct tls_link *l = tls_link_of(c);
    br_ssl_engine_context *engine = &l->context.eng;
    unsigned char *bytes;
    size_t len;
    while ((bytes = br_ssl_engine_sendrec_buf(engine, &len)) != NULL) {
        if (!l->done && l->in_used > TLS_HEADER)
            tls_refusal_clarify(l->in + TLS_HEADER, l->in_used - TLS_HEADER, bytes, len);
        ssize_t n = send(c->watch.fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        br_ssl_engine_sendrec_ack(engine, (size_t)n);
        l->link.told_ms = loop_now().mono_ms;
        look(c);
    }
    return true;
}

/* Nothing is read while something has to be written. False if it has to wait, or is lost, with errno. */
static bool push_first(struct connection *c) {
    struct tls_link *l = tls_link_of(c);
    if (push(c)) {
        if (l->blocked && c->watched)
            (void)loop_change(&c->watch, EPOLLIN);
        l->blocked = false;
        return true;
    }
    if (errno == EAGAIN && c->watched) {
        (void)loop_change(&c->watch, EPOLLOUT);
        l->blocked = true;
        errno = EAGAIN;
    }
    return false;
}

static ssize_t take_bytes(struct tls_link *l, void *bytes, size_t max) {
    size_t len;
    unsigned char *from = br_ssl_engine_recvapp_buf(&l->context.eng, &len);
    if (from == NULL)
        return 0;
    len = len < max ? len : max;
    memcpy(bytes, from, len);
    wipe(from, len);
    br_ssl_engine_recvapp_ack(&l->context.eng, len);
    if (tls_link_has_bytes(l))
        tls_turns_append(l);
    return (ssize_t)len;
}

/* Of a handshake, before it is encrypted: what is left of that has next to nothing to compute. */
static bool is_step(const struct tls_link *l, const unsigned char *into) {
    enum { HANDSHAKE = 22 };
    return !l->done && into >= l->in + TLS_HEADER && l->in[0] == HANDSHAKE && !l->context.eng.incrypt;
}

/* Its client will not see the handshake's end, so nothing is computed for it. */
static bool has_left(const struct connection *c) {
    struct pollfd look = {.fd = c->watch.fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0;
}

/* Reads a piece of a record, as recv(). */
static ssize_t pull(struct connection *c) {
    struct tls_link *l = tls_link_of(c);
    size_t len;
    unsigned char *into = br_ssl_engine_recvrec_buf(&l->context.eng, &len);
    if (into == NULL) {
        errno = ECONNRESET;
        return -1;
    }
    bool step = is_step(l, into);
    /* Who was accepted in this round has it behind those that wait already. */
    if (step && (!may_step() || c->since_round == loop_round())) {
        errno = EAGAIN;
        return -1;
    }
    if (step && has_left(c)) {
        errno = ECONNRESET;
        return -1;
    }
    ssize_t n = recv(c->watch.fd, into, len, 0);
    if (n <= 0)
        return n;
    size_t used = (size_t)(into - l->in) + (size_t)n;
    if (used > l->in_used)
        l->in_used = used;
    step_taken = step_taken || (step && (size_t)n == len);
    br_ssl_engine_recvrec_ack(&l->context.eng, (size_t)n);
    look(c);
    return n;
}

/* Between two records: what a large one has taken is seldom needed. */
static void give_back(struct tls_link *l) {
    size_t len;
    if (l->in_used <= IN_USUAL || br_ssl_engine_recvrec_buf(&l->context.eng, &len) != l->in)
        return;
    wipe(l->in, l->in_used); /* all of it: only whole pages are given back */
    pages_give_back(l->in + IN_USUAL, l->in + l->in_used);
    l->in_used = IN_USUAL;
}

/* What the client has said already would turn the end into a reset, and the client might not see why. */
static ssize_t give_up(struct connection *c) {
    if (br_ssl_engine_last_error(&tls_link_of(c)->context.eng) == BR_ERR_OK)
        return 0; /* it has said goodbye */
    shutdown(c->watch.fd, SHUT_WR);
    connections_drop_partial(c);
    connections_enter(c, PHASE_DRAINING);
    errno = EAGAIN;
    return -1;
}

static bool says_something(struct connection *c, ssize_t *n) {
    char first_byte;
    *n = recv(c->watch.fd, &first_byte, 1, MSG_PEEK);
    return *n > 0;
}

static ssize_t receive(struct connection *c, void *bytes, size_t max) {
    struct tls_link *l = tls_link_of(c);
    ssize_t n;
    if (c->phase == PHASE_DRAINING)
        return recv(c->watch.fd, bytes, max, 0);
    if (!l->started && !says_something(c, &n))
        return n;
    if (!l->started)
        start(l);
    for (int records = 0; records < 2 * RECORDS_PER_TURN; records++) {
        n = take_bytes(l, bytes, max);
        if (n > 0)
            return n;
        if (!push_first(c))
            return -1;
        if (br_ssl_engine_current_state(&l->context.eng) == BR_SSL_CLOSED)
            return give_up(c);
        n = pull(c);
        if (n < 0 && errno == EAGAIN)
            give_back(l);
        if (n <= 0)
            return n;
    }
    errno = EAGAIN;
    return -1;
}

/* ---- sending ---- */

/* 0 if all is with the kernel. */
static ssize_t finish(struct connection *c) {
    struct tls_link *l = tls_link_of(c);
    br_ssl_engine_flush(&l->context.eng, 0);
    if (!push(c))
        return -1;
    if (c->close_after && !l->ended) {
        l->ended = true;
        c->read_all = false; /* the client's own farewell is still to come */
        br_ssl_engine_close(&l->context.eng);
        return push(c) ? 0 : -1;
    }
    if (tls_link_has_bytes(l))
        tls_turns_append(l);
    tls_rest_soon(l);
    return 0;
}

/* As much of it as the engine takes. False if that was an error, with errno. */
static bool send_piece(struct connection *c, const struct iovec *piece, size_t *sent) {
    br_ssl_engine_context *engine = &tls_link_of(c)->context.eng;
    while (*sent < piece->iov_len) {
        size_t room;
        unsigned char *into = br_ssl_engine_sendapp_buf(engine, &room);
        if (into == NULL && !push(c))
            return false;
        if (into == NULL && br_ssl_engine_sendapp_buf(engine, &room) == NULL) {
            errno = EPIPE;
            return false;
        }
        if (into == NULL)
            continue;
        if (room > piece->iov_len - *sent)
            room = piece->iov_len - *sent;
        memcpy(into, (const char *)piece->iov_base + *sent, room);
        br_ssl_engine_sendapp_ack(engine, room);
        *sent += room;
    }
    return true;
}

static ssize_t send_message(struct connection *c, const struct msghdr *message) {
    size_t all = 0;
    if (message->msg_iovlen == 0)
        return finish(c);
    for (int i = 0; i < (int)message->msg_iovlen; i++) {
        size_t sent = 0;
        bool whole = send_piece(c, &message->msg_iov[i], &sent);
        all += sent;
        if (!whole && (all == 0 || errno != EAGAIN))
            return -1;
        if (!whole)
            break;
    }
    return (ssize_t)all;
}

const struct server_transport tls_server_transport = {begin, receive, send_message, end};
