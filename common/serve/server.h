/* Listeners, and the exchange on each connection: requests are answered in the order in which they come.
 *
 * What is answered is the caller's: each listener brings its handlers. There is one server for the process,
 * as there is one loop that drives it. */
#ifndef POD_IDENTITY_SERVE_SERVER_H
#define POD_IDENTITY_SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/serve/answer.h"
#include "common/serve/bodies.h"
#include "common/serve/connections.h"
#include "common/serve/loop.h"
#include "common/serve/request.h"
#include "common/serve/transport.h"

#define SERVER_PAUSE_MS 100 /* before accepting anew when the process is out of descriptors */

/* What a program decides about the requests of a listener; several listeners may share one. An answer is
 * borrowed: it and its bytes stay as they are until server_retire() was called for it. */
struct server_handlers {
    /* The answer to a well-formed request of that connection, whose listener is connection->listener. Called
     * at the moment of answering. NULL: later, by server_answer(); what is needed of the request is copied
     * now.
     */
    const struct answer *(*pick)(struct connection *connection, const struct request *request);
    /* The answer to what is refused before that; it is the connection's last: the error_status of a request
     * that is malformed, 403 to a peer that may not ask, 503 if too many unfinished requests wait. */
    const struct answer *(*refuse)(const struct server_listener *listener, int status);
    /* Whether the other end of a new connection may ask at all. NULL: everybody. */
    bool (*allowed)(const struct server_listener *listener, int fd);
    /* A request is about to be answered with that status: for counts and logs. request->error says what was
     * wrong with it; of one that is not whole the rest may be empty. NULL if the answer came later. */
    void (*answered)(const struct server_listener *listener, const struct request *request, int status);
    /* For a listener whose pick() may say "later"; else NULL. A connection that waits is closed: nobody must
     * answer it any more. And one has waited for CONNECTIONS_WAIT_MS: the answer that it gets instead; nobody
     * must answer it again, either. */
    void (*gone)(struct connection *connection);
    const struct answer *(*late)(struct connection *connection);
};

/* The caller's storage; it stays until server_close(). */
struct server_listener {
    const struct server_handlers *handlers;
    const struct request_extras *extras;      /* headers that pick() looks at; NULL: none */
    const struct server_transport *transport; /* NULL: the socket itself */
    struct bodies *bodies; /* where bodies of requests are kept; NULL: requests have none */
    bool unix_socket;      /* connections do not inherit buffer sizes there */
    bool refusals_close;   /* an answer of 4xx is the connection's last: who may not ask keeps no place */
    bool borrows;          /* see connections.h: places of others, while they are free */
    size_t share;    /* of the places, in proportion to the other listeners: what is its own for certain */
    size_t partials; /* likewise, in numbers */
    size_t larges;   /* of them, for requests that take much of a room; the others are refused then (503) */
    struct connection *(*spare)(const struct connection_group *group); /* see connections.h; NULL */

    /* The server's own. */
    struct loop_watch watch;
    struct connection_group group;
    int64_t accept_again_ms; /* CLOCK_NEVER: it accepts */
    struct server_listener *next;
};

/* For those whom `allowed` turns away: they wait here for their refusal, not in the places of others. */
#define SERVER_DENIED_SHARE 8
#define SERVER_DENIED_PARTIALS 4

/* Where connections live, and how many there can be: partials for all listeners, and for the denied. */
struct server_storage {
    struct connection *places;
    size_t place_count;
    struct partial *partials;
    size_t partial_count;
    char *rooms; /* for long Authorization headers: 1 + partial_count of them, of room_cap bytes, all zero; or
                    NULL */
    size_t room_cap;
};

/* storage is zero, and borrowed. descriptors_kept: how many are not for clients (listeners, the loop's own, a
 * refresh and its files). Returns how many connections there can be: fewer than places where the process's
 * limit is low. */
size_t server_open(const struct server_storage *storage, size_t descriptors_kept);
/* Takes over a listening, non-blocking descriptor. false with errno. */
bool server_listen(struct server_listener *listener, int fd);
/* The answer to a connection that waits for one. Not to be called from within pick(). */
void server_answer(struct connection *connection, const struct answer *answer);
/* How many connections are open now, on all listeners. */
size_t server_connections(void);
/* Every answer from now on closes its connection. */
void server_last_answers(void);
/* Closes listeners and connections. */
void server_close(void);
/* Whether a connection still writes that answer: its storage is needed. */
bool server_writes(const struct answer *answer);
/* The storage of that answer is about to be used anew: closes connections that still write it. */
void server_retire(const struct answer *answer);

/* Goes on with an unfinished request: those bytes are next. For server_bodies.c. */
void server_go_on(struct connection *connection, const char *bytes, size_t len);

#endif
