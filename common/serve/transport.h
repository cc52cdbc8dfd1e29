/* What may lie between a connection and its socket: TLS, for example. A listener without one has the socket
 * itself. Calls do not wait, as the loop's sockets do not. */
#ifndef POD_IDENTITY_SERVE_TRANSPORT_H
#define POD_IDENTITY_SERVE_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct connection;

struct server_transport {
    /* It has a place: sets connection->link. */
    void (*begin)(struct connection *connection);
    /* As recv(): bytes, 0 at the end, -1 with errno. EAGAIN: the descriptor is watched for what is missing,
     * once it is watched at all. For more that is there already, and that no event of the descriptor would
     * announce, connection->watch.ready() is called. */
    ssize_t (*receive)(struct connection *connection, void *bytes, size_t max);
    /* As sendmsg(). Behind the last bytes of an answer it is called without pieces: 0 if all is with the
     * kernel, else -1 with errno. If connection->close_after is set, nothing comes behind this answer. */
    ssize_t (*send)(struct connection *connection, const struct msghdr *message);
    /* The descriptor is about to be closed: what connection->link holds is given back. */
    void (*end)(struct connection *connection);
};

/* The transport's own for one connection begins with this. */
struct server_link {
    const struct server_transport *transport;
    int64_t told_ms; /* when the client was last sent something; 0: not yet. What follows is its turn */
};

#endif
