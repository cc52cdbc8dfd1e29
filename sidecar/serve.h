/* The command `serve`. */
#ifndef POD_IDENTITY_SIDECAR_SERVE_H
#define POD_IDENTITY_SIDECAR_SERVE_H

#include "common/serve/upstream.h"
#include "sidecar/config.h"
#include "sidecar/doors.h"

/* One transfer of each profile at a time. */
#define SERVE_UPSTREAM_SOCKETS (CONFIG_PROFILES_MAX * UPSTREAM_SOCKETS_A_TRANSFER)
/* Not for clients: standard streams, listeners, the loop with signals, clock and files that are watched,
 * upstream with libcurl's own wake-up, and what is open for a moment: a token or a bundle, a file that is
 * written and its directory, the pid file and its process; and the termination message. */
#define SERVE_DESCRIPTORS_KEPT 60
_Static_assert(SERVE_DESCRIPTORS_KEPT == 1 + 3 + DOORS_SOCKETS + 4 + SERVE_UPSTREAM_SOCKETS + 2 + 6,
               "as above");
/* Token, two files and those of signed tokens, of each profile; sockets and bearers; pid file, /proc,
 * authorities, and two of name resolution. */
#define SERVE_SANDBOX_PATHS (CONFIG_PROFILES_MAX * (3 + CONFIG_TOKENS_MAX) + DOORS_SANDBOX_PATHS + 5)

/* Returns the program's exit status. */
int serve(const struct config *config);

#endif
