/* Bodies of requests, for listeners that want them: a few rooms, in which a body is kept while it comes. A
 * request that finds none waits for BODIES_WAIT_MS. Who has one for longer than BODIES_STALL_MS and has
 * nothing unread gives way to it, and gets a 503, as does who has waited in vain. A body that is larger than
 * a room is read and dropped, and needs none. */
#ifndef POD_IDENTITY_SERVE_BODIES_H
#define POD_IDENTITY_SERVE_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/serve/request_head.h"

#define BODIES_ROOMS_MAX 16
#define BODIES_WAIT_MS 5000
#define BODIES_STALL_MS 500
#define BODIES_RECEIVE_BUFFER                                                                                \
    16384                  /* of a connection; the kernel doubles it, and half of that is the window */
#define BODIES_LARGE 65536 /* bytes, from which on the memory of a room is given back behind a body */

struct connection;

/* Whoever gives the rooms: server_bodies, the only one. Behind a pointer, so that programs whose requests
 * have no bodies do without. */
struct bodies_class {
    /* As request_feed(); *r lies elsewhere if the request goes on. */
    enum request_status (*feed)(struct connection *connection, struct request **r, const char *bytes,
                                size_t len, size_t *used);
    /* What it waits for or has is given back; of a connection with partial->bodies. */
    void (*release)(struct connection *connection);
};

/* The caller's storage, zero but for the first three; of a listener, whose extras have the sizes. */
struct bodies {
    const struct bodies_class *class; /* &server_bodies */
    char *rooms;                      /* room_count times extras->body_kept bytes, all zero, static */
    size_t room_count;                /* at most BODIES_ROOMS_MAX */

    /* Private. */
    struct connection *holders[BODIES_ROOMS_MAX]; /* NULL: that room is free */
    struct connection *waiting;                   /* the first of them */
    size_t room_peak;                             /* how many of the rooms were used since all were free */
    struct bodies *next;
};

#endif
