#include "common/serve/server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/owner.h"
#include "common/base/wipe.h"
#include "common/serve/descriptors.h"
#include "common/serve/listen.h"

#define ACCEPTS_PER_ROUND 64
#define DENIED_PER_ROUND                                                                                     \
    1024 /* on top: they cost next to nothing, and must not fill the queue of those who may ask */

static struct server_listener *listeners;
static int64_t accept_again_ms = CLOCK_NEVER;
static struct loop_timer timer;
static bool last_answers;
static struct request scratch; /* one request is parsed at a time; always reset between uses */
static struct log_repeat descriptors_short;
static struct connection_group denied;

/* Its places are all taken by newcomers that have not had their turn: others wait in the kernel's queue. */
static bool hold_back(struct server_listener *l) {
    int64_t room_at_ms = connections_room_at(&l->group);
    if (room_at_ms == 0)
        return false;
    l->accept_again_ms = room_at_ms;
    loop_change(&l->watch, 0);
    return true;
}

/* Whoever was held back for that long, or has a place again. */
static void let_in(void) {
    for (struct server_listener *l = listeners; l != NULL; l = l->next) {
        if (l->accept_again_ms == CLOCK_NEVER ||
            (l->accept_again_ms > loop_now().mono_ms && connections_room_at(&l->group) != 0))
            continue;
        l->accept_again_ms = CLOCK_NEVER;
        loop_change(&l->watch, EPOLLIN);
    }
}

static void set_timer(void) {
    int64_t nearest = connections_deadline();
    let_in();
    for (const struct server_listener *l = listeners; l != NULL; l = l->next) {
        if (l->accept_again_ms < nearest)
            nearest = l->accept_again_ms;
    }
    timer.deadline_ms = accept_again_ms < nearest ? accept_again_ms : nearest;
}

/* ---- answering ---- */

/* False if it was closed: out of memory. */
static bool watch_for(struct connection *c, uint32_t events) {
    bool done = c->watched ? loop_change(&c->watch, events) : loop_add(&c->watch, events);
    c->watched = true;
    if (!done)
        connections_close(c);
    return done;
}

static bool would_block(void) {
    return errno == EAGAIN; /* EWOULDBLOCK is the same on Linux */
}

/* False if the connection was closed. */
static bool finish_answer(struct connection *c) {
    if (c->close_after && c->read_all) {
        connections_close(c);
        return false;
    }
    if (c->close_after) {
        /* Closing with unread bytes would reset the connection, and the client might never see the answer. */
        connections_drop_partial(c);
        shutdown(c->watch.fd, SHUT_WR);
    }
    connections_enter(c, c->close_after ? PHASE_DRAINING : PHASE_IDLE);
    return true;
}

/* The kernel takes one piece by itself faster than a list of one. */
static ssize_t put(struct connection *c, struct iovec *pieces, size_t count) {
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (int)count};
    if (c->link != NULL)
        return c->link->transport->send(c, &message);
    if (count == 1)
        return send(c->watch.fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
    return sendmsg(c->watch.fd, &message, MSG_NOSIGNAL);
}

static bool is_all(const struct iovec *pieces, size_t count, ssize_t written) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += pieces[i].iov_len;
    return count < ANSWER_PIECES && (size_t)written == len;
}

/* The rest has to wait for the client. False if the connection was closed. */
static bool write_later(struct connection *c) {
    if (c->phase != PHASE_WRITING && !watch_for(c, EPOLLOUT))
        return false;
    c->read_all = false; /* much can come until it is written */
    connections_enter(c, PHASE_WRITING);
    return true;
}

/* Writes what is left of the answer. False if the connection was closed. */
static bool flush(struct connection *c) {
    struct iovec out[ANSWER_PIECES];
    for (;;) {
        size_t count;
        answer_rest(c->answer, c->close_after, c->with_body, c->sent, out, &count);
        if (count == 0 && c->link == NULL)
            break;
        ssize_t n = put(c, out, count);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && would_block())
            return write_later(c);
        if (n < 0) {
            connections_close(c);
            return false;
        }
        c->sent += (uint32_t)n;
        if (c->link == NULL && is_all(out, count, n))
            break;
    }
    if (c->phase == PHASE_WRITING && !watch_for(c, EPOLLIN))
        return false;
    return finish_answer(c);
}

static bool answer_with(struct connection *c, const struct answer *a, bool close, bool with_body) {
    c->answer = a;
    c->sent = 0;
    c->close_after = close;
    c->with_body = with_body;
    return flush(c);
}

static bool closes(const struct server_listener *l, const struct answer *a) {
    return last_answers || (l->refusals_close && a->status >= 400 && a->status < 500);
}

/* The answer comes later. What the client says meanwhile stays where it is; only its end is looked for. */
static bool wait_for_answer(struct connection *c, bool close, bool with_body) {
    c->close_after = close;
    c->with_body = with_body;
    c->read_all = false;
    connections_enter(c, PHASE_WAITING);
    return watch_for(c, 0);
}

static bool respond(struct connection *c, const struct request *r, enum request_status status) {
    const struct server_listener *l = c->listener;
    const struct answer *a;
    bool head = status == REQUEST_DONE && r->method == REQUEST_HEAD;
    bool close = status == REQUEST_BAD || r->close || c->denied;
    if (status == REQUEST_BAD)
        a = l->handlers->refuse(l, r->error_status);
    else if (c->denied)
        a = l->handlers->refuse(l, 403);
    else
        a = l->handlers->pick(c, r);
    if (a == NULL)
        return wait_for_answer(c, close, !head);
    l->handlers->answered(l, r, a->status);
    return answer_with(c, a, close || closes(l, a), !head);
}

static void refuse_busy(struct connection *c) {
    const struct server_listener *l = c->listener;
    l->handlers->answered(l, &scratch, 503);
    (void)answer_with(c, l->handlers->refuse(l, 503), true, true);
}

/* Keeps the state of an unfinished request, or bytes of the next one that cannot be answered yet. */
static void remember(struct connection *c, const char *bytes, size_t len) {
    bool had_partial = c->partial != NULL;
    bool answering = c->phase == PHASE_WRITING || c->phase == PHASE_WAITING;
    bool taken = connections_take_partial(c);
    if (taken && !had_partial)
        request_move(&scratch, &c->partial->request);
    if (!taken || (c->partial->request.room_used > CONNECTIONS_LARGE && !connections_take_large(c))) {
        if (answering)
            connections_close(c);
        else
            refuse_busy(c);
        return;
    }
    if (len > 0)
        memcpy(c->partial->pending, bytes, len);
    c->partial->pending_len = len;
    if (!answering)
        connections_enter(c, PHASE_READING);
}

/* Parses and answers until the bytes are used up, an answer has to wait, or the end is near. */
static void feed(struct connection *c, const char *bytes, size_t len) {
    while (len > 0) {
        struct request *r = c->partial != NULL ? &c->partial->request : &scratch;
        size_t used;
        const struct server_listener *l = c->listener;
        enum request_status status = l->bodies != NULL ? l->bodies->class->feed(c, &r, bytes, len, &used)
                                                       : request_feed(r, l->extras, bytes, len, &used);
        bytes += used;
        len -= used;
        if (status == REQUEST_MORE) {
            remember(c, NULL, 0);
            break;
        }
        c->read_all = status == REQUEST_DONE && r->close && len == 0;
        bool open = respond(c, r, status);
        request_reset(&scratch);
        if (!open)
            return;
        connections_drop_partial(c);
        if (c->phase == PHASE_DRAINING)
            return;
        if (c->phase == PHASE_WRITING || c->phase == PHASE_WAITING) {
            if (len > 0)
                remember(c, bytes, len);
            break;
        }
    }
    if (request_begun(&scratch))
        request_reset(&scratch);
}

static void feed_pending(struct connection *c) {
    char bytes[CONNECTIONS_CHUNK];
    size_t len = c->partial != NULL ? c->partial->pending_len : 0;
    if (len == 0)
        return;
    memcpy(bytes, c->partial->pending, len);
    connections_drop_partial(c);
    feed(c, bytes, len);
    wipe(bytes, len);
}

void server_go_on(struct connection *c, const char *bytes, size_t len) {
    feed(c, bytes, len);
    set_timer();
}

static void advance(struct connection *c, uint32_t events) {
    static char chunk[CONNECTIONS_CHUNK];
    if (c->phase == PHASE_WAITING) {
        if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            connections_close(c);
        return;
    }
    if (c->phase == PHASE_WRITING) {
        if ((events & EPOLLOUT) == 0)
            connections_close(c);
        else if (flush(c) && c->phase == PHASE_IDLE)
            feed_pending(c);
        return;
    }
    ssize_t n = c->link != NULL ? c->link->transport->receive(c, chunk, sizeof chunk)
                                : recv(c->watch.fd, chunk, sizeof chunk, 0);
    if (n == 0 || (n < 0 && !would_block() && errno != EINTR)) {
        connections_close(c);
    } else if (n > 0) {
        if (c->phase != PHASE_DRAINING)
            feed(c, chunk, (size_t)n);
        wipe(chunk, (size_t)n);
    }
}

static void on_connection(struct loop_watch *watch, uint32_t events) {
    struct connection *c = OWNER(watch, struct connection, watch);
    if (c->since_round != loop_round())
        advance(c, events);
    set_timer();
}

static void on_gone(struct connection *c) {
    c->listener->handlers->gone(c);
}

static void end_wait(struct connection *c, const struct answer *a) {
    const struct server_listener *l = c->listener;
    l->handlers->answered(l, NULL, a->status);
    if (!watch_for(c, EPOLLIN))
        return;
    if (answer_with(c, a, c->close_after || closes(l, a), c->with_body) && c->phase == PHASE_IDLE)
        feed_pending(c);
}

void server_answer(struct connection *c, const struct answer *answer) {
    connections_enter(c, PHASE_IDLE);
    end_wait(c, answer);
    set_timer();
}

static void answer_late(int64_t now_ms) {
    struct connection *c;
    while ((c = connections_waited(now_ms)) != NULL) {
        const struct answer *a = c->listener->handlers->late(c);
        connections_enter(c, PHASE_IDLE);
        end_wait(c, a);
    }
}

/* ---- accepting ---- */

static void pause_accepting(void) {
    for (struct server_listener *l = listeners; l != NULL; l = l->next)
        loop_change(&l->watch, 0);
    accept_again_ms = loop_now().mono_ms + SERVER_PAUSE_MS;
}

static void resume_accepting(void) {
    accept_again_ms = CLOCK_NEVER;
    for (struct server_listener *l = listeners; l != NULL; l = l->next)
        loop_change(&l->watch, EPOLLIN);
}

/* Whether it may ask. Most clients have sent their request by now, and many end with its answer: they need
 * not be watched at all. */
static bool admit(struct server_listener *l, int fd) {
    const struct loop_watch watch = {.fd = fd, .ready = on_connection};
    const int buffer = LISTEN_SEND_BUFFER;
    bool may_ask = l->handlers->allowed == NULL || l->handlers->allowed(l, fd);
    struct connection *c = connections_add(may_ask ? &l->group : &denied, &watch, l);
    if (c == NULL) {
        close(fd);
        return may_ask;
    }
    if (l->unix_socket)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    c->denied = !may_ask;
    c->since_round = loop_round();
    if (l->transport != NULL)
        l->transport->begin(c);
    advance(c, EPOLLIN);
    if (c->watch.fd >= 0 && !c->watched)
        (void)watch_for(c, EPOLLIN);
    return may_ask;
}

static void on_listener(struct loop_watch *watch, uint32_t events) {
    struct server_listener *l = OWNER(watch, struct server_listener, watch);
    (void)events;
    for (int admitted = 0, turned_away = 0; admitted < ACCEPTS_PER_ROUND && turned_away < DENIED_PER_ROUND;) {
        if (hold_back(l))
            break;
        int fd = accept4(l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            log_mended(&descriptors_short, "accepting connections again");
            if (admit(l, fd))
                admitted++;
            else
                turned_away++;
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (would_block())
            break;
        /* Out of descriptors or memory: the listener stays readable, so trying again at once would spin. */
        log_failing(&descriptors_short, LOG_WARN, "cannot accept a connection", "accept", strerror(errno));
        if (!connections_make_room()) {
            pause_accepting();
            break;
        }
    }
    set_timer();
}

static void on_timer(struct loop_timer *t) {
    (void)t;
    int64_t now = loop_now().mono_ms;
    answer_late(now);
    connections_expire(now);
    if (accept_again_ms <= now)
        resume_accepting();
    set_timer();
}

size_t server_open(const struct server_storage *storage, size_t descriptors_kept) {
    size_t usable = descriptors_for_clients(storage->place_count, descriptors_kept);
    connections_open(storage->places, storage->place_count, usable, storage->partials, storage->partial_count,
                     on_gone);
    for (size_t i = 0; storage->rooms != NULL && i <= storage->partial_count; i++) {
        struct request *r = i == 0 ? &scratch : &storage->partials[i - 1].request;
        r->room =
            (struct request_room){.text = storage->rooms + i * storage->room_cap, .cap = storage->room_cap};
    }
    connections_add_group(&denied, SERVER_DENIED_SHARE, SERVER_DENIED_PARTIALS);
    timer = (struct loop_timer){.deadline_ms = CLOCK_NEVER, .expired = on_timer};
    loop_add_timer(&timer);
    return usable;
}

bool server_listen(struct server_listener *listener, int fd) {
    listener->watch = (struct loop_watch){.fd = fd, .ready = on_listener};
    listener->accept_again_ms = CLOCK_NEVER;
    listener->group.borrows = listener->borrows;
    listener->group.larges = listener->larges;
    listener->group.spare = listener->spare;
    connections_add_group(&listener->group, listener->share, listener->partials);
    listener->next = listeners;
    listeners = listener;
    return loop_add(&listener->watch, EPOLLIN);
}

size_t server_connections(void) {
    return connections_count();
}

void server_last_answers(void) {
    last_answers = true;
}

void server_close(void) {
    connections_close_all();
    for (struct server_listener *l = listeners; l != NULL; l = l->next)
        close(l->watch.fd);
    listeners = NULL;
    request_reset(&scratch);
}

bool server_writes(const struct answer *answer) {
    return connections_write(answer);
}

void server_retire(const struct answer *answer) {
    connections_close_writers(answer);
}
