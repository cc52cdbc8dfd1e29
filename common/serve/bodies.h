/* Bodies of requests, for listeners that want them: a few rooms, in which a body is kept while it comes. A
 * request that finds no room waits for one as long as a request may take; who is slow (CONNECTIONS_STALL_MS)
 * gives way to it and gets a 503, as does who has waited in vain. A body that is larger than a room is read,
 * dropped, and needs none. */
#ifndef POD_IDENTITY_SERVE_BODIES_H
#define POD_IDENTITY_SERVE_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODIES_ROOMS_MAX 16

/* The caller's, named in struct server_listener; the listener's extras name `&request_body` and the limits.
 */
struct bodies {
    char *rooms;       /* room_count times extras->body_kept bytes, all zero, static */
    size_t room_count; /* at most BODIES_ROOMS_MAX */

    /* Private. */
    bool taken[BODIES_ROOMS_MAX];
    size_t waiting;
};

#endif
