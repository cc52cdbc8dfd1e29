/* What the server asks the sidecar about each of its listeners: who may ask there, which answer a request
 * gets, and what is kept of it once it is answered: a count, and a line of the log at debug. */
#ifndef POD_IDENTITY_SIDECAR_ACCESS_H
#define POD_IDENTITY_SIDECAR_ACCESS_H

#include "common/serve/peers.h"
#include "common/serve/server.h"
#include "sidecar/routes.h"

struct access {
    struct server_listener listener; /* its handlers are access_handlers */
    struct routes routes;
    const struct peers *peers; /* NULL: everybody */
    bool open;                 /* a Unix socket that is there */
};

extern const struct server_handlers access_handlers;

#endif
