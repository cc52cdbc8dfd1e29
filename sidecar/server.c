#include "sidecar/server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/wipe.h"
#include "sidecar/access.h"
#include "sidecar/descriptors.h"
#include "sidecar/listen.h"
#include "sidecar/metrics.h"
#include "sidecar/peers.h"

#define ACCEPTS_PER_ROUND 64

/* Each phase has one time limit, so each list is in the order of its deadlines, and its head is the next to
 * end. */
enum phase { PHASE_IDLE, PHASE_READING, PHASE_WRITING, PHASE_DRAINING, PHASES };

static const int64_t limit_ms[PHASES] = {
    [PHASE_IDLE] = SERVER_IDLE_MS,
    [PHASE_READING] = SERVER_REQUEST_MS,
    [PHASE_WRITING] = SERVER_WRITE_MS,
    [PHASE_DRAINING] = SERVER_DRAIN_MS,
};

/* What a connection needs only while a request is not whole, or while an answer waits and more requests are
 * behind it. */
struct partial {
    bool taken;
    struct request request;
    size_t pending_len;
    char pending[SERVER_CHUNK];
};

struct connection {
    struct loop_watch watch; /* first: the loop hands back its address */
    uint8_t phase;           /* enum phase */
    bool close_after;        /* the answer being written is the last one */
    bool with_body;
    bool denied;   /* every request gets a refusal */
    bool read_all; /* the client asked for the end, and nothing is left unread: no need to wait for its end */
    uint32_t sent; /* bytes of the answer */
    const struct routes *routes;
    struct connection *before, *after; /* in the list of its phase; free ones use `after` alone */
    int64_t deadline_ms;
    const struct answer *answer; /* being written, in PHASE_WRITING only */
    struct partial *partial;
};

struct listener {
    struct loop_watch watch;
    const struct routes *routes;
};

static struct connection connections[SERVER_CONNECTIONS_MAX];
static struct connection *free_list;
static size_t connections_max, connections_used; /* those not used were never touched, and take no memory */
struct list {
    struct connection *head, *tail;
};
static struct list lists[PHASES];
static struct partial partials[SERVER_PARTIALS_MAX];
static struct listener listeners[SERVER_LISTENERS_MAX];
static int listener_count;
static int64_t accept_again_ms = CLOCK_NEVER;
static struct loop_timer timer;
static server_before *before_answer;
static bool last_answers;
static struct request scratch; /* always reset between uses */
static struct log_repeat descriptors_short;

/* ---- lists and deadlines ---- */

static void set_timer(void) {
    int64_t nearest = accept_again_ms;
    for (int i = 0; i < PHASES; i++) {
        if (lists[i].head != NULL && lists[i].head->deadline_ms < nearest)
            nearest = lists[i].head->deadline_ms;
    }
    timer.deadline_ms = nearest;
}

static void unlink_connection(struct connection *c) {
    if (c->before != NULL)
        c->before->after = c->after;
    else
        lists[c->phase].head = c->after;
    if (c->after != NULL)
        c->after->before = c->before;
    else
        lists[c->phase].tail = c->before;
}

static void append(struct connection *c, enum phase phase) {
    c->phase = phase;
    c->deadline_ms = loop_now().mono_ms + limit_ms[phase];
    c->before = lists[phase].tail;
    c->after = NULL;
    if (c->before != NULL)
        c->before->after = c;
    else
        lists[phase].head = c;
    lists[phase].tail = c;
}

/* A phase that goes on keeps its deadline: a byte now and then does not stretch a request. */
static void enter(struct connection *c, enum phase phase) {
    if (c->phase == phase && phase != PHASE_IDLE)
        return;
    unlink_connection(c);
    append(c, phase);
}

static void drop_partial(struct connection *c) {
    if (c->partial == NULL)
        return;
    wipe(c->partial, sizeof *c->partial);
    c->partial = NULL;
}

static void close_connection(struct connection *c) {
    unlink_connection(c);
    drop_partial(c);
    close(c->watch.fd);
    c->watch.fd = -1;
    metrics_connections(-1);
    c->after = free_list;
    free_list = c;
}

/* Who gives way when all places are taken: the oldest that reads no answers, then that is slow to ask. */
static struct connection *oldest_holder(const struct connection *but) {
    static const enum phase order[] = {PHASE_WRITING, PHASE_READING};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        for (struct connection *c = lists[order[i]].head; c != NULL; c = c->after) {
            if (c->partial != NULL && c != but)
                return c;
        }
    }
    return NULL;
}

static bool take_partial(struct connection *c) {
    if (c->partial != NULL)
        return true;
    for (int attempt = 0; attempt < 2; attempt++) {
        for (size_t i = 0; i < SERVER_PARTIALS_MAX; i++) {
            if (!partials[i].taken) {
                partials[i].taken = true;
                c->partial = &partials[i];
                return true;
            }
        }
        struct connection *oldest = oldest_holder(c);
        if (oldest == NULL)
            return false;
        close_connection(oldest);
    }
    return false;
}

/* ---- answering ---- */

static bool would_block(void) {
    return errno == EAGAIN; /* EWOULDBLOCK is the same on Linux */
}

/* False if the connection was closed. */
static bool finish_answer(struct connection *c) {
    if (c->close_after && c->read_all) {
        close_connection(c);
        return false;
    }
    if (c->close_after) {
        /* Closing with unread bytes would reset the connection, and the client might never see the answer. */
        drop_partial(c);
        shutdown(c->watch.fd, SHUT_WR);
    }
    enter(c, c->close_after ? PHASE_DRAINING : PHASE_IDLE);
    return true;
}

/* Writes what is left of the answer. False if the connection was closed. */
static bool flush(struct connection *c) {
    struct iovec out[2];
    while (answer_rest(c->answer, c->close_after, c->with_body, c->sent, out) > 0) {
        const struct msghdr message = {.msg_iov = out, .msg_iovlen = 2};
        ssize_t n = sendmsg(c->watch.fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && would_block()) {
            if (c->phase != PHASE_WRITING)
                loop_change(&c->watch, EPOLLOUT);
            c->read_all = false; /* much can come until it is written */
            enter(c, PHASE_WRITING);
            return true;
        }
        if (n < 0) {
            close_connection(c);
            return false;
        }
        c->sent += (uint32_t)n;
    }
    if (c->phase == PHASE_WRITING)
        loop_change(&c->watch, EPOLLIN);
    return finish_answer(c);
}

static bool answer_with(struct connection *c, const struct answer *a, bool close, bool with_body) {
    c->answer = a;
    c->sent = 0;
    c->close_after = close;
    c->with_body = with_body;
    return flush(c);
}

static bool respond(struct connection *c, const struct request *r, enum request_status status) {
    const struct answer *a;
    bool close = status == REQUEST_BAD || r->close || last_answers || c->denied;
    if (status == REQUEST_BAD) {
        a = answers_error(r->error_status);
    } else if (c->denied) {
        a = answers_refuse(ANSWERS_WRONG_PEER);
    } else {
        before_answer();
        a = routes_pick(c->routes, r);
    }
    access_record(c->routes->kind, r, a->status);
    bool head = status == REQUEST_DONE && r->method == REQUEST_HEAD;
    return answer_with(c, a, close, !head);
}

static void refuse_busy(struct connection *c) {
    access_record(c->routes->kind, &scratch, 503);
    (void)answer_with(c, answers_error(503), true, true);
}

/* Keeps the state of an unfinished request, or bytes of the next one that cannot be answered yet. */
static void remember(struct connection *c, const char *bytes, size_t len) {
    bool had_partial = c->partial != NULL;
    if (!take_partial(c)) {
        if (c->phase == PHASE_WRITING)
            close_connection(c);
        else
            refuse_busy(c);
        return;
    }
    if (!had_partial)
        c->partial->request = scratch;
    if (len > 0)
        memcpy(c->partial->pending, bytes, len);
    c->partial->pending_len = len;
    if (c->phase != PHASE_WRITING)
        enter(c, PHASE_READING);
}

/* Parses and answers until the bytes are used up, an answer has to wait, or the end is near. */
static void feed(struct connection *c, const char *bytes, size_t len) {
    while (len > 0) {
        struct request *r = c->partial != NULL ? &c->partial->request : &scratch;
        size_t used;
        enum request_status status = request_feed(r, bytes, len, &used);
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
        drop_partial(c);
        if (c->phase == PHASE_DRAINING)
            return;
        if (c->phase == PHASE_WRITING) {
            if (len > 0)
                remember(c, bytes, len);
            break;
        }
    }
    if (request_begun(&scratch))
        request_reset(&scratch);
}

static void feed_pending(struct connection *c) {
    char bytes[SERVER_CHUNK];
    size_t len = c->partial != NULL ? c->partial->pending_len : 0;
    if (len == 0)
        return;
    memcpy(bytes, c->partial->pending, len);
    drop_partial(c);
    feed(c, bytes, len);
    wipe(bytes, len);
}

static void on_connection(struct loop_watch *watch, uint32_t events) {
    static char chunk[SERVER_CHUNK];
    struct connection *c = (struct connection *)watch;
    if (c->phase == PHASE_WRITING) {
        if ((events & EPOLLOUT) == 0)
            close_connection(c);
        else if (flush(c) && c->phase == PHASE_IDLE)
            feed_pending(c);
        set_timer();
        return;
    }
    ssize_t n = recv(c->watch.fd, chunk, sizeof chunk, 0);
    if (n == 0 || (n < 0 && !would_block() && errno != EINTR)) {
        close_connection(c);
    } else if (n > 0 && c->phase != PHASE_DRAINING) {
        feed(c, chunk, (size_t)n);
        wipe(chunk, (size_t)n);
    }
    set_timer();
}

/* ---- accepting ---- */

static bool make_room(void) {
    static const enum phase order[] = {PHASE_IDLE, PHASE_DRAINING, PHASE_READING, PHASE_WRITING};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (lists[order[i]].head != NULL) {
            close_connection(lists[order[i]].head);
            return true;
        }
    }
    return false;
}

static void pause_accepting(void) {
    for (int i = 0; i < listener_count; i++)
        loop_change(&listeners[i].watch, 0);
    accept_again_ms = loop_now().mono_ms + SERVER_PAUSE_MS;
}

static void resume_accepting(void) {
    accept_again_ms = CLOCK_NEVER;
    for (int i = 0; i < listener_count; i++)
        loop_change(&listeners[i].watch, EPOLLIN);
}

static struct connection *take_connection(void) {
    if (free_list == NULL && connections_used < connections_max)
        return &connections[connections_used++];
    if (free_list == NULL && !make_room())
        return NULL;
    struct connection *c = free_list;
    free_list = c->after;
    return c;
}

static void admit(const struct listener *l, int fd) {
    struct connection *c = take_connection();
    if (c == NULL) {
        close(fd);
        return;
    }
    *c = (struct connection){.watch = {.fd = fd, .ready = on_connection}, .routes = l->routes};
    append(c, PHASE_IDLE);
    metrics_connections(1);
    const int buffer = LISTEN_SEND_BUFFER; /* not inherited here, unlike over TCP */
    if (l->routes->kind == ROUTES_SOCKET) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        c->denied = !peers_allowed(fd);
    }
    if (!loop_add(&c->watch, EPOLLIN))
        close_connection(c);
}

static void on_listener(struct loop_watch *watch, uint32_t events) {
    struct listener *l = (struct listener *)watch;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        int fd = accept4(l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            log_mended(&descriptors_short, "accepting connections again");
            admit(l, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (would_block())
            break;
        /* Out of descriptors or memory: the listener stays readable, so trying again at once would spin. */
        log_failing(&descriptors_short, LOG_WARN, "cannot accept a connection", "accept", strerror(errno));
        if (!make_room()) {
            pause_accepting();
            break;
        }
    }
    set_timer();
}

static void on_timer(struct loop_timer *t) {
    (void)t;
    int64_t now = loop_now().mono_ms;
    for (int i = 0; i < PHASES; i++) {
        while (lists[i].head != NULL && lists[i].head->deadline_ms <= now)
            close_connection(lists[i].head);
    }
    if (accept_again_ms <= now)
        resume_accepting();
    set_timer();
}

void server_open(server_before *before) {
    connections_max = descriptors_for_clients(SERVER_CONNECTIONS_MAX, SERVER_DESCRIPTORS_KEPT);
    before_answer = before;
    timer = (struct loop_timer){.deadline_ms = CLOCK_NEVER, .expired = on_timer};
    loop_add_timer(&timer);
}

bool server_listen(int fd, const struct routes *routes) {
    if (listener_count == SERVER_LISTENERS_MAX)
        return false;
    struct listener *l = &listeners[listener_count++];
    *l = (struct listener){.watch = {.fd = fd, .ready = on_listener}, .routes = routes};
    return loop_add(&l->watch, EPOLLIN);
}

void server_last_answers(void) {
    last_answers = true;
}

void server_close(void) {
    for (int i = 0; i < PHASES; i++) {
        while (lists[i].head != NULL)
            close_connection(lists[i].head);
    }
    for (int i = 0; i < listener_count; i++)
        close(listeners[i].watch.fd);
    listener_count = 0;
    wipe(&scratch, sizeof scratch);
}

void server_retire(const struct answer *answer) {
    struct connection *c = lists[PHASE_WRITING].head;
    while (c != NULL) {
        struct connection *next = c->after;
        if (c->answer == answer)
            close_connection(c);
        c = next;
    }
}
