/* Who has a room for the body of his request, who waits for one, and who gives way: see bodies.h. */
#ifndef POD_IDENTITY_SERVE_SERVER_BODIES_H
#define POD_IDENTITY_SERVE_SERVER_BODIES_H

#include "common/serve/bodies.h"

extern const struct bodies_class server_bodies;

/* Once, behind server_open(): for each listener's. */
void server_bodies_add(struct bodies *bodies);

/* For a socket that listens for such requests: connections get a larger window (BODIES_RECEIVE_BUFFER). What
 * they have by default is less than a usual body, and a client would wait for our delayed acknowledgement. */
void server_bodies_listen(int fd);

#endif
