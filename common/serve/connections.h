/* The places for connections: a fixed pool, each place in one phase with a time limit. Connections of one
 * kind (of a listener, as a rule) are a group, which has places of its own. It may borrow those that are
 * free, and gives them back at once to a group that has not all of its own. A group that can take no more
 * lets one of its connections give way: who makes no progress before who has just come, and who was served
 * before only where such are the most; among those who wait for an answer, one of the largest crowd. What is
 * said on a connection is the server's business. */
#ifndef POD_IDENTITY_SERVE_CONNECTIONS_H
#define POD_IDENTITY_SERVE_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/serve/answer.h"
#include "common/serve/bodies.h"
#include "common/serve/loop.h"
#include "common/serve/request.h"
#include "common/serve/transport.h"

#define CONNECTIONS_CHUNK 4096       /* bytes read at a time */
#define CONNECTIONS_IDLE_MS 75000    /* between requests; SDKs that keep connections give them up earlier */
#define CONNECTIONS_REQUEST_MS 10000 /* from the first byte of a request to its last */
#define CONNECTIONS_WRITE_MS 10000   /* for a client to take an answer */
#define CONNECTIONS_WAIT_MS 20000    /* for an answer that is not there yet */
#define CONNECTIONS_DRAIN_MS 1000    /* after the last answer, for the client to close first */
#define CONNECTIONS_STALL_MS 250     /* without progress for so long, it gives way before others do */
#define CONNECTIONS_TURN_MS 100      /* a newcomer has its place for so long, to say what it wants */
#define CONNECTIONS_LARGE 4096       /* bytes in its room, from which on an unfinished request is large */

enum connection_phase {
    PHASE_NEW,      /* has not said anything yet */
    PHASE_IDLE,     /* was answered, and may ask again */
    PHASE_READING,  /* has said a part of a request */
    PHASE_WAITING,  /* its answer is not there yet */
    PHASE_WRITING,  /* does not take its answer as fast as it comes */
    PHASE_DRAINING, /* has got its last answer */
    PHASES
};

struct server_listener;
struct connection;
struct connection_group;

struct connection_group {
    size_t places;   /* its own */
    bool borrows;    /* takes others', too, while they are free */
    size_t partials; /* how many it may take at a time… */
    size_t larges;   /* …and of these, for large requests */
    /* Who gives way to a newcomer; NULL: nobody yet, so that it waits in the kernel's queue. In its place the
     * group's own rules, if there is no such function. Such a group does not borrow, and has a partial for
     * each place. */
    struct connection *(*spare)(const struct connection_group *group);

    /* Private. */
    size_t share; /* of all places, in relation to those of the other groups */
    size_t open, partials_used, larges_used;
    struct connection_list {
        struct connection *head, *tail;
    } lists[PHASES];
    size_t idle; /* in PHASE_IDLE */
    struct connection_group *next;
};

/* What a connection needs only while a request is not whole, or while an answer waits and more requests are
 * behind it. */
struct partial {
    bool taken, large;
    struct request request;
    size_t body_pending;   /* bytes of `pending` that are of this request's body, which waits for a room */
    struct bodies *bodies; /* which this request waits for, or has a room of; NULL: none */
    struct connection *body_next; /* behind it in their queue */
    int64_t body_since_ms;
    size_t pending_len;
    char pending[CONNECTIONS_CHUNK];
};

/* Those who wait, as whoever is to answer tells them apart: by address, for example. */
struct connections_crowd {
    uint32_t waiting; /* connections; counted by whoever is to answer */
};

struct connection {
    struct loop_watch watch;
    uint8_t phase;    /* enum connection_phase */
    bool close_after; /* the answer being written is the last one */
    bool with_body;
    bool denied;   /* every request gets a refusal */
    bool read_all; /* the client asked for the end, and nothing is left unread: no need to wait for its end */
    bool watched;  /* by the loop: not before a first look for what it has said already */
    bool known;    /* the caller's: false on a new connection */
    uint32_t sent; /* bytes of the answer */
    uint32_t since_round; /* of the loop: what that round still has for its place is about another */
    struct connection_group *group;
    const struct server_listener *listener;
    struct connection *before, *after; /* in the list of its phase; free ones use `after` alone */
    int64_t deadline_ms;
    const struct answer *answer; /* being written, in PHASE_WRITING only */
    struct partial *partial;
    struct server_link *link; /* of the transport; NULL: the socket itself */
    struct {                  /* in PHASE_WAITING; for whoever is to answer */
        void *on;
        struct connections_crowd *by; /* NULL: of nobody in particular */
        struct connection *before, *after;
    } waiting;
};

/* A connection in PHASE_WAITING is closed. */
typedef void connections_gone(struct connection *c);

/* places and partials, storage of the caller, are zero, and borrowed. A partial is for a request that is
 * begun and not ended: SDKs send theirs in one piece, so there can be fewer of them. After a flood the pages
 * of both are given back to the kernel, so they lie in memory of this process alone (static). usable: how
 * many places there are descriptors for. */
void connections_open(struct connection *places, size_t place_count, size_t usable, struct partial *partials,
                      size_t partial_count, connections_gone *gone);

/* The usable places are divided among the groups in proportion to their shares; each has one at least. The
 * sum of all partials must not be larger than what there is. group is zero but for `borrows`, `larges` and
 * `spare`, and stays until connections_close_all(). */
void connections_add_group(struct connection_group *group, size_t share, size_t partials);
/* How many are open now. */
size_t connections_count(void);

/* A place for the descriptor, in PHASE_NEW; another gives way if need be. NULL if even so there is none; the
 * descriptor is the caller's then. */
struct connection *connections_add(struct connection_group *group, const struct loop_watch *watch,
                                   const struct server_listener *listener);

/* Which of the places given it has, from 0. */
size_t connections_number(const struct connection *c);

/* Whether there is a place for one more in the group: 0, or else when there will be, monotonic: it can take
 * no more, and some have just come. Who waits to be accepted meanwhile loses nothing. */
int64_t connections_room_at(const struct connection_group *group);

/* A phase that goes on keeps its deadline, but PHASE_IDLE: a byte now and then does not stretch a request. */
void connections_enter(struct connection *c, enum connection_phase phase);

/* Closes the descriptor and frees the place. */
void connections_close(struct connection *c);

/* c->partial is there afterwards, wiped; if all of its group are taken, another connection of the group is
 * closed for it: the oldest that reads no answers, then one that has sent more while it waits for an answer,
 * then the oldest that is slow to ask. False if there is none. */
bool connections_take_partial(struct connection *c);
/* Its request may be large from now on (see CONNECTIONS_LARGE); if as many of its group are as may be, the
 * oldest of those is closed for it. False if there is none. The room's memory is given back when it is over.
 */
bool connections_take_large(struct connection *c);
void connections_drop_partial(struct connection *c);

/* Closes the connection that can best be spared, of the group that has the largest part of its places taken.
 * False if there is none. */
bool connections_make_room(void);

/* When connections_expire() has something to do, monotonic; CLOCK_NEVER without connections. */
int64_t connections_deadline(void);
/* One in PHASE_WAITING whose time limit has ended, or NULL: it gets an answer now. */
struct connection *connections_waited(int64_t now_ms);
/* Closes those whose time limit has ended. From a timer only: memory of closed ones may be given back. */
void connections_expire(int64_t now_ms);

/* Whether some are still writing that answer; closes those that do. */
bool connections_write(const struct answer *answer);
void connections_close_writers(const struct answer *answer);
void connections_close_all(void);

#endif
