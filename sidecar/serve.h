/* The command `serve`. */
#ifndef POD_IDENTITY_SIDECAR_SERVE_H
#define POD_IDENTITY_SIDECAR_SERVE_H

#include "sidecar/config.h"

/* What the server gets of storage. */
#define SERVE_PLACES 1024         /* for connections; serve.c divides them among the listeners */
#define SERVE_PARTIALS 180        /* requests begun and not ended; SDKs send theirs in one piece */
#define SERVE_DESCRIPTORS_KEPT 32 /* not for clients: listeners, the loop's own, a refresh and its files */
#define SERVE_UPSTREAM_SOCKETS 8  /* of a transfer: its connection, its rival, and the resolver */

/* Returns the program's exit status. */
int serve(const struct config *config);

#endif
