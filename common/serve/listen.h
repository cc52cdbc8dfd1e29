/* The sockets that a server listens on. */
#ifndef POD_IDENTITY_SERVE_LISTEN_H
#define POD_IDENTITY_SERVE_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"

/* Of a connection. Answers that a client lets lie count as our memory, and a pod may have little. The kernel
 * doubles it, for its overhead: any answer fits. */
#define LISTEN_SEND_BUFFER 16384
/* Of what a client has said and we have not read: also of connections that wait to be accepted. */
#define LISTEN_RECEIVE_BUFFER 4096
#define LISTEN_PATH_MAX 108 /* sun_path */

/* A Unix socket at path with that mode, and group (or (gid_t)-1). A socket that a killed process left is
 * taken over only if nobody answers on it. Waits some seconds for another process that is doing the same.
 * Returns the descriptor; -1 with the problem in words; or LISTEN_INTERRUPTED, if SIGTERM or SIGINT, blocked,
 * became pending in that time. */
#define LISTEN_INTERRUPTED (-2)
int listen_unix(const char *path, mode_t mode, gid_t group, struct buf *problem);

/* A TCP socket; *port is the real one afterwards. hops: how many routers its packets may pass, 0 for the
 * system's default. With 1 an answer does not leave the machine, whatever rules a node has for forwarding (as
 * IMDSv2 does). */
int listen_tcp(bool ipv6, const unsigned char address[16], uint16_t *port, int hops, struct buf *problem);

#endif
