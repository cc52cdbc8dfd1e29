/* What the agent knows of those who ask, by their address: how much they may ask, and how many of them wait.
 * Tables of fixed size, in sets by a keyed hash, so that nobody can choose whose place to take. No I/O. */
#ifndef POD_IDENTITY_AGENT_CLIENT_H
#define POD_IDENTITY_AGENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/serve/connections.h"

#define CLIENT_RATE 1000             /* requests a second, of one address and of one verified pod… */
#define CLIENT_BURST 500             /* …and so many at once: what the real agent gives the whole node */
#define CLIENT_WAITING_MAX 128       /* connections of one address whose answers are not there yet… */
#define CLIENT_KEPT_MAX (192 * 1024) /* …and bytes of tokens that are kept for them; see also flights.h */

struct client_address {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

#define CLIENT_PLACES 1024 /* of connections, that the server may have at most */

/* The other end of a TCP connection, asked once of each; zero if it cannot be told. As long as it is open. */
const struct client_address *client_address_of(struct connection *connection);

/* A bucket of so many requests that fills up with time. Zero: it is full. */
struct client_bucket {
    uint32_t spent; /* thousandths of a request */
    int64_t mono_ms;
};
bool client_bucket_take(struct client_bucket *bucket, int64_t mono_ms);

struct client {
    struct client_address address;
    struct client_bucket bucket;
    int64_t used_mono_ms;           /* 0: the place is free */
    struct connections_crowd crowd; /* as long as some wait, the place stays */
    uint32_t kept;                  /* bytes */
    uint64_t next_turn;             /* of its next flight that is queued */
};

/* The client of that address: found, or new in the place of one that has not asked for longest. NULL if all
 * places of its set have somebody waiting, which takes as many waiting addresses: whoever comes then is to
 * wait. */
struct client *client_find(const struct client_address *address, int64_t mono_ms);

#endif
