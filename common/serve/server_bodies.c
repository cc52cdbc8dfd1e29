#include "common/serve/server_bodies.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/owner.h"
#include "common/base/pages.h"
#include "common/base/wipe.h"
#include "common/serve/patience.h"
#include "common/serve/request_body.h"
#include "common/serve/request_field.h"
#include "common/serve/server.h"

#define LOOK_AGAIN_MS 100
#define ROOMS_KEPT 4 /* so many at a time are usual: their memory is kept */

static struct bodies *all;
static struct loop_timer timer;
static loop_ready *usual; /* of connections that do not wait */

/* ---- rooms ---- */

static size_t room_of(const struct bodies *b, const struct connection *c) {
    size_t i = 0;
    while (i < b->room_count && b->holders[i] != c)
        i++;
    return i;
}

static bool take_room(struct bodies *b, struct connection *c) {
    size_t i = room_of(b, NULL);
    if (i == b->room_count)
        return false;
    b->holders[i] = c;
    if (i >= b->room_peak)
        b->room_peak = i + 1;
    c->partial->bodies = b;
    c->partial->body_since_ms = loop_now().mono_ms;
    c->partial->request.body.bytes = b->rooms + i * c->listener->extras->body_kept;
    return true;
}

static void append(struct bodies *b, struct connection *c) {
    struct connection **at = &b->waiting;
    while (*at != NULL)
        at = &(*at)->partial->body_next;
    *at = c;
    c->partial->body_next = NULL;
    c->partial->bodies = b;
    c->partial->body_since_ms = loop_now().mono_ms;
}

static void take_out(struct bodies *b, const struct connection *c) {
    struct connection **at = &b->waiting;
    while (*at != NULL && *at != c)
        at = &(*at)->partial->body_next;
    if (*at != NULL)
        *at = c->partial->body_next;
}

/* When the timer has something to do: at once if a room is free, else when somebody has to give way or has
 * waited in vain. */
static void set_timer(void) {
    /* Whose bytes lie there unread is given time; a step of the clock, so that events do not put it off. */
    const int64_t again_ms = (loop_now().mono_ms / LOOK_AGAIN_MS + 1) * LOOK_AGAIN_MS;
    timer.deadline_ms = CLOCK_NEVER;
    for (const struct bodies *b = all; b != NULL; b = b->next) {
        int64_t due_ms;
        if (b->waiting == NULL)
            continue;
        due_ms = b->waiting->partial->body_since_ms + BODIES_WAIT_MS;
        for (size_t i = 0; i < b->room_count; i++) {
            int64_t until_ms =
                b->holders[i] == NULL ? 0 : b->holders[i]->partial->body_since_ms + BODIES_STALL_MS;
            if (b->holders[i] != NULL && until_ms <= loop_now().mono_ms)
                until_ms = again_ms;
            if (until_ms < due_ms)
                due_ms = until_ms;
        }
        if (due_ms < timer.deadline_ms)
            timer.deadline_ms = due_ms;
    }
}

/* Nobody has one, and more did than usual. All is wiped already. */
static void give_back_rooms(struct bodies *b, size_t room_size) {
    for (size_t i = 0; i < b->room_count; i++) {
        if (b->holders[i] != NULL)
            return;
    }
    if (b->room_peak > ROOMS_KEPT)
        pages_give_back(b->rooms + ROOMS_KEPT * room_size, b->rooms + b->room_peak * room_size);
    b->room_peak = 0;
}

static void release(struct connection *c) {
    struct partial *p = c->partial;
    struct request *r = &p->request;
    size_t i = room_of(p->bodies, c);
    if (i < p->bodies->room_count)
        p->bodies->holders[i] = NULL;
    else
        take_out(p->bodies, c);
    if (r->body.bytes != NULL)
        wipe(r->body.bytes, r->body.len);
    if (r->body.len > BODIES_LARGE)
        pages_give_back(r->body.bytes, r->body.bytes + r->body.len);
    give_back_rooms(p->bodies, c->listener->extras->body_kept);
    wipe(p->pending, p->body_pending);
    p->body_pending = 0;
    p->bodies = NULL;
    p->body_next = NULL;
    set_timer();
}

/* ---- bodies ---- */

static bool watch_for(struct connection *c, uint32_t events) {
    bool done = c->watched ? loop_change(&c->watch, events) : loop_add(&c->watch, events);
    c->watched = true;
    return done;
}

/* What a client has to wait for before it sends more. False if it cannot be said. */
static bool say_continue(struct connection *c) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec piece = {(void *)(uintptr_t)text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1}, nothing = {0};
    ssize_t n = c->link != NULL ? c->link->transport->send(c, &message)
                                : sendmsg(c->watch.fd, &message, MSG_NOSIGNAL);
    /* A client does not wait for it for ever, and what a transport has taken goes with the next bytes. */
    if (n > 0 && c->link != NULL)
        (void)c->link->transport->send(c, &nothing);
    return n < 0 ? errno == EAGAIN : n == (ssize_t)piece.iov_len;
}

/* Nothing is read meanwhile, so only its end can be noticed. */
static void on_waiting(struct loop_watch *watch, uint32_t events) {
    if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        connections_close(OWNER(watch, struct connection, watch));
}

/* The bytes come again when there is a room. */
static enum request_status wait(struct bodies *b, struct connection *c, const char *bytes, size_t len) {
    if (!watch_for(c, 0))
        return request_refuse(&c->partial->request, 503, "out of memory");
    append(b, c);
    memcpy(c->partial->pending, bytes, len);
    c->partial->body_pending = len;
    usual = c->watch.ready;
    c->watch.ready = on_waiting;
    set_timer();
    return REQUEST_MORE;
}

/* The head is whole: from here on the request lies in the connection's partial. */
static bool settle(struct connection *c, struct request **r) {
    if (c->partial == NULL) {
        if (!connections_take_partial(c)) {
            (void)request_refuse(*r, 503, "too many unfinished requests");
            return false;
        }
        request_move(*r, &c->partial->request);
        *r = &c->partial->request;
    }
    connections_enter(c, PHASE_READING);
    return true;
}

static enum request_status feed(struct connection *c, struct request **r, const char *bytes, size_t len,
                                size_t *used) {
    const struct request_extras *extras = c->listener->extras;
    struct bodies *b = c->listener->bodies;
    enum request_status status = request_body_feed(*r, extras, bytes, len, used);
    if (status != REQUEST_BODY)
        return status;
    if (!settle(c, r))
        return REQUEST_BAD;
    size_t rest = len - *used, more = 0;
    bytes += *used;
    if (c->denied || (*r)->body.dropped) {
        (*r)->body.dropped = true;
        (*r)->body.bytes = c->partial->pending;
        c->partial->bodies = b;
    } else if (b->waiting != NULL || !take_room(b, c)) {
        *used = len;
        return wait(b, c, bytes, rest);
    }
    if (rest == 0 && request_body_expected(*r) && !say_continue(c))
        return request_refuse(*r, 400, "the client is gone");
    status = request_body_feed(*r, extras, bytes, rest, &more);
    *used += more;
    return status;
}

/* ---- who waits ---- */

/* The one that has its room for longest, if that is too long. */
static struct connection *slowest(const struct bodies *b) {
    struct connection *found = NULL;
    for (size_t i = 0; i < b->room_count; i++) {
        struct connection *c = b->holders[i];
        if (c != NULL && c->partial->body_since_ms + BODIES_STALL_MS <= loop_now().mono_ms &&
            !patience_unread(c) &&
            (found == NULL || c->partial->body_since_ms < found->partial->body_since_ms))
            found = c;
    }
    return found;
}

static void refuse(struct connection *c) {
    if (c->watch.ready == on_waiting)
        c->watch.ready = usual;
    connections_drop_partial(c);
    c->close_after = true;
    c->with_body = true;
    server_answer(c, c->listener->handlers->refuse(c->listener, 503));
}

static void go_on(struct bodies *b, struct connection *c) {
    char bytes[CONNECTIONS_CHUNK];
    struct partial *p = c->partial;
    size_t len = p->body_pending;
    take_out(b, c);
    (void)take_room(b, c);
    c->watch.ready = usual;
    memcpy(bytes, p->pending, len);
    wipe(p->pending, len);
    p->body_pending = 0;
    if (!watch_for(c, EPOLLIN) || (len == 0 && request_body_expected(&p->request) && !say_continue(c)))
        connections_close(c);
    else
        server_go_on(c, bytes, len);
    wipe(bytes, len);
    if (c->watch.fd >= 0 && c->phase == PHASE_READING && c->watch.ready == usual)
        c->watch.ready(&c->watch, EPOLLIN); /* a transport may have more of it */
}

/* Each turn takes one from the queue, or frees a room. */
static void serve(struct bodies *b) {
    struct connection *c;
    while ((c = b->waiting) != NULL) {
        struct connection *slow = slowest(b);
        if (room_of(b, NULL) < b->room_count)
            go_on(b, c);
        else if (slow != NULL)
            refuse(slow);
        else if (c->partial->body_since_ms + BODIES_WAIT_MS <= loop_now().mono_ms)
            refuse(c);
        else
            break;
    }
}

static void on_timer(struct loop_timer *t) {
    (void)t;
    for (struct bodies *b = all; b != NULL; b = b->next)
        serve(b);
    set_timer();
}

void server_bodies_add(struct bodies *b) {
    if (all == NULL) {
        timer = (struct loop_timer){.deadline_ms = CLOCK_NEVER, .expired = on_timer};
        loop_add_timer(&timer);
    }
    b->next = all;
    all = b;
}

void server_bodies_listen(int fd) {
    const int buffer = BODIES_RECEIVE_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
}

const struct bodies_class server_bodies = {feed, release};
