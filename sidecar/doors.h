/* The ways in: the sockets that the sidecar listens on, and the bearers of the loopback endpoint. Those of
 * one profile (in --config) open that profile only, the others all of them. */
#ifndef POD_IDENTITY_SIDECAR_DOORS_H
#define POD_IDENTITY_SIDECAR_DOORS_H

#include "common/sandbox/sandbox.h"
#include "common/serve/server.h"
#include "sidecar/config.h"
#include "sidecar/listeners.h"

/* What the server gets of storage. */
#define DOORS_PLACES 1024 /* for connections; doors.c divides them among the listeners */
/* Requests begun and not ended; SDKs send theirs in one piece. The sidecar's own four listeners, the denied,
 * and the socket of each profile. */
#define DOORS_PARTIALS_OF_PROFILE 16
#define DOORS_PARTIALS 308 /* see the assertion in doors.c */
#define DOORS_SOCKETS (LISTENERS + CONFIG_PROFILES_MAX)
/* Landlock: a socket and a bearer of each profile, and of the sidecar. */
#define DOORS_SANDBOX_PATHS (2 * (CONFIG_PROFILES_MAX + 1))

#define DOORS_ENDED_EARLY (-1) /* by a signal, before it served: no failure */

/* The server, before anything listens. */
void doors_server(size_t descriptors_kept);
/* All listeners, then the bearers and their files. 0; an exit status, and it was said why; or
 * DOORS_ENDED_EARLY. */
int doors_open(const struct config *config);
/* "127.0.0.1:8080", or "" if there is none. */
const char *doors_address(enum listener which);
/* Writes the bearers' files again, as somebody may have removed or changed them. */
bool doors_publish(struct buf *problem);
void doors_allow(struct sandbox_rules *rules);
/* Removes sockets and generated bearers, closes all connections, wipes. Also after a failed doors_open(). */
void doors_close(void);

#endif
