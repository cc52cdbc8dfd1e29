/* What may lie between a connection and its socket: TLS, for example. A listener without one has the socket
 * itself. Calls do not wait, as the loop's sockets do not. */
#ifndef POD_IDENTITY_SERVE_TRANSPORT_H
#define POD_IDENTITY_SERVE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct connection;

struct server_transport {
    /* It has a place, and may set connection->link. False: there is nothing left for it; it is closed then.
     */
    bool (*begin)(struct connection *connection);
    /* As recv(): bytes, 0 at the end, -1 with errno. EAGAIN: the descriptor is watched for what is missing
     * once it is watched at all. */
    ssize_t (*receive)(struct connection *connection, void *bytes, size_t max);
    /* Whether the next receive() has bytes that no event of the descriptor will announce. */
    bool (*ready)(const struct connection *connection);
    /* As sendmsg(). Behind the last bytes of an answer it is called with no pieces: 0 if all is with the
     * kernel, else -1 with errno. last: nothing comes behind that. */
    ssize_t (*send)(struct connection *connection, const struct iovec *pieces, size_t count, bool last);
    /* The descriptor is about to be closed: what connection->link holds is given back. */
    void (*end)(struct connection *connection);
};

#endif
