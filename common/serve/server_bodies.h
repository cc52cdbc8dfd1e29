/* Who has a room for the body of his request, who waits for one, and who gives way: see bodies.h. */
#ifndef POD_IDENTITY_SERVE_SERVER_BODIES_H
#define POD_IDENTITY_SERVE_SERVER_BODIES_H

#include "common/serve/bodies.h"

extern const struct bodies_class server_bodies;

/* Once, behind server_open(): for each listener's. */
void server_bodies_add(struct bodies *bodies);

#endif
