/* Lets the event loop drive the HTTP client. */
#ifndef POD_IDENTITY_SERVE_UPSTREAM_H
#define POD_IDENTITY_SERVE_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/http/resolver.h"
#include "common/serve/loop.h"

/* What one transfer has open at once: the sockets of its resolver, and later its connection with the rival in
 * happy eyeballs. */
#define UPSTREAM_SOCKETS_A_TRANSFER RESOLVER_SOCKETS
_Static_assert(UPSTREAM_SOCKETS_A_TRANSFER >= 2, "a connection and its rival");

/* After loop_open(). sockets is zero, and borrowed: UPSTREAM_SOCKETS_A_TRANSFER for each transfer that can be
 * under way at once. One that cannot be watched is an error in the log, and its transfer ends by its time
 * limit. False if there is no memory. */
bool upstream_open(struct loop_watch *sockets, size_t count);

#endif
