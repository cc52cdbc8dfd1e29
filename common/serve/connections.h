/* The places for connections: a fixed pool, each place in one phase with a time limit, and who gives way when
 * all are taken. What is said on a connection is the server's business. */
#ifndef POD_IDENTITY_CONNECTIONS_H
#define POD_IDENTITY_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/serve/answer.h"
#include "common/serve/loop.h"
#include "common/serve/request.h"

#define CONNECTIONS_CHUNK 2048       /* bytes read at a time */
#define CONNECTIONS_IDLE_MS 75000    /* between requests; SDKs that keep connections give them up earlier */
#define CONNECTIONS_REQUEST_MS 10000 /* from the first byte of a request to its last */
#define CONNECTIONS_WRITE_MS 10000   /* for a client to take an answer */
#define CONNECTIONS_DRAIN_MS 1000    /* after the last answer, for the client to close first */

enum connection_phase { PHASE_IDLE, PHASE_READING, PHASE_WRITING, PHASE_DRAINING, PHASES };

struct server_listener;

/* What a connection needs only while a request is not whole, or while an answer waits and more requests are
 * behind it. */
struct partial {
    bool taken;
    struct request request;
    size_t pending_len;
    char pending[CONNECTIONS_CHUNK];
};

struct connection {
    struct loop_watch watch;
    uint8_t phase;    /* enum connection_phase */
    bool close_after; /* the answer being written is the last one */
    bool with_body;
    bool denied;   /* every request gets a refusal */
    bool read_all; /* the client asked for the end, and nothing is left unread: no need to wait for its end */
    uint32_t sent; /* bytes of the answer */
    const struct server_listener *listener;
    struct connection *before, *after; /* in the list of its phase; free ones use `after` alone */
    int64_t deadline_ms;
    const struct answer *answer; /* being written, in PHASE_WRITING only */
    struct partial *partial;
};

/* places and partials, storage of the caller, are zero, and borrowed. A partial is for a request that is
 * begun and not ended: SDKs send theirs in one piece, so there can be fewer of them. */
void connections_open(struct connection *places, size_t place_count, struct partial *partials,
                      size_t partial_count);
/* How many are open now. */
size_t connections_count(void);

/* A place for the descriptor, in PHASE_IDLE; whoever can best be spared gives way if need be. NULL if even so
 * there is none; the descriptor is the caller's then. */
struct connection *connections_add(const struct loop_watch *watch, const struct server_listener *listener);

/* A phase that goes on keeps its deadline, but PHASE_IDLE: a byte now and then does not stretch a request. */
void connections_enter(struct connection *c, enum connection_phase phase);

/* Closes the descriptor and frees the place. */
void connections_close(struct connection *c);

/* c->partial is there afterwards, wiped; if all are taken, another connection is closed for it: the oldest
 * that reads no answers, then that is slow to ask. False if there is none. */
bool connections_take_partial(struct connection *c);
void connections_drop_partial(struct connection *c);

/* Closes the connection that can best be spared: the oldest idle one first. False if there is none. */
bool connections_make_room(void);

/* When the next time limit ends, monotonic; CLOCK_NEVER without connections. */
int64_t connections_deadline(void);
/* Closes those whose time limit has ended. */
void connections_expire(int64_t now_ms);

/* Closes those that are still writing that answer. */
void connections_close_writers(const struct answer *answer);
void connections_close_all(void);

#endif
